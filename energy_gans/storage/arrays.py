r"""Samples as arrays in files: written as `.npz`, and read from `.npz`, `.npy` and `.pt` in parts.

The header of a file is checked against the file's size before memory is allocated. Reading runs no
code: arrays of objects are refused, and tensors are read with `weights_only=True`.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..data.prepared.sources.containers import DAMAGED, method_error
from ..files import atomic_write
from ..tensor_files import load_tensors

# The number of rows that are unpacked at once.
ROWS = 100
# The largest number of images in an array, and the largest size of an image.
IMAGES = 10**7
IMAGE_BYTES = 16 * 2**20
MAGIC = b"\x93NUMPY"


class _ImageArray(Protocol):
    r"""An array of images in a file."""

    def __len__(self) -> int: ...

    def rows(self, index: np.ndarray) -> Tensor:
        r"""Returns the rows of ascending indices, uint8 or float32."""
        ...


def open_array(path: Path) -> _ImageArray:
    r"""Returns the array of images in a file.

    Arguments:
        path: An `.npz` or `.npy` file, or a `.pt` or `.pth` file of `torch.save`.

    Raises:
        ValueError: If the file can not be read, if its array has not four dimensions, has another
            type than uint8 and floats or is too large, or if the file is shorter than its header
            says.
    """
    if path.suffix in (".pt", ".pth"):
        name = f"'samples' = {str(path)!r}"
        return TensorImages(_find_tensor(load_tensors("samples", path, mmap=True), name), name)
    return _NumpyFile(path)


def _check_array(name: str, shape: tuple[int, ...], kind: str, bits: int, floats: bool) -> None:
    r"""Raises a `ValueError` unless an array holds images and is not too large.

    Arguments:
        name: The name of the array in errors.
        shape: The shape of the array.
        kind: The name of the elements' type.
        bits: The size of an element in bits.
        floats: Whether the elements are floats.
    """
    if len(shape) != 4 or shape[0] < 0 or min(shape[1:]) < 1 or not {1, 3} & {shape[1], shape[3]}:
        raise ValueError(
            f"{name} should hold an array of images with shape (N, C, H, W) or (N, H, W, C), and "
            f"1 or 3 for C, got shape {tuple(shape)} of {kind}."
        )
    if kind != "uint8" and not floats:
        raise ValueError(f"{name} should hold uint8, or floats in [-1, 1], got {kind}.")
    size = math.prod(shape[1:]) * bits // 8
    if shape[0] > IMAGES or size > IMAGE_BYTES:
        raise ValueError(
            f"{name} should hold at most {IMAGES} images of at most {IMAGE_BYTES} bytes, got "
            f"{shape[0]} of {size}."
        )


class _NumpyFile:
    r"""The array in an `.npy` or `.npz` file; in an `.npz` of several, `samples` or `arr_0`.

    Arguments:
        path: The file.

    Raises:
        ValueError: As :func:`open_array` says.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.position = path, 0
        self.file = self._open()
        bits, floats = 8 * self.dtype.itemsize, self.dtype.kind == "f"
        _check_array(f"'samples' = {str(path)!r}", self.shape, str(self.dtype), bits, floats)
        self.size = math.prod(self.shape[1:]) * self.dtype.itemsize
        if self.left < len(self) * self.size:
            raise ValueError(
                f"'samples' = {str(path)!r} is cut short: its header gives {len(self)} images of "
                f"{self.size} bytes, and {self.left} bytes follow."
            )

    def __len__(self) -> int:
        return self.shape[0]

    def _open(self) -> IO[bytes]:
        r"""Returns the file at the array's first byte, and reads the header."""
        try:
            with self.path.open("rb") as file:
                bare = file.read(len(MAGIC)) == MAGIC
            file, size = (
                (self.path.open("rb"), self.path.stat().st_size) if bare else self._member()
            )
            # Other formats are for longer headers, which arrays of images do not need.
            if (version := np.lib.format.read_magic(file)) != (1, 0):
                raise ValueError(f"its array is of format {version}, and should be of (1, 0)")
            self.shape, fortran, self.dtype = np.lib.format.read_array_header_1_0(file)
            if fortran:
                raise ValueError("its array is in Fortran order")
            self.left = size - file.tell()
        except Exception as error:
            # numpy evaluates the header as Python, and a damaged one can raise almost anything.
            raise ValueError(
                f"'samples' = {str(self.path)!r} can not be read: {_in_one_line(error)}."
            ) from error
        return file

    def _member(self) -> tuple[IO[bytes], int]:
        r"""Returns the array's file in an `.npz` archive, and its size."""
        archive = zipfile.ZipFile(self.path)
        names = archive.namelist()
        known = [name for name in ("samples.npy", "arr_0.npy", *names[:1]) if name in names]
        if not known or (len(names) > 1 and known[0] not in ("samples.npy", "arr_0.npy")):
            raise ValueError(f"it holds {', '.join(names[:3])}, and no 'samples'")
        member = archive.getinfo(known[0])
        if error := method_error(member):
            raise error
        return archive.open(member), member.file_size

    def rows(self, index: np.ndarray) -> Tensor:
        r"""Returns rows of the array. Rows between them are unpacked and discarded.

        Arguments:
            index: The indices of the rows, ascending, with shape :math:`(B)`.
        """
        if index[0] < self.position:
            self.position, self.file = 0, self._open()
        parts = []
        while self.position <= index[-1]:
            first = self.position
            x = self._next_rows(min(ROWS, int(index[-1]) + 1 - first))
            parts.append(x[index[(index >= first) & (index < self.position)] - first])
        return torch.from_numpy(np.concatenate(parts))

    def _next_rows(self, n: int) -> np.ndarray:
        r"""Returns the next `n` rows of the array, uint8 or float32."""
        try:
            x = np.frombuffer(self.file.read(n * self.size), self.dtype)
            x = x.reshape(n, *self.shape[1:])
        except (*DAMAGED, ValueError) as error:
            reason = _in_one_line(error)
            raise ValueError(f"'samples' = {str(self.path)!r} is damaged: {reason}.") from error
        self.position += n
        return x.astype(np.float32) if self.dtype.kind == "f" else x


def _in_one_line(error: Exception) -> str:
    r"""Returns the message of an error in one line, without its full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


class TensorImages:
    r"""A tensor of images, in memory or in a file of `torch.save`.

    Arguments:
        x: The tensor.
        name: The name of the tensor in errors.

    Raises:
        ValueError: As :func:`open_array` says.
    """

    def __init__(self, x: Tensor, name: str) -> None:
        self.x = x.detach()
        kind = str(x.dtype).removeprefix("torch.")
        _check_array(name, tuple(x.shape), kind, 8 * x.element_size(), x.is_floating_point())

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: np.ndarray) -> Tensor:
        r"""Returns rows of the tensor."""
        x = self.x[torch.from_numpy(index)]
        return x.float() if x.is_floating_point() else x


def _find_tensor(content: Any, name: str) -> Tensor:
    r"""Returns the tensor with the name `samples`, or the only one.

    Arguments:
        content: The content of a file.
        name: The name of the file in errors.

    Raises:
        ValueError: If there is none, or it is sparse, quantized or without elements.
    """
    if isinstance(content, dict):
        tensors = [value for value in content.values() if isinstance(value, Tensor)]
        content = content.get("samples", tensors[0] if len(tensors) == 1 else None)
    if not isinstance(content, Tensor):
        raise ValueError(
            f"{name} should hold one tensor, alone or by the name 'samples', and does not."
        )
    if content.layout != torch.strided or content.is_quantized or content.is_meta:
        raise ValueError(
            f"{name} should hold a dense tensor, got one that is sparse, "
            "quantized or has no elements."
        )
    return content


def write_samples(x: Tensor, path: Path) -> None:
    r"""Writes the array `samples` as an `.npz`, whole or not at all."""
    with atomic_write(path) as file:
        np.savez_compressed(file, samples=x.float().cpu().numpy())
