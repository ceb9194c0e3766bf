r"""Checks of the inputs, attributes and outputs of extractors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def check_images(images: Tensor) -> None:
    r"""Raises a `ValueError` unless images are uint8 of shape (N, 1, H, W) or (N, 3, H, W)."""
    if not isinstance(images, Tensor):
        raise ValueError(f"'images' should be a tensor, got {type(images).__name__}.")
    shape = tuple(images.shape)
    if images.dtype != torch.uint8 or len(shape) != 4 or shape[1] not in (1, 3) or 0 in shape:
        raise ValueError(
            f"'images' should be uint8 with shape (N, 1, H, W) or (N, 3, H, W), none of them 0, "
            f"got {str(images.dtype).removeprefix('torch.')} with shape {shape}."
        )


def check_attributes(extractor: object) -> None:
    r"""Raises a `ValueError` unless an extractor has all attributes that have no default."""
    for name, example in (("name", "mine"), ("num_features", 512), ("resize", "none")):
        value = getattr(extractor, name, None)
        if not isinstance(value, type(example)) or not value:
            raise ValueError(
                f"The extractor {type(extractor).__name__} should have an attribute {name!r}, "
                f"such as {example!r}, got {value!r}."
            )


def check_outputs(outputs: Any, n: int, sizes: dict[str, int | None], extractor: str) -> None:
    r"""Raises a `ValueError` unless an extractor's outputs fit its attributes.

    Arguments:
        outputs: The outputs of :meth:`FeatureExtractor.extract`.
        n: The number of images.
        sizes: The extractor's `num_features` and `num_classes`.
        extractor: The extractor's name.
    """
    if not isinstance(outputs, tuple) or len(outputs) != 2:
        raise ValueError(
            f"The extractor {extractor!r} should return a tuple of features and logits, or None "
            f"for logits, got {_describe(outputs)}."
        )
    for (name, size), output in zip(sizes.items(), outputs, strict=True):
        wanted = None if size is None else (n, size)
        shape = None if output is None else tuple(getattr(output, "shape", ()))
        if shape != wanted or not (output is None or _is_floats(output)):
            kind = "features" if name == "num_features" else "logits"
            expected = "None" if wanted is None else f"floats of shape {wanted}"
            raise ValueError(
                f"The extractor {extractor!r} has {name!r} = {size}: the {kind} that it makes of "
                f"{n} images should be {expected}, got {_describe(output)}."
            )


def _is_floats(output: object) -> bool:
    return isinstance(output, Tensor) and output.is_floating_point()


def _describe(output: object) -> str:
    r"""Returns a description of an output for errors."""
    if not isinstance(output, Tensor):
        return "None" if output is None else f"a {type(output).__name__}"
    return f"{str(output.dtype).removeprefix('torch.')} of shape {tuple(output.shape)}"
