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
from scipy.io import loadmat
from torch import Tensor

FILES = {"train": "train_32x32.mat", "val": "test_32x32.mat"}
# The most bytes of all variables; the training set has 225 MB of pixels.
LARGEST = 256 * 2**20

# MATLAB's format 5: a header, which ends with the byte order, and elements, some of them deflated.
HEADER = 128
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}
_DEFLATED = 15


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
            _check_inflated_size(file)
        contents = loadmat(path, variable_names=["X", "y"])
        images, labels = contents["X"], contents["y"].ravel().astype(np.int64)
    except Exception as error:  # A damaged file can make scipy raise almost any error.
        raise ValueError(f"{path} can not be read: {error or type(error).__name__}.") from error
    shape = (32, 32, 3, len(labels))
    if images.dtype != np.uint8 or images.shape != shape or not set(labels) <= set(range(11)):
        raise ValueError(
            f"{path} should hold images X, uint8 of shape {shape}, and digits y, from 1 to 10, "
            f"got {images.dtype} of shape {images.shape}."
        )
    images = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
    return torch.from_numpy(images), torch.from_numpy(labels % 10)


def _check_inflated_size(file: BinaryIO) -> None:
    r"""Raises a `ValueError` if a file is not of MATLAB's format 5 or inflates beyond `LARGEST`.

    The sizes that the file states may be wrong, so its elements are inflated and counted.
    """
    order = _BYTE_ORDERS.get(file.read(HEADER)[-2:])
    if order is None:
        raise ValueError("it is not of MATLAB's format 5")
    total = 0
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(f"{order}II", tag)
        inflate = zlib.decompressobj() if kind == _DEFLATED else None
        while size > 0 and (part := file.read(min(size, 2**14))):
            size -= len(part)
            # Deflated bytes inflate to about a thousand times their size at most.
            total += len(part if inflate is None else inflate.decompress(part))
            if total > LARGEST:
                raise ValueError(f"it holds more than {LARGEST} bytes")
            if inflate is not None and inflate.eof:
                file.seek(size, os.SEEK_CUR)
                break
