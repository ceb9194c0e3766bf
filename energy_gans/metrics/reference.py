r"""The statistics of real images, kept on disk: a reference is computed once.

A cache file is named by what decides its numbers: the data's fingerprint, which images of which
split, and the extractor's stamp. It is an `.npz`, whose parts carry check sums; one that is torn
or of something else is computed anew, never trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
import torch.distributed
from torch import Tensor

from ..files import atomic_write, remove_stale
from ..functional import keyed_subset, nearest
from .features import FeatureExtractor
from .images import to_uint8
from .statistics import Statistics, feature_statistics, rank_and_world_size

NEIGHBOURS = 4

BATCH = 100
FORMAT = 2
T = TypeVar("T")

# Wraps batches, of which it is told the number of images, to show how far they are.
Progress = Callable[[Iterable[tuple[Tensor, Tensor]], int], Iterable[tuple[Tensor, Tensor]]]
ARRAYS = ("mean", "covariance", "features", "scores")


class ImageData(Protocol):
    r"""What is asked of a data module."""

    def length(self, split: str) -> int: ...
    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[tuple[Tensor, Tensor]]: ...
    def fingerprint(self, split: str) -> str: ...


def default_cache() -> Path:
    r"""Returns the user's folder for what can be computed again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "energy-gans"


@dataclass(frozen=True)
class Part:
    r"""Creates the choice of images of a split by their places in its random order.

    Arguments:
        split: The split.
        start: The first place.
        stop: The place after the last.
    """

    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def reference_order(length: int, n: int) -> Tensor:
    r"""Returns which images of a set are the reference, in random order, with shape :math:`(n)`."""
    return keyed_subset(length, n, 0, "reference")


def reference_statistics(
    data: ImageData,
    split: str,
    n: int,
    keep: int,
    extractor: FeatureExtractor,
    cache: Path,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Statistics:
    r"""Returns the statistics of real images, from the cache if they are there.

    Arguments:
        data: The data module.
        split: Its split.
        n: How many images; all, if there are fewer. They are drawn at random, the same ones always.
        keep: The features of how many of them are kept.
        extractor: The extractor, on `device`.
        cache: The folder of cache files.
        device: The device that computes.
        progress: What shows how far this process is with its batches; nothing does if `None`.
    """
    parts = [Part(split, 0, min(n, data.length(split)))]
    return real_statistics(data, parts, keep, extractor, cache, device, progress)


def real_statistics(
    data: ImageData,
    parts: list[Part],
    keep: int,
    extractor: FeatureExtractor,
    cache: Path,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Statistics:
    r"""Returns the statistics of real images of several splits, from the cache if they are there.

    Arguments:
        data: The data module.
        parts: Which images, one part after the other.
        keep: The features of how many of them are kept, the first.
        extractor: The extractor, on `device`.
        cache: The folder of cache files.
        device: The device that computes.
        progress: What shows how far this process is with its batches; nothing does if `None`.
    """
    n = sum(map(len, parts))
    key = _cache_key(data, parts, min(keep, n), extractor, torch.device(device).type)
    path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
    rank, world_size = rank_and_world_size()
    found = _read_cache(path, key) if rank == 0 else None
    if broadcast_from_first(found is not None):
        return broadcast_from_first(found)
    images = _image_batches(data, parts, rank, world_size)
    if progress is not None:
        images = progress(images, n)
    statistics = feature_statistics(extractor, images, min(keep, n), device)
    if rank == 0:
        _write_cache(statistics, path, key)
    return statistics


def _cache_key(
    data: ImageData, parts: list[Part], keep: int, extractor: FeatureExtractor, device: str
) -> str:
    r"""Returns all that decides the statistics of real images."""
    of = [
        {"data": data.fingerprint(part.split), "length": data.length(part.split), **asdict(part)}
        for part in parts
    ]
    key = {"parts": of, "keep": keep, "extractor": extractor.stamp(), "format": FORMAT}
    # A GPU may compute convolutions in TF32.
    key |= {"device": device, "tf32": device == "cuda" and torch.backends.cudnn.allow_tf32}
    return json.dumps(key | {"torch": torch.__version__}, sort_keys=True)


def _image_batches(
    data: ImageData, parts: list[Part], rank: int, world_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    r"""Yields a process's share of the images, in batches, and their places among all."""
    first = 0
    for part in parts:
        order = reference_order(data.length(part.split), part.stop)[part.start :]
        places = torch.arange(len(part)).split(BATCH)[rank::world_size]
        loader = data.loader(part.split, [order[i] for i in places])
        for (y, _), i in zip(loader, places, strict=True):
            yield y, i + first
        first += len(part)


def broadcast_from_first(value: T) -> T:
    r"""Returns the first process's value."""
    values = [value]
    if rank_and_world_size()[1] > 1:
        torch.distributed.broadcast_object_list(values)
    return values[0]


def _write_cache(statistics: Statistics, path: Path, key: str) -> None:
    r"""Writes statistics, whole or not at all; warns if that is not possible."""
    arrays = {name: getattr(statistics, name).numpy() for name in ARRAYS}
    remove_stale(path.parent)
    try:
        with atomic_write(path) as file:
            np.savez(file, n=np.int64(statistics.n), key=np.array(key), **arrays)
    except OSError as error:
        warnings.warn(
            f"The reference's statistics could not be kept, and are computed again next time: {error}",
            stacklevel=2,
        )


def _read_cache(path: Path, key: str) -> Statistics | None:
    r"""Returns the statistics in a file, or `None` if it is missing, torn or of something else."""
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            arrays = [torch.from_numpy(file[name]) for name in ARRAYS]
            return Statistics(int(file["n"]), *arrays)
    except Exception:
        # A file that is damaged, or is another one, can fail in any way: it is made anew.
        return None


def nearest_in_pixels(images: Tensor, data: ImageData, split: str, order: Tensor) -> Tensor:
    r"""Returns the places in an order of the nearest images, with shape :math:`(N, 4)`.

    Arguments:
        images: The images that neighbours are looked for, uint8, with shape :math:`(N, C, H, W)`.
        data: The data module.
        split: The split that is searched, a batch at a time.
        order: Which of its images, with shape :math:`(M)`.
    """
    distance = torch.empty(len(images), 0)
    index = torch.empty(len(images), 0, dtype=torch.long)
    a = images.flatten(1).float()
    for j, (y, _) in enumerate(data.loader(split, order.split(BATCH))):
        r, i = nearest(a, to_uint8(y).flatten(1).float(), min(NEIGHBOURS, len(y)))
        distance, index = torch.cat([distance, r], 1), torch.cat([index, i + j * BATCH], 1)
        distance, best = distance.topk(min(NEIGHBOURS, distance.shape[1]), largest=False)
        index = index.gather(1, best)
    return index
