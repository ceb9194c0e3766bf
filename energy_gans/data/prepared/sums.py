r"""Sums of rows: what tells a damaged image or label without reading the whole set.

The sum of a row is the CRC-32 of its pixels and then of its label, 8 bytes, least significant first. A
CRC-32 differs for every change within 32 successive bits, and for any other damage but one in :math:`2^{32}`.

Training reads a few rows of a split at its start. Of :math:`N` rows of which :math:`D` are damaged, a
sample of :math:`R` rows holds a damaged one with probability

.. math::
    1 - \binom{N - D}{R} \Big/ \binom{N}{R} \approx 1 - (1 - D / N)^R:

with :math:`R = 512`, 99.4 % if one row in a hundred is damaged, 40 % if one in a thousand is. The sample is a
function of the run's seed and of the split, so that all processes of a run check the same rows, and
runs with different seeds check different ones. :func:`energy_gans.data.prepared.reader.verify` checks all.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor

from ...functional import keyed_subset

SUM = np.dtype("<u4")
ROWS = 512


def row_sums(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    r"""Returns the sums of rows, with shape :math:`(B)`, uint32.

    Arguments:
        images: The images, uint8 with shape :math:`(B, C, H, W)`, in C order.
        labels: The labels, with shape :math:`(B)`.
    """
    words = np.asarray(labels, "<i8")
    sums = [
        zlib.crc32(label.tobytes(), zlib.crc32(image))
        for image, label in zip(images, words, strict=True)
    ]
    return np.array(sums, SUM)


def rows_to_check(n: int, seed: int, split: str) -> Tensor:
    r"""Returns which rows of a split are checked at the start, in their order: all, if they are few.

    Arguments:
        n: The number of rows.
        seed: The seed of the run.
        split: The name of the split.
    """
    if n <= ROWS:
        return torch.arange(n)
    return keyed_subset(n, ROWS, seed, "rows", split).sort().values
