r"""Pictures of an evaluation: nearest real images, and closest pairs of samples.

The first picture reveals memorised training images, the second one a collapsed generator.
"""

from __future__ import annotations

import torch
from PIL import Image

from ...functional import closest_pairs, nearest
from ...metrics.images import to_uint8
from ...metrics.reference import NEIGHBOURS, ImageData, nearest_in_pixels, reference_order
from ...metrics.statistics import Statistics
from ...plots.images import side_by_side
from ..inputs import Samples

# The numbers of samples with neighbours, of pairs, and of pairs in a row.
SHOWN, PAIRS, PAIRS_IN_ROW = 8, 24, 4


def neighbours_picture(
    x: Statistics, y: Statistics, samples: Samples, data: ImageData, split: str
) -> Image.Image:
    r"""Returns samples in rows with their nearest real images, in features and in pixels.

    Arguments:
        x: The statistics of the samples.
        y: The statistics of the reference.
        samples: The samples.
        data: The data module.
        split: The reference split.
    """
    images = samples.at(torch.arange(min(SHOWN, samples.n)))
    order = reference_order(data.length(split), y.n)
    k = min(NEIGHBOURS, y.n)
    by_feature = order[nearest(x.features[: len(images)], y.features, k)[1]]
    by_pixel = order[nearest_in_pixels(images, data, split, order)]
    panels = {"samples": images[:, None]}
    for name, index in (("features", by_feature), ("pixels", by_pixel)):
        found = next(iter(data.loader(split, [index.flatten()])))[0]
        panels[f"nearest real images in {name}"] = to_uint8(found).unflatten(0, index.shape)
    return side_by_side(panels, rows="one sample, and its neighbours from near to far")


def duplicates_picture(x: Statistics, y: Statistics, samples: Samples) -> Image.Image:
    r"""Returns the closest pairs of samples in features, closest first.

    Arguments:
        x: The statistics of the samples.
        y: The statistics of the reference, whose closest pairs define the radius of duplicates.
        samples: The samples.
    """
    n = len(x.paired)
    radius, _ = y.duplicates
    distance, pairs, degrees = closest_pairs(x.paired, min(PAIRS, n * (n - 1) // 2), radius)
    images = samples.at(pairs.flatten()).unflatten(0, pairs.shape)
    title = (
        f"closest pairs of {n} samples, the first at distance {distance[0]:.3g}\n"
        f"duplicates, at most {radius:.3g} apart: {degrees.sum() // 2}"
    )
    pairs = torch.cat(list(images.unbind(1)), -1)
    columns = min(PAIRS_IN_ROW, len(pairs))
    pairs = pairs[: len(pairs) // columns * columns].unflatten(0, (-1, columns))
    words = "one pair" if columns == 1 else f"{columns} pairs"
    return side_by_side({title: pairs}, rows=f"{words}, closest first")
