r"""Tests for the energy_gans.data.prepared.sums module, and the check when training starts."""

import hashlib
import json
import math
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from energy_gans.cli import main
from energy_gans.data import TinyImageNet
from energy_gans.data.prepared import sums
from energy_gans.data.prepared.manifest import SUM_KEY, manifest_digest
from energy_gans.data.prepared.module import StoredImages
from energy_gans.data.prepared.reader import HEADER, StoredArray, open_prepared, verify
from energy_gans.data.prepared.sums import row_sums, rows_to_check

Writer = Callable[..., Path]
CONFIGS = Path(__file__).parents[3] / "configs"
SIZE = 3 * 8 * 8


@pytest.fixture
def root(prepared: Writer) -> Path:
    return prepared("tinyimagenet", classes=("a", "b"))


def flip(path: Path, byte: int) -> None:
    r"""Flips a bit of an array file, in a byte after its header."""
    contents = bytearray(path.read_bytes())
    contents[HEADER + byte] ^= 16
    path.write_bytes(contents)


def edit(root: Path, change: Callable[[dict], object]) -> None:
    r"""Changes a manifest, and corrects its checksum if it has one."""
    manifest = json.loads((root / "manifest.json").read_text())
    change(manifest)
    if SUM_KEY in manifest:
        manifest[SUM_KEY] = manifest_digest(manifest)
    (root / "manifest.json").write_text(json.dumps(manifest))


def opened(root: Path, seed: int = 0, **options: object) -> StoredImages:
    torch.manual_seed(seed)
    data = TinyImageNet(str(root), size=8, **{"batch_size": 2, **options})
    data.setup("fit")
    return data


# Checksums


def test_a_sum_is_that_of_the_bytes_on_disk(root: Path) -> None:
    images, labels, found = (
        np.load(root / f"train.{w}.npy") for w in ("images", "labels", "sums")
    )
    expected = [zlib.crc32(x.tobytes() + k.tobytes()) for x, k in zip(images, labels, strict=True)]
    assert found.dtype == np.uint32
    assert found.tolist() == expected


def test_a_sum_differs_for_each_bit() -> None:
    bits = np.unpackbits(np.zeros((1, 3 * 2 * 2), np.uint8))
    images = np.packbits(np.vstack([bits, bits ^ np.eye(bits.size, dtype=np.uint8)]), axis=1)
    images = images.reshape(-1, 3, 2, 2)
    plain = row_sums(images, np.zeros(len(images)))
    labels = row_sums(np.repeat(images[:1], 64, 0), 1 << np.arange(64, dtype=np.uint64))
    assert len({*plain.tolist(), *labels.tolist()}) == bits.size + 1 + 64


# Samples of rows


def test_few_rows_are_all_checked() -> None:
    assert torch.equal(rows_to_check(sums.ROWS, 0, "train"), torch.arange(sums.ROWS))


def test_a_sample_is_a_function_of_the_seed_and_the_split() -> None:
    rows = rows_to_check(10_000, 3, "train")
    torch.rand(5)
    assert torch.equal(rows, rows_to_check(10_000, 3, "train"))
    assert len(rows) == len(rows.unique()) == sums.ROWS
    assert rows.min() >= 0 and rows.max() < 10_000
    for other in (rows_to_check(10_000, 4, "train"), rows_to_check(10_000, 3, "val")):
        assert len(set(rows.tolist()) & set(other.tolist())) < 60  # 26 are expected


# Damage that the start of training finds


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("row", [0, 4])
def test_a_flipped_pixel_is_named(root: Path, split: str, row: int) -> None:
    flip(root / f"{split}.images.npy", row * SIZE + 100)
    with pytest.raises(ValueError) as error:
        opened(root)
    assert f"{root / split}.images.npy is damaged: row {row} does not match" in str(error.value)
    assert f"`energy-gans data verify --root {root}`" in str(error.value)


@pytest.mark.parametrize("what", ["labels", "sums"])
def test_a_flipped_label_or_sum_is_named(root: Path, what: str) -> None:
    flip(root / f"val.{what}.npy", 17)
    for read in (opened, verify):
        with pytest.raises(ValueError, match=rf"val.{what}.npy is damaged: .*data verify --root"):
            read(root)


def test_an_image_with_anothers_label_is_found(root: Path) -> None:
    def relabel(manifest: dict) -> None:
        labels = (root / "train.labels.npy").read_bytes()[HEADER:]
        manifest["splits"]["train"]["labels_sha256"] = hashlib.sha256(labels).hexdigest()

    flip(root / "train.labels.npy", 8 * 5)
    edit(root, relabel)
    with pytest.raises(ValueError, match=r"row 5 does not match its checksum"):
        opened(root)


def test_training_on_a_damaged_set_fails(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flip(root / "train.images.npy", 1000)
    command = ["fit", "--config", str(CONFIGS / "demo.yaml"), "--data", "TinyImageNet"]
    with pytest.raises(SystemExit) as error:
        main([*command, "--data.root", str(root), "--data.size=8", "--data.batch_size=4"])
    assert "row 5 does not match its checksum" in str(error.value.code)


def test_damage_is_found_with_the_probability_of_the_sample(
    prepared: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "ROWS", 40)
    n, damaged, seeds = 400, 8, 300
    root = prepared("tinyimagenet", size=2, counts={"train": n, "val": 1})
    for row in range(0, n, n // damaged):
        flip(root / "train.images.npy", row * 12)
    split = open_prepared(root, "train")
    found = 0
    for seed in range(seeds):
        try:
            split.check_rows(rows_to_check(n, seed, "train"))
        except ValueError:
            found += 1
    p = 1 - math.comb(n - damaged, 40) / math.comb(n, 40)
    assert abs(found / seeds - p) < 4 * math.sqrt(p * (1 - p) / seeds)
    with pytest.raises(ValueError, match=r"train.images.npy is damaged"):
        verify(root)


def test_no_other_rows_are_read(prepared: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "ROWS", 40)
    root = prepared("tinyimagenet", counts={"train": 3000, "val": 60})
    read: list[int] = []
    whole = StoredArray.__getitem__

    def counted(self: StoredArray, i: torch.Tensor) -> torch.Tensor:
        read.extend(i.tolist())
        return whole(self, i)

    monkeypatch.setattr(StoredArray, "__getitem__", counted)
    opened(root, seed=5)
    expected = [*rows_to_check(3000, 5, "train").tolist(), *rows_to_check(60, 5, "val").tolist()]
    assert read == expected


def test_rows_beyond_the_limit_are_not_read(
    prepared: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "ROWS", 40)
    root = prepared("tinyimagenet", counts={"train": 3000, "val": 5})
    flip(root / "train.images.npy", 39 * SIZE)
    flip(root / "train.images.npy", 40 * SIZE)
    opened(root, limit=39, batch_size=2)
    for seed in range(3):
        with pytest.raises(ValueError, match="row 39 does not match its checksum"):
            opened(root, seed, limit=40, batch_size=2)


# Sets without checksums


def test_a_set_without_sums_opens_with_advice(root: Path) -> None:
    def without(manifest: dict) -> None:
        del manifest[SUM_KEY]
        for said in manifest["splits"].values():
            del said["sums_sha256"]

    edit(root, without)
    for split in ("train", "val"):
        (root / f"{split}.sums.npy").unlink()
    with pytest.warns(UserWarning, match=r"are not checked at the start: `energy-gans data ver"):
        data = opened(root)
    assert data.length("train") == 12
    verify(root)
    flip(root / "val.images.npy", 3)
    with pytest.raises(ValueError, match=r"val.images.npy is damaged"):
        verify(root)


def test_a_set_with_sums_opens_without_a_word(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(root)


def test_a_missing_file_of_sums_is_named(root: Path) -> None:
    (root / "train.sums.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"train.sums.npy is missing"):
        opened(root)
