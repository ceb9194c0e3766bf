r"""The files of a split of a prepared set, and of images whose split is not yet known, as they are written.

The latter stand where the training images belong. Once it is known which of them are held out, all are read
and written again, the training images over what was read: only the held-out images take more of the disk.
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
    r"""Creates the writer of a split's three files: images are appended as they come.

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
        # How often each channel has each value: what exact means and deviations are made of.
        self.histogram = np.zeros((shape[0], 256), np.int64)
        path = array_path(root, split, "images")
        # Images whose splits are settled at the end are moved within their file.
        self.file = path.open("r+b" if path.exists() else "wb")
        self.file.write(bytes(HEADER))

    def append(self, images: np.ndarray, labels: np.ndarray) -> None:
        r"""Appends images, uint8 with shape :math:`(B, C, H, W)`, and labels, with shape :math:`(B)`."""
        contents = np.ascontiguousarray(images)
        self.histogram += _channel_histogram(contents)
        self.write(contents, np.asarray(labels, "<i8"), row_sums(contents, labels))

    def write(self, images: np.ndarray, labels: np.ndarray, sums: np.ndarray) -> None:
        r"""Writes images whose sums are known, without counting their values."""
        self.file.write(images)
        self.digest.update(images)
        self.labels.append(labels)
        self.sums.append(sums)
        self.count += len(images)

    def finish(self) -> dict[str, Any]:
        r"""Completes the files and returns what the manifest says of the split."""
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
            # In units of the stored values, 0 to 255.
            "mean": mean.tolist(),
            "std": np.sqrt(variance).tolist(),
        }


class UnassignedWriter:
    r"""Creates the writer of images whose splits are settled at the end, in the place of the training images.

    Arguments:
        root: The folder.
        shape: The shape :math:`(C, H, W)` of an image.
    """

    def __init__(self, root: Path, shape: tuple[int, ...]) -> None:
        self.root, self.shape = root, shape
        # What does not depend on the splits is found while images are still decoded by others.
        self.columns: list[tuple[np.ndarray, np.ndarray]] = []
        self.histogram = np.zeros((shape[0], 256), np.int64)
        self.path = array_path(root, "train", "images")
        self.file = self.path.open("wb")
        self.file.write(bytes(HEADER))

    def append(self, images: np.ndarray, labels: np.ndarray) -> None:
        r"""Appends images, uint8 with shape :math:`(B, C, H, W)`, and labels, with shape :math:`(B)`."""
        contents = np.ascontiguousarray(images)
        self.file.write(contents)
        self.histogram += _channel_histogram(contents)
        self.columns.append((np.asarray(labels, "<i8"), row_sums(contents, labels)))

    def assign(self, train: SplitWriter, val: SplitWriter, held_out: np.ndarray) -> Iterator[int]:
        r"""Writes the images to the files of two splits, and yields how many at a time.

        Arguments:
            train: The writer of the training images.
            val: The writer of the validation images.
            held_out: Which of the images are for validation, booleans in their order.
        """
        self.file.close()
        begin = 0
        with self.path.open("rb") as file:
            file.seek(HEADER)
            for columns in self.columns:
                contents = file.read(len(columns[0]) * math.prod(self.shape))
                images = np.frombuffer(contents, np.uint8).reshape(-1, *self.shape)
                held = held_out[begin : begin + len(images)]
                # No row is written behind what was read: the training images take the place of all.
                train.write(images[~held], *(column[~held] for column in columns))
                val.write(images[held], *(column[held] for column in columns))
                val.histogram += _channel_histogram(images[held])
                begin += len(images)
                yield len(images)
        train.histogram += self.histogram - val.histogram


def _channel_histogram(images: np.ndarray) -> np.ndarray:
    r"""Returns how often each channel of images has each value, with shape :math:`(C, 256)`."""
    channels = images.swapaxes(0, 1)
    return np.stack([np.bincount(channel.ravel(), minlength=256) for channel in channels])


def close_durably(file: Any) -> None:
    r"""Closes a file once its contents are on the disk."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
