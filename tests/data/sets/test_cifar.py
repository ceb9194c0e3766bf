r"""Tests for the energy_gans.data.sets.cifar module.

What the data modules of prepared sets share is tested in `tests/data/prepared/test_module.py`.
"""

import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from energy_gans.data import CIFAR10, CIFAR100
from energy_gans.data.images import resize_to

SETS = [CIFAR10, CIFAR100]
every_set = pytest.mark.parametrize("source", SETS)
NAMES = [f"kind {i}" for i in range(100)]


def write(root: Path, source: type[CIFAR10]) -> dict[str, tuple[np.ndarray, list[int]]]:
    r"""Writes random batches of 4 images in the published format; returns images and labels."""
    random = np.random.default_rng(0)
    folder = root / source.dataset.base_folder
    folder.mkdir(parents=True)
    key = "labels" if source is CIFAR10 else "fine_labels"
    sets: dict[str, tuple[np.ndarray, list[int]]] = {}
    for split, files in (("train", source.dataset.train_list), ("val", source.dataset.test_list)):
        y = random.integers(0, 256, (4 * len(files), 3072), np.uint8)
        label = random.integers(0, source.count, len(y)).tolist()
        for i, (name, _) in enumerate(files):
            part = slice(4 * i, 4 * i + 4)
            batch = {"data": y[part], key: label[part], "batch_label": "", "filenames": [""] * 4}
            (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
        sets[split] = y.reshape(-1, 3, 32, 32), label
    name, key = source.dataset.meta["filename"], source.dataset.meta["key"]
    (folder / name).write_bytes(pickle.dumps({key: NAMES[: source.count]}, protocol=2))
    return sets


@every_set
@pytest.mark.parametrize("packed", [False, True])
def test_original_files_are_read(tmp_path: Path, source: type[CIFAR10], packed: bool) -> None:
    sets = write(tmp_path, source)
    if packed:
        folder = tmp_path / source.dataset.base_folder
        with tarfile.open(tmp_path / source.dataset.filename, "w:gz") as archive:
            archive.add(folder, folder.name)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    data = source(str(tmp_path), batch_size=4)
    for split, (y, label) in sets.items():
        found, found_label = data.contents(split)
        assert found.dtype == torch.uint8 and found_label.dtype == torch.int64
        assert np.array_equal(found.numpy(), y)
        assert found_label.tolist() == label
    assert data.classes == NAMES[: source.count]
    assert data.shape == (3, 32, 32)


@every_set
def test_torchvision_reads_the_same(
    tmp_path: Path, source: type[CIFAR10], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, source)
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    theirs = source.dataset(tmp_path, train=False)
    y, label = source(str(tmp_path)).contents("val")
    assert np.array_equal(theirs.data, y.permute(0, 2, 3, 1).numpy())
    assert theirs.targets == label.tolist()


@every_set
def test_images_are_resized(tmp_path: Path, source: type[CIFAR10]) -> None:
    write(tmp_path, source)
    data = source(str(tmp_path), size=64)
    y, _ = data.contents("val")
    assert y.shape[1:] == data.shape == (3, 64, 64)
    assert torch.equal(y, resize_to(source(str(tmp_path)).contents("val")[0], 64))


@every_set
def test_a_batch_that_is_missing_is_named(tmp_path: Path, source: type[CIFAR10]) -> None:
    write(tmp_path, source)
    (tmp_path / source.dataset.base_folder / source.dataset.test_list[0][0]).unlink()
    with pytest.raises(FileNotFoundError, match=f"should hold {source.dataset.filename}"):
        source(str(tmp_path)).length("train")


@every_set
def test_without_files_no_class_is_known(tmp_path: Path, source: type[CIFAR10]) -> None:
    assert source(str(tmp_path)).classes == []


def test_fingerprints_are_those_of_the_contents(tmp_path: Path) -> None:
    write(tmp_path, CIFAR10)
    prints = [CIFAR10(str(tmp_path), size).fingerprint("val") for size in (32, 32, 64)]
    assert prints[0] == prints[1] != prints[2]
