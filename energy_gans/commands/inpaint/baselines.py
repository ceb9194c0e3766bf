r"""Baselines of inpainting, which learn nothing, and the measures of filled holes.

The first baseline is the mean training image: among fills that ignore the known pixels, it has the
lowest mean squared error. The second one copies the training image that is nearest in the known
pixels.

The measures are those of torchmetrics with a data range of 2, for images in [-1, 1]: mean squared
error, peak signal-to-noise ratio of the mean squared error over all images, and structural
similarity. Measures over whole images are good for any fill of a small hole; measures over the
hole alone are not.
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
from ..outputs import markdown_table

# The largest number of training images that the baselines use.
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


def fill_by_baselines(y: Tensor, known: Tensor, data: TensorDataModule) -> dict[str, Tensor]:
    r"""Returns images filled with the mean and with the nearest training image, by name.

    The training images are at most 50,000, in a fixed random order.

    Arguments:
        y: The images in [-1, 1], with shape :math:`(N, C, H, W)`.
        known: The masks, with shape :math:`(N, 1, H, W)`, 1 where a pixel is known.
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


def measure_fills(
    x: Tensor, y: Tensor, known: Tensor, real: tuple[FeatureExtractor, Statistics] | None
) -> dict[str, float | None]:
    r"""Returns the measures of filled images against the originals.

    Arguments:
        x: The filled images in [-1, 1], with shape :math:`(N, C, H, W)`.
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
        v = fill_statistics(x, extractor)
        values["fd"] = frechet_distance(u.mean, u.covariance, v.mean, v.covariance)
    # Equal images have an infinite ratio, which JSON can not represent.
    return {name: v.item() if v.isfinite() else None for name, v in values.items()}


def fill_statistics(images: Tensor, extractor: FeatureExtractor) -> Statistics:
    r"""Returns the statistics of images' features."""
    places = torch.arange(len(images)).split(EVALUATION_BATCH)
    return feature_statistics(
        extractor, zip(images.split(EVALUATION_BATCH), places, strict=True), 0
    )


def measures_table(measures: dict[str, dict[str, float | None]]) -> str:
    r"""Returns measures as a table in Markdown, a row for each way to fill holes."""
    names = [name for name in COLUMNS if name in next(iter(measures.values()))]
    rows = [["filled by", *(COLUMNS[name] for name in names)]]
    for way, values in measures.items():
        cells = ["" if values[name] is None else f"{values[name]:.4g}" for name in names]
        rows.append([way, *cells])
    return markdown_table(rows)
