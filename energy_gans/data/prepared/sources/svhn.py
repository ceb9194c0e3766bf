r"""SVHN: 73,257 and 26,032 house-number digits of 32x32 pixels, in `{train,test}_32x32.mat`.

The label 10 means the digit 0. The test set becomes `val`; the set `extra` is not used.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

FILES = {"train": "train_32x32.mat", "val": "test_32x32.mat"}
# The most bytes of all variables; the training set has 225 MB of pixels.
LARGEST = 256 * 2**20

# MATLAB's format 5: a header, which ends with the byte order, and elements, some of them deflated.
HEADER = 128
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}
_DEFLATED, _MATRIX = 15, 14
# The types of numbers, by their codes.
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}


def load_svhn(root: Path, split: str) -> tuple[Tensor, Tensor]:
    r"""Returns the images and labels of SVHN's cropped digits.

    Arguments:
        root: The folder that holds `train_32x32.mat` and `test_32x32.mat`.
        split: `"train"` or `"val"`.

    Returns:
        The images as uint8, with shape :math:`(N, 3, 32, 32)`, and the digits, with shape
        :math:`(N)`.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If the file is damaged.
    """
    path = Path(root) / FILES[split]
    if not path.is_file():
        raise FileNotFoundError(f"{str(root)!r} should hold {FILES[split]}.")
    try:
        with path.open("rb") as file:
            contents = _read_variables(file)
        images, labels = contents["X"], contents["y"].ravel().astype(np.int64)
    except KeyError as error:
        raise ValueError(f"{path} can not be read: it holds no variable {error}.") from error
    except (OSError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} can not be read: {error}.") from error
    shape = (32, 32, 3, len(labels))
    if images.dtype != np.uint8 or images.shape != shape or not set(labels) <= set(range(11)):
        raise ValueError(
            f"{path} should hold images X, uint8 of shape {shape}, and digits y, from 1 to 10, "
            f"got {images.dtype} of shape {images.shape}."
        )
    images = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
    return torch.from_numpy(images), torch.from_numpy(labels % 10)


def _read_variables(file: BinaryIO) -> dict[str, np.ndarray]:
    r"""Returns the arrays X and y of a file of MATLAB's format 5, by name.

    scipy allocates what the sizes in a file say, which may be wrong. Here, no more than the file's
    own bytes is allocated, or for deflated variables `LARGEST`.

    Raises:
        ValueError: If the file has another format, is damaged, or inflates beyond `LARGEST`.
    """
    order = _BYTE_ORDERS.get(file.read(HEADER)[-2:])
    if order is None:
        raise ValueError("it is not of MATLAB's format 5")
    found, total = {}, 0
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(f"{order}II", tag)
        contents = memoryview(_read_element(file, kind, size, LARGEST - total))
        total += len(contents)
        if kind == _DEFLATED and len(contents) >= 8:
            kind, size = struct.unpack_from(f"{order}II", contents)
            contents = contents[8 : 8 + size]
        if kind == _MATRIX:
            found |= _parse_variable(contents, order)
    return found


def _read_element(file: BinaryIO, kind: int, size: int, largest: int) -> bytes:
    r"""Returns the contents of an element, inflated.

    Raises:
        ValueError: If there are more than `largest` bytes.
    """
    inflate = zlib.decompressobj() if kind == _DEFLATED else None
    parts, total = [], 0
    while size > 0 and (part := file.read(min(size, 2**14))):
        size -= len(part)
        # Deflated bytes inflate to about a thousand times their size at most.
        parts.append(part if inflate is None else inflate.decompress(part))
        total += len(parts[-1])
        if total > largest:
            raise ValueError(f"it holds more than {LARGEST} bytes")
        if inflate is not None and inflate.eof:
            file.seek(size, os.SEEK_CUR)
            break
    return b"".join(parts)


def _parse_variable(contents: memoryview, order: str) -> dict[str, np.ndarray]:
    r"""Returns the array X or y by its name, or nothing for other variables."""
    i, parts = 0, []
    # Flags, dimensions, name and values.
    while len(parts) < 4 and i + 8 <= len(contents):
        kind, size = struct.unpack_from(f"{order}II", contents, i)
        start = i + 8
        # Up to four bytes are in the tag itself, whose upper half is then their number.
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, i + 4
        parts.append((kind, contents[start : start + size]))
        if len(parts[-1][1]) != size:
            raise ValueError("a variable of it is shorter than its parts")
        i = max(i + 8, start + size + -(start + size) % 8)
    if len(parts) < 4 or (name := bytes(parts[2][1])) not in (b"X", b"y"):
        return {}
    kind, values = parts[3]
    if kind not in _TYPES:
        raise ValueError(f"its variable {name.decode()!r} is no array of numbers")
    shape = np.frombuffer(parts[1][1], f"{order}i4").tolist()
    array = np.frombuffer(values, np.dtype(_TYPES[kind]).newbyteorder(order))
    return {name.decode(): array.reshape(shape, order="F")}
