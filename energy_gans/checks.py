r"""Checks of arguments: numbers and batches."""

from __future__ import annotations

import math

from torch import Tensor


def check_positive(name: str, value: float) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is positive and finite."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name!r} should be positive and finite, got {value!r}.")


def check_at_least(name: str, value: float, least: float) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is finite and not below."""
    if not least <= value < math.inf:
        raise ValueError(f"{name!r} should be finite and at least {least}, got {value!r}.")


def check_count(name: str, value: int) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is at least 1."""
    if value < 1:
        raise ValueError(f"{name!r} should be at least 1, got {value!r}.")


def check_filled(**batches: Tensor) -> None:
    r"""Raises a `ValueError` that names the argument if a tensor is empty, which has no mean."""
    for name, batch in batches.items():
        if batch.numel() == 0:
            raise ValueError(
                f"{name!r} should hold at least one element, got shape {tuple(batch.shape)}."
            )
