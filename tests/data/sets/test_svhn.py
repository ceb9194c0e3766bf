r"""Tests for the energy_gans.data.sets.svhn module.

What the data modules of prepared sets share is tested in `tests/data/prepared/test_module.py`.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision import datasets

from energy_gans.data import SVHN


@pytest.fixture
def root(tmp_path: Path) -> Path:
    r"""Writes random images in the published format: images last, label 10 for digit 0."""
    random = np.random.default_rng(0)
    for split, n in (("train", 12), ("test", 5)):
        y = np.arange(1, n + 1)[:, None] % 10
        contents = {
            "X": random.integers(0, 256, (32, 32, 3, n), np.uint8),
            "y": np.where(y == 0, 10, y),
        }
        savemat(tmp_path / f"{split}_32x32.mat", contents)
    return tmp_path


@pytest.mark.parametrize("split, theirs", [("train", "train"), ("val", "test")])
def test_torchvision_reads_the_same(
    root: Path, split: str, theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda *args: True)
    expected = datasets.SVHN(root, split=theirs)
    data = SVHN(str(root))
    y, label = data.contents(split)
    assert y.shape[1:] == data.shape
    assert np.array_equal(y.numpy(), expected.data)
    assert np.array_equal(label.numpy(), expected.labels)
    assert 0 in label or split == "val"


def test_images_are_resized(root: Path) -> None:
    assert SVHN(str(root), size=64).contents("val")[0].shape == (5, 3, 64, 64)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_missing_file_is_named(root: Path, split: str) -> None:
    (root / f"{split}_32x32.mat").unlink()
    with pytest.raises(FileNotFoundError, match=f"{split}_32x32.mat"):
        SVHN(str(root)).setup("fit")


def test_labels_are_digits(root: Path) -> None:
    data = SVHN(str(root), batch_size=12)
    ((_, label),) = data.train_dataloader()
    assert label.dtype == torch.int64
    assert data.classes == list("0123456789")
