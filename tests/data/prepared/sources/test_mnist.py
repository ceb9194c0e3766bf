r"""Tests for the energy_gans.data.prepared.sources.mnist module."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from energy_gans.data.prepared.sources import limits
from energy_gans.data.prepared.sources.mnist import load_mnist

from .writing import frugal

COUNTS = {"train": 12, "t10k": 5}


def idx(values: np.ndarray) -> bytes:
    r"""Returns an IDX file of bytes."""
    sizes = b"".join(n.to_bytes(4, "big") for n in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    r"""Writes random images and labels as MNIST's files."""
    random = np.random.default_rng(0)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, n in COUNTS.items():
        images = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        labels = random.integers(0, 10, n, dtype=np.uint8)
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path / "MNIST"


def packed(folder: Path) -> None:
    r"""Compresses all files by gzip."""
    for path in sorted((folder / "raw").iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("gz", [False, True])
def test_torchvision_reads_the_same(folder: Path, split: str, gz: bool) -> None:
    theirs = datasets.MNIST(folder.parent, train=split == "train")
    if gz:
        packed(folder)
    images, labels = load_mnist(folder, split)
    assert images.dtype == torch.uint8 and labels.dtype == torch.int64
    assert torch.equal(images, theirs.data) and torch.equal(labels, theirs.targets)


def test_what_is_unpacked_is_preferred(folder: Path) -> None:
    (folder / "raw" / "train-images-idx3-ubyte.gz").write_bytes(b"torn")
    assert len(load_mnist(folder, "train")[0]) == 12


def cut(n: int) -> Callable[[bytes], bytes]:
    return lambda contents: contents[:n]


IMAGES = 16 + 12 * 28 * 28


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut(-500), f"is truncated: it should have {IMAGES} bytes by its header, and has 8924"),
        (cut(16), f"is truncated: it should have {IMAGES} bytes by its header, and has 16"),
        (cut(0), "is truncated: it has 0 bytes, and 16 are its header's"),
        (cut(9), "is truncated: it has 9 bytes, and 16 are its header's"),
        (lambda c: c + b"x", f"is too long: it should have {IMAGES} bytes .* has 9425 or more"),
        (lambda c: b"\0\0\x0d" + c[3:], "can not be read: it is no IDX file of .* 3 dimensions"),
        (lambda c: c[:3] + b"\1" + c[4:], "can not be read: it is no IDX file of .* dimensions"),
        (lambda c: b"<html>" * 9, "can not be read: it is no IDX file of bytes in 3 dimensions"),
        (lambda c: c[:4] + b"\xff" * 12 + c[16:], "is truncated: it should .* has 9424 or more"),
    ],
)
@pytest.mark.parametrize("gz", [False, True])
def test_what_is_no_whole_file_is_one_sentence(
    folder: Path, change: Callable[[bytes], bytes], message: str, gz: bool
) -> None:
    path = folder / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    if gz:
        packed(folder)
    with pytest.raises(ValueError, match=rf"^{path}(\.gz)? {message}\.$"):
        load_mnist(folder, "train")
    assert len(load_mnist(folder, "val")[0]) == 5


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_what_gzip_packed_and_is_truncated_is_one_sentence(folder: Path, share: float) -> None:
    packed(folder)
    path = folder / "raw" / "train-images-idx3-ubyte.gz"
    contents = path.read_bytes()
    path.write_bytes(contents[: int(share * len(contents))])
    with pytest.raises(ValueError, match=rf"{path} is truncated: it .*has \d+ ?(bytes)?"):
        load_mnist(folder, "train")


def test_what_gzip_did_not_pack_is_one_sentence(folder: Path) -> None:
    packed(folder)
    path = folder / "raw" / "train-labels-idx1-ubyte.gz"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match=rf"{path} can not be read: Not a gzipped file"):
        load_mnist(folder, "train")
    contents = bytearray(gzip.compress(idx(np.arange(12, dtype=np.uint8))))
    contents[15] ^= 0xFF
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=rf"{path} (can not be read|is truncated|is too long)"):
        load_mnist(folder, "train")


def test_what_is_no_regular_file_is_not_opened(folder: Path) -> None:
    path = folder / "raw" / "train-images-idx3-ubyte"
    path.unlink()
    os.mkfifo(path)
    with frugal(), pytest.raises(ValueError, match=rf"{path} can not be read: it is a named pipe"):
        load_mnist(folder, "train")


def test_what_a_header_says_takes_no_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST", 2**20)
    path = folder / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(idx(np.zeros((2**26, 1, 1), np.uint8)))
    packed(folder)
    with frugal(memory=2**25), pytest.raises(ValueError, match=rf"has {2**20 + 17} or more"):
        load_mnist(folder, "train")


def test_images_and_labels_are_equally_many(folder: Path) -> None:
    path = folder / "raw" / "train-labels-idx1-ubyte"
    path.write_bytes(idx(np.zeros(11, np.uint8)))
    with pytest.raises(ValueError, match="should fit, but have 12 images and 11 labels"):
        load_mnist(folder, "train")


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"raw' should hold t10k-im.* and t10k-labels-idx"):
        load_mnist(folder, "val")


# Files of older versions of torchvision


def processed(folder: Path) -> Path:
    r"""Replaces the original files by tensors, and returns their folder."""
    (folder / "processed").mkdir()
    for split, file in (("train", "training.pt"), ("val", "test.pt")):
        torch.save(load_mnist(folder, split), folder / "processed" / file)
    for path in (folder / "raw").iterdir():
        path.unlink()
    return folder / "processed"


@pytest.mark.parametrize("split", ["train", "val"])
def test_what_an_older_torchvision_wrote_is_read(folder: Path, split: str) -> None:
    expected = load_mnist(folder, split)
    processed(folder)
    assert all(map(torch.equal, load_mnist(folder, split), expected))


@pytest.mark.parametrize(
    "contents",
    [b"", b"garbage", [1, 2], torch.zeros(2, 28, 28), (torch.zeros(2, 28, 28), torch.zeros(2))],
    ids=["empty", "garbage", "numbers", "a tensor", "floats"],
)
def test_what_is_something_else_is_one_sentence(folder: Path, contents: object) -> None:
    path = processed(folder) / "training.pt"
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    else:
        torch.save(contents, path)
    with pytest.raises(ValueError, match=rf"{path} is not what an older torchvision .*") as error:
        load_mnist(folder, "train")
    assert "\n" not in str(error.value)
    assert str(folder / "raw") in str(error.value)
