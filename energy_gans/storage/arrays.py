r"""Arrays of samples, written, and arrays of images in `.npz`, `.npy` and `.pt` files, of which a few rows at a time are read.

What a file says of its array is checked against what it holds, before memory is taken for it.
Nothing in a file is run: arrays of objects are refused, and tensors are read as weights only.
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

# Rows that are unpacked at once.
ROWS = 100
# The images of an array, and the bytes of one of them.
IMAGES = 10**7
IMAGE_BYTES = 16 * 2**20
MAGIC = b"\x93NUMPY"


class Rows(Protocol):
    r"""What is asked of an array of images."""

    def __len__(self) -> int: ...

    def rows(self, index: np.ndarray) -> Tensor:
        r"""Returns some rows, of ascending indices, uint8 or float32."""
        ...


def open_array(path: Path) -> Rows:
    r"""Returns the array of images in a file.

    Arguments:
        path: An `.npz` or `.npy` file, or one that `torch.save` wrote, ending in `.pt` or `.pth`.

    Raises:
        ValueError: If the file can not be read, or holds no array of four dimensions, another type
            than uint8 and floats, more images or larger ones than are read, or fewer bytes than
            it says.
    """
    return TensorFile(path) if path.suffix in (".pt", ".pth") else ArrayFile(path)


def check_array(path: Path, shape: tuple[int, ...], kind: str, bits: int, floats: bool) -> None:
    r"""Raises a `ValueError` unless an array is one of images, and not too large to be read.

    Arguments:
        path: The file.
        shape: The shape.
        kind: The type of the elements.
        bits: Their size.
        floats: Whether they are floats.
    """
    name = f"'samples' = {str(path)!r}"
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


class ArrayFile:
    r"""Creates the array of an `.npy` or `.npz` file.

    Of several in an `.npz` file it is the one called `samples`, or `arr_0`.

    Arguments:
        path: The file.

    Raises:
        ValueError: As :func:`open_array` says.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.position = path, 0
        self.file = self.opened()
        bits, floats = 8 * self.dtype.itemsize, self.dtype.kind == "f"
        check_array(path, self.shape, str(self.dtype), bits, floats)
        self.size = math.prod(self.shape[1:]) * self.dtype.itemsize
        if self.left < len(self) * self.size:
            raise ValueError(
                f"'samples' = {str(path)!r} is cut short: it says that it holds {len(self)} images of "
                f"{self.size} bytes, and has {self.left} bytes of them."
            )

    def __len__(self) -> int:
        return self.shape[0]

    def opened(self) -> IO[bytes]:
        r"""Returns the array's bytes, and reads what they are and how many there are."""
        try:
            with self.path.open("rb") as file:
                bare = file.read(len(MAGIC)) == MAGIC
            file, size = (
                (self.path.open("rb"), self.path.stat().st_size) if bare else self.member()
            )
            # The other formats are for longer headers, which no array of images needs.
            if (version := np.lib.format.read_magic(file)) != (1, 0):
                raise ValueError(f"its array is of format {version}, and should be of (1, 0)")
            self.shape, fortran, self.dtype = np.lib.format.read_array_header_1_0(file)
            if fortran:
                raise ValueError("its array is in Fortran order")
            self.left = size - file.tell()
        except (*DAMAGED, ValueError) as error:
            raise ValueError(
                f"'samples' = {str(self.path)!r} can not be read: {error}."
            ) from error
        return file

    def member(self) -> tuple[IO[bytes], int]:
        r"""Returns the array's file in an archive, and its size."""
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
        r"""Returns some rows of the array; those between them are unpacked, and let go.

        Arguments:
            index: The indices of the rows, ascending, with shape :math:`(B)`.
        """
        if index[0] < self.position:
            self.position, self.file = 0, self.opened()
        parts = []
        while self.position <= index[-1]:
            first = self.position
            x = self.next_rows(min(ROWS, int(index[-1]) + 1 - first))
            parts.append(x[index[(index >= first) & (index < self.position)] - first])
        return torch.from_numpy(np.concatenate(parts))

    def next_rows(self, n: int) -> np.ndarray:
        r"""Returns the next rows of the array, uint8 or float32."""
        try:
            x = np.frombuffer(self.file.read(n * self.size), self.dtype)
            x = x.reshape(n, *self.shape[1:])
        except (*DAMAGED, ValueError) as error:
            raise ValueError(f"'samples' = {str(self.path)!r} is damaged: {error}.") from error
        self.position += n
        return x.astype(np.float32) if self.dtype.kind == "f" else x


class TensorFile:
    r"""Creates the tensor of images that `torch.save` wrote.

    Of several in a dict it is the one called `samples`.

    Arguments:
        path: The file.

    Raises:
        ValueError: As :func:`open_array` says.
    """

    def __init__(self, path: Path) -> None:
        self.x = only_tensor(load_tensors("samples", path, mmap=True), path)
        kind = str(self.x.dtype).removeprefix("torch.")
        bits, floats = 8 * self.x.element_size(), self.x.is_floating_point()
        check_array(path, tuple(self.x.shape), kind, bits, floats)

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: np.ndarray) -> Tensor:
        r"""Returns some rows of the tensor."""
        x = self.x[torch.from_numpy(index)]
        return x.float() if x.is_floating_point() else x


def only_tensor(content: Any, path: Path) -> Tensor:
    r"""Returns the tensor called `samples`, or the only one.

    Raises:
        ValueError: If there is none, or it has no elements that can be read.
    """
    if isinstance(content, dict):
        tensors = [value for value in content.values() if isinstance(value, Tensor)]
        content = content.get("samples", tensors[0] if len(tensors) == 1 else None)
    if not isinstance(content, Tensor):
        raise ValueError(
            f"'samples' = {str(path)!r} should hold one tensor, alone or by the name 'samples', "
            "and does not."
        )
    if content.layout != torch.strided or content.is_quantized or content.is_meta:
        raise ValueError(
            f"'samples' = {str(path)!r} should hold a dense tensor, got one that is sparse, "
            "quantized or has no elements."
        )
    return content.detach()


def write_samples(x: Tensor, path: Path) -> None:
    r"""Writes the array `samples` as an `.npz`, whole or not at all."""
    with atomic_write(path) as file:
        np.savez_compressed(file, samples=x.float().cpu().numpy())
