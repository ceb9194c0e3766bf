r"""The conversion of images to uint8, which all measures use, and a warning of a wrong range."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def to_uint8(x: Tensor) -> Tensor:
    r"""Returns images as uint8, rounded as for a file.

    Arguments:
        x: The images, uint8 or floats in [-1, 1], with shape :math:`(N, C, H, W)`.

    Raises:
        ValueError: If the images have another type, range or shape.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or 0 in x.shape[2:]:
        raise ValueError(
            f"Images should have shape (N, 1, H, W) or (N, 3, H, W), got {tuple(x.shape)}."
        )
    if x.dtype == torch.uint8:
        return x
    if not x.is_floating_point():
        raise ValueError(f"Images should be uint8, or floats in [-1, 1], got {x.dtype}.")
    low, high = (x.amin().item(), x.amax().item()) if len(x) else (0.0, 0.0)
    if not (low >= -1 and high <= 1):
        raise ValueError(
            f"Images should be uint8, or floats in [-1, 1], got floats in [{low:.4g}, {high:.4g}]."
        )
    return ((x.float() + 1) * 127.5).round().to(torch.uint8)


def warn_of_unit_range(images: Tensor) -> None:
    r"""Warns of floats none of which is below 0, as images in [0, 1] instead of [-1, 1] have them.

    Arguments:
        images: The images, with shape :math:`(N, C, H, W)`.
    """
    if images.is_floating_point() and images.numel() and images.amin() >= 0:
        warnings.warn(
            "All values of these images are in [0, 1], and metrics take floats in [-1, 1]: images "
            "of [0, 1] are given as 2 * images - 1, or as uint8.",
            stacklevel=3,
        )
