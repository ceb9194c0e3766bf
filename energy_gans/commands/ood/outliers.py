r"""Sets of images that a score is measured on: of data modules, of files, and some that are made here.

All are read a batch at a time, in [-1, 1]. Those that are made:

- interpolated: the mean of two held-out images, the :math:`i`-th and the :math:`(i + 100)`-th of the split,
- noise: pixels drawn evenly from [-1, 1],
- constant: images of one colour, drawn evenly,

the last two as many as there are held-out images.

References:
    Guiding Energy-based Models via Contrastive Latent Variables (Lee et al., 2023), the interpolated
    images, https://arxiv.org/abs/2303.03023
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.base import TensorDataModule, to_unit_range
from ...functional import keyed_generator, keyed_subset
from ...metrics.reference import MEASURE_BATCH
from ...plots.histograms import HELD_OUT, TRAINING
from ..inputs import open_samples

# How far apart in a split the two images of a mean are.
SHIFT = 100
MADE = ("interpolated", "noise", "constant")


@dataclass(frozen=True)
class ImageSet:
    r"""Creates a set of images that are read a batch at a time.

    Arguments:
        n: The number of images.
        batches: Returns the batches in order, in [-1, 1], with shape :math:`(B, C, H, W)`.
        about: Where they come from, for a stamp.
    """

    n: int
    batches: Callable[[], Iterable[Tensor]]
    about: dict[str, Any]


def parse_outliers(outliers: str) -> list[str]:
    r"""Returns the names of sets of outliers, once it is known that they are there.

    Raises:
        ValueError: If one is neither made here nor a folder or a file.
    """
    names = list(dict.fromkeys(name.strip() for name in outliers.split(",") if name.strip()))
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
        names: The names of sets that are made here, or paths.
        modules: The data modules of outliers.
        data: The data module of inliers.
        shape: The shape of the model's samples.
        n: The number of images of each, at most.
        seed: The seed.

    Raises:
        ValueError: If images have another shape, or a set has fewer than two.
    """
    data.prepare_data()
    sets = {TRAINING: of_split(data, "train", n, seed), HELD_OUT: of_split(data, "val", n, seed)}
    for name in names:
        sets[name] = of_name(name, data, shape, n, seed)
    for module in modules:
        module.prepare_data()
        name = type(module).__name__
        count = sum(key.split(" ")[0] == name for key in sets)
        sets[f"{name} {count + 1}" if count else name] = of_split(module, "val", n, seed)
    for name, images in sets.items():
        check_set(name, images, shape)
    return sets


def check_set(name: str, images: ImageSet, shape: tuple[int, ...]) -> None:
    r"""Raises a `ValueError` unless a set holds two images of a shape."""
    if images.n < 2:
        raise ValueError(f"The {name} images should be at least 2, got {images.n}.")
    found = tuple(next(iter(images.batches())).shape[1:])
    if found != tuple(shape):
        raise ValueError(
            f"The {name} images should have the shape of the model's samples, {tuple(shape)}, got "
            f"{found}."
        )


def of_split(data: TensorDataModule, split: str, n: int, seed: int) -> ImageSet:
    r"""Returns images of a data module, chosen by the seed."""
    order = keyed_subset(data.length(split), n, seed, "ood")

    def batches() -> Iterator[Tensor]:
        for y, _ in data.loader(split, order.split(MEASURE_BATCH)):
            yield to_unit_range(y)

    about = {"data": type(data).__name__, "fingerprint": data.fingerprint(split), "split": split}
    return ImageSet(len(order), batches, about)


def of_name(
    name: str, data: TensorDataModule, shape: tuple[int, ...], n: int, seed: int
) -> ImageSet:
    r"""Returns a set of outliers that is made here, or that a folder or a file holds."""
    if name == "interpolated":
        return interpolated(data, n, seed)
    if name in MADE:
        n = min(n, data.length("val"))
        sizes = [min(MEASURE_BATCH, n - i) for i in range(0, n, MEASURE_BATCH)]
        return ImageSet(n, partial(drawn, name, sizes, shape, seed), {"made": name, "seed": seed})
    return of_path(name, shape[0], n)


def interpolated(data: TensorDataModule, n: int, seed: int) -> ImageSet:
    r"""Returns means of two held-out images that are 100 apart in the split, chosen by the seed.

    Raises:
        ValueError: If the split is too short.
    """
    pairs = data.length("val") - SHIFT
    if pairs < 2:
        raise ValueError(
            f"'outliers' = 'interpolated' is of at least {SHIFT + 2} held-out images, got "
            f"{data.length('val')}."
        )
    order = keyed_subset(pairs, n, seed, "ood")

    def batches() -> Iterator[Tensor]:
        ends = (data.loader("val", part.split(MEASURE_BATCH)) for part in (order, order + SHIFT))
        for (a, _), (b, _) in zip(*ends, strict=True):
            yield (to_unit_range(a) + to_unit_range(b)) / 2

    about = {"made": "interpolated", "shift": SHIFT, "data": type(data).__name__}
    return ImageSet(len(order), batches, about | {"fingerprint": data.fingerprint("val")})


def drawn(kind: str, sizes: list[int], shape: tuple[int, ...], seed: int) -> Iterator[Tensor]:
    r"""Yields batches of noise, or of images of one colour."""
    random = keyed_generator(seed, kind)
    size = shape[1:] if kind == "noise" else (1, 1)
    for b in sizes:
        yield (2 * torch.rand(b, shape[0], *size, generator=random) - 1).expand(b, *shape)


def of_path(path: str, channels: int, n: int) -> ImageSet:
    r"""Returns the images in a folder or a file, or as many as are asked for.

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
