r"""Whether there are enough images for a measure, and warnings where they are few."""

from __future__ import annotations

from ...metrics.features import FeatureExtractor
from ...metrics.floor import Floor
from ...metrics.measures import TooFewSamplesError, check_enough, few_images_warnings
from ..outputs import warn


def enough_for(names: list[str], n: int, reference_n: int, floor: Floor) -> list[str]:
    r"""Returns the measures that there are enough images for, and warns of the others.

    Arguments:
        names: The measures.
        n: The number of samples.
        reference_n: The number of images of the reference.
        floor: Which real images stand in for samples.

    Raises:
        TooFewSamplesError: If there are enough for none of them, or fewer than two samples or
            images of the reference.
    """
    check_enough("fd", n, reference_n, 0)
    there, reasons = [], []
    for name in names:
        try:
            check_enough(name, n, reference_n, floor.held_out + floor.spare)
            there.append(name)
        except TooFewSamplesError as error:
            reasons.append(error)
    if not there:
        raise reasons[0]
    for error in reasons:
        warn(f"{str(error).removesuffix('.')}, and is left out.")
    return there


def warn_if_few(
    names: list[str], n: int, reference_n: int, floor: Floor, extractor: FeatureExtractor
) -> None:
    r"""Warns of measures for which there are few images."""
    counts = {"samples": n}
    if floor.n < n:
        counts["real images in their place"] = floor.n
    references = {"reference images": reference_n}
    if floor.held_back:
        references["that are left of them"] = floor.reference_n
    sizes = extractor.num_features, extractor.num_classes
    for sentence in few_images_warnings(names, counts, references, *sizes):
        warn(sentence)
