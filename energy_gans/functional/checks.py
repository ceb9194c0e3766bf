r"""Checks of numbers that a user gives."""

from __future__ import annotations

import math


def check_positive(name: str, value: float) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is positive and finite."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name!r} should be positive and finite, got {value!r}.")


def check_count(name: str, value: int) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is at least 1."""
    if value < 1:
        raise ValueError(f"{name!r} should be at least 1, got {value!r}.")
