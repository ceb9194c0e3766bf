r"""Writers of the array files of one split, and of images whose split is not known yet.

Images without a split are written to the file of the training images. Once the held-out images are
chosen, the file is read from its start. Held-out images go to a second file, and training images
move up to the gaps in the first one, so only the held-out images need more space on the disk.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .reader import HEADER, array_header, array_path
from .sums import row_sums


class SplitWriter:
    r"""Writer of the three array files of a split, to which images are appended.

    Arguments:
        root: The folder.
        split: The name of the split.
        shape: The shape :math:`(C, H, W)` of an image.
    """

    def __init__(self, root: Path, split: str, shape: tuple[int, ...]) -> None:
        self.root, self.split, self.shape, self.count = root, split, shape, 0
        self.labels: list[np.ndarray] = []
        self.sums: list[np.ndarray] = []
        self.digest = hashlib.sha256()
        # How often each channel has each value, which gives the exact mean and deviation.
        self.histogram = np.zeros((shape[0], 256), np.int64)
        path = array_path(root, split, "images")
        # Unassigned images are in this file already, and are moved within it.
        self.file = path.open("r+b" if path.exists() else "wb")
        self.file.write(bytes(HEADER))

    def append(self, images: np.ndarray, labels: np.ndarray) -> None:
        r"""Appends :math:`B` images, uint8 with shape :math:`(B, C, H, W)`, and labels."""
        contents = np.ascontiguousarray(images)
        self.histogram += _channel_histogram(contents)
        self.write(contents, np.asarray(labels, "<i8"), row_sums(contents, labels))

    def write(self, images: np.ndarray, labels: np.ndarray, sums: np.ndarray) -> None:
        r"""Writes images with known checksums, without updating the histogram."""
        self.file.write(images)
        self.digest.update(images)
        self.labels.append(labels)
        self.sums.append(sums)
        self.count += len(images)

    def finish(self) -> dict[str, Any]:
        r"""Completes the files and returns the split's entry of the manifest."""
        shape = (self.count, *self.shape)
        self.file.truncate()
        self.file.seek(0)
        self.file.write(array_header(np.dtype(np.uint8), shape))
        close_durably(self.file)
        columns = {"labels": np.concatenate(self.labels), "sums": np.concatenate(self.sums)}
        for what, column in columns.items():
            with array_path(self.root, self.split, what).open("wb") as file:
                file.write(array_header(column.dtype, column.shape))
                file.write(column)
                close_durably(file)
        value = np.arange(256)
        pixels = self.histogram.sum(1)
        mean = self.histogram @ value / pixels
        variance = (self.histogram * (value - mean[:, None]) ** 2).sum(1) / pixels
        return {
            "count": self.count,
            "shape": list(shape),
            "sha256": self.digest.hexdigest(),
            **{f"{what}_sha256": hashlib.sha256(c).hexdigest() for what, c in columns.items()},
            # In the range of the stored values, 0 to 255.
            "mean": mean.tolist(),
            "std": np.sqrt(variance).tolist(),
        }


class UnassignedWriter:
    r"""Writer of images whose splits are assigned later, to the file of the training images.

    Arguments:
        root: The folder.
        shape: The shape :math:`(C, H, W)` of an image.
    """

    def __init__(self, root: Path, shape: tuple[int, ...]) -> None:
        self.root, self.shape = root, shape
        # Labels, checksums and the histogram do not depend on the splits, and are found while
        # other threads still decode images.
        self.columns: list[tuple[np.ndarray, np.ndarray]] = []
        self.histogram = np.zeros((shape[0], 256), np.int64)
        self.path = array_path(root, "train", "images")
        self.file = self.path.open("wb")
        self.file.write(bytes(HEADER))

    def append(self, images: np.ndarray, labels: np.ndarray) -> None:
        r"""Appends :math:`B` images, uint8 with shape :math:`(B, C, H, W)`, and labels."""
        contents = np.ascontiguousarray(images)
        self.file.write(contents)
        self.histogram += _channel_histogram(contents)
        self.columns.append((np.asarray(labels, "<i8"), row_sums(contents, labels)))

    def assign(self, train: SplitWriter, val: SplitWriter, held_out: np.ndarray) -> Iterator[int]:
        r"""Moves the images to the files of two splits, and yields the number of images moved.

        Arguments:
            train: The writer of the training images.
            val: The writer of the validation images.
            held_out: Which images are for validation, booleans with shape :math:`(N)`.

        Yields:
            The number of images moved since the last one.
        """
        self.file.close()
        begin = 0
        with self.path.open("rb") as file:
            file.seek(HEADER)
            for columns in self.columns:
                contents = file.read(len(columns[0]) * math.prod(self.shape))
                images = np.frombuffer(contents, np.uint8).reshape(-1, *self.shape)
                held = held_out[begin : begin + len(images)]
                # Training images never overtake the reading position, as some were left out.
                train.write(images[~held], *(column[~held] for column in columns))
                val.write(images[held], *(column[held] for column in columns))
                val.histogram += _channel_histogram(images[held])
                begin += len(images)
                yield len(images)
        train.histogram += self.histogram - val.histogram


def _channel_histogram(images: np.ndarray) -> np.ndarray:
    r"""Returns how often each channel has each value, with shape :math:`(C, 256)`."""
    channels = images.swapaxes(0, 1)
    return np.stack([np.bincount(channel.ravel(), minlength=256) for channel in channels])


def close_durably(file: Any) -> None:
    r"""Writes the contents of a file to the disk, and closes it."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
