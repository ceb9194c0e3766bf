r"""Tests for the energy_gans.data.prepared.sources.svhn module."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from energy_gans.data.prepared.sources import load_svhn, svhn, svhn_source

from .writing import facts, frugal, pack, picture


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


def test_compressed_files_are_read(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 9), dtype=np.uint8)
    variables = {"X": x, "y": np.ones((9, 1))}
    savemat(tmp_path / "train_32x32.mat", variables, do_compression=True)
    y, _ = load_svhn(tmp_path, "train")
    assert np.array_equal(y.numpy().transpose(2, 3, 1, 0), x)


@pytest.mark.parametrize("largest", [2**20, 60 * 2**20])
def test_a_bomb_is_refused_whatever_its_header_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr(svhn, "LARGEST", largest)
    head = b" " * 124 + struct.pack("<H", 0x0100) + b"IM"
    bomb = zlib.compress(struct.pack("<II", 14, 100) + bytes(100 * 2**20), 1)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(head + struct.pack("<II", 15, len(bomb)) + bomb)
    with (
        frugal(memory=2**26),
        pytest.raises(ValueError, match=rf"train_32x32.mat can not .* more than {largest} bytes"),
    ):
        load_svhn(tmp_path, "train")


def test_what_announces_many_images_is_refused(tmp_path: Path) -> None:
    # In the older format 4, five integers state the size of a matrix.
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(struct.pack("<5I", 0, 2**31, 2**31, 0, 2) + b"X\0" + bytes(200))
    with frugal(), pytest.raises(ValueError, match=r"train_32x32.mat can not be read: .*format 5"):
        load_svhn(tmp_path, "train")


@pytest.mark.parametrize("compressed", [False, True])
def test_sizes_of_parts_are_not_believed(tmp_path: Path, compressed: bool) -> None:
    contents = {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((2, 1), np.uint8)}
    plain, path = tmp_path / "plain.mat", tmp_path / "train_32x32.mat"
    savemat(plain, contents)
    data = bytearray(plain.read_bytes())
    # The size of the pixels, 6144, in the tag of their type, 2.
    at = data.index(struct.pack("<II", 2, 6144)) + 4
    data[at : at + 4] = struct.pack("<I", 2**31)
    if compressed:
        size = struct.unpack_from("<I", data, 132)[0]
        packed = zlib.compress(bytes(data[128 : 136 + size]))
        data[128 : 136 + size] = struct.pack("<II", 15, len(packed)) + packed
    path.write_bytes(data)
    with frugal(memory=2**28), pytest.raises(ValueError, match="shorter than its parts"):
        load_svhn(tmp_path, "train")
