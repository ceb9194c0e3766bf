r"""Tests for the energy_gans.tensor_files module."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from energy_gans import tensor_files
from energy_gans.tensor_files import BoundedAllocation, load_safetensors, load_tensors

CONTENT = {"w": torch.arange(6.0).reshape(2, 3), "names": ["a", "b"]}


class Bomb:
    r"""An object whose unpickling would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def flip_in_storage(path: Path) -> None:
    r"""Flips a bit in the bytes of a tensor."""
    with zipfile.ZipFile(path) as archive:
        storage = next(p for p in archive.infolist() if p.filename.endswith("data/0"))
    data = bytearray(path.read_bytes())
    # A local header has 30 bytes, and then the name and an extra field, whose lengths end it.
    start = storage.header_offset
    lengths = (int.from_bytes(data[start + i : start + i + 2], "little") for i in (26, 28))
    data[start + 30 + sum(lengths)] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("verify", [False, True])
def test_what_was_saved_comes_back(tmp_path: Path, verify: bool, mmap: bool) -> None:
    torch.save(CONTENT, tmp_path / "a.pt")
    content = load_tensors("x", tmp_path / "a.pt", verify=verify, mmap=mmap)
    assert torch.equal(content["w"], CONTENT["w"]) and content["names"] == CONTENT["names"]


@pytest.mark.parametrize("archive", [False, True])
def test_an_open_file_is_read_from_its_start(tmp_path: Path, archive: bool) -> None:
    torch.save(CONTENT, tmp_path / "a.pt", _use_new_zipfile_serialization=archive)
    with (tmp_path / "a.pt").open("rb") as file:
        assert torch.equal(load_tensors("x", file, legacy=True)["w"], CONTENT["w"])


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(CONTENT, path)
    flip_in_storage(path)
    # torch would return another tensor.
    assert not torch.equal(torch.load(path, weights_only=True)["w"], CONTENT["w"])
    for legacy in (False, True):
        with pytest.raises(
            ValueError, match=r"^'x' = .*a.pt' can not be read: its part .*data/0' is damaged"
        ):
            load_tensors("x", path, legacy=legacy)


def test_compressed_parts_are_refused(tmp_path: Path) -> None:
    torch.save(CONTENT, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as plain,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(ValueError, match=r"b.pt' can not be read: a part of it is compressed\.$"):
        load_tensors("x", tmp_path / "b.pt")


def test_the_old_format_is_read_only_where_it_is_accepted(tmp_path: Path) -> None:
    torch.save(CONTENT, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(load_tensors("x", tmp_path / "a.pt", legacy=True)["w"], CONTENT["w"])
    with pytest.raises(ValueError, match="can not be read: it is truncated or damaged"):
        load_tensors("x", tmp_path / "a.pt")


@pytest.mark.parametrize("archive", [False, True])
def test_code_in_a_file_is_not_run(tmp_path: Path, archive: bool) -> None:
    bomb = Bomb(tmp_path / "written")
    torch.save({"w": bomb}, tmp_path / "a.pt", _use_new_zipfile_serialization=archive)
    with pytest.raises(ValueError, match="or holds objects other than tensors and plain values"):
        load_tensors("x", tmp_path / "a.pt", legacy=True)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04text"])
@pytest.mark.parametrize("legacy", [False, True])
def test_other_files_are_refused(tmp_path: Path, data: bytes, legacy: bool) -> None:
    (tmp_path / "a.pt").write_bytes(data)
    with pytest.raises(ValueError, match=r"^'x' = .*a.pt' can not be read: it is [^\n]*\.$"):
        load_tensors("x", tmp_path / "a.pt", legacy=legacy)


@pytest.mark.parametrize("share", [0.2, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, share: float) -> None:
    torch.save(CONTENT, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match="can not be read: it is truncated or damaged"):
        load_tensors("x", tmp_path / "a.pt", legacy=True)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"^'x' should be a file of weights, and .*none.pt' is none"
    ):
        load_tensors("x", tmp_path / "none.pt")


def test_safetensors_come_with_the_check_sum_of_their_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    saved = {"w": CONTENT["w"], "n": torch.tensor(3)}
    safetensors.torch.save_file(saved, path)
    tensors, digest = load_safetensors("x", path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert tensors.keys() == saved.keys()
    assert all(torch.equal(tensors[name], saved[name]) for name in saved)
    with pytest.raises(FileNotFoundError, match="'x' should be a file of weights"):
        load_safetensors("x", tmp_path / "none")


@pytest.mark.parametrize("end", [0, 7, 8, 30, -1])
def test_truncated_safetensors_are_refused(tmp_path: Path, end: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.torch.save({"w": CONTENT["w"]})[:end])
    with pytest.raises(ValueError, match="'x' = .* can not be read: it is truncated or damaged"):
        load_safetensors("x", path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.nn.Linear(10**5, 10**5),
        lambda: torch.eye(10**6),
        lambda: torch.arange(10**12),
        lambda: torch.zeros(1).new_zeros(10**6, 10**6),
        lambda: [torch.nn.Linear(1000, 1000) for _ in range(10**6)],
        lambda: [torch.nn.Linear(1, 1) for _ in range(10**6)],
    ],
)
def test_a_network_far_larger_than_its_weights_is_refused(
    make: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_files, "_OPERATIONS", 300)
    with pytest.raises(ValueError, match="far larger than its weights"), BoundedAllocation({}):
        make()


def test_a_network_as_large_as_its_weights_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_files, "_BYTES", 2**10)
    weights = {"w": torch.empty(64, 64), "names": ["a"]}
    with BoundedAllocation(weights):
        assert torch.nn.Linear(64, 64, bias=False).weight.shape == (64, 64)
    with pytest.raises(ValueError, match="far larger"), BoundedAllocation(weights):
        torch.nn.Linear(64, 64 * 20)
