r"""Amortized sampling: a generator :math:`G` learns the moves :math:`\Delta x` of its own samples.

Chains move a sample :math:`x_i = G(z_i)` to :math:`\tilde x_i`. The generator learns to return
:math:`\tilde x_i` itself and minimises (Eq. 19)

.. math:: \frac{1}{n} \sum_i \|G(z_i) - \tilde x_i\|^2

For a small move :math:`\tilde x_i = x_i + \epsilon \Delta x_i`, a descent step on this loss is an
ascent step (Eq. 23) on

.. math:: \frac{1}{n} \sum_i \langle G(z_i), \Delta x_i \rangle

with :math:`\Delta x_i` held fixed, which needs no chains. If :math:`\Delta x_i` is only the score
at :math:`x_i`, all samples collapse to the mode. Stein's variational direction adds a repulsion
between samples,

.. math::
    \Delta x_i = \frac{1}{n} \sum_j \left[ k(x_j, x_i) s(x_j) + \nabla_{x_j} k(x_j, x_i) \right]
    \qquad k(a, b) = e^{- \|a - b\|^2 / 2 h^2}

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), https://arxiv.org/abs/1910.14216
    Learning to Draw Samples: With Application to Amortized MLE for Generative Adversarial Learning
    (Wang and Liu, 2016), https://arxiv.org/abs/1611.01722
    Stein Variational Gradient Descent (Liu and Wang, 2016), https://arxiv.org/abs/1608.04471
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..checks import check_filled, check_positive
from .distances import distinct, median_distance, squared_distances


def amortized_loss(x: Tensor, target: Tensor) -> Tensor:
    r"""Returns :math:`\frac{1}{n} \sum_i \|x_i - \tilde x_i\|^2` (Eqs. 19 and 20).

    Arguments:
        x: The generator's samples :math:`x`, with shape :math:`(B, *)`.
        target: The samples :math:`\tilde x` after the chains, with shape :math:`(B, *)`; no
            gradient flows into them.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(x=x)
    return (x - target.detach()).flatten(1).square().sum(1).mean()


def ascent_loss(x: Tensor, direction: Tensor) -> Tensor:
    r"""Returns :math:`- \frac{1}{n} \sum_i \langle x_i, \Delta x_i \rangle` (Eq. 23).

    Arguments:
        x: The generator's samples :math:`x`, with shape :math:`(B, *)`.
        direction: The moves :math:`\Delta x`, with shape :math:`(B, *)`; no gradient flows into
            them.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(x=x)
    return -(x * direction.detach()).flatten(1).sum(1).mean()


def stein_direction(a: Tensor, x: Tensor, score: Tensor, bandwidth: float | None = None) -> Tensor:
    r"""Returns Stein's variational direction of a set of samples, at some of them.

    Arguments:
        a: The points, with shape :math:`(N, *)`, each one of the samples.
        x: The samples, with shape :math:`(M, *)`.
        score: The samples' scores, with shape :math:`(M, *)`.
        bandwidth: The kernel's bandwidth :math:`h`, in data units; if `None`, the median distance
            of samples over :math:`\sqrt{2 \log(M + 1)}`, for which a sample's own kernel value is
            about the sum of the values of all other samples.

    Returns:
        The direction, with shape :math:`(N, *)`, float32 at least.

    Raises:
        ValueError: If `bandwidth` is not positive, or there are no samples.
    """
    check_filled(x=x)
    a, x, score = a.detach(), x.detach(), score.detach()
    if bandwidth is None:
        h = 1.0
        if len(x) > 1:
            median = median_distance(distinct(squared_distances(x, x))).item()
            h = median / math.sqrt(2 * math.log(len(x) + 1)) or 1.0
    else:
        check_positive("bandwidth", bandwidth)
        h = bandwidth
    with torch.autocast(a.device.type, enabled=False):
        k = torch.exp(squared_distances(a, x) / (-2 * h**2))
        u, v, s = (t.flatten(1).to(k.dtype) for t in (a, x, score))
        repulsion = (k.sum(1, keepdim=True) * u - k @ v) / h**2
        return ((k @ s + repulsion) / len(x)).reshape(a.shape)
