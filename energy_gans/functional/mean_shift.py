r"""Mean shift: the field of two sets of samples as a difference of weighted means.

.. math:: V(a) = \sum_j p_j(a) \, y_j - \sum_j q_j(a) \, x_j \qquad
    p_j(a) = \frac{k(a, y_j)}{\sum_i k(a, y_i)} \qquad q_j(a) = \frac{k(a, x_j)}{\sum_i k(a, x_i)}

For the Gaussian kernel it is :math:`\tau^2 \nabla \log (p_\tau / q_\tau)` of the two kernel
density estimates. For the Laplace kernel :math:`e^{-r / \tau}` it has no potential. Dividing by
:math:`\sum_i H(r_i)`, :math:`H(r) = (1 + r / \tau) e^{-r / \tau}`, instead of
:math:`\sum_i k(a, y_i)` gives the sharp form :math:`\tau^2 \nabla \log (p_H / q_H)`, which has
one.

References:
    Generative Modeling via Drifting (Deng et al., 2026), https://arxiv.org/abs/2602.04770
    On the Gaussian mean shift: https://arxiv.org/abs/2603.07514
    On the sharp normaliser of the Laplace kernel: https://arxiv.org/abs/2604.06333
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ..checks import check_positive
from .distances import check_points, squared_distances
from .fields import blocks_of, centred, check_own, check_sets, without_self

MeanShiftKernel = Literal["laplace", "gaussian", "sharp"]


def mean_shift(
    a: Tensor,
    b: Tensor,
    bandwidth: float,
    kernel: MeanShiftKernel = "laplace",
    own: bool = False,
) -> Tensor:
    r"""Returns the mean shift :math:`\sum_j w_j(a) (b_j - a)` towards one set of samples.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        b: The samples, with shape :math:`(N, *)`.
        bandwidth: The bandwidth :math:`\tau > 0`, in data units.
        kernel: The kernel of the weights; `"sharp"` is the Laplace kernel over the sum of
            :math:`H`.
        own: Whether the points are the first of the samples `b`. Then the pair of a sample with
            itself is left out.

    Returns:
        The shift, with shape :math:`(B, *)`, in data units.

    Raises:
        ValueError: If a number is out of its range, or there are too few samples.
    """
    return _mean_shifts(a, b, [bandwidth], kernel, own)[0]


def mean_shift_field(
    a: Tensor,
    y: Tensor,
    x: Tensor,
    bandwidth: float,
    kernel: MeanShiftKernel = "laplace",
    own: bool = False,
    attraction: float = 1.0,
) -> Tensor:
    r"""Returns the mean shift towards real samples minus that towards generated samples.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`.
        bandwidth: The bandwidth :math:`\tau > 0`, in data units.
        kernel: See :func:`mean_shift`.
        own: Whether the points are the first of the samples `x`, see :func:`mean_shift`.
        attraction: The factor on the part of real samples. With any factor but 1, the field does
            not vanish for equal sets.

    Returns:
        The field, with shape :math:`(B, *)`, in data units.

    Raises:
        ValueError: If a number is out of its range, or there are too few samples.
    """
    return mean_shift_fields(a, y, x, [bandwidth], kernel, own, attraction)[0]


def mean_shift_fields(
    a: Tensor,
    y: Tensor,
    x: Tensor,
    bandwidths: Sequence[float],
    kernel: MeanShiftKernel = "laplace",
    own: bool = False,
    attraction: float = 1.0,
) -> list[Tensor]:
    r"""Returns :func:`mean_shift_field` for several bandwidths, with distances computed once.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`.
        bandwidths: The bandwidths :math:`\tau > 0`, in data units.
        kernel: See :func:`mean_shift`.
        own: See :func:`mean_shift_field`.
        attraction: The factor on the part of real samples, see :func:`mean_shift_field`.

    Returns:
        The field of each bandwidth, with shape :math:`(B, *)`, in data units.

    Raises:
        ValueError: If a number is out of its range, or there are too few samples.
    """
    check_positive("attraction", attraction)
    check_sets(a, y, x)
    towards_y = _mean_shifts(a, y, bandwidths, kernel)
    towards_x = _mean_shifts(a, x, bandwidths, kernel, own)
    return [attraction * u - v for u, v in zip(towards_y, towards_x, strict=True)]


def mean_shift_potential(
    a: Tensor,
    y: Tensor,
    x: Tensor,
    bandwidth: float,
    kernel: Literal["gaussian", "sharp"] = "sharp",
) -> Tensor:
    r"""Returns the potential whose gradient is :func:`mean_shift_field`.

    It is :math:`\tau^2 (\log p(a) - \log q(a))` of the densities that the Gaussian kernel, or
    :math:`H` for `"sharp"`, estimates from real and from generated samples.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`.
        bandwidth: The bandwidth :math:`\tau > 0`, in data units.
        kernel: The kernel; the field of the Laplace kernel itself has no potential.

    Returns:
        The potential, with shape :math:`(B)`, high where real samples are.

    Raises:
        ValueError: If a number is out of its range, a set is empty, or the kernel has no
            potential.
    """
    check_positive("bandwidth", bandwidth)
    check_sets(a, y, x)
    if kernel not in ("gaussian", "sharp"):
        raise ValueError(f"'kernel' should be 'gaussian' or 'sharp', got {kernel!r}.")

    def log_density(part: Tensor, b: Tensor) -> Tensor:
        _, log_h = _log_weights(squared_distances(part, b), bandwidth, kernel)
        return log_h.logsumexp(1) - math.log(len(b))

    parts = [log_density(p, y) - log_density(p, x) for _, p in blocks_of(a, max(len(y), len(x)))]
    return bandwidth**2 * torch.cat(parts)


def gaussian_mean_shift(a: Tensor, b: Tensor, bandwidth: float) -> Tensor:
    r"""Returns the Gaussian :func:`mean_shift`, computed as attention.

    With queries :math:`(a / \tau, 1)`, keys :math:`(b / \tau, -|b|^2 / 2 \tau^2)` and values
    :math:`b`, the attention's logits differ from :math:`-|a - b|^2 / 2 \tau^2` by a constant of
    each row. Fused kernels hold no matrix of pairs. Logits are differences of large numbers where
    distances are many bandwidths: :func:`mean_shift` is exact there, too.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        b: The samples, with shape :math:`(N, *)`.
        bandwidth: The bandwidth :math:`\tau > 0`, in data units.

    Returns:
        The shift, with shape :math:`(B, *)`, in data units.

    Raises:
        ValueError: If `bandwidth` is not positive, or there are no samples.
    """
    check_positive("bandwidth", bandwidth)
    check_points(a, b)
    check_own(a, b, own=False)
    u, v = (s / bandwidth for s in centred(a, b))
    q = torch.cat([u, u.new_ones(len(u), 1)], 1)
    k = torch.cat([v, -v.square().sum(1, keepdim=True) / 2], 1)
    value = torch.cat([v, v.new_zeros(len(v), 1)], 1)
    with torch.autocast(a.device.type, enabled=False):
        mean = functional.scaled_dot_product_attention(q[None], k[None], value[None], scale=1.0)
    return (bandwidth * (mean[0, :, :-1] - u)).reshape(a.shape)


def _mean_shifts(
    a: Tensor,
    b: Tensor,
    bandwidths: Sequence[float],
    kernel: MeanShiftKernel,
    own: bool = False,
) -> list[Tensor]:
    r"""Returns :func:`mean_shift` for several bandwidths."""
    for bandwidth in bandwidths:
        check_positive("bandwidth", bandwidth)
    check_points(a, b)
    check_own(a, b, own)
    u, v = centred(a, b)
    moves: list[list[Tensor]] = [[] for _ in bandwidths]
    with torch.autocast(a.device.type, enabled=False):
        for start, part in blocks_of(u, len(v)):
            r2 = squared_distances(part, v)
            for move, bandwidth in zip(moves, bandwidths, strict=True):
                log_w, log_h = _log_weights(r2, bandwidth, kernel)
                if own:
                    log_w, log_h = (without_self(log, start) for log in (log_w, log_h))
                w = torch.exp(log_w - log_h.logsumexp(1, keepdim=True))
                move.append(w @ v - w.sum(1, keepdim=True) * part)
    return [torch.cat(move).reshape(a.shape) for move in moves]


def _log_weights(r2: Tensor, tau: float, kernel: MeanShiftKernel) -> tuple[Tensor, Tensor]:
    r"""Returns the logarithms of weights, and of the terms that they are divided by the sum of."""
    if kernel == "gaussian":
        log_w = -r2 / (2 * tau**2)
        return log_w, log_w
    if kernel not in ("laplace", "sharp"):
        raise ValueError(f"'kernel' should be 'laplace', 'gaussian' or 'sharp', got {kernel!r}.")
    r = r2.clamp_min(torch.finfo(r2.dtype).tiny).sqrt() / tau
    return -r, torch.log1p(r) - r if kernel == "sharp" else -r
