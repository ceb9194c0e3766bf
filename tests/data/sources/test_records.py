r"""Tests for the energy_gans.data.sources.records module."""

from pathlib import Path

import pytest

from energy_gans.data.sources.records import settle

HERE = Path("source")


def test_what_says_nothing_holds_out_every_nth_image() -> None:
    splits, how = settle(HERE, [None] * 45, 20)
    assert [i for i, split in enumerate(splits) if split == "val"] == [19, 39]
    assert set(splits) == {"train", "val"}
    assert how == "every 20th image is held out"


def test_training_images_alone_hold_out_every_nth() -> None:
    assert settle(HERE, ["train"] * 7, 3)[0] == settle(HERE, [None] * 7, 3)[0]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["train", "val"], ["train", "val"]),
        (["train", "test"], ["train", "val"]),
        (["test", "train", "val"], ["test", "train", "val"]),
    ],
)
def test_splits_that_are_there_are_kept(found: list[str], expected: list[str]) -> None:
    assert settle(HERE, found, 2)[0] == expected


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
        settle(HERE, found, hold_out)
