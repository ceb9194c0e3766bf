r"""The order in which measures rank modified real images.

::

    python -m benchmarks.orderings --data FashionMNIST --data.root data

compares held-out images with the training set, at 2,000 and 10,000 samples: unmodified, blurred,
with noise, only half of the classes, and 200 training images repeated. It prints all measures of
each. The row of unmodified images is the floor of real data at that number of samples.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jsonargparse import auto_cli
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.data import ImageDataModule
from energy_gans.metrics.features import EfficientNetLite0, FeatureExtractor
from energy_gans.metrics.measures import MEASURES, measure
from energy_gans.metrics.reference import MEASURE_BATCH, default_cache, reference_statistics
from energy_gans.metrics.statistics import Statistics, feature_statistics
from energy_gans.storage.stamps import format_number, number_fields

SIZES = (2000, 10_000)
COPIED = 200


def noisy(y: Tensor) -> Tensor:
    r"""Returns images with Gaussian noise of a tenth of their range."""
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return (y + 25.5 * noise).round().clamp(0, 255).to(torch.uint8)


def conditions(data: ImageDataModule) -> dict[str, Tensor]:
    r"""Returns sets of images by their modification, uint8, with shape :math:`(N, C, H, W)`."""
    y, label = next(iter(data.loader("val", [torch.randperm(data.length("val"))[:10_000]])))
    copied = torch.randperm(data.length("train"))[:COPIED]
    again = copied[torch.randint(COPIED, (10_000,))]
    return {
        "clean": y,
        "blurred": gaussian_blur(y, 5, 1.0),
        "noisy": noisy(y),
        "half of the classes": y[label < len(label.unique()) // 2],
        "200 training images": next(iter(data.loader("train", [again])))[0],
    }


def orderings(
    data: ImageDataModule,
    extractor: FeatureExtractor | None = None,
    measures: str = ",".join(MEASURES),
    reference_n: int = 50_000,
) -> None:
    r"""Prints a table for each number of samples.

    Arguments:
        data: The data module.
        extractor: The features.
        measures: The measures.
        reference_n: The number of training images in the reference.
    """
    torch.manual_seed(0)
    extractor, cache = extractor or EfficientNetLite0(), default_cache()
    y = reference_statistics(data, "train", reference_n, reference_n, extractor, Path(cache))
    sets = conditions(data)
    for n in SIZES:
        print(f"\n{type(data).__name__}, {extractor.name}, n = {n}, reference {y.n}\n")
        clean: Statistics | None = None
        for name, images in sets.items():
            x = statistics(images[:n], extractor)
            clean = clean or x
            row = {
                k: format_number(number_fields(v))
                for k, v in measure(measures.split(","), x, y, clean).items()
            }
            if x is clean:
                print(markdown_heading(["", *row]), end="")
            few = f" ({x.n})" if x.n < n else ""
            print(markdown_row([f"{name}{few}", *row.values()]), end="", flush=True)


def statistics(images: Tensor, extractor: FeatureExtractor) -> Statistics:
    r"""Returns the statistics of images."""
    places = torch.arange(len(images))
    batches = zip(images.split(MEASURE_BATCH), places.split(MEASURE_BATCH), strict=True)
    return feature_statistics(extractor, batches, keep=len(images))


if __name__ == "__main__":
    auto_cli(orderings, as_positional=False)
