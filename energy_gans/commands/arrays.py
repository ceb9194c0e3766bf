r"""Arrays of images in `.npz` files, of which a few rows at a time are unpacked.

What the array's header says is checked against what the archive holds, before memory is taken for it.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from ..data.sources.containers import DAMAGED, method_error

# Rows that are unpacked at once.
ROWS = 100
# The images of an array, and the bytes of one of them.
IMAGES = 10**7
IMAGE_BYTES = 16 * 2**20


class ImageArray:
    r"""Creates the array of images in an `.npz` file that is called `samples` or `arr_0`, or is the only one.

    Arguments:
        path: The file.

    Raises:
        ValueError: If the file can not be read, or holds no array of four dimensions, more images or
            larger ones than are read, or fewer bytes than its header says.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.position = path, 0
        self.file = self.opened()
        empty = len(self.shape) == 4 and (self.shape[0] < 0 or min(self.shape[1:]) < 1)
        if self.dtype.hasobject or len(self.shape) != 4 or empty:
            raise ValueError(
                f"'samples' = {str(path)!r} should hold an array of images with shape (N, C, H, W) "
                f"or (N, H, W, C), got shape {self.shape} of {self.dtype}."
            )
        self.size = math.prod(self.shape[1:]) * self.dtype.itemsize
        if len(self) > IMAGES or self.size > IMAGE_BYTES:
            raise ValueError(
                f"'samples' = {str(path)!r} should hold at most {IMAGES} images of at most {IMAGE_BYTES} "
                f"bytes, got {len(self)} of {self.size}."
            )
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
            archive = zipfile.ZipFile(self.path)
            names = archive.namelist()
            known = [name for name in ("samples.npy", "arr_0.npy", *names[:1]) if name in names]
            if not known or (len(names) > 1 and known[0] not in ("samples.npy", "arr_0.npy")):
                raise ValueError(f"it holds {', '.join(names[:3])}, and no 'samples'")
            member = archive.getinfo(known[0])
            if error := method_error(member):
                raise error
            file = archive.open(member)
            # The other formats are for longer headers, which no array of images needs.
            if (version := np.lib.format.read_magic(file)) != (1, 0):
                raise ValueError(f"its array is of format {version}, and should be of (1, 0)")
            self.shape, fortran, self.dtype = np.lib.format.read_array_header_1_0(file)
            if fortran:
                raise ValueError("its array is in Fortran order")
            self.left = member.file_size - file.tell()
        except (*DAMAGED, ValueError) as error:
            raise ValueError(
                f"'samples' = {str(self.path)!r} can not be read: {error}."
            ) from error
        return file

    def rows(self, index: np.ndarray) -> np.ndarray:
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
        return np.concatenate(parts)

    def next_rows(self, n: int) -> np.ndarray:
        r"""Returns the next rows of the array."""
        try:
            x = np.frombuffer(self.file.read(n * self.size), self.dtype)
            x = x.reshape(n, *self.shape[1:])
        except (*DAMAGED, ValueError) as error:
            raise ValueError(f"'samples' = {str(self.path)!r} is damaged: {error}.") from error
        self.position += n
        return x.astype(self.dtype.newbyteorder("="))
