r"""The measures of an evaluation, of samples and of real images, with their protocols."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from ...metrics.features import FeatureExtractor
from ...metrics.measures import Measurement, TooFewSamplesError, measure
from ...storage.stamps import Comparison, Stamp, comparisons, format_number, stamp_number
from ..outputs import markdown_table
from .sets import Sets

FID_SAMPLES = 50_000
HEADINGS = ("measure", "samples", "real", "n", "reference n")
MATCHED = (
    "A measure has a second row if there are fewer real images than samples: the second row "
    "compares fewer samples, or a part of the reference."
)


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


def measures_table(numbers: dict[str, dict[str, Any]]) -> str:
    r"""Returns the measures of samples and of real images as a table in Markdown."""
    rows = [_row(c) for name, number in numbers.items() for c in comparisons(name, number)]
    note = f"\n{MATCHED}\n" if len(rows) > len(numbers) else ""
    return markdown_table([HEADINGS, *rows]) + note


def _row(comparison: Comparison) -> list[str]:
    r"""Returns a row of the table."""
    n, reference_n = comparison.counts()
    pair = comparison.samples, comparison.real
    cells = [format_number(number) if number else "" for number in pair]
    return [comparison.label, *cells, str(n), "" if reference_n is None else str(reference_n)]
