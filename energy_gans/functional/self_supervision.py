r"""Losses of encoders that learn without labels.

**Contrastive.** Two views of each of :math:`N` images, transformed at random, have embeddings
:math:`u_i` and :math:`v_i`. With :math:`w = (u_1, ..., u_N, v_1, ..., v_N)`, the cosine
:math:`s_{ij} = \langle w_i, w_j \rangle / \|w_i\| \|w_j\|`, and :math:`p(i)` the other view of the
image of :math:`w_i`, the normalised temperature-scaled cross-entropy (NT-Xent) is

.. math:: L = -\frac{1}{2 N} \sum_i \log
    \frac{e^{s_{i p(i)} / \tau}}{\sum_{j \ne i} e^{s_{ij} / \tau}}

**Masked autoencoder.** An image is reconstructed from its known pixels, and the error is that of
the pixels in the holes.

References:
    A Simple Framework for Contrastive Learning of Visual Representations (Chen et al., 2020),
    Eq. 1, https://arxiv.org/abs/2002.05709
    Masked Autoencoders Are Scalable Vision Learners (He et al., 2022),
    https://arxiv.org/abs/2111.06377
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..checks import check_positive


def nt_xent_loss(u: Tensor, v: Tensor, temperature: float) -> Tensor:
    r"""Returns the contrastive loss :math:`L` of the embeddings of two views, a scalar.

    The cross-entropy is float32 at least, also under autocast.

    Arguments:
        u: The embeddings of the first views, with shape :math:`(N, D)`.
        v: The embeddings of the second views, with shape :math:`(N, D)`.
        temperature: The temperature :math:`\tau > 0`.

    Raises:
        ValueError: If `temperature` is not positive, the shapes differ, or there is only one
            image.

    Example:
        >>> nt_xent_loss(torch.ones(3, 2), torch.ones(3, 2), 0.1)  # log 5
        tensor(1.6094)
    """
    check_positive("temperature", temperature)
    if u.ndim != 2 or u.shape != v.shape or len(u) < 2:
        raise ValueError(
            "'u' and 'v' should have one shape (N, D) with at least two images, got "
            f"{tuple(u.shape)} and {tuple(v.shape)}."
        )
    n = len(u)
    dtype = torch.promote_types(u.dtype, torch.float32)
    with torch.autocast(u.device.type, enabled=False):
        w = functional.normalize(torch.cat([u, v]).to(dtype), dim=1)
        itself = torch.eye(2 * n, dtype=torch.bool, device=w.device)
        logits = (w @ w.T / temperature).masked_fill(itself, -torch.inf)
        other = torch.arange(2 * n, device=w.device).roll(n)
        return functional.cross_entropy(logits, other)


def hole_error(x: Tensor, y: Tensor, known: Tensor) -> Tensor:
    r"""Returns the mean squared error of reconstructions in the holes, a scalar.

    Arguments:
        x: The reconstructions, with shape :math:`(N, C, H, W)`.
        y: The images, with shape :math:`(N, C, H, W)`.
        known: The masks, 1 at known pixels and 0 in holes, with shape :math:`(N, 1, H, W)` or
            :math:`(1, 1, H, W)`.

    Raises:
        ValueError: If there are no holes.
    """
    hole = (1 - known).expand_as(y)
    if not hole.any():
        raise ValueError("'known' should have holes, and all pixels are known.")
    return ((x - y).square() * hole).sum() / hole.sum()
