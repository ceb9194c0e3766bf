r"""Tests for the energy_gans.data.sources.svhn module."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from energy_gans.data.sources import load_svhn, svhn_source

from .writing import facts, pack, picture


@pytest.fixture
def images(tmp_path: Path) -> dict[str, np.ndarray]:
    r"""Writes SVHN's two files and returns their images."""
    arrays = {}
    for name, n in (("train", 5), ("test", 3)):
        arrays[name] = np.random.default_rng(n).integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
        y = np.array([[10, 1, 9, 10, 2][:n]], np.uint8).T
        savemat(tmp_path / f"{name}_32x32.mat", {"X": arrays[name], "y": y})
    return arrays


@pytest.mark.parametrize(("split", "name"), [("train", "train"), ("val", "test")])
def test_images_and_digits(
    tmp_path: Path, images: dict[str, np.ndarray], split: str, name: str
) -> None:
    y, label = load_svhn(tmp_path, split)
    assert y.dtype == torch.uint8
    assert label.dtype == torch.int64
    assert label.tolist() == [0, 1, 9, 0, 2][: len(y)]
    for i in range(len(y)):
        for c in range(3):
            assert np.array_equal(y[i, c], images[name][:, :, c, i])


def test_the_source(tmp_path: Path, images: dict[str, np.ndarray]) -> None:
    source = svhn_source(tmp_path)
    first = [("train", int(images["train"][0, 0, 0, i])) for i in range(5)]
    first += [("val", int(images["test"][0, 0, 0, i])) for i in range(3)]
    found = facts(source)
    assert [(split, value) for split, _, value in found] == first
    assert [label for _, label, _ in found] == [0, 1, 9, 0, 2, 0, 1, 9]
    assert source.classes == [str(i) for i in range(10)]


def test_pictures_in_folders(tmp_path: Path) -> None:
    files = {f"{s}/{c}/0.png": picture(c) for s, c in (("train", 3), ("train", 5), ("test", 5))}
    source = svhn_source(pack(tmp_path, files))
    assert sorted(facts(source)) == [("train", 0, 3), ("train", 1, 5), ("val", 1, 5)]


def test_missing_files_are_named(tmp_path: Path, images: dict[str, np.ndarray]) -> None:
    (tmp_path / "test_32x32.mat").unlink()
    with pytest.raises(FileNotFoundError, match="should hold test_32x32.mat"):
        load_svhn(tmp_path, "val")
    with pytest.raises(FileNotFoundError, match="train_32x32.mat and test_32x32.mat"):
        svhn_source(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "contents",
    [
        {"X": np.zeros((32, 32, 3, 2), np.uint8)},
        {"X": np.zeros((32, 32, 3, 2)), "y": np.ones((2, 1))},
        {"X": np.zeros((2, 32, 32, 3), np.uint8), "y": np.ones((2, 1))},
        {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [11]])},
    ],
    ids=["no labels", "floats", "shape", "labels"],
)
def test_other_contents_are_refused(tmp_path: Path, contents: dict[str, np.ndarray]) -> None:
    savemat(tmp_path / "train_32x32.mat", contents)
    with pytest.raises(
        ValueError, match=r"train_32x32.mat (should hold images X|can not be read)"
    ):
        load_svhn(tmp_path, "train")


@pytest.mark.parametrize("n", [0, 100, 10_000])
def test_torn_files_are_refused(tmp_path: Path, images: dict[str, np.ndarray], n: int) -> None:
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:n])
    with pytest.raises(ValueError, match=r"train_32x32.mat can not be read"):
        load_svhn(tmp_path, "train")
