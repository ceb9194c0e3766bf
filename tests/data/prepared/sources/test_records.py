r"""Tests for the energy_gans.data.prepared.sources.records module."""

from pathlib import Path

import pytest

from energy_gans.data.prepared.sources.records import assign_splits

HERE = Path("source")


@pytest.mark.parametrize("said", [None, "train"])
def test_of_training_images_alone_some_are_yet_to_be_held_out(said: str | None) -> None:
    how = "1 of 20 images is held out, drawn by class and contents"
    assert assign_splits(HERE, [said] * 45, 20) == (["train"] * 45, how, 20)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["train", "val"], ["train", "val"]),
        (["train", "test"], ["train", "val"]),
        (["test", "train", "val"], ["test", "train", "val"]),
    ],
)
def test_splits_that_are_there_are_kept(found: list[str], expected: list[str]) -> None:
    splits, _, hold_out = assign_splits(HERE, found, 2)
    assert (splits, hold_out) == (expected, 0)


@pytest.mark.parametrize(
    ("found", "hold_out", "message"),
    [
        ([None, "train", "val"], 2, r"'source' = 'source' has images inside and images outside"),
        (["val", "test"], 2, "has no training images"),
        ([None] * 3, 4, "'hold_out' should be at most the number of images, 3, got 4"),
        ([None] * 3, 1, "'hold_out' should be at least 2, got 1"),
    ],
)
def test_what_can_not_be_settled_is_refused(
    found: list[str | None], hold_out: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        assign_splits(HERE, found, hold_out)
