r"""Prepared sets: images that were decoded once, in files that are opened without being read.

A prepared set is a folder with, for each of its splits `train`, `val` and perhaps `test`,

- `{split}.images.npy`: the images as uint8, with shape :math:`(N, C, H, W)`,
- `{split}.labels.npy`: the labels as int64, with shape :math:`(N)`, 0 where there are none,
- `{split}.sums.npy`: the sum of each image and its label, uint32 with shape :math:`(N)`, see :mod:`.sums`,

and `manifest.json`, which says where the images came from, what was done to them, and the sums that
the files have to give. A set whose manifest has no `sums_sha256` was written before rows had sums: it
opens, and only :func:`verify` tells whether its images are damaged.

An array file is numpy's format 1.0 with a header of 128 bytes, so that the images can be appended as
they come and counted at the end. See :mod:`.writing` for how a set is written whole or not at all.

The arrays can be mapped into memory, by `numpy.load(path, mmap_mode="r")`. Here they are opened
without being read, and a batch reads the rows that it holds: just as fast once the system has them
in its page cache, while a map of a large set, read in random order, grows by about all of it, as the
system maps much more than a row at each fault.
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
# Rows that are checked at once, so that large images take little memory.
PART = 32


class StoredArray:
    r"""Creates the images of a file, of which only those that are asked for are read.

    `images[i]` with indices of shape :math:`(B)`, int64, is a new tensor of shape
    :math:`(B, C, H, W)`, uint8. The file is opened for each batch, so an array may go to other processes.

    Arguments:
        path: The array file.
        shape: The shape :math:`(N, C, H, W)` that it should have.

    Raises:
        ValueError: If the file does not hold uint8 of that shape; later, if it was changed.
    """

    dtype = torch.uint8

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = Path(path), tuple(shape)
        _check_array(self.path, np.dtype(np.uint8), self.shape)
        self.identity = file_identity(self.path.stat())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, i: Tensor) -> Tensor:
        if i.dtype != torch.int64 or i.ndim != 1:
            raise IndexError(
                f"Images are read by int64 indices of shape (B), got {i.dtype} of shape {tuple(i.shape)}."
            )
        if len(i) > 0 and not (i.min() >= 0 and i.max() < len(self)):
            raise IndexError(
                f"Indices should be from 0 to {len(self) - 1}, got {i.min():d} to {i.max():d}."
            )
        batch = torch.empty(len(i), *self.shape[1:], dtype=torch.uint8)
        size = math.prod(self.shape[1:])
        with self.path.open("rb", buffering=0) as file:
            if file_identity(os.fstat(file.fileno())) != self.identity:
                raise ValueError(f"{self.path} was changed or replaced while it was in use.")
            for row, k in zip(batch.flatten(1).numpy(), i.tolist(), strict=True):
                file.seek(HEADER + k * size)
                if file.readinto(row) != size:
                    raise ValueError(f"{self.path} ends too early. {PREPARE_AGAIN}")
        return batch


def file_identity(status: os.stat_result) -> tuple[int, int, int]:
    r"""Returns what tells a file from another that took its name, or from itself once changed."""
    return status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class PreparedSplit:
    r"""Creates a split of a prepared set.

    Arguments:
        images: The images.
        labels: The labels as int64, with shape :math:`(N)`.
        manifest: The manifest of the whole set.
        sha256: The digest that identifies the split's images and labels.
        sums: The sums of the rows, uint32 with shape :math:`(N)`, `None` in a set written without.
    """

    images: StoredArray
    labels: Tensor
    manifest: dict[str, Any]
    sha256: str
    sums: np.ndarray | None

    def check_rows(self, rows: Tensor) -> None:
        r"""Reads some rows and checks their sums; does nothing if the set was written without.

        Arguments:
            rows: The indices of the rows, with shape :math:`(R)`.

        Raises:
            ValueError: If a row does not give its sum.
        """
        for part in rows.split(PART) if self.sums is not None else ():
            found = row_sums(self.images[part].numpy(), self.labels[part].numpy())
            wrong = part[torch.from_numpy(found != self.sums[part.numpy()])]
            if len(wrong) > 0:
                raise ValueError(
                    f"{self.images.path} is damaged: row {wrong[0]:d} does not give its sum. "
                    f"{_advice(self.images.path.parent)}"
                )


def open_prepared(root: Path, split: str) -> PreparedSplit:
    r"""Returns a split of a prepared set, without reading its images.

    Arguments:
        root: The folder of the set.
        split: `"train"`, `"val"` or `"test"`.

    Raises:
        FileNotFoundError: If there is no prepared set, or a file of it is missing.
        ValueError: If the set has no such split, a file does not fit the manifest, or the labels or
            the rows' sums are damaged.
    """
    manifest = read_manifest(root)
    known = manifest["splits"]
    if split not in known:
        raise ValueError(f"'split' should be one of {sorted(known)} in {root}, got {split!r}.")
    said = known[split]
    images = StoredArray(array_path(root, split, "images"), tuple(said["shape"]))
    labels = _read_column(root, split, "labels", np.dtype("<i8"), said)
    sums = _read_column(root, split, "sums", SUM, said) if "sums_sha256" in said else None
    return PreparedSplit(
        images, torch.from_numpy(labels.astype(np.int64)), manifest, split_digest(said), sums
    )


def split_digest(split: dict[str, Any]) -> str:
    r"""Returns the digest of a split's images and labels, of what the manifest says of it."""
    return hashlib.sha256((split["sha256"] + split["labels_sha256"]).encode()).hexdigest()


def array_path(root: Path, split: str, what: str) -> Path:
    r"""Returns the path of a split's `"images"` or `"labels"`."""
    return Path(root) / f"{split}.{what}.npy"


def array_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    r"""Returns the header, of 128 bytes, of an array in numpy's format 1.0 and in C order."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    head = b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little")
    return head + text.ljust(HEADER - len(head) - 1).encode() + b"\n"


def _check_array(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    r"""Raises a `ValueError` unless a file is the array of a type and shape, by its header and size."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {PREPARE_AGAIN}")
    size, expected = path.stat().st_size, HEADER + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise ValueError(f"{path} is torn: it has {size} bytes, not {expected}. {PREPARE_AGAIN}")
    with path.open("rb") as file:
        if file.read(HEADER) != array_header(dtype, shape):
            raise ValueError(
                f"{path} is not {dtype} of the manifest's shape {shape}. {PREPARE_AGAIN}"
            )


def _read_column(
    root: Path, split: str, what: str, dtype: np.dtype, said: dict[str, Any]
) -> np.ndarray:
    r"""Returns a split's `"labels"` or `"sums"`, with shape :math:`(N)`.

    Raises:
        ValueError: If the file is torn, or does not give the sum that the manifest says.
    """
    path, key = array_path(root, split, what), f"{what}_sha256"
    _check_array(path, dtype, (said["shape"][0],))
    column = np.fromfile(path, dtype, offset=HEADER)
    if hashlib.sha256(column).hexdigest() != said[key]:
        raise ValueError(_damage_message(path, key))
    return column


def _damage_message(path: Path, key: str) -> str:
    r"""Returns the sentences that a file does not give its sum in the manifest."""
    return f"{path} is damaged: its sha256 is not the manifest's '{key}'. {_advice(path.parent)}"


def _advice(root: Path) -> str:
    r"""Returns what to do about a damaged set."""
    return f"`{verify_command(root)}` checks all of it. {PREPARE_AGAIN}"


def verify_command(root: Path) -> str:
    r"""Returns the command that checks all of a set."""
    return shlex.join(["energy-gans", "data", "verify", "--root", str(root)])


def verify(root: Path) -> dict[str, Any]:
    r"""Returns the manifest of a prepared set, once every byte of it was read and found right.

    Raises:
        FileNotFoundError: If there is no prepared set, or a file of it is missing.
        ValueError: If a file does not give the sum that the manifest says.
    """
    manifest = read_manifest(root)
    for split, said in manifest["splits"].items():
        open_prepared(root, split)
        path = array_path(root, split, "images")
        if file_digest(path, HEADER) != said["sha256"]:
            raise ValueError(_damage_message(path, "sha256"))
    return manifest


def file_digest(path: Path, start: int = 0) -> str:
    r"""Returns the sha256 of a file's bytes from one on, such as those after an array's header."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()
