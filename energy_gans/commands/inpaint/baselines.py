r"""Images with holes, filled in ways that learn nothing, and numbers that say how good a filling is.

Whatever fills holes should beat two ways that need no training: the mean of training images, the
best in mean squared error of all that do not look at what is known, and a copy of the training image
that is nearest to what is known.

The numbers are torchmetrics', with the data range 2 of images in [-1, 1]: mean squared error, peak
signal-to-noise ratio of the mean squared error of all images together, and structural similarity.
Over whole images a small hole makes any filling look good; over the hole alone it does not.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics.functional import mean_squared_error
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from ...data.base import TensorDataModule, to_unit_range
from ...data.batches import EVALUATION_BATCH
from ...functional import frechet_distance, known_distances
from ...metrics.features import FeatureExtractor
from ...metrics.reference import reference_order
from ...metrics.statistics import Statistics, feature_statistics

# How many training images fillings are made of.
TRAINING = 50_000
RANGE = 2.0

COLUMNS = {
    "mse": "MSE",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "hole_mse": "MSE of the hole",
    "hole_psnr": "PSNR of the hole",
    "fd": "Fréchet distance",
}


def baselines(y: Tensor, known: Tensor, data: TensorDataModule) -> dict[str, Tensor]:
    r"""Returns images whose holes hold the mean training image, and the nearest one, by name.

    At most 50,000 training images are looked at, drawn at random, the same ones always.

    Arguments:
        y: The images in [-1, 1], with shape :math:`(N, C, H, W)`.
        known: Their masks, with shape :math:`(N, 1, H, W)`.
        data: The data module.
    """
    order = reference_order(data.length("train"), TRAINING)
    total = torch.zeros_like(y[0], dtype=torch.float64)
    least, nearest = torch.full((len(y),), math.inf, dtype=torch.float64), torch.empty_like(y)
    for batch, _ in data.loader("train", order.split(EVALUATION_BATCH)):
        b = to_unit_range(batch)
        total += b.double().sum(0)
        parts = zip(y.split(EVALUATION_BATCH), known.split(EVALUATION_BATCH), strict=True)
        r2, index = torch.cat([known_distances(a, b, m) for a, m in parts]).min(1)
        closer = r2 < least
        least[closer], nearest[closer] = r2[closer], b[index[closer]]
    mean = (total / len(order)).to(y.dtype)
    fills = {"mean image": mean, "nearest image": nearest}
    return {name: torch.where(known == 1, y, fill) for name, fill in fills.items()}


def numbers(
    x: Tensor, y: Tensor, known: Tensor, real: tuple[FeatureExtractor, Statistics] | None
) -> dict[str, float | None]:
    r"""Returns numbers that say how far completed images are from the originals.

    Arguments:
        x: The completed images in [-1, 1], with shape :math:`(N, C, H, W)`.
        y: The originals, with shape :math:`(N, C, H, W)`.
        known: The masks, with shape :math:`(N, 1, H, W)`.
        real: The extractor of the Fréchet distance and the originals' statistics, or `None`.
    """
    hole = (known == 0).expand_as(y)
    values = {
        "mse": mean_squared_error(x, y),
        "psnr": peak_signal_noise_ratio(x, y, data_range=RANGE),
        "ssim": structural_similarity_index_measure(x, y, data_range=RANGE),
        "hole_mse": mean_squared_error(x[hole], y[hole]),
        "hole_psnr": peak_signal_noise_ratio(x[hole], y[hole], data_range=RANGE),
    }
    if real is not None:
        extractor, u = real
        v = statistics_of(x, extractor)
        values["fd"] = frechet_distance(u.mean, u.covariance, v.mean, v.covariance)
    # Exact images have an infinite ratio, and JSON no infinity.
    return {name: v.item() if v.isfinite() else None for name, v in values.items()}


def statistics_of(images: Tensor, extractor: FeatureExtractor) -> Statistics:
    r"""Returns the statistics of images' features."""
    places = torch.arange(len(images)).split(EVALUATION_BATCH)
    return feature_statistics(
        extractor, zip(images.split(EVALUATION_BATCH), places, strict=True), 0
    )


def table(measures: dict[str, dict[str, float | None]]) -> str:
    r"""Returns numbers as a table in Markdown, a row for each way to fill holes."""
    names = [name for name in COLUMNS if name in next(iter(measures.values()))]
    lines = [
        f"| filled by | {' | '.join(COLUMNS[name] for name in names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for way, values in measures.items():
        cells = ["" if values[name] is None else f"{values[name]:.4g}" for name in names]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)
