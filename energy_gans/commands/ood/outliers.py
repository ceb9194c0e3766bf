r"""Sets of images that are scored: from data modules, from files, and synthetic ones.

All sets are read a batch at a time, in [-1, 1]. The synthetic outliers are:

- interpolated: the means of random pairs of held-out images; no image is in two pairs,
- noise: pixels drawn uniformly from [-1, 1],
- constant: images of one colour, drawn uniformly.

The last two have as many images as the held-out split.

References:
    Guiding Energy-based Models via Contrastive Latent Variables (Lee et al., 2023), the
    interpolated images, https://arxiv.org/abs/2303.03023
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...checks import Names, split_names
from ...data.base import TensorDataModule, to_unit_range
from ...functional import keyed_generator, keyed_subset
from ...metrics.reference import MEASURE_BATCH
from ...plots.histograms import HELD_OUT, TRAINING
from ..inputs import open_samples

MADE = ("interpolated", "noise", "constant")


@dataclass(frozen=True)
class ImageSet:
    r"""A set of images that are read a batch at a time.

    Arguments:
        n: The number of images.
        batches: Returns the batches in order, in [-1, 1], with shape :math:`(B, C, H, W)`.
        about: The origin of the images, for a stamp.
    """

    n: int
    batches: Callable[[], Iterable[Tensor]]
    about: dict[str, Any]


def parse_outliers(outliers: Names) -> list[str]:
    r"""Returns the names of sets of outliers after checking that all of them exist.

    Raises:
        ValueError: If a name is neither a kind of synthetic outliers nor a folder or a file.
    """
    names = list(dict.fromkeys(split_names("outliers", outliers)))
    for name in names:
        if name not in MADE and not Path(name).exists():
            raise ValueError(
                f"'outliers' should be of {', '.join(MADE)}, folders of pictures and .npz, .npy "
                f"or .pt files, got {name!r}; data sets are given by --outlier_data."
            )
    return names


def open_sets(
    names: list[str],
    modules: list[TensorDataModule],
    data: TensorDataModule,
    shape: tuple[int, ...],
    n: int,
    seed: int,
) -> dict[str, ImageSet]:
    r"""Returns sets of images by name: training, held-out, and outliers.

    Arguments:
        names: Kinds of synthetic outliers, or paths.
        modules: The data modules of outliers.
        data: The data module of inliers.
        shape: The shape of the model's samples.
        n: The largest number of images in a set.
        seed: The seed.

    Raises:
        ValueError: If images have another shape, or a set has fewer than two images.
    """
    data.prepare_data()
    sets = {
        TRAINING: _split_images(data, "train", n, seed),
        HELD_OUT: _split_images(data, "val", n, seed),
    }
    for name in names:
        sets[name] = _outlier_images(name, data, shape, n, seed)
    for module in modules:
        module.prepare_data()
        name = type(module).__name__
        count = sum(key.split(" ")[0] == name for key in sets)
        sets[f"{name} {count + 1}" if count else name] = _split_images(module, "val", n, seed)
    for name, images in sets.items():
        _check_set(name, images, shape)
    return sets


def _check_set(name: str, images: ImageSet, shape: tuple[int, ...]) -> None:
    r"""Raises a `ValueError` unless a set holds at least two images, of the model's shape."""
    if images.n < 2:
        raise ValueError(f"The {name} images should be at least 2, got {images.n}.")
    found = tuple(next(iter(images.batches())).shape[1:])
    if found != tuple(shape):
        raise ValueError(
            f"The {name} images should have the shape of the model's samples, {tuple(shape)}, got "
            f"{found}."
        )


def _split_images(data: TensorDataModule, split: str, n: int, seed: int) -> ImageSet:
    r"""Returns random images of a split."""
    order = keyed_subset(data.length(split), n, seed, "ood")

    def batches() -> Iterator[Tensor]:
        for y, _ in data.loader(split, order.split(MEASURE_BATCH)):
            yield data.to_samples(y)

    about = {"data": type(data).__name__, "fingerprint": data.fingerprint(split), "split": split}
    return ImageSet(len(order), batches, about)


def _outlier_images(
    name: str, data: TensorDataModule, shape: tuple[int, ...], n: int, seed: int
) -> ImageSet:
    r"""Returns synthetic outliers, or those in a folder or a file."""
    if name == "interpolated":
        return _interpolated_images(data, n, seed)
    if name in MADE:
        n = min(n, data.length("val"))
        sizes = [min(MEASURE_BATCH, n - i) for i in range(0, n, MEASURE_BATCH)]
        return ImageSet(
            n, partial(_random_images, name, sizes, shape, seed), {"made": name, "seed": seed}
        )
    return _stored_images(name, shape[0], n)


def _interpolated_images(data: TensorDataModule, n: int, seed: int) -> ImageSet:
    r"""Returns means of two random held-out images: at most half as many as there are images.

    Raises:
        ValueError: If there are fewer than four held-out images.
    """
    length = data.length("val")
    if length < 4:
        raise ValueError(
            f"'outliers' = 'interpolated' is of at least 4 held-out images, got {length}."
        )
    n = min(n, length // 2)
    pairs = keyed_subset(length, 2 * n, seed, "ood").chunk(2)

    def batches() -> Iterator[Tensor]:
        ends = (data.loader("val", part.split(MEASURE_BATCH)) for part in pairs)
        for (a, _), (b, _) in zip(*ends, strict=True):
            yield (data.to_samples(a) + data.to_samples(b)) / 2

    about = {"made": "interpolated", "data": type(data).__name__, "seed": seed}
    return ImageSet(n, batches, about | {"fingerprint": data.fingerprint("val")})


def _random_images(
    kind: str, sizes: list[int], shape: tuple[int, ...], seed: int
) -> Iterator[Tensor]:
    r"""Yields batches of noise, or of images of one colour."""
    random = keyed_generator(seed, kind)
    size = shape[1:] if kind == "noise" else (1, 1)
    for b in sizes:
        yield (2 * torch.rand(b, shape[0], *size, generator=random) - 1).expand(b, *shape)


def _stored_images(path: str, channels: int, n: int) -> ImageSet:
    r"""Returns at most `n` images in a folder or a file.

    Raises:
        ValueError: If they can not be read.
    """
    try:
        samples = open_samples(path, None, channels)
        samples = open_samples(path, min(n, samples.n), channels)
        samples.batch(0)
    except ValueError as error:
        raise ValueError(f"'outliers' has {path!r}, which is no set of images: {error}") from error

    def batches() -> Iterator[Tensor]:
        for j in range(len(samples)):
            yield to_unit_range(samples.batch(j))

    return ImageSet(samples.n, batches, samples.origin())
