r"""What one pass over images keeps of their features, for all measures together.

The number of samples, the sums :math:`\sum_i f_i` and :math:`\sum_i f_i f_i^T` of their features in
float64, sums of class probabilities for each of ten groups, and the features of the first samples
themselves, for the measures that compare pairs. Memory does not grow with the number of samples.

Every sample has an index, its place in the whole set. Sample :math:`i` belongs to group :math:`i`
modulo ten, and the first samples are those of the smallest indices: so the result does not depend
on how the samples are cut into batches and shared out to processes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import torch
import torch.distributed
from torch import Tensor
from torchmetrics import Metric

from ..functional import class_sums, closest_pairs, inception_score, moments, neighbour_radii
from ..terminal import progress_bar
from .features import FeatureExtractor
from .images import to_uint8

GROUPS = 10
PAIRED = 10_000
ALIKE = 1e-6
LARGEST = 4096


class Statistics:
    r"""Creates the statistics of a set of images.

    Arguments:
        n: The number of images.
        mean: The features' mean, float64, with shape :math:`(D)`.
        covariance: The features' covariance, float64, with shape :math:`(D, D)`.
        features: The features of the first images, float32, with shape :math:`(K, D)`.
        scores: The Inception Scores of the ten groups; empty without a classifier.
    """

    def __init__(
        self, n: int, mean: Tensor, covariance: Tensor, features: Tensor, scores: Tensor
    ) -> None:
        self.n, self.mean, self.covariance = n, mean, covariance
        self.features, self.scores = features, scores
        self.known_radii: dict[int, Tensor] = {}

    def first(self, n: int) -> Statistics:
        r"""Returns the statistics of the first `n` images of those that are kept, without scores."""
        if not 2 <= n <= len(self.features):
            raise ValueError(f"'n' should be between 2 and {len(self.features)}, got {n!r}.")
        size = self.features.shape[1]
        total = torch.zeros(size, dtype=torch.float64)
        outer = torch.zeros(size, size, dtype=torch.float64)
        for part in self.features[:n].split(PAIRED):
            f = part.double()
            total += f.sum(0)
            outer += f.T @ f
        return Statistics(n, *moments(total, outer, n), self.features[:n], self.scores[:0])

    @property
    def paired(self) -> Tensor:
        r"""The features of the images that are compared in pairs, the first 10,000."""
        return self.features[:PAIRED]

    def radii(self, n: int) -> Tensor:
        r"""Returns the squared distances of the first `n` images to their five nearest, (n, 5)."""
        if n not in self.known_radii:
            self.known_radii[n] = neighbour_radii(self.features[:n], 5)
        return self.known_radii[n]

    @cached_property
    def duplicates(self) -> tuple[float, float]:
        r"""The distance within which the closest of a million pairs are, and their exact share."""
        pairs = math.comb(len(self.paired), 2)
        k = max(1, round(ALIKE * pairs))
        return closest_pairs(self.paired, k)[0][-1].item(), k / pairs


class _FeatureSums(Metric):
    r"""Creates the metric that sums features up.

    Arguments:
        num_features: The number of features, :math:`D`.
        num_classes: The number of classes, or `None` for features without a classifier.

    Raises:
        ValueError: If there are more than 4,096 features: their covariance would not fit.
    """

    full_state_update = False

    def __init__(self, num_features: int, num_classes: int | None) -> None:
        super().__init__()
        if not 1 <= num_features <= LARGEST:
            raise ValueError(
                f"'extractor' should have between 1 and {LARGEST} features, as their covariance is "
                f"kept, got {num_features!r}."
            )
        self.num_classes = num_classes
        zeros = {
            "n": torch.zeros((), dtype=torch.int64),
            "total": torch.zeros(num_features, dtype=torch.float64),
            "outer": torch.zeros(num_features, num_features, dtype=torch.float64),
            "group_n": torch.zeros(GROUPS, dtype=torch.float64),
            "p": torch.zeros(GROUPS, num_classes or 0, dtype=torch.float64),
            "negative_entropy": torch.zeros(GROUPS, dtype=torch.float64),
        }
        for name, value in zeros.items():
            self.add_state(name, value, dist_reduce_fx="sum")

    def update(self, features: Tensor, logits: Tensor | None, index: Tensor) -> None:
        r"""Adds samples.

        Arguments:
            features: Their features, with shape :math:`(B, D)`.
            logits: Their classes' logits, with shape :math:`(B, K)`, or `None`.
            index: Their places in the whole set, with shape :math:`(B)`.

        Raises:
            ValueError: If features are not finite or not of the right number.
        """
        if features.ndim != 2 or features.shape[1] != len(self.total):
            raise ValueError(
                f"'features' should have shape (B, {len(self.total)}), got {tuple(features.shape)}."
            )
        finite = features.isfinite().all(1)
        if not finite.all():
            first = index[(~finite).nonzero()[0, 0].item()].item()
            raise ValueError(
                f"The features of {int((~finite).sum())} of {len(features)} samples are not finite, "
                f"from sample {first} on."
            )
        if logits is not None and not logits.isfinite().all():
            raise ValueError(f"Logits of samples from {index[0].item()} on are not finite.")
        f = features.double()
        self.n += len(f)
        self.total += f.sum(0)
        self.outer += f.T @ f
        if self.num_classes is not None:
            group = (index % GROUPS).to(features.device)
            p, negative_entropy = class_sums(logits)
            self.group_n += torch.bincount(group, minlength=GROUPS)
            self.p.index_add_(0, group, p)
            self.negative_entropy.index_add_(0, group, negative_entropy)

    def compute(self) -> tuple[int, Tensor, Tensor, Tensor]:
        n = int(self.n)
        mean, covariance = moments(self.total, self.outer, n)
        scores = self.total.new_zeros(0)
        if self.num_classes is not None:
            scores = inception_score(self.p, self.negative_entropy, self.group_n)
        return n, mean.cpu(), covariance.cpu(), scores.cpu()


def feature_statistics(
    extractor: FeatureExtractor,
    images: Iterable[tuple[Tensor, Tensor]],
    keep: int,
    device: torch.device | str = "cpu",
) -> Statistics:
    r"""Returns the statistics of images; under DDP, of those of all processes.

    Arguments:
        extractor: The extractor, on `device`.
        images: This process's batches of images, uint8 or floats in [-1, 1], with shape
            :math:`(B, C, H, W)`, and their places in the whole set, with shape :math:`(B)`.
        keep: The features of how many images are kept, those of the smallest places.
        device: The device that computes.
    """
    return prefix_statistics(extractor, images, [sys.maxsize], keep, device)[0]


def prefix_statistics(
    extractor: FeatureExtractor,
    images: Iterable[tuple[Tensor, Tensor]],
    sizes: Sequence[int],
    keep: int,
    device: torch.device | str = "cpu",
) -> list[Statistics]:
    r"""Returns the statistics of the first images, for several numbers of them, from one pass.

    Arguments:
        extractor: The extractor, on `device`.
        images: As for :func:`feature_statistics`.
        sizes: How many images, those of the smallest places.
        keep: The features of how many images are kept, those of the smallest places.
        device: The device that computes.
    """
    number, classes = extractor.num_features, extractor.num_classes
    sums = [_FeatureSums(number, classes).to(device) for _ in sizes]
    # Every process fills in its own rows: their sum is all of them.
    kept = torch.zeros(keep, number)
    for x, index in images:
        features, logits = extractor(to_uint8(x).to(device))
        for size, part in zip(sizes, sums, strict=True):
            i = (index < size).to(device)
            part.update(features[i], None if logits is None else logits[i], index[index < size])
        first = index < keep
        kept[index[first]] = features.cpu()[first]
    if rank_and_world_size()[1] > 1:
        kept = kept.to(device)
        torch.distributed.all_reduce(kept)
    found = []
    for part in sums:
        n, mean, covariance, scores = part.compute()
        # Metrics give a single element as a scalar.
        mean, covariance = mean.reshape(-1), covariance.reshape(number, number)
        found.append(Statistics(n, mean, covariance, kept[:n].cpu(), scores))
    return found


def rank_and_world_size() -> tuple[int, int]:
    r"""Returns the index of this process and the number of them."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def image_progress(
    name: str, batches: Iterable[tuple[Tensor, Tensor]], n: int
) -> Iterator[tuple[Tensor, Tensor]]:
    r"""Yields this process's share of `n` images, with a progress bar in the first process.

    Arguments:
        name: What the images are.
        batches: The share, in batches, with the images' places.
        n: The number of images of all processes.
    """
    rank, world_size = rank_and_world_size()
    with progress_bar(n, "images", f"features of {name}", shown=rank == 0) as bar:
        for x, index in batches:
            yield x, index
            bar.update(min(len(x) * world_size, n - bar.n))
