r"""Statistics of image features, from one pass over the images, for all measures.

The statistics are the number of images, the sums :math:`\sum_i f_i` and :math:`\sum_i f_i f_i^T`
of their features in float64, sums of class probabilities for each of ten groups, and the features
of the first images, for measures that compare pairs. Memory does not grow with the number of
images.

Every image has an index in the whole set. Image :math:`i` belongs to group :math:`i` modulo ten,
and the first images are those with the smallest indices. So the result does not depend on how
images are split into batches and processes.
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
    r"""The statistics of the features of a set of images.

    Arguments:
        n: The number of images.
        mean: The mean of the features, float64, with shape :math:`(D)`.
        covariance: The covariance of the features, float64, with shape :math:`(D, D)`.
        features: The features of the first images, float32, with shape :math:`(K, D)`.
        scores: The Inception Scores of the ten groups; empty without a classifier.
    """

    def __init__(
        self, n: int, mean: Tensor, covariance: Tensor, features: Tensor, scores: Tensor
    ) -> None:
        self.n, self.mean, self.covariance = n, mean, covariance
        self.features, self.scores = features, scores
        self._radii: dict[int, Tensor] = {}

    def first(self, n: int) -> Statistics:
        r"""Returns the statistics of the first `n` images, from the kept features, without scores.

        Raises:
            ValueError: If `n` is not between 2 and the number of kept features.
        """
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
        r"""The features of the images that are compared in pairs, at most the first 10,000."""
        return self.features[:PAIRED]

    def radii(self, n: int) -> Tensor:
        r"""Returns squared distances of the first `n` images to their five nearest, (n, 5)."""
        if n not in self._radii:
            self._radii[n] = neighbour_radii(self.features[:n], 5)
        return self._radii[n]

    @cached_property
    def duplicates(self) -> tuple[float, float]:
        r"""The distance of the closest one in a million pairs, and the exact share of pairs."""
        pairs = math.comb(len(self.paired), 2)
        k = max(1, round(ALIKE * pairs))
        return closest_pairs(self.paired, k)[0][-1].item(), k / pairs


class _FeatureSums(Metric):
    r"""The metric that accumulates sums of features.

    Arguments:
        num_features: The number of features, :math:`D`.
        num_classes: The number of classes, or `None` for features without a classifier.

    Raises:
        ValueError: If there are more than 4,096 features, whose covariance would need too much
            memory.
    """

    full_state_update = False

    def __init__(self, num_features: int, num_classes: int | None) -> None:
        super().__init__()
        if not 1 <= num_features <= LARGEST:
            raise ValueError(
                f"'extractor' should have between 1 and {LARGEST} features, as their covariance "
                f"is kept, got {num_features!r}."
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
            features: The features of the samples, with shape :math:`(B, D)`.
            logits: The class logits of the samples, with shape :math:`(B, K)`, or `None`.
            index: The indices of the samples in the whole set, with shape :math:`(B)`.

        Raises:
            ValueError: If features are not finite or have another shape.
        """
        if features.ndim != 2 or features.shape[1] != len(self.total):
            raise ValueError(
                f"'features' should have shape (B, {len(self.total)}), "
                f"got {tuple(features.shape)}."
            )
        finite = features.isfinite().all(1)
        if not finite.all():
            first = index[(~finite).nonzero()[0, 0].item()].item()
            raise ValueError(
                f"The features of {int((~finite).sum())} of {len(features)} samples are not "
                f"finite, from sample {first} on."
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
    r"""Returns the statistics of images; under DDP, of the images of all processes.

    Arguments:
        extractor: The extractor, on `device`.
        images: This process's batches of images, uint8 or floats in [-1, 1], with shape
            :math:`(B, C, H, W)`, and their indices in the whole set, with shape :math:`(B)`.
        keep: The number of images, those with the smallest indices, whose features are kept.
        device: The device to compute on.
    """
    return prefix_statistics(extractor, images, [sys.maxsize], keep, device)[0]


def prefix_statistics(
    extractor: FeatureExtractor,
    images: Iterable[tuple[Tensor, Tensor]],
    sizes: Sequence[int],
    keep: int,
    device: torch.device | str = "cpu",
) -> list[Statistics]:
    r"""Returns the statistics of the first images, for several numbers of images, from one pass.

    Arguments:
        extractor: The extractor, on `device`.
        images: As for :func:`feature_statistics`.
        sizes: The numbers of images, those with the smallest indices.
        keep: The number of images, those with the smallest indices, whose features are kept.
        device: The device to compute on.
    """
    number, classes = extractor.num_features, extractor.num_classes
    sums = [_FeatureSums(number, classes).to(device) for _ in sizes]
    # Every process fills its own rows and leaves the others zero, so the sum has all rows.
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
        # torchmetrics squeezes tensors of one element to scalars.
        mean, covariance = mean.reshape(-1), covariance.reshape(number, number)
        found.append(Statistics(n, mean, covariance, kept[:n].cpu(), scores))
    return found


def rank_and_world_size() -> tuple[int, int]:
    r"""Returns the rank of this process and the number of processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def image_progress(
    name: str, batches: Iterable[tuple[Tensor, Tensor]], n: int
) -> Iterator[tuple[Tensor, Tensor]]:
    r"""Yields the batches of this process, with a progress bar in the first process.

    Arguments:
        name: The name of the set of images, for the progress bar.
        batches: The batches of this process, with the indices of their images.
        n: The number of images of all processes.
    """
    rank, world_size = rank_and_world_size()
    with progress_bar(n, "images", f"features of {name}", shown=rank == 0) as bar:
        for x, index in batches:
            yield x, index
            bar.update(min(len(x) * world_size, n - bar.n))
