r"""Measures of the difference between samples and a reference, computed from their statistics.

- `fd`: Fréchet distance of the features. It is named `fid` if, and only if, the features are those
  of the published Inception network for at least 50,000 samples.
- `is`: Inception Score of ten groups, mean and standard deviation. It does not use the reference.
- `kid`: Kernel Inception Distance, the unbiased squared MMD of subsets, mean and standard
  deviation.
- `pr`: improved precision and recall. `dc`: density and coverage.
- `support`: the size of the generator's support, by the birthday test. A pair is a duplicate if it
  is as close as the closest one in a million pairs of the reference.
- `neighbours`: the share of samples that lie closer to their nearest reference sample than 99% of
  held-out real samples. It is 0.01 for a model that generalises, and 1 for copies of the training
  set.

All measures except `fd` and `is` compare pairs and use the first 10,000 samples of each set at
most. Precision, recall, density and coverage use the same number of samples from both sets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..checks import Names, split_names
from ..functional import (
    closest_pairs,
    density_coverage,
    frechet_distance,
    interaction_energy,
    keyed_subset,
    nearest,
    polynomial,
    precision_recall,
    support_size,
)
from .statistics import GROUPS, Statistics

# The smallest number of images of each measure: samples for IS, held-out images for neighbours,
# samples and reference images for all others.
LEAST = {"fd": 2, "is": GROUPS, "kid": 4, "pr": 6, "dc": 6, "support": 2, "neighbours": 2}
SEARCHED = 1000
SUBSETS, SUBSET = 100, 1000
CLOSE = 0.01


@dataclass
class Measurement:
    r"""The value of a measure, with the numbers and parameters that determine it.

    Arguments:
        value: The value; infinite if only a lower bound is known.
        n: The number of samples that were used.
        reference_n: The number of reference samples that were used; 0 if none.
        held_out_n: The number of held-out real samples that set the scale; 0 if none.
        std: The standard deviation over groups or subsets.
        low: The lower end of the confidence interval.
        high: The upper end of the confidence interval.
        parameters: The parameters of the measure.
    """

    value: float
    n: int
    reference_n: int
    held_out_n: int = 0
    std: float | None = None
    low: float | None = None
    high: float | None = None
    parameters: dict[str, float] = field(default_factory=dict)


def _frechet_distance(
    x: Statistics, y: Statistics, held_out: Statistics
) -> dict[str, Measurement]:
    distance = frechet_distance(y.mean, y.covariance, x.mean, x.covariance)
    return {"fd": Measurement(distance.item(), x.n, y.n)}


def _inception_score(x: Statistics, y: Statistics, held_out: Statistics) -> dict[str, Measurement]:
    if len(x.scores) == 0:
        raise ValueError("'measures' has 'is', and 'extractor' has no classifier.")
    check_enough("is", x.n, y.n, held_out.n)
    std = x.scores.std(correction=0).item()
    return {
        "is": Measurement(x.scores.mean().item(), x.n, 0, std=std, parameters={"groups": GROUPS})
    }


def _kernel_distance(x: Statistics, y: Statistics, held_out: Statistics) -> dict[str, Measurement]:
    a, b = x.paired, y.paired
    check_enough("kid", len(a), len(b), held_out.n)
    # Subsets of at most half of a set, so that the spread over subsets is meaningful.
    size = min(SUBSET, len(a) // 2, len(b) // 2)
    values = torch.stack(
        [
            2
            * interaction_energy(
                _random_subset(b, size, i, "y"), _random_subset(a, size, i, "x"), polynomial, "u"
            )
            for i in range(SUBSETS)
        ]
    ).double()
    parameters = {"subsets": SUBSETS, "subset": size}
    std = values.std(correction=0).item()
    return {
        "kid": Measurement(values.mean().item(), len(a), len(b), std=std, parameters=parameters)
    }


def _random_subset(features: Tensor, size: int, i: int, which: str) -> Tensor:
    r"""Returns the rows of the random subset with number `i`, the same in every call."""
    return features[keyed_subset(len(features), size, 0, "subset", which, i)]


def _precision_recall(
    x: Statistics, y: Statistics, held_out: Statistics
) -> dict[str, Measurement]:
    n, k = _equal_size("pr", x, y), 3
    a, b = x.features[:n], y.features[:n]
    values = precision_recall(b, a, y.radii(n)[:, k - 1], x.radii(n)[:, k - 1])
    return {
        name: Measurement(value.item(), n, n, parameters={"k": k})
        for name, value in zip(("precision", "recall"), values, strict=True)
    }


def _density_coverage(
    x: Statistics, y: Statistics, held_out: Statistics
) -> dict[str, Measurement]:
    n, k = _equal_size("dc", x, y), 5
    values = density_coverage(y.features[:n], x.features[:n], y.radii(n)[:, k - 1], k)
    # Earlier versions used closed balls, which `rim` distinguishes.
    parameters = {"k": k, "rim": 0}
    return {
        name: Measurement(value.item(), n, n, parameters=parameters)
        for name, value in zip(("density", "coverage"), values, strict=True)
    }


def _equal_size(name: str, x: Statistics, y: Statistics) -> int:
    r"""Returns the number of samples of each set for measures that compare sets of one size."""
    check_enough(name, len(x.paired), len(y.paired), 0)
    return min(len(x.paired), len(y.paired))


def _support_size(x: Statistics, y: Statistics, held_out: Statistics) -> dict[str, Measurement]:
    a, n = x.paired, len(y.paired)
    check_enough("support", len(a), n, held_out.n)
    radius, share = y.duplicates
    _, _, degrees = closest_pairs(a, 1, radius)
    size, low, high = support_size(degrees)
    return {
        "support": Measurement(size, len(a), n, low=low, high=high, parameters={"alike": share})
    }


def _copies(x: Statistics, y: Statistics, held_out: Statistics) -> dict[str, Measurement]:
    check_enough("neighbours", x.n, y.n, held_out.n)
    a, real = x.features[:SEARCHED], held_out.features[:SEARCHED]
    radius = nearest(real, y.features)[0].quantile(CLOSE)
    share = (nearest(a, y.features)[0] <= radius).double().mean()
    sizes = len(a), len(y.features), len(real)
    return {"copies": Measurement(share.item(), *sizes, parameters={"close": CLOSE})}


class TooFewSamplesError(ValueError):
    r"""Raised when there are too few samples for a measure."""


def check_enough(name: str, n: int, reference_n: int, held_out_n: int) -> None:
    r"""Raises a `TooFewSamplesError` unless there are enough images for a measure.

    Arguments:
        name: The name of the measure.
        n: The number of samples.
        reference_n: The number of reference images.
        held_out_n: The number of held-out images.
    """
    least = LEAST[name]
    if name == "is":
        needed, there = f"{least} samples", {"": n}
    elif name == "neighbours":
        needed, there = f"{least} held-out images", {"": held_out_n}
    else:
        needed = f"{least} samples and {least} reference images"
        there = {"samples": n, "reference images": reference_n}
    if min(there.values()) < least:
        got = " and ".join(f"{count} {what}".strip() for what, count in there.items())
        raise TooFewSamplesError(f"{name!r} needs at least {needed}, got {got}.")


def few_images_warnings(
    names: list[str],
    samples: dict[str, int],
    references: dict[str, int],
    num_features: int,
    num_classes: int | None,
) -> list[str]:
    r"""Returns a warning for each measure with fewer images than features or classes.

    Arguments:
        names: The names of the measures.
        samples: The numbers of samples, and of images in place of samples, by their description.
        references: The numbers of reference images, by their description.
        num_features: The number of features.
        num_classes: The number of classes, or `None`.
    """
    singular = "features: covariances are singular, and its value is far from that for many images"
    low = "classes: its groups can not hold them all, and it is low"
    cases = {
        "fd": (samples | references, num_features, singular),
        "is": (samples, num_classes or 0, low),
    }
    sentences = []
    for name, (counts, number, why) in cases.items():
        few = [f"{n} {what}" for what, n in counts.items() if n < number]
        if name in names and few:
            sentences.append(f"{name!r} is of {' and '.join(few)}, fewer than the {number} {why}.")
    return sentences


Measure = Callable[[Statistics, Statistics, Statistics], dict[str, Measurement]]

MEASURES: dict[str, Measure] = {
    "fd": _frechet_distance,
    "is": _inception_score,
    "kid": _kernel_distance,
    "pr": _precision_recall,
    "dc": _density_coverage,
    "support": _support_size,
    "neighbours": _copies,
}


def parse_measures(measures: Names) -> list[str]:
    r"""Returns the names of measures in a string such as `"fd,is,kid"`, or in a list.

    Raises:
        ValueError: If a name is unknown or there are no names.
    """
    names = split_names("measures", measures)
    unknown = [name for name in names if name not in MEASURES]
    if unknown or not names:
        raise ValueError(f"'measures' should be of {','.join(MEASURES)}, got {measures!r}.")
    return names


def measure(
    names: list[str], x: Statistics, y: Statistics, held_out: Statistics
) -> dict[str, Measurement]:
    r"""Returns the values of measures, by their names in reports.

    Arguments:
        names: The names of the measures.
        x: The statistics of the samples.
        y: The statistics of the reference.
        held_out: The statistics of real samples that are not in the reference.

    Raises:
        TooFewSamplesError: If there are too few samples for a measure.
    """
    numbers: dict[str, Measurement] = {}
    for name in names:
        numbers |= MEASURES[name](x, y, held_out)
    return numbers
