r"""Tests for the energy_gans.data.prepared.split_files module, through the writer that uses it."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from energy_gans.data.prepared.reader import open_prepared, verify
from energy_gans.data.prepared.writer import PreparedWriter

ABOUT = {"name": "x", "source": {}, "preprocessing": {}, "classes": []}
N = 203


def pixels(n: int = N) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, 40, 40), dtype=np.uint8)


def append(writer: PreparedWriter, images: np.ndarray, split: str | None) -> None:
    for part in np.split(np.arange(len(images)), [1, 64, 70, 134]):
        writer.append(split, images[part], part % 7)


@pytest.mark.parametrize("share", [0.005, 0.05, 0.5, 0.99])
def test_divided_images_are_those_that_are_written_split_by_split(
    tmp_path: Path, share: float
) -> None:
    images, held = pixels(), np.random.default_rng(1).random(N) < share
    held[[0, 150]] = True
    with PreparedWriter(tmp_path / "divided") as writer:
        append(writer, images, None)
        assert sum(writer.assign(held)) == N
        manifest = writer.finish(ABOUT)
    assert verify(tmp_path / "divided") == manifest
    with PreparedWriter(tmp_path / "known") as writer:
        for split, rows in (("train", ~held), ("val", held)):
            writer.append(split, images[rows], np.flatnonzero(rows) % 7)
        assert writer.finish(ABOUT) == manifest
    for file in os.listdir(tmp_path / "known"):
        assert (tmp_path / "known" / file).read_bytes() == (
            tmp_path / "divided" / file
        ).read_bytes()
    train = open_prepared(tmp_path / "divided", "train")
    assert np.array_equal(train.images[torch.arange(len(train.labels))].numpy(), images[~held])


def test_only_held_out_images_take_more_of_the_disk(tmp_path: Path) -> None:
    images, held = pixels(), np.arange(N) % 20 == 0
    with PreparedWriter(tmp_path / "set") as writer:
        append(writer, images, None)
        whole = images.nbytes + 128
        for _ in writer.assign(held):
            files = {path.name: path.stat().st_size for path in writer.part.iterdir()}
            assert files["train.images.npy"] <= whole
            assert set(files) <= {"train.images.npy", "val.images.npy"}
            assert files.get("val.images.npy", 0) <= images[held].nbytes + 128
        writer.finish(ABOUT)


@pytest.mark.parametrize("moved", [0, 2])
def test_an_error_before_the_end_leaves_nothing(tmp_path: Path, moved: int) -> None:
    with pytest.raises(ValueError, match="this one"), PreparedWriter(tmp_path / "set") as writer:
        append(writer, pixels(), None)
        for _, _ in zip(writer.assign(np.arange(N) % 5 == 0), range(moved), strict=False):
            pass
        raise ValueError("this one")
    assert os.listdir(tmp_path) == []
