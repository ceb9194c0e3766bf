r"""The sets of images that an evaluation compares: their sizes, statistics and measures."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...data.base import TensorDataModule
from ...metrics.features import FeatureExtractor
from ...metrics.floor import Floor
from ...metrics.measures import (
    SEARCHED,
    Measurement,
    TooFewSamplesError,
    check_enough,
    few_images_warnings,
    measure,
)
from ...metrics.reference import real_statistics, reference_statistics
from ...metrics.statistics import (
    PAIRED,
    Statistics,
    image_progress,
    prefix_statistics,
    rank_and_world_size,
)
from ...storage.stamps import Stamp, stamp_number
from ..inputs import Samples
from ..outputs import warn

# The smallest number of samples and of reference images for the name FID.
FID_SAMPLES = 50_000


@dataclass(frozen=True)
class Sets:
    r"""The statistics of all sets of images in an evaluation.

    Arguments:
        samples: The statistics of the samples.
        reference: The statistics of the reference, with the features of all its images.
        real: The statistics of the real images that are measured in place of samples.
        few: The statistics of as many samples as there are such real images.
        floor: The choice of these real images.
    """

    samples: Statistics
    reference: Statistics
    real: Statistics
    few: Statistics
    floor: Floor

    def held_out(self) -> Statistics:
        r"""Returns the statistics of the first real images outside the reference."""
        n = min(self.floor.held_out + self.floor.spare, SEARCHED)
        # No measure uses fewer than two.
        return self.real.first(max(n, 2))

    def left(self) -> Statistics:
        r"""Returns the statistics of the reference without images that are held back."""
        return (
            self.reference.first(self.floor.reference_n)
            if self.floor.held_back
            else self.reference
        )


def gather_sets(
    source: Samples,
    data: TensorDataModule,
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
        splits: The split of the reference, and the other split.
        reference_n: The number of images in the reference.
        floor: The choice of real images that are measured in place of samples.
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
    # Other sets keep only the features that are compared in pairs.
    parts, progress = floor.parts(*splits), partial(image_progress, held_out)
    z = real_statistics(data, parts, PAIRED, extractor, cache, device, progress)
    batches = image_progress("samples", source.share(*rank_and_world_size()), source.n)
    sizes = sorted({source.n, floor.n})
    found = prefix_statistics(extractor, batches, sizes, min(source.n, PAIRED), device)
    return Sets(found[-1], y, z, found[0], floor)


def drop_measures_with_few_images(
    names: list[str], n: int, reference_n: int, floor: Floor
) -> list[str]:
    r"""Returns the measures for which there are enough images, and warns of the others.

    Arguments:
        names: The measures.
        n: The number of samples.
        reference_n: The number of images in the reference.
        floor: The choice of real images that are measured in place of samples.

    Raises:
        TooFewSamplesError: If there are enough images for no measure, or fewer than two samples or
            two reference images.
    """
    check_enough("fd", n, reference_n, 0)
    kept, reasons = [], []
    for name in names:
        try:
            check_enough(name, n, reference_n, floor.held_out + floor.spare)
            kept.append(name)
        except TooFewSamplesError as error:
            reasons.append(error)
    if not kept:
        raise reasons[0]
    for error in reasons:
        warn(f"{str(error).removesuffix('.')}, and is left out.")
    return kept


def warn_of_few_images(
    names: list[str], n: int, reference_n: int, floor: Floor, extractor: FeatureExtractor
) -> None:
    r"""Warns of measures that are unreliable for the number of images."""
    counts = {"samples": n}
    if floor.n < n:
        counts["real images in their place"] = floor.n
    references = {"reference images": reference_n}
    if floor.held_back:
        references["that are left of them"] = floor.reference_n
    sizes = extractor.num_features, extractor.num_classes
    for sentence in few_images_warnings(names, counts, references, *sizes):
        warn(sentence)


def compute_measures(
    names: list[str],
    sets: Sets,
    extractor: FeatureExtractor,
    reference: dict[str, Any],
    held_out: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    r"""Returns stamped numbers by the name of the measure.

    Arguments:
        names: The names of the measures.
        sets: The statistics.
        extractor: The extractor.
        reference: The data, its fingerprint and the split of the reference, for the stamps.
        held_out: The data, its fingerprint and the other split, for the stamps.
    """
    held_out_stamp = partial(sets.floor.about, reference=reference, held_out=held_out)
    about = Stamp(extractor.stamp(), reference, held_out_stamp)
    real_stamp = held_out_stamp(sets.floor.n)
    outside, left, z = sets.held_out(), sets.left(), sets.real
    numbers: dict[str, dict[str, Any]] = {}
    for name in names:
        found = measure([name], sets.samples, sets.reference, outside)
        real: dict[str, Measurement] = {}
        matched: dict[str, Measurement] = {}
        # There can be too few real images for a measure.
        with suppress(TooFewSamplesError):
            real = measure([name], z, left, z)
            if any(about(found[key]) != about(number) for key, number in real.items()):
                matched = measure([name], sets.few, left, z)
        for key, number in found.items():
            stamp = stamp_number(number, real.get(key), matched.get(key), about, real_stamp)
            numbers["fid" if key == "fd" and _is_fid(sets, extractor, reference) else key] = stamp
    return numbers


def _is_fid(sets: Sets, extractor: FeatureExtractor, reference: dict[str, Any]) -> bool:
    r"""Returns whether the samples' Fréchet distance has the standard protocol of the FID."""
    enough = min(sets.samples.n, sets.reference.n) >= FID_SAMPLES
    return getattr(extractor, "standard", False) and enough and reference["split"] == "train"
