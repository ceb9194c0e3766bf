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
        splits: The splits of its images, as :func:`settle` settled them.
        division: How they were settled, in words.
        classes: The names of the classes, none if it has no labels.
        records: Its images, as many as there are splits.
        options: What else decides which images it has.
    """

    kind: str
    splits: Sequence[str]
    division: str
    classes: list[str]
    records: Iterable[Record]
    options: dict[str, Any] = field(default_factory=dict)


def settle(path: Path, found: Sequence[str | None], hold_out: int) -> tuple[list[str], str]:
    r"""Returns the split of each image, of what a source says of them, and how it came about.

    A source that says nothing gives every `hold_out`-th image to `val`, and so does one whose images
    are all for training. Where there is a test set and no validation set, it is `val`.

    Arguments:
        path: The source.
        found: The splits that it says, `None` where it says nothing.
        hold_out: Which of the images are held out.

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
        if len(found) < hold_out:
            raise ValueError(
                f"'hold_out' should be at most the number of images, {len(found)}, got {hold_out}: "
                f"'source' = {str(path)!r} has no validation images of its own."
            )
        every = ["val" if i % hold_out == hold_out - 1 else "train" for i in range(len(found))]
        return every, f"every {hold_out}th image is held out"
    if "train" not in kinds:
        raise ValueError(f"'source' = {str(path)!r} has no training images, only {sorted(kinds)}.")
    if "val" not in kinds:
        return ["val" if k == "test" else "train" for k in found], TEST_IS_VAL
    return [str(k) for k in found], "the source's own"


def check_found(path: Path, found: Sequence, layout: str) -> None:
    r"""Raises a `ValueError` that says what was looked for unless images were found."""
    if len(found) == 0:
        raise ValueError(f"'source' = {str(path)!r} holds no {layout}.")
