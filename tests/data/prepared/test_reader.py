r"""Tests for the energy_gans.data.prepared.reader module."""

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from energy_gans.data.prepared import reader as prepared
from energy_gans.data.prepared.manifest import SUM_KEY, is_prepared, read_manifest
from energy_gans.data.prepared.reader import StoredArray, open_prepared, verify
from energy_gans.data.prepared.writer import PreparedWriter

SHAPE = (3, 4, 5)


def pixels(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, *SHAPE), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    r"""Writes a set of 50 and 7 images."""
    with PreparedWriter(tmp_path / "set") as writer:
        writer.append("val", pixels(7), np.arange(7))
        writer.append("train", pixels(50), np.arange(50) % 3)
        writer.finish({"name": "x", "source": {}, "preprocessing": {}, "classes": ["a", "b"]})
    return tmp_path / "set"


def edit(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((root / "manifest.json").read_text())
    change(manifest)
    (root / "manifest.json").write_text(json.dumps(manifest))


def test_numpy_reads_what_is_written(root: Path) -> None:
    images = np.load(root / "train.images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(root / "train.labels.npy", allow_pickle=False)
    assert np.array_equal(images, pixels(50))
    assert images.flags.c_contiguous
    assert labels.dtype == np.int64
    assert np.array_equal(labels, np.arange(50) % 3)


@pytest.mark.parametrize("i", [[3, 49, 0, 3], [7], [], list(range(50))])
def test_a_batch_is_the_rows_of_its_indices(root: Path, i: list[int]) -> None:
    split = open_prepared(root, "train")
    index = torch.tensor(i, dtype=torch.int64)
    batch = split.images[index]
    assert batch.dtype == split.images.dtype == torch.uint8
    assert torch.equal(batch, torch.from_numpy(pixels(50))[index])
    assert split.images.shape == (50, *SHAPE)
    assert len(split.images) == 50
    assert torch.equal(split.labels, torch.arange(50) % 3)


def test_a_batch_is_its_callers_own(root: Path) -> None:
    images = open_prepared(root, "train").images
    index = torch.arange(4)
    images[index].zero_()
    assert torch.equal(images[index], torch.from_numpy(pixels(50)[:4]))


@pytest.mark.parametrize(
    "i", [torch.tensor([50]), torch.tensor([0, -1]), torch.tensor([True, False]), torch.tensor(3)]
)
def test_indices_that_are_none_are_refused(root: Path, i: torch.Tensor) -> None:
    with pytest.raises(IndexError, match=r"Indices should be from 0 to 49|int64 indices of shape"):
        open_prepared(root, "train").images[i]


def test_images_are_pickled_by_their_path(root: Path) -> None:
    images = open_prepared(root, "val").images
    contents = pickle.dumps(images)
    assert len(contents) < 500
    assert torch.equal(pickle.loads(contents)[torch.arange(7)], torch.from_numpy(pixels(7)))


def test_a_split_is_identified_by_its_images_and_labels(root: Path, tmp_path: Path) -> None:
    train, val = (open_prepared(root, split).sha256 for split in ("train", "val"))
    with PreparedWriter(tmp_path / "other") as writer:
        writer.append("train", pixels(50)[:20], np.arange(20) % 3)
        writer.append("train", pixels(50)[20:], np.arange(20, 50) % 3)
        writer.append("val", pixels(7), np.arange(7)[::-1])
        writer.finish(read_manifest(root))
    assert open_prepared(tmp_path / "other", "train").sha256 == train
    assert open_prepared(tmp_path / "other", "val").sha256 != val
    assert train != val


def resident() -> int:
    r"""Returns the resident memory of this process, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="This system does not say how much memory is resident.",
)
def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    path, shape = tmp_path / "images.npy", (2048, 3, 128, 128)
    with path.open("wb") as file:
        file.write(prepared.array_header(np.dtype(np.uint8), shape))
        for i in range(2048):
            file.write(bytes([i % 256]) * (3 * 128 * 128))
    images = StoredArray(path, shape)
    before = resident()
    for i in torch.arange(2048).split(16):
        batch = images[i]
        assert torch.equal(batch[:, 0, 0, 0].long(), i % 256)
    assert resident() - before < 8 * 2**20 < path.stat().st_size / 10


def test_a_file_that_is_changed_while_it_is_in_use_is_named(root: Path) -> None:
    images = open_prepared(root, "train").images
    os.truncate(root / "train.images.npy", 2000)
    with pytest.raises(ValueError, match=r"train.images.npy was changed or replaced"):
        images[torch.arange(50)]


def test_an_array_is_one_that_numpy_maps(root: Path) -> None:
    assert np.array_equal(np.load(root / "train.images.npy", mmap_mode="r"), pixels(50))


@pytest.mark.parametrize("file", ["train.images.npy", "train.labels.npy"])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_torn_file_is_not_opened(root: Path, file: str, change: int) -> None:
    contents = (root / file).read_bytes()
    (root / file).write_bytes(contents[:-1] if change < 0 else contents + b"\0")
    with pytest.raises(ValueError, match=rf"{file} is incomplete: .* Prepare the set again"):
        open_prepared(root, "train")


@pytest.mark.parametrize("file", ["train.images.npy", "train.labels.npy"])
def test_a_missing_file_is_named(root: Path, file: str) -> None:
    (root / file).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{file} is missing"):
        open_prepared(root, "train")


def test_a_file_of_another_type_is_not_opened(root: Path) -> None:
    np.save(root / "train.images.npy", pixels(50).view(np.int8))
    with pytest.raises(ValueError, match=r"train.images.npy is not uint8 of the manifest's shape"):
        open_prepared(root, "train")


def test_a_pickle_in_place_of_an_array_is_not_loaded(root: Path) -> None:
    size = (root / "train.images.npy").stat().st_size
    np.save(root / "train.images.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with (root / "train.images.npy").open("ab") as file:
        file.write(bytes(size - file.tell()))
    with pytest.raises(ValueError, match=r"train.images.npy is not uint8"):
        open_prepared(root, "train")


def test_an_unknown_split_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match=r"'split' should be one of \['train', 'val'\].*'test'"):
        open_prepared(root, "test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("format"), "no manifest of a prepared set"),
        (lambda m: m.update(version=99), "'version' should be 1, got 99"),
        (lambda m: m.pop("classes"), "lacks 'classes'"),
        (lambda m: m.update(splits=[]), "'splits' should be a dict"),
        (lambda m: m["splits"].update(val=3), "lacks 'splits.val.count'"),
        (lambda m: m["splits"]["val"].pop("sha256"), "lacks 'splits.val.sha256'"),
        (lambda m: m["splits"]["val"].update(shape="no"), "'splits.val.shape' should be"),
    ],
)
def test_a_foreign_manifest_is_refused(
    root: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(root, change)
    with pytest.raises(ValueError, match=rf"manifest.json.*{message}"):
        open_prepared(root, "train")


def test_a_torn_manifest_is_refused(root: Path) -> None:
    path = root / "manifest.json"
    path.write_text(path.read_text()[:200])
    assert is_prepared(root)
    with pytest.raises(ValueError, match=r"manifest.json is damaged: .* Prepare the set again"):
        read_manifest(root)


def test_only_a_folder_with_our_manifest_holds_a_set(root: Path, tmp_path: Path) -> None:
    assert is_prepared(root)
    assert not is_prepared(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "a web application"}')
    assert not is_prepared(tmp_path)
    with pytest.raises(FileNotFoundError, match="no prepared set: it has no manifest.json"):
        read_manifest(tmp_path / "nowhere")


def test_verify_reads_every_byte(root: Path) -> None:
    assert verify(root) == read_manifest(root)


EDITS = {
    "classes": lambda m: m["classes"].reverse(),
    "name": lambda m: m.update(name="y"),
    "crop": lambda m: m["preprocessing"].update(crop="face"),
    "mean": lambda m: m["splits"]["train"]["mean"].reverse(),
    "source": lambda m: m["source"].update(path="elsewhere"),
    "more": lambda m: m.update(more=1),
}


@pytest.mark.parametrize("edited", EDITS)
def test_an_edited_manifest_is_refused(root: Path, edited: str) -> None:
    edit(root, EDITS[edited])
    for reads in (verify, read_manifest, lambda path: open_prepared(path, "train")):
        with pytest.raises(ValueError, match=r"manifest.json was edited or is damaged: .*'mani"):
            reads(root)


def test_the_sum_of_a_manifest_is_that_of_what_it_says(root: Path) -> None:
    manifest = json.loads((root / "manifest.json").read_text())
    said = {key: manifest[key] for key in sorted(manifest) if key != "manifest_sha256"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert manifest["manifest_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    # The checksum does not depend on the formatting of the JSON.
    backwards = dict(reversed(manifest.items()))
    (root / "manifest.json").write_text(json.dumps(backwards, indent=7))
    assert verify(root) == manifest


def test_a_manifest_without_a_sum_is_read(root: Path) -> None:
    edit(root, lambda m: m.pop(SUM_KEY))
    edit(root, EDITS["classes"])
    assert verify(root)["classes"] == ["b", "a"]


@pytest.mark.parametrize("file", ["train.images.npy", "val.images.npy", "val.labels.npy"])
def test_verify_names_a_damaged_file(root: Path, file: str) -> None:
    contents = bytearray((root / file).read_bytes())
    contents[-3] ^= 1
    (root / file).write_bytes(contents)
    open_prepared(root, "train")
    with pytest.raises(ValueError, match=rf"{file} is damaged"):
        verify(root)


def test_a_set_can_be_moved(root: Path, tmp_path: Path) -> None:
    shutil.move(root, tmp_path / "moved")
    verify(tmp_path / "moved")
