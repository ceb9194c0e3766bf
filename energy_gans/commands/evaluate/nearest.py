r"""Pictures for the eye to judge: samples beside their nearest real images, and the closest pairs.

A memorised sample stands beside its twin; a collapsed generator fills the pairs with repetitions.
"""

from __future__ import annotations

import torch
from PIL import Image

from ...functional import closest_pairs, nearest
from ...metrics.images import to_uint8
from ...metrics.reference import _NEIGHBOURS, ImageData, nearest_in_pixels, reference_order
from ...metrics.statistics import Statistics
from ...plots.images import in_rows, side_by_side
from ..inputs import Samples

SHOWN = 8
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
    by_feature = order[nearest(x.features[: len(images)], y.features, _NEIGHBOURS)[1]]
    by_pixel = order[nearest_in_pixels(images, data, split, order)]
    panels = {"samples": images[:, None]}
    for name, index in (("features", by_feature), ("pixels", by_pixel)):
        found = next(iter(data.loader(split, [index.flatten()])))[0]
        panels[f"nearest in {name}"] = to_uint8(found).unflatten(0, index.shape)
    return side_by_side(panels)


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
