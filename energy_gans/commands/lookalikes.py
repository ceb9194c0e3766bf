r"""Pictures for the eye to judge: samples beside their nearest real images, and the closest pairs.

A memorised sample stands beside its twin; a collapsed generator fills the pairs with repetitions.
"""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from ..callbacks.pictures import rendered
from ..functional import closest_pairs, nearest
from ..metrics.images import to_uint8
from ..metrics.reference import BATCH, ImageData, reference_order
from ..metrics.statistics import Statistics
from .samples import Samples

SHOWN = 8
NEIGHBOURS = 4
PAIRS = 24


def neighbours_picture(
    x: Statistics, y: Statistics, samples: Samples, data: ImageData, split: str
) -> Image.Image:
    r"""Returns samples with the nearest real images, in features and in pixels, a row each.

    Arguments:
        x: The statistics of the samples.
        y: The statistics of the reference.
        samples: The samples.
        data: The data module.
        split: The split that is the reference.
    """
    images = samples.at(torch.arange(min(SHOWN, samples.n)))
    order = reference_order(data.length(split), y.n)
    by_feature = order[nearest(x.features[: len(images)], y.features, NEIGHBOURS)[1]]
    by_pixel = order[nearest_in_pixels(images, data, split, order)]
    panels = {"samples": images[:, None]}
    for name, index in (("features", by_feature), ("pixels", by_pixel)):
        found = next(iter(data.loader(split, [index.flatten()])))[0]
        panels[f"nearest in {name}"] = to_uint8(found).unflatten(0, index.shape)
    return side_by_side(panels)


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


def duplicates_picture(x: Statistics, y: Statistics, samples: Samples) -> Image.Image:
    r"""Returns the closest pairs of samples, closest first.

    Arguments:
        x: The statistics of the samples.
        y: The statistics of the reference, whose closest pairs say what a duplicate is.
        samples: The samples.
    """
    n = len(x.paired)
    radius, _ = y.duplicates
    distance, pairs, degrees = closest_pairs(x.paired, min(PAIRS, n * (n - 1) // 2), radius)
    images = samples.at(pairs.flatten()).unflatten(0, pairs.shape)
    title = (
        f"the closest pairs of {n} samples, from {distance[0]:.3g}; "
        f"within {radius:.3g}, and so duplicates: {degrees.sum() // 2}"
    )
    return side_by_side({title: in_rows(torch.cat(list(images.unbind(1)), -1), 4)})


def in_rows(images: Tensor, n: int) -> Tensor:
    r"""Returns as many images as fill rows of `n`, or one row of fewer, with shape :math:`(R, n, *)`."""
    n = min(n, len(images))
    return images[: len(images) // n * n].unflatten(0, (-1, n))


def side_by_side(panels: dict[str, Tensor]) -> Image.Image:
    r"""Returns panels of images with their titles.

    Arguments:
        panels: The images of each panel, uint8, with shape :math:`(R, S, C, H, W)`: rows and columns.
    """
    widths = [images.shape[1] for images in panels.values()]
    rows = max(len(images) for images in panels.values())
    aspect = next(iter(panels.values())).shape
    wide = 0.9 * aspect[-1] / aspect[-2]
    size = (wide * sum(widths) + 0.5 * len(widths), 0.9 * rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0]
    for axis, (title, images) in zip(axes, panels.items(), strict=True):
        grid = make_grid(images.flatten(0, 1), nrow=images.shape[1], padding=2, pad_value=255)
        axis.imshow(grid.permute(1, 2, 0).numpy(), interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    return rendered(figure)
