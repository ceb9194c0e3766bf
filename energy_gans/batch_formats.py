r"""The formats in which data sets and loaders give samples and labels, and the values of samples.

A sample, or a batch of samples, comes alone, as a pair `(samples, labels)`, as `(samples,)`, or as
a dictionary, as Hugging Face data sets give them. Images are uint8, or floats in [-1, 1]; points
are any floats.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

IMAGE_KEYS = ("image", "images", "img", "pixel_values", "x")
LABEL_KEYS = ("label", "labels", "target", "targets")
# How far rounding may carry floats out of their range, as a share of its width.
_TOLERANCE = 1e-4
_COLOURS = (1, 3)


def split_labels(
    item: Any, image_key: str | None = None, label_key: str | None = None
) -> tuple[Any, Any]:
    r"""Returns the samples and the labels of a batch, or of an item of a data set, unchanged.

    Arguments:
        item: Samples alone, a pair or a tuple of one, or a dictionary.
        image_key: The key of the samples in a dictionary; by default one of `IMAGE_KEYS`.
        label_key: The key of the labels in a dictionary; by default one of `LABEL_KEYS`.

    Returns:
        The samples, and the labels or `None`.

    Raises:
        ValueError: If the samples can not be told from other parts.
    """
    if isinstance(item, Mapping):
        samples = _find_key(item, "image_key", image_key, IMAGE_KEYS)
        label = _find_key(item, "label_key", label_key, LABEL_KEYS, required=False)
        return item[samples], None if label is None else item[label]
    if image_key is not None or label_key is not None:
        raise ValueError(
            "'image_key' and 'label_key' are for data that come as dictionaries, got "
            f"{type(item).__name__}."
        )
    if not isinstance(item, (tuple, list)):
        return item, None
    if len(item) not in (1, 2):
        raise ValueError(
            "Data should come as samples, (samples,), (samples, labels) or a dictionary, got a "
            f"{type(item).__name__} of {len(item)}."
        )
    return item[0], item[1] if len(item) == 2 else None


def _find_key(
    item: Mapping, argument: str, given: str | None, known: tuple[str, ...], required: bool = True
) -> str | None:
    r"""Returns the key of the samples or the labels in a dictionary.

    Raises:
        ValueError: If there is no such key, or more than one.
    """
    found = [key for key in known if key in item] if given is None else [given]
    if len(found) == 1 and found[0] in item:
        return found[0]
    if not found and not required:
        return None
    accepted = f"{given!r}" if given is not None else f"one of {', '.join(map(repr, known))}"
    raise ValueError(
        f"Data with the keys {', '.join(map(repr, item))} should have {accepted}: name the key "
        f"by the {argument!r} of energy_gans.data.FromDataset or FromLoader."
    )


def to_unit_range(y: Tensor) -> Tensor:
    r"""Maps uint8 images to floats in [-1, 1], and returns other samples unchanged."""
    return y.float().div_(127.5).sub_(1.0) if y.dtype == torch.uint8 else y


def scale(y: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    r"""Maps floats from a range to [-1, 1]. Without a range, samples are returned unchanged.

    Arguments:
        y: The samples, with shape :math:`(B, *)`.
        value_range: The values that become -1 and 1, or `None`.

    Returns:
        The samples, with shape :math:`(B, *)`.
    """
    if value_range is None:
        return y
    low, high = value_range
    return y.sub(low).div_((high - low) / 2).sub_(1)


def check_samples(y: Any) -> None:
    r"""Raises a `ValueError` if :func:`check_values` refuses a batch.

    Images of floats that are all in [0, 1] cause a warning, since they are in [-1, 1], too.

    Arguments:
        y: The batch, which should have shape :math:`(B, *)`.
    """
    check_values(y)
    if y.ndim == 4 and y.is_floating_point() and y.numel() > 0 and y.amin() >= 0:
        warnings.warn(
            "All values of the first images are in [0, 1], and methods expect [-1, 1]: if the "
            "images are of [0, 1], say so by energy_gans.data.FromDataset(dataset, value_range="
            "(0, 1)) or FromLoader(loader, value_range=(0, 1)).",
            stacklevel=2,
        )


def check_values(y: Any, value_range: tuple[float, float] | None = None) -> None:
    r"""Raises a `ValueError` unless a batch holds finite points, or images of a known range.

    Arguments:
        y: The batch, which should have shape :math:`(B, *)`.
        value_range: The range of floats. If `None`, images are in [-1, 1], and points are free.
    """
    check_layout(y)
    if y.dtype == torch.uint8:
        if value_range is not None:
            raise ValueError(
                f"'value_range' should be left out for uint8, got {tuple(value_range)}: the "
                "values 0 to 255 of uint8 always become -1 to 1."
            )
        return
    check_finite(y)
    if value_range is not None or y.ndim == 4:
        _check_range(y, *(value_range or (-1, 1)))


def check_layout(y: Any) -> None:
    r"""Raises a `ValueError` unless a batch is a tensor of uint8 or floats, channels first.

    Arguments:
        y: The batch, which should have shape :math:`(B, *)`.
    """
    if not isinstance(y, Tensor):
        raise ValueError(
            f"The samples of a batch should be a tensor, got {type(y).__name__}: give the "
            "DataLoader a data set of tensors, or pass the data set as "
            "energy_gans.data.FromDataset(dataset)."
        )
    shape = tuple(y.shape)
    if y.dtype != torch.uint8 and not y.is_floating_point():
        raise ValueError(f"Samples should be floats, or images of uint8, got {y.dtype}.")
    if len(shape) < 2 or (y.dtype == torch.uint8 and len(shape) != 4):
        raise ValueError(
            "A batch should have shape (B, C, H, W) of images or (B, D) of points, got "
            f"{y.dtype} of shape {shape}: unsqueeze(1) gives grey images their channel, and a "
            "DataLoader makes batches of single samples."
        )
    if len(shape) == 4 and shape[3] in _COLOURS and min(shape[1:3]) > 4:
        raise ValueError(
            f"Images should have shape (B, C, H, W), got {shape}: permute(0, 3, 1, 2) puts the "
            "channels first."
        )


def check_finite(y: Tensor) -> None:
    r"""Raises a `ValueError` if a sample is NaN or infinite."""
    if not y.isfinite().all():
        n = int((~y.isfinite()).flatten(1).any(1).sum()) if y.ndim > 1 else len(y)
        raise ValueError(
            f"Samples should be finite, got NaN or infinite values in {n} of {len(y)} samples: "
            "leave such samples out of the data set."
        )


def _check_range(y: Tensor, low: float, high: float) -> None:
    r"""Raises a `ValueError` unless finite floats are in a range, up to rounding."""
    if y.numel() == 0:
        return
    lowest, highest = (value.item() for value in y.aminmax())
    tolerance = _TOLERANCE * (high - low)
    if lowest < low - tolerance or highest > high + tolerance:
        raise ValueError(
            f"Images should be uint8, or floats in [{low:g}, {high:g}], got values from "
            f"{lowest:.4g} to {highest:.4g}: give uint8, or say the range by "
            "energy_gans.data.FromDataset(dataset, value_range=(low, high)) or FromLoader."
        )
