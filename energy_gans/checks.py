r"""Checks of arguments: numbers, words, names and batches."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from numbers import Integral

from torch import Tensor

# Names: a list of them or, as on the command line, one text with commas between them.
Names = str | Sequence[str]


def check_positive(name: str, value: float) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is positive and finite."""
    _check_number(name, value)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name!r} should be positive and finite, got {value!r}.")


def check_at_least(name: str, value: float, least: float) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is finite and not below."""
    _check_number(name, value)
    if not least <= value < math.inf:
        raise ValueError(f"{name!r} should be finite and at least {least}, got {value!r}.")


def check_count(name: str, value: int) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is an integer from 1 on."""
    if not isinstance(value, Integral):
        raise ValueError(f"{name!r} should be an integer, got {value!r}.")
    if value < 1:
        raise ValueError(f"{name!r} should be at least 1, got {value!r}.")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    r"""Raises a `ValueError` that names the argument unless `value` is one of some words."""
    if value not in choices:
        words = ", ".join(map(repr, choices))
        raise ValueError(f"{name!r} should be one of {words}, got {value!r}.")


def split_names(name: str, value: Names) -> list[str]:
    r"""Returns the names in a list, or in a text with commas between them.

    Raises:
        ValueError: If `value` is neither. It is the argument `name`.
    """
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise ValueError(
            f"{name!r} should be a list of names, or a text with commas between them, got "
            f"{value!r}."
        )
    return [part.strip() for part in parts if part.strip()]


def _check_number(name: str, value: object) -> None:
    r"""Raises a `ValueError` that names the argument if `value` is text or `None`."""
    if value is None or isinstance(value, str):
        raise ValueError(f"{name!r} should be a number, got {value!r}.")


def check_filled(**batches: Tensor) -> None:
    r"""Raises a `ValueError` that names the argument if a tensor is empty, which has no mean."""
    for name, batch in batches.items():
        if batch.numel() == 0:
            raise ValueError(
                f"{name!r} should hold at least one element, got shape {tuple(batch.shape)}."
            )
