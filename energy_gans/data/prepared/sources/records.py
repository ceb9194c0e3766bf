r"""What every source of images gives: records, in an order that is always the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

TEST_IS_VAL = "the source's own, its test set as val"


class NothingFound(ValueError):
    r"""Raised when a source lacks the images that were looked for."""


@dataclass(frozen=True)
class Record:
    r"""Creates one image of a source.

    Arguments:
        name: What the source calls it.
        split: `"train"`, `"val"` or `"test"`.
        label: The index of its class, 0 where there are none.
        image: The encoded picture, or the pixels, uint8 with shape :math:`(H, W, 3)`, or, of a
            picture that could not be read, the error.
    """

    name: str
    split: str
    label: int
    image: bytes | np.ndarray | ValueError


@dataclass(frozen=True)
class Source:
    r"""Creates a source.

    Arguments:
        kind: What it is, in a word.
        splits: The splits of its images, as :func:`assign_splits` settled them.
        split_rule: How they were settled, in words.
        classes: The names of the classes, none if it has no labels.
        records: Its images, as many as there are splits.
        options: What else decides which images it has.
        hold_out: Of how many images one is held out when all were read, 0 if the splits are settled.
        left_out: The names of what the source holds and does not give, and why.
    """

    kind: str
    splits: Sequence[str]
    split_rule: str
    classes: list[str]
    records: Iterable[Record]
    options: dict[str, Any] = field(default_factory=dict)
    hold_out: int = 0
    left_out: Sequence[tuple[str, str]] = ()


def assign_splits(
    path: Path, found: Sequence[str | None], hold_out: int
) -> tuple[list[str], str, int]:
    r"""Returns the split of each image, of what a source says of them, and how it came about.

    Of a source that says nothing, or whose images are all for training, one of `hold_out` images is held
    out: see :mod:`energy_gans.data.prepared.held_out`. All are for training until their contents are known. Where
    there is a test set and no validation set, it is `val`.

    Arguments:
        path: The source.
        found: The splits that it says, `None` where it says nothing.
        hold_out: Of how many images one is held out.

    Returns:
        The splits, how they came about in words, and of how many images one is yet to be held out, 0 for
        none.

    Raises:
        ValueError: If it says something of some images only, there is nothing to train on, or there
            are fewer images than `hold_out`.
    """
    if hold_out < 2:
        raise ValueError(f"'hold_out' should be at least 2, got {hold_out}.")
    kinds = set(found)
    if None in kinds and len(kinds) > 1:
        raise ValueError(
            f"'source' = {str(path)!r} has images inside and images outside of its folders "
            f"{sorted(k for k in kinds if k)}: move those that stand outside."
        )
    if kinds <= {None} or kinds == {"train"}:
        check_hold_out(path, len(found), hold_out)
        words = f"1 of {hold_out} images is held out, drawn by class and contents"
        return ["train"] * len(found), words, hold_out
    if "train" not in kinds:
        raise NothingFound(
            f"'source' = {str(path)!r} has no training images, only {sorted(kinds)}."
        )
    if "val" not in kinds:
        return ["val" if k == "test" else "train" for k in found], TEST_IS_VAL, 0
    return [str(k) for k in found], "the source's own", 0


def check_hold_out(path: Path | str, n: int, hold_out: int) -> None:
    r"""Raises a :class:`NothingFound` if none of :math:`n` images can be held out."""
    if n < hold_out:
        raise NothingFound(
            f"'hold_out' should be at most the number of images, {n}, got {hold_out}: "
            f"'source' = {str(path)!r} has no validation images of its own."
        )


def check_any_found(
    path: Path, found: Sequence, layout: str, left_out: Sequence[tuple[str, str]] = ()
) -> None:
    r"""Raises a :class:`NothingFound` that says what was looked for, and what was left out, unless images were found."""
    if len(found) > 0:
        return
    unread = f", and left out {len(left_out)}, {': '.join(left_out[0])}" if left_out else ""
    raise NothingFound(f"'source' = {str(path)!r} holds no {layout}{unread}.")
