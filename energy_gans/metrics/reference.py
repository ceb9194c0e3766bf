r"""The statistics of real images, cached on disk so that a reference is computed once.

The name of a cache file is a hash of everything that determines its numbers: the fingerprint of
the data, the choice of images, and the stamp of the extractor. A cache file is an `.npz`, whose
parts carry check sums. A file that is damaged or has another key is ignored and written again.
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

MEASURE_BATCH = 100
FORMAT = 2
T = TypeVar("T")

# A function from batches and the number of images to the same batches, with a progress display.
Progress = Callable[[Iterable[tuple[Tensor, Tensor]], int], Iterable[tuple[Tensor, Tensor]]]
_ARRAYS = ("mean", "covariance", "features", "scores")


class ImageData(Protocol):
    r"""The members of a data module that references need."""

    def length(self, split: str) -> int:
        r"""Returns the number of images of a split."""

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[tuple[Tensor, Tensor]]:
        r"""Returns batches of images and labels in the order of the given indices."""

    def fingerprint(self, split: str) -> str:
        r"""Returns a hash of all images of a split."""


def default_cache() -> Path:
    r"""Returns the user's cache folder for this package."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "energy-gans"


@dataclass(frozen=True)
class Part:
    r"""A range of images in the random order of a split.

    Arguments:
        split: The name of the split.
        start: The first position in the random order.
        stop: The position after the last.
    """

    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def reference_order(length: int, n: int) -> Tensor:
    r"""Returns the indices of the reference's images, in random order, with shape :math:`(n)`."""
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
    r"""Returns the statistics of real images, from the cache if possible.

    Arguments:
        data: The data module.
        split: The name of the split.
        n: The number of images, at most those of the split. The random choice is always the same.
        keep: The number of images whose features are kept.
        extractor: The extractor, on `device`.
        cache: The folder of cache files.
        device: The device to compute on.
        progress: A function that displays the progress of this process; no display if `None`.
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
    r"""Returns the statistics of real images of several splits, from the cache if possible.

    Arguments:
        data: The data module.
        parts: The ranges of images, in order.
        keep: The number of images, from the first on, whose features are kept.
        extractor: The extractor, on `device`.
        cache: The folder of cache files.
        device: The device to compute on.
        progress: A function that displays the progress of this process; no display if `None`.
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
    r"""Returns a text with everything that determines the statistics of real images."""
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
    r"""Yields the batches of a process, and the indices of their images among all images."""
    first = 0
    for part in parts:
        order = reference_order(data.length(part.split), part.stop)[part.start :]
        places = torch.arange(len(part)).split(MEASURE_BATCH)[rank::world_size]
        loader = data.loader(part.split, [order[i] for i in places])
        for (y, _), i in zip(loader, places, strict=True):
            yield y, i + first
        first += len(part)


def broadcast_from_first(value: T) -> T:
    r"""Returns the value of the first process, in all processes."""
    values = [value]
    if rank_and_world_size()[1] > 1:
        torch.distributed.broadcast_object_list(values)
    return values[0]


def _write_cache(statistics: Statistics, path: Path, key: str) -> None:
    r"""Writes statistics to a cache file; warns if that fails."""
    arrays = {name: getattr(statistics, name).numpy() for name in _ARRAYS}
    remove_stale(path.parent)
    try:
        with atomic_write(path) as file:
            np.savez(file, n=np.int64(statistics.n), key=np.array(key), **arrays)
    except OSError as error:
        warnings.warn(
            "The reference's statistics could not be kept, and are computed again next time: "
            f"{error}",
            stacklevel=2,
        )


def _read_cache(path: Path, key: str) -> Statistics | None:
    r"""Returns the statistics in a cache file, or `None` if it is missing, damaged or another."""
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            arrays = [torch.from_numpy(file[name]) for name in _ARRAYS]
            return Statistics(int(file["n"]), *arrays)
    except Exception:
        # A damaged file can raise almost anything; the statistics are computed again.
        return None


def nearest_in_pixels(images: Tensor, data: ImageData, split: str, order: Tensor) -> Tensor:
    r"""Returns the positions in `order` of the four nearest images, or of all if they are fewer.

    Arguments:
        images: The query images, uint8, with shape :math:`(N, C, H, W)`.
        data: The data module.
        split: The split to search, a batch at a time.
        order: The indices of the images to search, with shape :math:`(M)`.

    Returns:
        The positions, from near to far, with shape :math:`(N, \min(4, M))`.
    """
    distance = torch.empty(len(images), 0)
    index = torch.empty(len(images), 0, dtype=torch.long)
    a = images.flatten(1).float()
    for j, (y, _) in enumerate(data.loader(split, order.split(MEASURE_BATCH))):
        r, i = nearest(a, to_uint8(y).flatten(1).float(), min(NEIGHBOURS, len(y)))
        distance, index = torch.cat([distance, r], 1), torch.cat([index, i + j * MEASURE_BATCH], 1)
        distance, best = distance.topk(min(NEIGHBOURS, distance.shape[1]), largest=False)
        index = index.gather(1, best)
    return index
