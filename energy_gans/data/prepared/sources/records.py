r"""What every source yields: records of images, in an order that never changes."""

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
    r"""Raised when a source lacks the expected images."""


@dataclass(frozen=True)
class Record:
    r"""An image of a source.

    Arguments:
        name: The name of the image in the source.
        split: `"train"`, `"val"` or `"test"`.
        label: The index of the class, 0 if there are no classes.
        image: The encoded picture; or the pixels, uint8 with shape :math:`(H, W, 3)`; or the error
            if the picture can not be read.
    """

    name: str
    split: str
    label: int
    image: bytes | np.ndarray | ValueError


@dataclass(frozen=True)
class Source:
    r"""The images of a data set in the files that a user has.

    Arguments:
        kind: The kind of the source, such as `"zip"`.
        splits: The split of each image, from :func:`assign_splits`.
        split_rule: How the images got their splits, in words.
        classes: The names of the classes, `[]` if the source has no labels.
        records: The images, as many as there are splits.
        options: Other options of the source that the manifest names.
        hold_out: One in `hold_out` images is held out once all were read; 0 if the splits are
            final.
        left_out: The names of files that were left out, and the reasons.
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
    r"""Returns the split of each image.

    If the source has a test set but no validation set, the test set becomes `val`. If it names no
    splits, or has only training images, all images are training images for now: one in `hold_out`
    of them is held out once their contents are known, see :mod:`.held_out`.

    Arguments:
        path: The source.
        found: The split of each image in the source, or `None` if the source names none.
        hold_out: One in `hold_out` images is held out.

    Returns:
        The splits; a phrase that says how they were assigned; and `hold_out` if images are yet to
        be held out, or 0.

    Raises:
        ValueError: If the source names the splits of only some images, has no training images, or
            has fewer images than `hold_out`.
    """
    if hold_out < 2:
        raise ValueError(f"'hold_out' should be at least 2, got {hold_out}.")
    kinds = set(found)
    if None in kinds and len(kinds) > 1:
        raise ValueError(
            f"'source' = {str(path)!r} has images inside and images outside of its folders "
            f"{sorted(k for k in kinds if k)}: move the images outside."
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
    r"""Raises a :class:`NothingFound` if no images were found.

    Arguments:
        path: The source.
        found: The images that were found.
        layout: The expected files, in words.
        left_out: The names of files that were left out, and the reasons.
    """
    if len(found) > 0:
        return
    unread = f", and left out {len(left_out)}, {': '.join(left_out[0])}" if left_out else ""
    raise NothingFound(f"'source' = {str(path)!r} holds no {layout}{unread}.")
