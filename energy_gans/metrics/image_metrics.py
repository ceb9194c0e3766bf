r"""Measures of images as metrics, for training loops of any kind.

Each is a `torchmetrics.Metric`: `update(images, real)` adds real or generated images, `compute()`
returns the measure, processes are joined by torchmetrics. The definitions are those of
:mod:`energy_gans.metrics.measures`: a metric and `energy-gans evaluate` give the same number for
the same images in the same order. :class:`FrechetDistance` and :class:`InceptionScore` keep sums;
the other metrics keep the features of the first 10,000 images of each set.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from ..functional import class_sums, frechet_distance, inception_score, moments
from .features import EfficientNetLite0, FeatureExtractor
from .images import to_uint8, warn_of_unit_range
from .measures import TooFewSamplesError, measure
from .statistics import GROUPS, PAIRED, Statistics

SETS = ("real", "generated")


class _ImageMetric(Metric):
    r"""The base of metrics on the features of images.

    Arguments:
        extractor: The feature extractor; :class:`EfficientNetLite0` if `None`.
        reset_real: Whether :meth:`reset` forgets the real images, too.
        kwargs: The arguments of `torchmetrics.Metric`.
    """

    def __init__(
        self,
        extractor: FeatureExtractor | None = None,
        reset_real: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.extractor = EfficientNetLite0() if extractor is None else extractor
        self.reset_real = reset_real

    @property
    def full_state_update(self) -> bool:
        r"""Whether `forward` updates twice; otherwise it would add kept images once more."""
        return not self.reset_real

    def update(self, images: Tensor, real: bool) -> None:
        r"""Adds images.

        Arguments:
            images: The images, uint8 or floats in [-1, 1], with shape :math:`(B, C, H, W)`.
            real: Whether they are real.

        Raises:
            ValueError: If the images have another type, range or shape.
        """
        warn_of_unit_range(images)
        features, _ = self.extractor(to_uint8(images))
        self.add_features(features, SETS[0] if real else SETS[1])

    def add_features(self, features: Tensor, which: str) -> None:
        r"""Adds the features of images, with shape :math:`(B, D)`, to a set."""
        raise NotImplementedError

    def reset(self) -> None:
        states = {name: getattr(self, name) for name in self._defaults if name.startswith("real")}
        # torchmetrics clears lists in place.
        kept = {k: [*v] if isinstance(v, list) else v for k, v in states.items()}
        super().reset()
        if not self.reset_real:
            for name, value in kept.items():
                setattr(self, name, value)


class FrechetDistance(_ImageMetric):
    r"""The Fréchet distance of features. It is the FID for Inception features of 50,000 images.

    References:
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel
        et al., 2017), https://arxiv.org/abs/1706.08500

    Arguments:
        extractor: The feature extractor; :class:`EfficientNetLite0` if `None`.
        reset_real: Whether :meth:`reset` forgets the real images, too.
        kwargs: The arguments of `torchmetrics.Metric`.

    Example:
        >>> from energy_gans.metrics.features import Pixels
        >>> metric = FrechetDistance(Pixels((1, 2, 2)))
        >>> images = torch.arange(16).view(4, 1, 2, 2).to(torch.uint8)
        >>> metric.update(images, real=True)
        >>> metric.update(images, real=False)
        >>> abs(metric.compute().item()) < 1e-6
        True
    """

    higher_is_better = False

    def __init__(
        self,
        extractor: FeatureExtractor | None = None,
        reset_real: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(extractor, reset_real, **kwargs)
        size = self.extractor.num_features
        for which in SETS:
            for name, shape in (("n", ()), ("total", (size,)), ("outer", (size, size))):
                zeros = torch.zeros(shape, dtype=torch.float64)
                self.add_state(f"{which}_{name}", zeros, dist_reduce_fx="sum")

    def add_features(self, features: Tensor, which: str) -> None:
        f = features.double()
        for name, value in (("n", len(f)), ("total", f.sum(0)), ("outer", f.T @ f)):
            setattr(self, f"{which}_{name}", getattr(self, f"{which}_{name}") + value)

    def compute(self) -> Tensor:
        r"""Returns the distance, a scalar, float64.

        Raises:
            TooFewSamplesError: If there are fewer than two real or generated images.
        """
        counts = [int(getattr(self, f"{which}_n")) for which in SETS]
        if min(counts) < 2:
            raise TooFewSamplesError(
                "FrechetDistance needs at least 2 real and 2 generated images, got "
                f"{counts[0]} and {counts[1]}."
            )
        size = self.extractor.num_features
        gaussians = []
        for which, n in zip(SETS, counts, strict=True):
            total, outer = getattr(self, f"{which}_total"), getattr(self, f"{which}_outer")
            gaussians += moments(total.view(size), outer.view(size, size), n)
        return frechet_distance(*gaussians)


class InceptionScore(Metric):
    r"""The Inception Score of ten groups: image :math:`i` belongs to group :math:`i` modulo ten.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016),
        https://arxiv.org/abs/1606.03498

    Arguments:
        extractor: A feature extractor with a classifier; :class:`EfficientNetLite0` if `None`.
        kwargs: The arguments of `torchmetrics.Metric`.

    Raises:
        ValueError: If `extractor` has no classifier.
    """

    full_state_update = False
    higher_is_better = True

    def __init__(self, extractor: FeatureExtractor | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.extractor = EfficientNetLite0() if extractor is None else extractor
        classes = self.extractor.num_classes
        if classes is None:
            raise ValueError(
                f"'extractor' should have a classifier, and {self.extractor.name!r} has none."
            )
        for name, shape in (("n", ()), ("group_n", (GROUPS,)), ("negative_entropy", (GROUPS,))):
            zeros = torch.zeros(shape, dtype=torch.float64)
            self.add_state(name, zeros, dist_reduce_fx="sum")
        zeros = torch.zeros(GROUPS, classes, dtype=torch.float64)
        self.add_state("p", zeros, dist_reduce_fx="sum")

    def update(self, images: Tensor) -> None:
        r"""Adds generated images, uint8 or floats in [-1, 1], with shape :math:`(B, C, H, W)`."""
        warn_of_unit_range(images)
        _, logits = self.extractor(to_uint8(images))
        group = (torch.arange(len(logits), device=logits.device) + int(self.n)) % GROUPS
        p, negative_entropy = class_sums(logits)
        self.n = self.n + len(logits)
        self.group_n = self.group_n + torch.bincount(group, minlength=GROUPS)
        self.p = self.p.index_add(0, group, p)
        self.negative_entropy = self.negative_entropy.index_add(0, group, negative_entropy)

    def compute(self) -> tuple[Tensor, Tensor]:
        r"""Returns the mean and the standard deviation over the groups, scalars.

        Raises:
            TooFewSamplesError: If there are fewer than ten images.
        """
        if (self.group_n == 0).any():
            raise TooFewSamplesError(
                f"InceptionScore needs at least {GROUPS} images, got {int(self.n)}."
            )
        scores = inception_score(self.p, self.negative_entropy, self.group_n)
        return scores.mean(), scores.std(correction=0)


class _PairMetric(_ImageMetric):
    r"""The base of metrics that compare pairs of images, and keep the features of both sets."""

    key: str
    fields: tuple[str, ...] = ("value",)

    def __init__(
        self,
        extractor: FeatureExtractor | None = None,
        reset_real: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(extractor, reset_real, **kwargs)
        for which in SETS:
            self.add_state(which, [], dist_reduce_fx="cat")

    def add_features(self, features: Tensor, which: str) -> None:
        kept = getattr(self, which)
        free = PAIRED - sum(map(len, kept))
        if free > 0:
            kept.append(features[:free])

    def compute(self) -> tuple[Tensor, ...]:
        r"""Returns the numbers that the class names, float64 scalars.

        Raises:
            TooFewSamplesError: If there are too few real or generated images.
        """
        y, x = (self.statistics(which) for which in SETS)
        found = measure([self.key], x, y, y).values()
        numbers = [getattr(one, name) for one in found for name in self.fields]
        return tuple(torch.tensor(n, dtype=torch.float64) for n in numbers)

    def statistics(self, which: str) -> Statistics:
        r"""Returns the statistics of a set for measures of pairs: the features alone."""
        kept = getattr(self, which)
        size = self.extractor.num_features
        # An empty list has no features to join.
        features = dim_zero_cat(kept) if len(kept) else torch.zeros(0, size)
        empty = torch.zeros(0, dtype=torch.float64)
        return Statistics(len(features), empty, empty, features, empty)


class KernelDistance(_PairMetric):
    r"""The Kernel Inception Distance: the unbiased squared MMD of subsets of features.

    `compute()` returns the mean and the standard deviation over 100 subsets of at most 1,000
    images, which are half of a smaller set.

    References:
        Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401
    """

    higher_is_better = False
    key = "kid"
    fields = ("value", "std")


class PrecisionRecall(_PairMetric):
    r"""Improved precision and recall; `compute()` returns both.

    References:
        Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al.,
        2019), https://arxiv.org/abs/1904.06991
    """

    higher_is_better = True
    key = "pr"


class DensityCoverage(_PairMetric):
    r"""Density and coverage; `compute()` returns both.

    References:
        Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020),
        https://arxiv.org/abs/2002.09797
    """

    higher_is_better = True
    key = "dc"


class BirthdaySupport(_PairMetric):
    r"""The size of the generator's support by the birthday test.

    `compute()` returns the size, infinite without duplicates, and the ends of its 95% confidence
    interval. A pair is a duplicate if it is as close as the closest in a million real pairs.

    References:
        Do GANs Actually Learn the Distribution? An Empirical Study (Arora and Zhang, 2017),
        https://arxiv.org/abs/1706.08224
    """

    higher_is_better = True
    key = "support"
    fields = ("value", "low", "high")
