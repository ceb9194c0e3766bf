r"""Tests for the energy_gans.storage.arrays module, and of samples that are read from it."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from energy_gans.commands.inputs import _ArraySamples, open_samples
from energy_gans.functional import keyed_generator
from energy_gans.storage.arrays import open_array

from ..data.prepared.sources.writing import frugal

X = torch.randint(256, (230, 3, 6, 5), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
FLOATS = X / 127.5 - 1


def npy(x: torch.Tensor | np.ndarray, path: Path) -> Path:
    path = path.with_suffix(".npy")
    np.save(path, np.asarray(x), allow_pickle=True)
    return path


def npz(x: torch.Tensor | np.ndarray, path: Path) -> Path:
    path = path.with_suffix(".npz")
    np.savez(path, samples=np.asarray(x))
    return path


def pt(x: object, path: Path) -> Path:
    path = path.with_suffix(".pt")
    torch.save(x if not isinstance(x, np.ndarray) else torch.from_numpy(x), path)
    return path


def named(x: object, path: Path) -> Path:
    return pt({"samples": x, "other": torch.zeros(3)}, path)


WRITERS = {"npy": npy, "npz": npz, "pt": pt, "pt of several": named}
FORMS = {
    "uint8": X,
    "channels last": X.permute(0, 2, 3, 1).contiguous(),
    "float32": FLOATS,
    "float64": FLOATS.double(),
    "channels last floats": FLOATS.permute(0, 2, 3, 1).contiguous(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_every_form_holds_the_same(form: torch.Tensor, write: Callable, tmp_path: Path) -> None:
    samples = open_samples(str(write(form, tmp_path / "x")), None, 3)
    found = torch.cat([samples.batch(j) for j in range(len(samples))])
    assert torch.equal(found, X)
    few = open_samples(str(tmp_path / samples.origin()["samples"]), 120, 3)
    order = torch.randperm(230, generator=keyed_generator(0, "samples"))[:120].sort().values
    assert torch.equal(few.batch(1), X[order[100:]])
    # Backwards, too.
    assert torch.equal(few.batch(0), X[order[:100]])


@pytest.mark.parametrize(
    "tensor",
    [
        FLOATS.half().requires_grad_(),
        FLOATS.bfloat16(),
        torch.nn.Parameter(FLOATS),
        X[:1].expand(7, -1, -1, -1),
        X[::3],
    ],
)
def test_tensors_of_any_floats_and_strides(tensor: torch.Tensor, tmp_path: Path) -> None:
    samples = _ArraySamples(pt(tensor, tmp_path / "x"), None)
    expected = tensor.detach()
    if expected.is_floating_point():
        expected = ((expected.float() + 1) * 127.5).round().to(torch.uint8)
    assert torch.equal(samples.batch(0), expected[:100])


def test_other_byte_orders_are_read(tmp_path: Path) -> None:
    samples = _ArraySamples(npy(FLOATS.numpy().astype(">f4"), tmp_path / "x"), None)
    assert torch.equal(samples.batch(0), X[:100])


WRONG = {
    "int64": (
        np.zeros((9, 1, 4, 4), np.int64),
        "should hold uint8, or floats in [-1, 1], got int64",
    ),
    "bool": (np.zeros((9, 1, 4, 4), bool), "should hold uint8, or floats in [-1, 1], got bool"),
    "complex": (np.zeros((9, 1, 4, 4), np.complex64), "floats in [-1, 1], got complex64"),
    "int8": (np.zeros((9, 1, 4, 4), np.int8), "should hold uint8, or floats in [-1, 1], got int8"),
    "matrix": (np.zeros((9, 16), np.float32), "C, got shape (9, 16) of float32"),
    "no channels": (np.zeros((9, 8, 8), np.uint8), "C, got shape (9, 8, 8) of uint8"),
    "two channels": (np.zeros((9, 2, 8, 8), np.uint8), "1 or 3 for C, got shape (9, 2, 8, 8)"),
    "alpha": (np.zeros((9, 8, 8, 4), np.uint8), "1 or 3 for C, got shape (9, 8, 8, 4)"),
    "middle": (np.zeros((9, 8, 3, 8), np.uint8), "1 or 3 for C, got shape (9, 8, 3, 8)"),
    "empty": (np.zeros((0, 1, 8, 8), np.uint8), "should hold some samples, got 0"),
    "no pixels": (np.zeros((9, 1, 0, 8), np.uint8), "got shape (9, 1, 0, 8)"),
    "from 0 to 1": (np.full((9, 1, 4, 4), 0.5, np.float32), "below 0, in [0.5, 0.5]"),
    "from 0 to 255": (np.full((9, 1, 4, 4), 99.0), "none of which is below 0, in [99, 99]"),
    "too large": (
        np.full((9, 1, 4, 4), -1.5),
        "can not be used: Images should be uint8, or floats",
    ),
    "nan": (np.full((9, 1, 4, 4), np.nan), "floats in [nan, nan]"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_what_is_no_array_of_images_is_refused(
    wrong: tuple[np.ndarray, str], write: Callable, tmp_path: Path
) -> None:
    x, told = wrong
    path = write(torch.from_numpy(x), tmp_path / "x")
    with pytest.raises(ValueError) as error:
        _ArraySamples(path, None).batch(0)
    assert str(error.value).startswith(f"'samples' = {str(path)!r} ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


class Bomb:
    r"""Makes the folder `exploded` when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (os.mkdir, ("exploded",))


def objects(x: np.ndarray, path: Path) -> Path:
    torch.save({"samples": x}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


@pytest.mark.parametrize("write", [npy, npz, objects])
def test_objects_are_never_unpickled(
    write: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(np.array([Bomb()] * 4, dtype=object).reshape(1, 1, 2, 2), tmp_path / "x")
    with pytest.raises(ValueError, match="got object|holds objects other than tensors"):
        open_array(path)
    assert not (tmp_path / "exploded").exists()


CONTENTS = {
    "list": [torch.zeros(2, 1, 4, 4)],
    "number": 3,
    "two tensors": {"a": torch.zeros(2, 1, 4, 4), "b": torch.zeros(2, 1, 4, 4)},
    "no tensor": {"samples": [1, 2]},
    "none": None,
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_files_without_one_tensor_are_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="should hold one tensor, alone or by the name 'samples'"):
        open_array(pt(content, tmp_path / "x"))


@pytest.mark.parametrize(
    "tensor", [torch.zeros(2, 1, 4, 4).to_sparse(), torch.zeros(2, 1, 4, 4, device="meta")]
)
def test_tensors_without_elements_of_their_own_are_refused(
    tensor: torch.Tensor, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="should hold a dense tensor|can not be read"):
        open_array(pt(tensor, tmp_path / "x"))


def test_the_only_tensor_of_a_dict_is_taken(tmp_path: Path) -> None:
    assert len(open_array(pt({"images": X, "seed": 3}, tmp_path / "x"))) == 230


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".pth", ".bin"])
@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01", b"PK\3\4", b"\x80\x02."])
def test_files_of_something_else_are_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = (tmp_path / "x").with_suffix(suffix)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="^'samples' = .* can not be read: "):
        open_array(path)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("write, damage", [(npy, truncated), (pt, truncated), (pt, flipped)])
def test_damaged_files_are_refused(write: Callable, damage: Callable, tmp_path: Path) -> None:
    path = write(X, tmp_path / "x")
    damage(path)
    with pytest.raises(
        ValueError, match="is cut short: its header|it is truncated or damaged|part .* is damaged"
    ):
        open_array(path)


def test_arrays_that_are_only_announced_take_no_memory(tmp_path: Path) -> None:
    header = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 3, 64, 64)}
    np.lib.format.write_array_header_1_0(header, about)
    (tmp_path / "x.npy").write_bytes(header.getvalue() + bytes(100))
    with frugal(), pytest.raises(ValueError, match="is cut short: its header gives 1000000"):
        open_array(tmp_path / "x.npy")
    x = torch.zeros(1, 3, 8, 8, dtype=torch.uint8).expand(10**8, -1, -1, -1)
    with frugal(), pytest.raises(ValueError, match="at most 10000000 images of at most"):
        open_array(pt(x, tmp_path / "y"))
    with zipfile.ZipFile(tmp_path / "z.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    with (
        frugal(),
        pytest.raises(ValueError, match="can not be read: a part of it is compressed"),
    ):
        open_array(tmp_path / "z.pt")


def test_arrays_in_fortran_order_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(X.numpy()))
    with pytest.raises(ValueError, match="can not be read: its array is in Fortran order"):
        open_array(tmp_path / "x.npy")
