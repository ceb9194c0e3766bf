r"""Tests for the energy_gans.metrics.image_metrics module."""

import math
import warnings
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore as TheirInceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from energy_gans import metrics
from energy_gans.functional import keyed_subset
from energy_gans.metrics import (
    BirthdaySupport,
    DensityCoverage,
    FrechetDistance,
    InceptionScore,
    KernelDistance,
    PrecisionRecall,
)
from energy_gans.metrics.features import FeatureExtractor
from energy_gans.metrics.measures import TooFewSamplesError, measure
from energy_gans.metrics.statistics import Statistics, feature_statistics

N = 60
PAIRS = {
    KernelDistance: "kid",
    PrecisionRecall: "pr",
    DensityCoverage: "dc",
    BirthdaySupport: "support",
}


class Features(FeatureExtractor):
    r"""Six fixed features of images of 4 x 4 pixels, and logits of five classes."""

    name, num_features, num_classes, channels, resize = "six", 6, 5, 1, "none"

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(11, 16, generator=torch.Generator().manual_seed(0))
        self.register_buffer("weight", weight)

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        f = (images.flatten(1).float() / 255) @ self.weight.T
        return f[:, :6], 3 * f[:, 6:]


class FeaturesAlone(nn.Module):
    r"""The features, or the logits, as torchmetrics takes them."""

    num_features = 6

    def __init__(self, which: int) -> None:
        super().__init__()
        self.extractor, self.which = Features(), which

    def forward(self, images: Tensor) -> Tensor:
        return self.extractor(images)[self.which]


def images(seed: int, n: int = N) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 200 + 50 * seed, (n, 1, 4, 4), generator=random).to(torch.uint8)


Y, X = images(0), images(1)


def filled(metric: metrics.FrechetDistance, parts: int = 3) -> metrics.FrechetDistance:
    for y, x in zip(Y.chunk(parts), X.chunk(parts), strict=True):
        metric.update(y, real=True)
        metric.update(x, real=False)
    return metric


def statistics(x: Tensor) -> Statistics:
    return feature_statistics(Features(), [(x, torch.arange(len(x)))], 10_000)


def test_the_frechet_distance_is_that_of_torchmetrics() -> None:
    theirs = filled(FrechetInceptionDistance(FeaturesAlone(0)))
    assert filled(FrechetDistance(Features())).compute().item() == pytest.approx(
        theirs.compute().item(), rel=1e-5
    )


def test_the_kernel_distance_is_that_of_torchmetrics_on_the_same_subsets() -> None:
    theirs = filled(KernelInceptionDistance(FeaturesAlone(0), subsets=100, subset_size=N // 2))
    subsets = [
        keyed_subset(N, N // 2, 0, "subset", which, i) for i in range(100) for which in "yx"
    ]
    with mock.patch("torchmetrics.image.kid.torch.randperm", side_effect=subsets):
        expected = theirs.compute()
    for value, other in zip(filled(KernelDistance(Features())).compute(), expected, strict=True):
        assert value.item() == pytest.approx(other.item(), rel=1e-3, abs=1e-5)


def test_the_inception_score_is_that_of_torchmetrics_on_the_same_groups() -> None:
    ours, theirs = InceptionScore(Features()), TheirInceptionScore(FeaturesAlone(1), splits=10)
    for x in X.chunk(4):
        ours.update(x)
        theirs.update(x)
    order = torch.arange(N).view(-1, 10).T.flatten()
    with mock.patch("torchmetrics.image.inception.torch.randperm", return_value=order):
        mean, std = theirs.compute()
    assert ours.compute()[0].item() == pytest.approx(mean.item(), rel=1e-5)
    assert ours.compute()[1].item() == pytest.approx(std.item() * math.sqrt(9 / 10), rel=1e-4)


@pytest.mark.parametrize("metric", PAIRS)
def test_metrics_of_pairs_give_what_evaluate_gives(metric: type) -> None:
    found = measure([PAIRS[metric]], statistics(X), statistics(Y), statistics(Y))
    fields = {"kid": ("value", "std"), "support": ("value", "low", "high")}
    expected = [
        getattr(one, name)
        for one in found.values()
        for name in fields.get(PAIRS[metric], ("value",))
    ]
    assert [v.item() for v in filled(metric(Features())).compute()] == expected


@pytest.mark.parametrize("metric", [FrechetDistance, *PAIRS])
def test_processes_are_joined_by_their_states(metric: type) -> None:
    one, two = metric(Features()), metric(Features())
    for part, (y, x) in zip((one, two), zip(Y.chunk(2), X.chunk(2), strict=True), strict=True):
        part.update(y, real=True)
        part.update(x, real=False)
    # What is merged comes first.
    two.merge_state(one)
    torch.testing.assert_close(two.compute(), filled(metric(Features()), parts=2).compute())


@pytest.mark.parametrize("reset_real", [True, False])
@pytest.mark.parametrize("metric", [FrechetDistance, PrecisionRecall])
def test_real_images_are_kept_on_demand(metric: type, reset_real: bool) -> None:
    kept = filled(metric(Features(), reset_real=reset_real))
    before = kept.compute()
    kept.reset()
    kept.update(X, real=False)
    if reset_real:
        with pytest.raises(TooFewSamplesError):
            kept.compute()
    else:
        torch.testing.assert_close(kept.compute(), before)


def test_floats_and_integers_are_the_same_images() -> None:
    whole, floats = FrechetDistance(Features()), FrechetDistance(Features())
    for x, real in ((Y, True), (X, False)):
        whole.update(x, real)
        floats.update(x / 127.5 - 1, real)
    assert whole.compute() == floats.compute()


@pytest.mark.parametrize("metric", [FrechetDistance, KernelDistance, DensityCoverage])
def test_too_few_images_are_refused(metric: type) -> None:
    few = metric(Features())
    few.update(Y[:1], real=True)
    with pytest.raises(TooFewSamplesError, match="needs at least"):
        few.compute()


def test_the_inception_score_needs_a_classifier_and_ten_images() -> None:
    with pytest.raises(ValueError, match="'extractor' should have a classifier, and 'pixels'"):
        InceptionScore(metrics.features.Pixels((1, 4, 4)))
    few = InceptionScore(Features())
    few.update(X[:9])
    with pytest.raises(TooFewSamplesError, match="at least 10 images, got 9"):
        few.compute()


@pytest.mark.parametrize("metric", [FrechetDistance, PrecisionRecall])
def test_a_call_counts_kept_real_images_once(metric: type) -> None:
    def seen(reset_real: bool) -> object:
        kept = metric(Features(), reset_real=reset_real)
        kept.update(Y, real=True)
        for x in X.chunk(3):
            kept(x, real=False)
        return kept.compute()

    torch.testing.assert_close(seen(False), filled(metric(Features())).compute())


@pytest.mark.parametrize("metric", [FrechetDistance, InceptionScore, PrecisionRecall])
def test_images_of_floats_none_of_which_is_below_0_are_warned_of(metric: type) -> None:
    kind = {} if metric is InceptionScore else {"real": True}
    made, x = metric(Features()), X.float() / 255
    with pytest.warns(UserWarning, match=r"take floats in \[-1, 1\].* 2 \* images - 1"):
        made.update(x, **kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for images in (2 * x - 1, X):
            made.update(images, **kind)
