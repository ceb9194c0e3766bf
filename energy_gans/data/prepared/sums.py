r"""Checksums of rows, which detect a damaged image or label without reading the whole set.

The checksum of a row is the CRC-32 of its pixels, followed by its label as 8 bytes, least
significant first. A CRC-32 detects every change within 32 successive bits, and all but about one
in :math:`2^{32}` of the other changes.

Training checks a few rows of a split at its start. If :math:`D` of :math:`N` rows are damaged, a
random sample of :math:`R` rows contains a damaged one with probability

.. math::
    1 - \binom{N - D}{R} \Big/ \binom{N}{R} \approx 1 - (1 - D / N)^R.

For :math:`R = 512`, this is 99.4 % if one row in a hundred is damaged, and 40 % if one in a
thousand is. The sample is a function of the run's seed and of the split: all processes of a run
check the same rows, and runs with different seeds check different rows. :func:`.reader.verify`
checks all rows.
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
    r"""Returns the checksums of rows, uint32 with shape :math:`(B)`.

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
    r"""Returns the sorted indices of the rows that training checks, at most `ROWS`.

    Arguments:
        n: The number of rows.
        seed: The seed of the run.
        split: The name of the split.
    """
    if n <= ROWS:
        return torch.arange(n)
    return keyed_subset(n, ROWS, seed, "rows", split).sort().values
