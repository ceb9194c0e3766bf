r"""MNIST and FashionMNIST: 60,000 and 10,000 grey images of 28x28 pixels and their labels.

The files have the IDX format: four bytes for the type of the values and the number of dimensions,
four bytes for each dimension, most significant first, and then the values. Files compressed by
gzip are read, too. If the IDX files are missing, the files `processed/{training,test}.pt` are
read, which older versions of torchvision wrote. The test set becomes `val`.

References:
    The MNIST Database of Handwritten Digits (LeCun, Cortes and Burges, 1998)
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from ....tensor_files import load_tensors
from .limits import check_regular, size_limit

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "val": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_PROCESSED = {"train": "training.pt", "val": "test.pt"}
# The code of the type of unsigned bytes in an IDX file.
_UBYTE = 8
PART = 2**16


def load_mnist(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    r"""Returns the images and labels of a data set in MNIST's files.

    Arguments:
        folder: The folder that holds `raw`, or `processed`.
        split: `"train"` or `"val"`.

    Returns:
        The images as uint8, with shape :math:`(N, H, W)`, and the labels, with shape :math:`(N)`.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If a file is truncated or damaged, or the numbers of images and labels differ.
    """
    paths = [_find_idx(folder / "raw", file) for file in FILES[split]]
    processed = folder / "processed" / _PROCESSED[split]
    if None not in paths:
        where = f"{paths[0]} and {paths[1]}"
        images, labels = _read_idx(paths[0], 3), _read_idx(paths[1], 1).long()
    elif processed.exists():
        where = str(processed)
        images, labels = _read_processed(processed)
    else:
        raise FileNotFoundError(
            f"{str(folder / 'raw')!r} should hold {' and '.join(FILES[split])}."
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{where} should fit, but have {len(images)} images and {len(labels)} labels."
        )
    return images, labels


def _find_idx(raw: Path, file: str) -> Path | None:
    r"""Returns the path of a file or of its compressed version, or `None` if both are missing.

    Raises:
        PermissionError: If the folder can not be read.
    """
    paths = (raw / file, raw / f"{file}.gz")
    try:
        return next((path for path in paths if path.exists()), None)
    except PermissionError as error:
        raise PermissionError(f"{raw} can not be read: {error.strerror}.") from error


def _read_idx(path: Path, dimensions: int) -> Tensor:
    r"""Returns the values of an IDX file of bytes, as uint8.

    Arguments:
        path: The file, compressed by gzip if its name ends in `.gz`.
        dimensions: The expected number of dimensions.

    Raises:
        ValueError: If the file is truncated, too long, empty or no IDX file.
    """
    try:
        check_regular(path)
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = _read_up_to(file, 4 + 4 * dimensions)
            if len(head) == 4 + 4 * dimensions and head[:4] != bytes([0, 0, _UBYTE, dimensions]):
                raise ValueError(f"it is no IDX file of bytes in {dimensions} dimensions")
            shape = [int.from_bytes(head[i : i + 4], "big") for i in range(4, len(head), 4)]
            size = min(math.prod(shape), size_limit(None)) if len(shape) == dimensions else 0
            values = _read_up_to(file, size + 1)
    except (OSError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} can not be read: {error}.") from error
    expected, found = 4 + 4 * dimensions + math.prod(shape), len(head) + len(values)
    if found < 4 + 4 * dimensions:
        raise ValueError(
            f"{path} is truncated: it has {found} bytes, and {4 + 4 * dimensions} are its "
            "header's."
        )
    if found != expected:
        how = "is truncated" if found < expected else "is too long"
        more = " or more" if found > expected or expected > size_limit(None) else ""
        raise ValueError(
            f"{path} {how}: it should have {expected} bytes by its header, and has {found}{more}."
        )
    if math.prod(shape) == 0:
        raise ValueError(f"{path} should hold at least one value, and its header says {shape}.")
    return torch.frombuffer(bytearray(values), dtype=torch.uint8).reshape(shape)


def _read_up_to(file: BinaryIO, size: int) -> bytes:
    r"""Returns the next bytes of a file, up to `size`, also of a truncated gzip file."""
    parts: list[bytes] = []
    try:
        while size > 0 and (part := file.read1(min(size, PART))):
            parts.append(part)
            size -= len(part)
    except EOFError:
        pass
    return b"".join(parts)


def _read_processed(path: Path) -> tuple[Tensor, Tensor]:
    r"""Returns the images and labels of a file that an older version of torchvision wrote.

    Raises:
        ValueError: If the file holds anything else.
    """
    try:
        images, labels = load_tensors("root", path, legacy=True)
        fits = images.dtype == torch.uint8 and (images.ndim, labels.ndim) == (3, 1)
    except (OSError, ValueError, TypeError, AttributeError):
        fits = False
    if not fits:
        originals = ", ".join(name for pair in FILES.values() for name in pair)
        raise ValueError(
            f"{path} is not what an older torchvision wrote, uint8 images and their labels: put "
            f"the original files {originals} into {path.parent.parent / 'raw'}, and remove it."
        )
    return images, labels.long()
