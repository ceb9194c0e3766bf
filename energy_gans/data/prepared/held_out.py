r"""Which images are held out of a source that has training images alone.

One of :math:`H` images is held out, by class: of :math:`n_c` images of a class :math:`c`,
:math:`\lfloor n_c / H \rfloor`. What is missing to :math:`\lfloor \sum_c n_c / H \rfloor` comes, one each,
from the classes with the largest remainders :math:`n_c \bmod H`, drawn among equal ones.

Which images of a class these are is drawn by their contents: the images are put in the order of a keyed
hash of their bytes. So the draw is the same on every machine, for a folder and an archive of it, for any
names and any order of files.

Images with the same bytes are copies, and all copies of an image are in one split. Bytes are compared and not
pixels: a decoder's last bit may differ from machine to machine, and a picture that was encoded anew is no
exact copy in pixels either. Copies may be in several classes, or more than a class gives: they are held out
where that gives no class too many, or where a class would give nothing at all.
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
    r"""Returns 64 bits of the SHA-256 of a key and an image's bytes: by it images are drawn, and copies known."""
    contents = image if isinstance(image, bytes) else np.ascontiguousarray(image)
    digest = hashlib.sha256(KEY)
    digest.update(contents)
    return int.from_bytes(digest.digest()[:8], "big")


class ContentHashes:
    r"""Creates what is known of the contents of images that were read: their classes and hashes, by split."""

    def __init__(self) -> None:
        self.labels: dict[str, list[np.ndarray]] = {}
        self.hashes: dict[str, list[np.ndarray]] = {}
        self.names: list[tuple[str, int]] = []

    def append(
        self, split: str, labels: np.ndarray, hashes: Sequence[int], names: Sequence[str]
    ) -> None:
        r"""Appends images of a split: their classes, hashes and names, with shape :math:`(B)` each."""
        self.labels.setdefault(split, []).append(labels)
        self.hashes.setdefault(split, []).append(np.array(hashes, np.uint64))
        if split != "train":
            self.names += zip(names, hashes, strict=True)

    def training(self) -> tuple[np.ndarray, np.ndarray]:
        r"""Returns the classes and the hashes of all training images, with shape :math:`(N)` each."""
        return np.concatenate(self.labels["train"]), np.concatenate(self.hashes["train"])

    def copies(self) -> tuple[int, list[str]]:
        r"""Returns how many training images are copies of others, and which held-out images are of one."""
        _, hashes = self.training()
        known = np.unique(hashes)
        held_out = np.array([one for _, one in self.names], np.uint64)
        copies = np.flatnonzero(np.isin(held_out, known))
        return len(hashes) - len(known), [self.names[i][0] for i in copies]


def draw_held_out(labels: np.ndarray, hashes: np.ndarray, hold_out: int) -> np.ndarray:
    r"""Returns which images are held out, booleans with shape :math:`(N)`.

    Arguments:
        labels: The classes, with shape :math:`(N)`.
        hashes: The images' hashes, with shape :math:`(N)`.
        hold_out: Of how many images one is held out, :math:`H`.
    """
    classes = labels.tolist()
    counts = Counter(classes)
    wanted = _class_quotas(counts, hold_out)
    copies = _group_copies(hashes)
    chosen = _fill_quotas(copies, classes, wanted)
    given = Counter(classes[i] for rows in chosen for i in rows)
    for label in sorted(wanted):
        if wanted[label] > 0 and given[label] == 0:
            rows = _smallest_group(copies, classes, label, counts - given)
            chosen.append(rows)
            given.update(classes[i] for i in rows)
    held = np.zeros(len(labels), bool)
    held[[i for rows in chosen for i in rows]] = True
    return held


def _group_copies(hashes: np.ndarray) -> list[list[int]]:
    r"""Returns the indices of images with equal hashes, group by group, in the order of the hashes."""
    order = np.argsort(hashes, kind="stable")
    inner = np.flatnonzero(np.diff(hashes[order])) + 1
    indices = order.tolist()
    return [indices[a:b] for a, b in pairwise([0, *inner.tolist(), len(indices)])]


def _class_quotas(counts: Counter[int], hold_out: int) -> dict[int, int]:
    r"""Returns how many images each class gives, of how many it has."""
    given = {label: n // hold_out for label, n in counts.items()}
    missing = counts.total() // hold_out - sum(given.values())
    # A class of one image would have none left.
    order = sorted(
        counts, key=lambda c: (counts[c] > 1, counts[c] % hold_out, fold(0, "held out", c))
    )
    for label in order[len(order) - missing :]:
        given[label] += 1
    return given


def _fill_quotas(
    copies: Sequence[list[int]], labels: Sequence[int], wanted: dict[int, int]
) -> list[list[int]]:
    r"""Returns the first groups of copies, in their order, that give no class more than it should."""
    left, total = dict(wanted), sum(wanted.values())
    chosen = []
    for rows in copies:
        if total == 0:
            break
        of = Counter(labels[i] for i in rows)
        if all(left[label] >= n for label, n in of.items()):
            chosen.append(rows)
            total -= len(rows)
            for label, n in of.items():
                left[label] -= n
    return chosen


def _smallest_group(
    copies: Sequence[list[int]], labels: Sequence[int], label: int, left: Counter[int]
) -> list[int]:
    r"""Returns the fewest copies with one of a class that leave training images of all; `[]` if none do."""
    fitting = []
    for rows in copies:
        of = Counter(labels[i] for i in rows)
        if label in of and all(left[c] > n for c, n in of.items()):
            fitting.append(rows)
    return min(fitting, key=len, default=[])
