r"""Tests for the energy_gans.storage.checkpoint module."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from energy_gans.storage import load_checkpoint, load_model

from ..commands.conftest import trained  # noqa: F401


@pytest.fixture
def checkpoint(trained: Callable[[str], str]) -> str:  # noqa: F811
    return trained("plane")


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_truncated_checkpoint_is_refused(checkpoint: str, tmp_path: Path, size: int) -> None:
    torn = tmp_path / "torn.ckpt"
    torn.write_bytes(Path(checkpoint).read_bytes()[:size])
    with pytest.raises(ValueError, match="can not be read: it is truncated, or no checkpoint"):
        load_checkpoint(torn)


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="was not written by energy-gans"):
        load_checkpoint(tmp_path / "other.ckpt")
    with pytest.raises(FileNotFoundError, match="should be a checkpoint file"):
        load_checkpoint(tmp_path / "none.ckpt")


class Bomb:
    def __reduce__(self) -> tuple:
        return (os.mkdir, ("exploded",))


def test_a_checkpoint_never_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "seed": 0, "more": Bomb()}, "bomb.ckpt")
    with pytest.raises(ValueError, match="can not be read"):
        load_checkpoint("bomb.ckpt")
    assert not Path("exploded").exists()


def test_a_flipped_byte_of_any_tensor_is_found(checkpoint: str, tmp_path: Path) -> None:
    content = Path(checkpoint).read_bytes()
    with zipfile.ZipFile(checkpoint) as archive:
        parts = [part for part in archive.infolist() if "/data/" in part.filename]
    assert len(parts) > 20
    for part in parts:
        # A local header of 30 bytes, the name and torch's padding come first.
        extra = int.from_bytes(
            content[part.header_offset + 28 : part.header_offset + 30], "little"
        )
        start = part.header_offset + 30 + len(part.filename) + extra
        place = start + part.file_size // 2
        damaged = tmp_path / "damaged.ckpt"
        flipped = bytes([content[place] ^ 1])
        damaged.write_bytes(content[:place] + flipped + content[place + 1 :])
        with pytest.raises(ValueError, match=r"can not be read: .*is damaged: the check sum"):
            load_checkpoint(damaged)


def test_a_part_that_would_grow_is_refused(checkpoint: str, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(checkpoint) as whole,
        zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in whole.infolist():
            packed.writestr(part.filename, whole.read(part))
    with pytest.raises(ValueError, match="can not be read: .*a part of it is compressed"):
        load_checkpoint(tmp_path / "bomb.ckpt")


@pytest.mark.parametrize("class_path", ["os.system", "energy_gans.networks.MLP", "no.such.Method"])
def test_a_checkpoint_of_another_method_is_refused(
    checkpoint: str, tmp_path: Path, class_path: str
) -> None:
    other = load_checkpoint(checkpoint)
    other["hyper_parameters"]["_class_path"] = class_path
    torch.save(other, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=f"holds a {class_path} that can not be rebuilt here"):
        load_model(tmp_path / "other.ckpt")
