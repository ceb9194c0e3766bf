r"""Masks of images: 1 at known pixels, 0 in holes.

Masks have the shape :math:`(N, 1, H, W)`, one for each image, or :math:`(1, 1, H, W)`, one for
all. The product of two masks has the holes of both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import product

import torch
from torch import Tensor

from ..checks import check_count

KINDS = ("square", "spot", "both")
# The width of an image divided by the radius of a spot.
_SPOTS = 16


def square_mask(size: tuple[int, int], width: int) -> Tensor:
    r"""Returns the mask of a square hole in the middle, with shape :math:`(1, 1, H, W)`.

    Arguments:
        size: The height :math:`H` and the width :math:`W` of an image, in pixels.
        width: The width of the hole, in pixels.

    Raises:
        ValueError: If the hole is empty or leaves no margin.

    Example:
        >>> square_mask((4, 4), 2)[0, 0]
        tensor([[1., 1., 1., 1.],
                [1., 0., 0., 1.],
                [1., 0., 0., 1.],
                [1., 1., 1., 1.]])
    """
    if not 1 <= width < min(size):
        raise ValueError(
            f"'width' should be from 1 to {min(size) - 1} for images of {size[0]} x {size[1]} "
            f"pixels, got {width!r}."
        )
    known = torch.ones(1, 1, *size)
    top, left = ((length - width) // 2 for length in size)
    known[..., top : top + width, left : left + width] = 0
    return known


def spot_mask(size: tuple[int, int], share: float, random: torch.Generator, n: int = 1) -> Tensor:
    r"""Returns masks of round spots at random places, with shape :math:`(N, 1, H, W)`.

    The radius of a spot is a sixteenth of the image, but at least one pixel. Spots are added until
    they cover the given share of the pixels; they may cover more, by less than one spot.

    Arguments:
        size: The height :math:`H` and the width :math:`W` of an image, in pixels.
        share: The share of pixels in the hole.
        random: The generator that draws the positions.
        n: The number of masks :math:`N`.

    Raises:
        ValueError: If the share is not between 0 and 1, or leaves no pixel known.
    """
    if not 0 < share < 1:
        raise ValueError(f"'share' should be between 0 and 1, got {share!r}.")
    height, width = size
    radius = max(1, min(size) // _SPOTS)
    # Every pixel is the centre of a spot that appears at a random time.
    time = torch.rand(n, 1, height, width, generator=random, device=random.device)
    time = torch.nn.functional.pad(time, [radius] * 4, value=torch.inf)
    reached = reduce(
        torch.minimum,
        (
            time[..., radius + i : radius + i + height, radius + j : radius + j + width]
            for i, j in product(range(-radius, radius + 1), repeat=2)
            if i**2 + j**2 <= radius**2
        ),
    )
    last = reached.flatten(1).kthvalue(math.ceil(share * height * width))[0]
    known = (reached > last[:, None, None, None]).float()
    if not known.flatten(1).any(1).all():
        raise ValueError(
            f"'share' should leave a pixel of {height} x {width} known, got {share!r}."
        )
    return known


def patch_mask(
    size: tuple[int, int], width: int, share: float, random: torch.Generator, n: int = 1
) -> Tensor:
    r"""Returns masks of square patches of a grid, with shape :math:`(N, 1, H, W)`.

    All masks have the same number of holes: the share of the patches, rounded.

    Arguments:
        size: The height :math:`H` and the width :math:`W` of an image, in pixels.
        width: The width of a patch, in pixels; patches at the bottom and at the right are cut
            where the image ends.
        share: The share of the patches that are holes.
        random: The generator that draws the patches.
        n: The number of masks :math:`N`.

    Raises:
        ValueError: If `width` is not positive, or the share leaves no patch known or none a hole.
    """
    check_count("width", width)
    rows, columns = (-(-length // width) for length in size)
    holes = round(share * rows * columns) if 0 < share < 1 else 0
    if not 0 < holes < rows * columns:
        raise ValueError(
            f"'share' should leave some of {rows * columns} patches known and make others holes, "
            f"got {share!r}."
        )
    rank = torch.rand(n, rows * columns, generator=random, device=random.device).argsort(1)
    known = torch.ones_like(rank, dtype=torch.float32).scatter_(1, rank[:, :holes], 0)
    known = known.reshape(n, 1, rows, columns)
    known = known.repeat_interleave(width, 2).repeat_interleave(width, 3)
    return known[..., : size[0], : size[1]]


def hole_masks(
    kinds: Sequence[str],
    size: tuple[int, int],
    square: int | None,
    spots: float,
    random: torch.Generator,
    n: int,
) -> Tensor:
    r"""Returns masks that cycle through several kinds, with shape :math:`(N, 1, H, W)`.

    Arguments:
        kinds: The kinds, out of `"square"`, `"spot"` and `"both"`; with :math:`K` kinds, image
            :math:`i` has the kind :math:`i \bmod K`.
        size: The height :math:`H` and the width :math:`W` of an image, in pixels.
        square: The width of the square hole, in pixels; half the width of the image if `None`.
        spots: The share of pixels in spots.
        random: The generator that draws the spots.
        n: The number of images :math:`N`.

    Raises:
        ValueError: If there is no kind or an unknown one, or a hole does not fit.
    """
    if not kinds or not set(kinds) <= set(KINDS):
        raise ValueError(f"'kinds' should be some of {KINDS}, got {list(kinds)!r}.")
    masks = torch.ones(len(kinds), n, 1, *size, device=random.device)
    if set(kinds) != {"spot"}:
        hole = square_mask(size, min(size) // 2 if square is None else square).to(random.device)
        masks[[kind != "spot" for kind in kinds]] *= hole
    if set(kinds) != {"square"}:
        masks[[kind != "square" for kind in kinds]] *= spot_mask(size, spots, random, n)
    place = torch.arange(n, device=random.device)
    return masks[place % len(kinds), place]


def known_distances(a: Tensor, b: Tensor, known: Tensor) -> Tensor:
    r"""Returns the squared distances :math:`\|m_i (a_i - b_j)\|^2` of images at known pixels.

    Distances are computed in float64, without a tensor of all pairs of images.

    Arguments:
        a: The masked images, with shape :math:`(N, C, H, W)`.
        b: The images to compare with, with shape :math:`(M, C, H, W)`.
        known: The masks :math:`m`, with shape :math:`(N, 1, H, W)` or :math:`(1, 1, H, W)`.

    Returns:
        The squared distances, float64, with shape :math:`(N, M)`.
    """
    m = known.expand_as(a).flatten(1).double()
    a, b = m * a.flatten(1).double(), b.flatten(1).double()
    r2 = a.square().sum(1, keepdim=True) - 2 * a @ b.T + m @ b.square().T
    return r2.clamp_min(0)
