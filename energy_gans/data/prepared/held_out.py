r"""Which images are held out of a source that has only training images.

One in :math:`H` images is held out, class by class. A class :math:`c` of :math:`n_c` images gives
:math:`\lfloor n_c / H \rfloor`. To reach :math:`\lfloor \sum_c n_c / H \rfloor` images in all, the
classes with the largest remainders :math:`n_c \bmod H` give one more each; ties are broken at
random.

Within a class, the images are sorted by a keyed hash of their bytes, and the first ones are held
out. The choice is therefore the same on every machine, for a folder and an archive of the folder,
and for any names and any order of the files.

Images with the same bytes are copies, and all copies of an image are in the same split. Bytes are
compared instead of pixels, since decoders on two machines may differ in the last bit, and a
picture that is encoded again changes its pixels, too. Copies may have several classes, and may be
more than a class should give. A group of copies is held out if no class then gives more than it
should. A class that would give no image at all for this reason gives its smallest group of copies.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...functional.random import fold

KEY = b"energy-gans held-out images"


def content_hash(image: bytes | np.ndarray) -> int:
    r"""Returns the first 64 bits of the SHA-256 of a fixed key and the bytes of an image.

    Arguments:
        image: An encoded picture, or the pixels of an image.
    """
    contents = image if isinstance(image, bytes) else np.ascontiguousarray(image)
    digest = hashlib.sha256(KEY)
    digest.update(contents)
    return int.from_bytes(digest.digest()[:8], "big")


class ContentHashes:
    r"""The classes and the content hashes of the images that were read, by split."""

    def __init__(self) -> None:
        self.labels: dict[str, list[np.ndarray]] = {}
        self.hashes: dict[str, list[np.ndarray]] = {}
        self.names: list[tuple[str, int]] = []

    def append(
        self, split: str, labels: np.ndarray, hashes: Sequence[int], names: Sequence[str]
    ) -> None:
        r"""Appends the classes, hashes and names of :math:`B` images of a split."""
        self.labels.setdefault(split, []).append(labels)
        self.hashes.setdefault(split, []).append(np.array(hashes, np.uint64))
        if split != "train":
            self.names += zip(names, hashes, strict=True)

    def training(self) -> tuple[np.ndarray, np.ndarray]:
        r"""Returns the classes and the hashes of the :math:`N` training images."""
        return np.concatenate(self.labels["train"]), np.concatenate(self.hashes["train"])

    def copies(self) -> tuple[int, list[str]]:
        r"""Returns how many training images are copies of others, and the held-out copies.

        Returns:
            The number of training images minus the number of distinct ones, and the names of the
            held-out images that are copies of a training image.
        """
        _, hashes = self.training()
        distinct = np.unique(hashes)
        held_out = np.array([value for _, value in self.names], np.uint64)
        copies = np.flatnonzero(np.isin(held_out, distinct))
        return len(hashes) - len(distinct), [self.names[i][0] for i in copies]


def draw_held_out(labels: np.ndarray, hashes: np.ndarray, hold_out: int) -> np.ndarray:
    r"""Returns which images are held out, booleans with shape :math:`(N)`; see the module's text.

    Arguments:
        labels: The classes, with shape :math:`(N)`.
        hashes: The content hashes, with shape :math:`(N)`.
        hold_out: The number :math:`H`: one in :math:`H` images is held out.
    """
    classes = labels.tolist()
    counts = Counter(classes)
    quotas = _class_quotas(counts, hold_out)
    copies = _group_copies(hashes)
    groups = _fill_quotas(copies, classes, quotas)
    counts_held_out = Counter(classes[i] for rows in groups for i in rows)
    for label in sorted(quotas):
        if quotas[label] > 0 and counts_held_out[label] == 0:
            rows = _smallest_group(copies, classes, label, counts - counts_held_out)
            groups.append(rows)
            counts_held_out.update(classes[i] for i in rows)
    held_out = np.zeros(len(labels), bool)
    held_out[[i for rows in groups for i in rows]] = True
    return held_out


def _group_copies(hashes: np.ndarray) -> list[list[int]]:
    r"""Returns the indices of the images with each hash, sorted by hash."""
    order = np.argsort(hashes, kind="stable")
    inner = np.flatnonzero(np.diff(hashes[order])) + 1
    indices = order.tolist()
    return [indices[a:b] for a, b in pairwise([0, *inner.tolist(), len(indices)])]


def _class_quotas(counts: Counter[int], hold_out: int) -> dict[int, int]:
    r"""Returns how many images of each class are held out, given the sizes of the classes."""
    quotas = {label: n // hold_out for label, n in counts.items()}
    rest = counts.total() // hold_out - sum(quotas.values())
    # Classes of one image are the last to give one, since they would have no training image left.
    order = sorted(
        counts, key=lambda c: (counts[c] > 1, counts[c] % hold_out, fold(0, "held out", c))
    )
    for label in order[len(order) - rest :]:
        quotas[label] += 1
    return quotas


def _fill_quotas(
    copies: Sequence[list[int]], labels: Sequence[int], quotas: dict[int, int]
) -> list[list[int]]:
    r"""Returns groups of copies to hold out, taken in order, so that no class exceeds its quota.

    Arguments:
        copies: The indices of the images in each group.
        labels: The classes of the images.
        quotas: How many images of each class are held out.
    """
    left, total = dict(quotas), sum(quotas.values())
    groups = []
    for rows in copies:
        if total == 0:
            break
        sizes = Counter(labels[i] for i in rows)
        if all(left[label] >= n for label, n in sizes.items()):
            groups.append(rows)
            total -= len(rows)
            for label, n in sizes.items():
                left[label] -= n
    return groups


def _smallest_group(
    copies: Sequence[list[int]], labels: Sequence[int], label: int, left: Counter[int]
) -> list[int]:
    r"""Returns the smallest group of copies with an image of a class.

    Only groups that leave a training image in every class count; `[]` if there is none.

    Arguments:
        copies: The indices of the images in each group.
        labels: The classes of the images.
        label: The class.
        left: How many images of each class are not held out yet.
    """
    fitting = []
    for rows in copies:
        sizes = Counter(labels[i] for i in rows)
        if label in sizes and all(left[c] > n for c, n in sizes.items()):
            fitting.append(rows)
    return min(fitting, key=len, default=[])
