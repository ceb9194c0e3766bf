r"""The numbers of an evaluation, stamped, with what real images give beside them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from ..metrics.features import FeatureExtractor
from ..metrics.measures import TooFewSamplesError, measure
from ..metrics.statistics import Statistics
from .stamps import shown, stamped

FID_SAMPLES = 50_000


def numbers_of(
    names: list[str],
    statistics: tuple[Statistics, Statistics, Statistics],
    extractor: FeatureExtractor,
    reference: dict[str, str],
    held_out: dict[str, str],
) -> dict[str, dict[str, Any]]:
    r"""Returns stamped numbers by name.

    Arguments:
        names: The names of the measures.
        statistics: Those of the samples, of the reference and of held-out real samples.
        extractor: The extractor.
        reference: What the reference is, for the stamps.
        held_out: What the held-out samples are, for the stamps.
    """
    x, y, z = statistics
    numbers, real = measure(names, x, y, z), {}
    for name in names:
        # A few held-out images may be too few for some measures.
        with suppress(TooFewSamplesError):
            real |= measure([name], z, y, z)
    enough = min(x.n, y.n) >= FID_SAMPLES and reference["split"] == "train"
    if getattr(extractor, "standard", False) and enough:
        for found in (numbers, real):
            if "fd" in found:
                found["fid"] = found.pop("fd")
    stamp = partial(stamped, extractor=extractor, reference=reference, held_out=held_out)
    return {name: stamp(number, real.get(name)) for name, number in numbers.items()}


def table(numbers: dict[str, dict[str, Any]]) -> str:
    r"""Returns numbers as a table in Markdown, with what real samples give."""
    lines = ["| measure | samples | n | real | n |", "|---|---|---|---|---|"]
    for name, number in numbers.items():
        real = number["real"]
        floor = f"{shown(real)} | {real['protocol']['n']}" if real else " | "
        lines.append(f"| {name} | {shown(number)} | {number['protocol']['n']} | {floor} |")
    return "\n".join(lines)
