r"""Masks of images, by name or from a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...data.prepared.preprocessing import decode
from ...functional import hole_masks
from ...functional.masks import KINDS

# The share of pixels in spots.
SHARE = 0.25


def choose_mask(
    mask: str,
    square: int | None,
    spots: float | None,
    size: tuple[int, int],
    n: int,
    random: torch.Generator,
) -> Tensor:
    r"""Returns masks, 1 where a pixel is known, with shape :math:`(n, 1, H, W)`.

    Only spots differ between images. Other masks have shape :math:`(1, 1, H, W)`.

    Arguments:
        mask: `"square"`, `"spot"`, `"both"` or the path of a picture that is black in the hole.
        square: The width of the square hole, in pixels; half of the image's if `None`.
        spots: The share of pixels in spots; 0.25 if `None`.
        size: The height and the width of the images.
        n: The number of images.
        random: The generator of the spots.

    Raises:
        ValueError: If the mask is unknown or does not fit into the images, or if `square` or
            `spots` is given for a mask without one.
    """
    is_picture = Path(mask).is_file()
    if not is_picture and mask not in KINDS:
        raise ValueError(
            f"'mask' should be one of {', '.join(map(repr, KINDS))} or a picture, got {mask!r}."
        )
    parts = {"square": (square, "a square"), "spots": (spots, "spots")}
    for name, (value, part) in parts.items():
        if value is not None and (is_picture or mask not in (name.removesuffix("s"), "both")):
            raise ValueError(
                f"{name!r} should be left out for 'mask' = {mask!r}, which is not made of {part}, "
                f"got {value!r}."
            )
    if is_picture:
        return _read_mask(mask, size)
    share = SHARE if spots is None else spots
    try:
        return hole_masks([mask], size, square, share, random, n)
    except ValueError as error:
        raise ValueError(
            f"'square' = {square!r} or 'spots' = {share!r} does not fit: {error}"
        ) from error


def _read_mask(path: str, size: tuple[int, int]) -> Tensor:
    r"""Returns the mask in a picture, with shape :math:`(1, 1, H, W)`.

    Raises:
        ValueError: If the file is no picture, has another size, or has no hole or nothing but a
            hole.
    """
    try:
        picture = decode(Path(path).read_bytes()).convert("L")
    except ValueError as error:
        raise ValueError(f"'mask' = {path!r} can not be read: {error}.") from error
    if picture.size != (size[1], size[0]):
        raise ValueError(
            f"'mask' = {path!r} should be as large as the images, {size[1]} x {size[0]} pixels, "
            f"got {picture.size[0]} x {picture.size[1]}."
        )
    known = torch.from_numpy(np.array(picture) >= 128).float()
    if known.min() == known.max():
        raise ValueError(f"'mask' = {path!r} should be black in the hole and white elsewhere.")
    return known[None, None]
