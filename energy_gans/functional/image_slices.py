r"""The sliced field of images, split by scale and by colour.

Two natural images differ most in the brightness of large areas. What distinguishes neighbouring
pixels, or the colours of one pixel, is a small share of their distance, and the field of the
energy distance hardly acts on it: particles that follow it stay noisy. So each part is sliced by
itself. An orthonormal map turns the pixels of a block of :math:`s \times s` into their mean and
their :math:`s^2 - 1` differences, and the :math:`C` channels into their mean, grey, and their
:math:`C - 1` differences, colour. With :math:`n` blocks, an image of :math:`d` values has the
parts

=================  ======================  ============================
part               number                  dimension
=================  ======================  ============================
grey means         1                       :math:`n`
colour means       1                       :math:`n (C - 1)`
grey details       :math:`n`, one a block  :math:`s^2 - 1`
colour details     :math:`n`, one a block  :math:`(C - 1)(s^2 - 1)`
=================  ======================  ============================

With the projection :math:`U_k` onto part :math:`k`, of dimension :math:`d_k`, and the field
:math:`V_k` of the energy distance of the projected samples, the field is

.. math::
    V(a) = \sum_k w_k U_k^\top V_k(U_k a) \qquad w_k = \frac{c_d \, d_k}{d \, c_{d_k}}

with :math:`c_d` of :mod:`energy_gans.functional.energy_fields`. Its slices are :math:`d_k`
orthonormal directions in each part, together an orthonormal basis of the images, all with the
weight :math:`c_d / d` of the slices of whole images: particles take steps of the same size. The
field vanishes where each part has the distribution that it has among real samples. How details of
several blocks depend on one another, only larger blocks can tell: use several :math:`s` in turns.

The split is this package's choice. Directions in squares of several sizes were proposed for
sliced Wasserstein flows.

References:
    Generative Sliced MMD Flows with Riesz Kernels (Hertrich et al., 2023),
    https://arxiv.org/abs/2305.11463
    Nonparametric Generative Modeling with Conditional Sliced-Wasserstein Flows (Du et al., 2023),
    https://arxiv.org/abs/2305.02164
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from .energy_fields import energy_scale, orthonormal, sum_over_directions
from .fields import check_sets


def image_sliced_field(
    a: Tensor,
    y: Tensor,
    x: Tensor,
    block: int,
    random: torch.Generator | None = None,
    attraction: float = 1.0,
) -> Tensor:
    r"""Returns the field of the energy distances of images' parts by ranks along directions.

    The cost is that of sorting, :math:`O(d (B + N + M) \log (N + M))` with :math:`d = C H W`.

    Arguments:
        a: The points, with shape :math:`(B, C, H, W)`.
        y: The real samples, with shape :math:`(N, C, H, W)`.
        x: The generated samples, with shape :math:`(M, C, H, W)`. If they are the points
            themselves, the pair of a sample with itself adds nothing.
        block: The size :math:`s` of a block, in pixels. The grid of blocks starts at a random
            pixel, and blocks at a border go on at the opposite one.
        random: The generator of the grid's start and of the directions, which blocks share.
        attraction: The factor on the part of real samples.

    Returns:
        An unbiased estimate of the field for this grid, with shape :math:`(B, C, H, W)`, float32
        at least.

    Raises:
        ValueError: If a set is empty or holds no images, a number is not positive, or `block` does
            not divide the width and the height.
    """
    check_count("block", block)
    check_positive("attraction", attraction)
    check_sets(a, y, x)
    _check_block(a.shape[1:], block)
    dtype, device = torch.promote_types(a.dtype, torch.float32), a.device
    shift = torch.randint(block, (2,), generator=random, device=device).tolist()
    pixels, colours = (_helmert(n).to(device, dtype) for n in (block**2, a.shape[1]))

    def split(images: Tensor) -> Tensor:
        moved = images.detach().to(dtype).roll(shift, (2, 3))
        blocks = moved.unfold(2, block, block).unfold(3, block, block).flatten(4).flatten(2, 3)
        return torch.einsum("bcnq,pq,kc->bnkp", blocks, pixels, colours)

    def join(parts: Tensor) -> Tensor:
        blocks = torch.einsum("bnkp,pq,kc->bcnq", parts, pixels, colours)
        grid = [n // block for n in a.shape[2:]]
        rows = blocks.unflatten(3, (block, block)).unflatten(2, grid).transpose(3, 4)
        return rows.flatten(4).flatten(2, 3).roll([-one for one in shift], (2, 3))

    with torch.autocast(device.type, enabled=False):
        u = split(a)
        parts = _field_of_parts(u, split(y), u if x is a else split(x), random, attraction)
        del u
        total = join(parts)
    d = math.prod(a.shape[1:])
    return total.mul_(energy_scale(d) / d)


def block_sizes(shape: Sequence[int]) -> list[int]:
    r"""Returns the sizes of blocks that divide the height and the width of images, ascending.

    One pixel is left out, unless it is the only size.

    Arguments:
        shape: The shape :math:`(C, H, W)` of an image.

    Raises:
        ValueError: If it is not the shape of an image.
    """
    if len(shape) != 3:
        raise ValueError(
            "'a' should hold images, with shape (B, C, H, W), got samples of shape "
            f"{tuple(shape)}: take SlicedField for other samples."
        )
    size = math.gcd(*shape[1:])
    return [s for s in range(2, size + 1) if size % s == 0] or [1]


def _check_block(shape: Sequence[int], block: int) -> None:
    r"""Raises a `ValueError` unless samples are images that blocks of a size divide."""
    sizes = block_sizes(shape)
    if block not in (1, *sizes):
        raise ValueError(
            "'block' should divide the height and the width of images of "
            f"{shape[1]} x {shape[2]}, one of {sizes}, got {block}."
        )


def _helmert(n: int) -> Tensor:
    r"""Returns Helmert's orthonormal matrix: a constant row, and differences, float64.

    Row :math:`k` is proportional to :math:`(1, \dots, 1, -k, 0, \dots)` with :math:`k` ones.
    """
    k = torch.arange(1, n, dtype=torch.float64)[:, None]
    rows = torch.ones(n - 1, n).tril() - k * torch.eye(n)[1:]
    rows = torch.cat([torch.ones(1, n), rows])
    return rows / rows.norm(dim=1, keepdim=True)


def _field_of_parts(
    u: Tensor, v: Tensor, w: Tensor, random: torch.Generator | None, attraction: float
) -> Tensor:
    r"""Returns the sum over directions of the difference of mean signs, in each part.

    Arguments:
        u: The points, with shape :math:`(B, n, C, s^2)`: blocks, grey and colours, mean and
            differences.
        v: The real samples, with shape :math:`(N, n, C, s^2)`.
        w: The generated samples, with shape :math:`(M, n, C, s^2)`, or `u` itself.
        random: The generator of the directions.
        attraction: The factor on the part of real samples.
    """
    total = torch.zeros_like(u)
    blocks = [slice(n, n + 1) for n in range(u.shape[1])]
    mean, details = (slice(1), [slice(None)]), (slice(1, None), blocks)
    for channels in (slice(1), slice(1, None)):
        for pixels, groups in (mean, details):
            parts = [(slice(None), group, channels, pixels) for group in groups]
            d = math.prod(total[parts[0]].shape[1:])
            if d == 0:
                continue
            xi = torch.randn(d, d, generator=random, device=u.device, dtype=u.dtype)
            xi = orthonormal(xi)
            for part in parts:
                sets = [s[part].flatten(1) for s in (u, v)]
                sets.append(sets[0] if w is u else w[part].flatten(1))
                moved = sum_over_directions(*sets, xi, attraction)
                total[part] = moved.reshape(total[part].shape)
    return total
