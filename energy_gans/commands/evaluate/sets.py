r"""The statistics of all sets of images that an evaluation compares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule

from ...metrics.features import FeatureExtractor
from ...metrics.floor import Floor
from ...metrics.measures import SEARCHED
from ...metrics.reference import real_statistics, reference_statistics
from ...metrics.statistics import (
    PAIRED,
    Statistics,
    image_progress,
    prefix_statistics,
    rank_and_world_size,
)
from ..inputs import Samples


@dataclass(frozen=True)
class Sets:
    r"""Creates the statistics of all sets of an evaluation.

    Arguments:
        samples: Of the samples.
        reference: Of the reference, with the features of all its images.
        real: Of the real images that stand in for samples.
        few: Of as many samples as those.
        floor: Which real images those are.
    """

    samples: Statistics
    reference: Statistics
    real: Statistics
    few: Statistics
    floor: Floor

    def held_out(self) -> Statistics:
        r"""Returns the first of the real images that are outside of the whole reference."""
        n = min(self.floor.held_out + self.floor.spare, SEARCHED)
        # Below two no measure looks at them.
        return self.real.first(max(n, 2))

    def left(self) -> Statistics:
        r"""Returns what is left of the reference without the images that are held back."""
        return (
            self.reference.first(self.floor.reference_n)
            if self.floor.held_back
            else self.reference
        )


def gather_sets(
    source: Samples,
    data: LightningDataModule,
    splits: tuple[str, str],
    reference_n: int,
    floor: Floor,
    extractor: FeatureExtractor,
    cache: Path,
    device: torch.device,
) -> Sets:
    r"""Returns the statistics of the samples, of the reference, and of real images outside of it.

    Arguments:
        source: The samples.
        data: The data module.
        splits: The split of the reference, and the held-out one.
        reference_n: The number of images of the reference.
        floor: Which real images stand in for samples.
        extractor: The extractor, on `device`.
        cache: The folder of the reference's statistics.
        device: The device that computes.
    """
    reference, held_out = splits
    y = reference_statistics(
        data,
        reference,
        reference_n,
        reference_n,
        extractor,
        cache,
        device,
        partial(image_progress, reference),
    )
    # Of all others only those that are compared in pairs are kept.
    parts, progress = floor.parts(*splits), partial(image_progress, held_out)
    z = real_statistics(data, parts, PAIRED, extractor, cache, device, progress)
    batches = image_progress("samples", source.share(*rank_and_world_size()), source.n)
    sizes = sorted({source.n, floor.n})
    found = prefix_statistics(extractor, batches, sizes, min(source.n, PAIRED), device)
    return Sets(found[-1], y, z, found[0], floor)
