r"""The array files of a prepared set, and how a set is opened and verified.

A prepared set is a folder that holds, for each of the splits `train`, `val` and, in some sets,
`test`,

- `{split}.images.npy`: the images as uint8, with shape :math:`(N, C, H, W)`,
- `{split}.labels.npy`: the labels as int64, with shape :math:`(N)`, 0 if the set has no labels,
- `{split}.sums.npy`: a checksum of each image and its label, uint32 with shape :math:`(N)`, see
  :mod:`.sums`,

and the manifest, see :mod:`.manifest`. Sets that were written before rows had checksums have no
`sums_sha256` in their manifest. They can be opened, but only :func:`verify` detects damaged
images.

An array file has numpy's format 1.0 with a header of 128 bytes, so images can be appended one by
one and their number written at the end. :mod:`.writer` writes a set whole or not at all.

Opening a set reads no images; each batch reads its own rows. Mapping the files into memory,
`numpy.load(path, mmap_mode="r")`, works, too, and is as fast once the files are in the page cache.
But the system maps much more than a row at each page fault, so when a large set is read in random
order, nearly all of it becomes resident memory of the process.
"""

from __future__ import annotations

import hashlib
import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .manifest import PREPARE_AGAIN, read_manifest
from .sums import SUM, row_sums

HEADER = 128
# The number of rows that are checked at a time, which bounds the memory for large images.
PART = 32


class StoredArray:
    r"""Images in a file, of which a batch reads only its own rows.

    `images[i]` with int64 indices of shape :math:`(B)` returns a new uint8 tensor of shape
    :math:`(B, C, H, W)`. Each batch opens the file, so an array can be sent to other processes.

    Arguments:
        path: The array file.
        shape: The expected shape :math:`(N, C, H, W)`.

    Raises:
        ValueError: If the file does not hold uint8 values of that shape, or, on indexing, if the
            file was changed in the meantime.
    """

    dtype = torch.uint8

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = Path(path), tuple(shape)
        _check_array(self.path, np.dtype(np.uint8), self.shape)
        self.identity = _file_identity(self.path.stat())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, i: Tensor) -> Tensor:
        if i.dtype != torch.int64 or i.ndim != 1:
            raise IndexError(
                "Images are read by int64 indices of shape (B), "
                f"got {i.dtype} of shape {tuple(i.shape)}."
            )
        if len(i) > 0 and not (i.min() >= 0 and i.max() < len(self)):
            raise IndexError(
                f"Indices should be from 0 to {len(self) - 1}, got {i.min():d} to {i.max():d}."
            )
        batch = torch.empty(len(i), *self.shape[1:], dtype=torch.uint8)
        size = math.prod(self.shape[1:])
        with self.path.open("rb", buffering=0) as file:
            if _file_identity(os.fstat(file.fileno())) != self.identity:
                raise ValueError(f"{self.path} was changed or replaced while it was in use.")
            for row, k in zip(batch.flatten(1).numpy(), i.tolist(), strict=True):
                file.seek(HEADER + k * size)
                if file.readinto(row) != size:
                    raise ValueError(f"{self.path} ends too early. {PREPARE_AGAIN}")
        return batch


def _file_identity(status: os.stat_result) -> tuple[int, int, int]:
    r"""Returns the inode, size and time of a file, which differ if it is replaced or changed."""
    return status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class PreparedSplit:
    r"""A split of a prepared set.

    Arguments:
        images: The images.
        labels: The labels as int64, with shape :math:`(N)`.
        manifest: The manifest of the whole set.
        sha256: The digest that identifies the images and labels of the split.
        sums: The checksums of the rows, uint32 with shape :math:`(N)`; `None` for older sets.
    """

    images: StoredArray
    labels: Tensor
    manifest: dict[str, Any]
    sha256: str
    sums: np.ndarray | None

    def check_rows(self, rows: Tensor) -> None:
        r"""Reads some rows and compares their checksums, if the set has any.

        Arguments:
            rows: The indices of the rows, with shape :math:`(R)`.

        Raises:
            ValueError: If a row is damaged.
        """
        for part in rows.split(PART) if self.sums is not None else ():
            found = row_sums(self.images[part].numpy(), self.labels[part].numpy())
            wrong = part[torch.from_numpy(found != self.sums[part.numpy()])]
            if len(wrong) > 0:
                raise ValueError(
                    f"{self.images.path} is damaged: row {wrong[0]:d} does not match its "
                    f"checksum. {_advice(self.images.path.parent)}"
                )


def open_prepared(root: Path, split: str) -> PreparedSplit:
    r"""Returns a split of a prepared set, without reading its images.

    Arguments:
        root: The folder of the set.
        split: `"train"`, `"val"` or `"test"`.

    Raises:
        FileNotFoundError: If the folder holds no prepared set, or a file is missing.
        ValueError: If the set has no such split, a file does not match the manifest, or the labels
            or checksums are damaged.
    """
    manifest = read_manifest(root)
    known = manifest["splits"]
    if split not in known:
        raise ValueError(f"'split' should be one of {sorted(known)} in {root}, got {split!r}.")
    about = known[split]
    images = StoredArray(array_path(root, split, "images"), tuple(about["shape"]))
    labels = _read_column(root, split, "labels", np.dtype("<i8"), about)
    sums = _read_column(root, split, "sums", SUM, about) if "sums_sha256" in about else None
    return PreparedSplit(
        images, torch.from_numpy(labels.astype(np.int64)), manifest, split_digest(about), sums
    )


def split_digest(split: dict[str, Any]) -> str:
    r"""Returns the digest of a split's images and labels, from its entry in the manifest."""
    return hashlib.sha256((split["sha256"] + split["labels_sha256"]).encode()).hexdigest()


def array_path(root: Path, split: str, what: str) -> Path:
    r"""Returns the path of a split's `"images"`, `"labels"` or `"sums"`."""
    return Path(root) / f"{split}.{what}.npy"


def array_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    r"""Returns the header of an array in numpy's format 1.0 and C order, 128 bytes."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    head = b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little")
    return head + text.ljust(HEADER - len(head) - 1).encode() + b"\n"


def _check_array(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    r"""Checks the header and the size of an array file.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If the file does not hold an array of this type and shape.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {PREPARE_AGAIN}")
    size, expected = path.stat().st_size, HEADER + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise ValueError(
            f"{path} is incomplete: it has {size} bytes, not {expected}. {PREPARE_AGAIN}"
        )
    with path.open("rb") as file:
        if file.read(HEADER) != array_header(dtype, shape):
            raise ValueError(
                f"{path} is not {dtype} of the manifest's shape {shape}. {PREPARE_AGAIN}"
            )


def _read_column(
    root: Path, split: str, what: str, dtype: np.dtype, about: dict[str, Any]
) -> np.ndarray:
    r"""Returns a split's `"labels"` or `"sums"`, with shape :math:`(N)`.

    Raises:
        ValueError: If the file is incomplete, or its digest differs from the manifest's.
    """
    path, key = array_path(root, split, what), f"{what}_sha256"
    _check_array(path, dtype, (about["shape"][0],))
    column = np.fromfile(path, dtype, offset=HEADER)
    if hashlib.sha256(column).hexdigest() != about[key]:
        raise ValueError(_damage_message(path, key))
    return column


def _damage_message(path: Path, key: str) -> str:
    r"""Returns the error message for a file whose digest differs from the manifest's."""
    return f"{path} is damaged: its sha256 is not the manifest's '{key}'. {_advice(path.parent)}"


def _advice(root: Path) -> str:
    r"""Returns the end of an error message: what to do about a damaged set."""
    return f"`{verify_command(root)}` checks all of it. {PREPARE_AGAIN}"


def verify_command(root: Path) -> str:
    r"""Returns the command that checks all of a set."""
    return shlex.join(["energy-gans", "data", "verify", "--root", str(root)])


def verify(root: Path) -> dict[str, Any]:
    r"""Reads every byte of a prepared set, compares all digests, and returns the manifest.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: If the folder holds no prepared set, or a file is missing.
        ValueError: If the digest of a file differs from the manifest's.
    """
    manifest = read_manifest(root)
    for split, about in manifest["splits"].items():
        open_prepared(root, split)
        path = array_path(root, split, "images")
        if file_digest(path, HEADER) != about["sha256"]:
            raise ValueError(_damage_message(path, "sha256"))
    return manifest


def file_digest(path: Path, start: int = 0) -> str:
    r"""Returns the SHA-256 of a file's bytes from the position `start` on."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()
