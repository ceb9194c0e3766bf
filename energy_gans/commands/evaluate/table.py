r"""The numbers of an evaluation, stamped, with what real images give beside them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from ...metrics.features import FeatureExtractor
from ...metrics.measures import Measurement, TooFewSamplesError, measure
from ...storage.stamps import Stamp, View, display, stamp_number, views
from .sets import Sets

FID_SAMPLES = 50_000
HEADINGS = ("measure", "samples", "real", "n", "reference n")
MATCHED = (
    "Where a measure has two rows, there are too few real images to stand in for all samples: the "
    "second one compares fewer, or against a part of the reference."
)


def numbers_of(
    names: list[str],
    sets: Sets,
    extractor: FeatureExtractor,
    reference: dict[str, Any],
    held_out: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    r"""Returns stamped numbers by name.

    Arguments:
        names: The names of the measures.
        sets: The statistics.
        extractor: The extractor.
        reference: What the images of the reference's split are, for the stamps.
        held_out: What those of the held-out split are, for the stamps.
    """
    of = partial(sets.floor.about, reference=reference, held_out=held_out)
    about = Stamp(extractor.stamp(), reference, of)
    outside, left, z = sets.held_out(), sets.left(), sets.real
    numbers: dict[str, dict[str, Any]] = {}
    for name in names:
        found = measure([name], sets.samples, sets.reference, outside)
        real: dict[str, Measurement] = {}
        matched: dict[str, Measurement] = {}
        # A few real images may be too few for some measures.
        with suppress(TooFewSamplesError):
            real = measure([name], z, left, z)
            if any(about(found[key]) != about(number) for key, number in real.items()):
                matched = measure([name], sets.few, left, z)
        for key, number in found.items():
            stamp = stamp_number(number, real.get(key), matched.get(key), about, of(sets.floor.n))
            numbers["fid" if key == "fd" and is_fid(sets, extractor, reference) else key] = stamp
    return numbers


def is_fid(sets: Sets, extractor: FeatureExtractor, reference: dict[str, Any]) -> bool:
    r"""Returns whether the samples' Fréchet distance is the FID."""
    enough = min(sets.samples.n, sets.reference.n) >= FID_SAMPLES
    return getattr(extractor, "standard", False) and enough and reference["split"] == "train"


def table(numbers: dict[str, dict[str, Any]]) -> str:
    r"""Returns numbers as a table in Markdown, with what real images give."""
    rows = [row for name, number in numbers.items() for row in views(name, number)]
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|", *map(line, rows)]
    return "\n".join(lines) + (f"\n\n{MATCHED}" if len(rows) > len(numbers) else "")


def line(view: View) -> str:
    r"""Returns a row of the table."""
    n, reference_n = view.counts()
    cells = [display(number) if number else "" for number in (view.samples, view.real)]
    cells += [str(n), "" if reference_n is None else str(reference_n)]
    return f"| {view.label} | {' | '.join(cells)} |"
