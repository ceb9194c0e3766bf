r"""Tests for the energy_gans.metrics.statistics module."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from torch import Tensor
from torch_fidelity.metric_isc import isc_features_to_metric

from energy_gans.functional import frechet_distance
from energy_gans.metrics import statistics
from energy_gans.metrics.features import FeatureExtractor, Pixels
from energy_gans.metrics.features.base import Output
from energy_gans.metrics.statistics import (
    Statistics,
    _FeatureSums,
    feature_statistics,
    rank_and_world_size,
)

from ..processes import start

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Projection(FeatureExtractor):
    r"""An extractor of random projections of grey images of 2x3 pixels."""

    name, channels, resize = "projection", 1, "none"
    num_features, num_classes = 4, 5

    def extract(self, images: Tensor) -> Output:
        random = torch.Generator().manual_seed(1)
        out = images.flatten(1).float() / 255 @ torch.randn(6, 9, generator=random)
        return out[:, :4] + 10, 5 * out[:, 4:]


def images(n: int) -> Tensor:
    random = torch.Generator().manual_seed(2)
    return torch.randint(256, (n, 1, 2, 3), generator=random, dtype=torch.uint8)


def batches(n: int, size: int) -> Batches:
    return list(zip(images(n).split(size), torch.arange(n).split(size), strict=True))


def statistics_of(features: Tensor) -> Statistics:
    size = features.shape[1]
    return Statistics(len(features), torch.zeros(size), torch.eye(size), features, torch.zeros(0))


def assert_same(a: Statistics, b: Statistics) -> None:
    assert a.n == b.n
    assert torch.equal(a.features, b.features)
    for name in ("mean", "covariance", "scores"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=1e-11, atol=1e-13)


# Sums


@pytest.mark.parametrize("size", [1, 7, 10, 53, 200])
@pytest.mark.parametrize("shuffled", [False, True])
def test_sums_do_not_depend_on_batches_and_their_order(size: int, shuffled: bool) -> None:
    n, dim, k = 200, 6, 5
    f, logits = torch.randn(n, dim).exp() + 100, 3 * torch.randn(n, k)
    sums = _FeatureSums(dim, k)
    for i in (torch.randperm(n) if shuffled else torch.arange(n)).split(size):
        sums.update(f[i], logits[i], i)
    count, mean, covariance, scores = sums.compute()
    assert count == n
    np.testing.assert_allclose(mean, f.double().mean(0), rtol=1e-13)
    np.testing.assert_allclose(covariance, np.cov(f.double().numpy().T), rtol=1e-8, atol=1e-9)
    # The groups of torch-fidelity are contiguous chunks.
    order = torch.cat([torch.arange(n)[group::10] for group in range(10)])
    expected = isc_features_to_metric(logits[order], shuffle=False)
    assert scores.mean().item() == pytest.approx(expected["inception_score_mean"], rel=1e-12)
    assert scores.std(correction=0).item() == pytest.approx(
        expected["inception_score_std"], rel=1e-9
    )


def test_groups_are_by_the_place_modulo_ten() -> None:
    # The samples of the first group have four classes, those of the second one class, and so on.
    n, k = 400, 4
    index = torch.arange(n)
    label = torch.where(index % 10 == 0, index // 10 % k, 0)
    logits = 1e4 * torch.nn.functional.one_hot(label, k).float()
    logits[index % 10 == 2] = 0
    sums = _FeatureSums(1, k)
    sums.update(torch.zeros(n, 1), logits, index)
    assert sums.compute()[3].tolist() == pytest.approx([4] + 9 * [1], rel=1e-12)


def test_groups_without_samples_have_no_score() -> None:
    sums = _FeatureSums(2, 3)
    sums.update(torch.randn(4, 2), torch.randn(4, 3), torch.arange(4))
    assert sums.compute()[3].isnan().tolist() == 4 * [False] + 6 * [True]


def test_there_are_no_scores_without_a_classifier() -> None:
    sums = _FeatureSums(2, None)
    sums.update(torch.randn(4, 2), None, torch.arange(4))
    assert sums.compute()[3].shape == (0,)


@pytest.mark.parametrize("n, width", [(2, 3), (5, 1), (2, 1)])
def test_few_images_of_few_features(n: int, width: int) -> None:
    x = images(n)[:, :, :1, :width]
    found = feature_statistics(Pixels((1, 1, width)), [(x, torch.arange(n))], n)
    assert found.mean.shape == (width,)
    assert found.covariance.shape == (width, width)
    expected = np.cov(x.flatten(1).double().numpy() / 255, rowvar=False)
    np.testing.assert_allclose(found.covariance, np.atleast_2d(expected), rtol=1e-5, atol=1e-8)
    itself = frechet_distance(found.mean, found.covariance, found.mean, found.covariance)
    assert itself.item() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4, 1e15])
def test_equal_features_have_no_covariance(value: float) -> None:
    sums = _FeatureSums(3, None)
    for i in torch.arange(50).split(7):
        sums.update(torch.full((len(i), 3), value), None, i)
    _, mean, covariance, _ = sums.compute()
    torch.testing.assert_close(mean, torch.full((3,), value).double(), rtol=1e-14, atol=0)
    assert covariance.abs().max() <= 1e-14 * value**2


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_samples_are_refused(n: int) -> None:
    sums = _FeatureSums(3, None)
    sums.update(torch.zeros(n, 3), None, torch.arange(n))
    with pytest.raises(ValueError, match=f"'n' should be at least 2 .* got {n}"):
        sums.compute()


@pytest.mark.parametrize("shape", [(5, 3), (5,), (5, 4, 1), (5, 5)])
def test_features_of_another_number_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"'features' should have shape \(B, 4\), got \(5"):
        _FeatureSums(4, None).update(torch.zeros(shape), None, torch.arange(5))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_features_that_are_not_finite_are_refused(value: float) -> None:
    features = torch.zeros(6, 3)
    features[2, 1] = features[4, 0] = features[4, 2] = value
    with pytest.raises(ValueError, match="features of 2 of 6 samples .* from sample 902 on"):
        _FeatureSums(3, None).update(features, None, torch.arange(900, 906))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_refused(value: float) -> None:
    logits = torch.zeros(6, 3)
    logits[2, 1] = value
    with pytest.raises(ValueError, match="not finite"):
        _FeatureSums(2, 3).update(torch.zeros(6, 2), logits, torch.arange(6))


@pytest.mark.parametrize("num_features", [0, 4097, 12288])
def test_numbers_of_features_that_do_not_fit_are_refused(num_features: int) -> None:
    with pytest.raises(ValueError, match=f"'extractor' .* 1 and 4096 .* got {num_features}"):
        _FeatureSums(num_features, None)


def test_the_largest_number_of_features_is_taken() -> None:
    with mock.patch.object(statistics, "LARGEST", 5):
        assert _FeatureSums(5, None).outer.shape == (5, 5)
    assert statistics.LARGEST == 4096


# Statistics


def test_radii_are_those_of_the_five_nearest_others() -> None:
    f = torch.randn(30, 7)
    expected = np.sort(squareform(pdist(f.double().numpy())), 1)[:, 1:6] ** 2
    np.testing.assert_allclose(statistics_of(f).radii(len(f)), expected, rtol=1e-5)


@pytest.mark.parametrize("n, k", [(2, 1), (300, 1), (1733, 2), (2100, 2)])
def test_one_in_a_million_pairs_is_closer(n: int, k: int) -> None:
    # Pairs times 1e-6 are 0.0, 0.04, 1.501 and 2.2.
    f = torch.randn(n, 6)
    expected = np.sort(pdist(f.double().numpy()))[k - 1]
    assert statistics_of(f).duplicates[0] == pytest.approx(expected, rel=1e-6)


def test_pairs_are_those_of_the_first_images() -> None:
    f = torch.randn(20, 3)
    with mock.patch.object(statistics, "PAIRED", 8):
        few = statistics_of(f)
        assert torch.equal(few.paired, f[:8])
        assert torch.equal(few.radii(8), statistics_of(f[:8]).radii(8))
        assert few.duplicates[0] == pdist(f[:8].numpy()).min().astype(np.float32)
    assert statistics.PAIRED == 10_000


# One pass over images


def gathered(
    n: int, size: int, keep: int, order: Callable[[Batches], Batches] = list
) -> Statistics:
    return feature_statistics(Projection(), order(batches(n, size)), keep)


def test_gathered_statistics_are_those_of_all_features() -> None:
    features, logits = Projection()(images(47))
    found = gathered(47, 10, 20)
    assert found.n == 47
    assert found.features.dtype == torch.float32
    assert torch.equal(found.features, features[:20])
    np.testing.assert_allclose(found.mean, features.double().mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.covariance, np.cov(features.numpy().T), rtol=1e-4, atol=1e-6)
    for i in range(10):
        part = isc_features_to_metric(logits[i::10], splits=1, shuffle=False)
        assert found.scores[i].item() == pytest.approx(part["inception_score_mean"], rel=1e-5)


@pytest.mark.parametrize("keep", [0, 1, 13, 40, 100])
def test_the_first_features_are_kept_in_order(keep: int) -> None:
    found = gathered(40, 6, keep, lambda parts: parts[::-1])
    assert_same(found, gathered(40, 6, keep))
    expected = torch.cat([Projection()(x)[0] for x, _ in batches(40, 6)])
    assert torch.equal(found.features, expected[:keep])


def test_images_may_come_in_any_order_within_a_batch() -> None:
    i = torch.randperm(30)
    found = feature_statistics(Pixels((1, 2, 3)), [(images(30)[i], i)], 12)
    assert_same(found, feature_statistics(Pixels((1, 2, 3)), batches(30, 30), 12))
    assert torch.equal(found.features, images(30)[:12].flatten(1) / 255)


def test_floats_are_taken_as_what_a_file_would_hold() -> None:
    floats = [(x / 127.5 - 1 + 0.001, i) for x, i in batches(20, 5)]
    floats = [(x.clamp(-1, 1), i) for x, i in floats]
    assert_same(feature_statistics(Projection(), floats, 20), gathered(20, 5, 20))


@pytest.mark.parametrize("value", [1.5, math.nan])
def test_images_of_another_range_are_refused(value: float) -> None:
    x = torch.zeros(4, 1, 2, 3)
    x[3, 0, 1, 2] = value
    with pytest.raises(ValueError, match=r"floats in \[-1, 1\], got floats in"):
        feature_statistics(Projection(), [(x, torch.arange(4))], 4)


def test_a_feature_that_is_not_finite_is_refused_by_the_sample() -> None:
    def extract(self: Projection, images: Tensor) -> Output:
        features = images.flatten(1)[:, :4].float()
        features[features[:, 0] == 77] = math.nan
        return features, torch.zeros(len(images), 5)

    x = torch.zeros(30, 1, 2, 3, dtype=torch.uint8)
    x[23] = 77
    parts = zip(x.split(8), torch.arange(30).split(8), strict=True)
    with (
        mock.patch.object(Projection, "extract", extract),
        pytest.raises(ValueError, match="features of 1 of 8 samples .* from sample 23 on"),
    ):
        feature_statistics(Projection(), parts, 4)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="'n' should be at least 2"):
        feature_statistics(Projection(), [], 4)


def test_no_gradient_is_kept() -> None:
    x = torch.zeros(4, 1, 2, 3).requires_grad_()
    found = feature_statistics(Projection(), [(x + 0, torch.arange(4))], 4)
    assert not (found.features.requires_grad or found.mean.requires_grad)


# Processes


PARTS = ("n", "mean", "covariance", "features", "scores")
SHARED = {"many": (47, 4, 20), "all kept": (23, 5, 50), "one has none": (12, 12, 12)}


def gather_as(rank: int, folder: Path, cases: Iterable[tuple[int, int, int]]) -> None:
    r"""Computes statistics in one of two processes and saves them."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    assert rank_and_world_size() == (rank, 2)
    found = [gathered(*case, lambda parts: parts[rank::2]) for case in cases]
    torch.save([{k: getattr(s, k) for k in PARTS} for s in found], folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_gather_what_one_does(tmp_path: Path) -> None:
    cases = list(SHARED.values())
    children = [start(gather_as, r, tmp_path, cases) for r in range(2)]
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for case, values in zip(cases, found, strict=True):
            assert_same(Statistics(**values), gathered(*case))


def test_there_is_one_process_without_a_group() -> None:
    assert rank_and_world_size() == (0, 1)
