r"""Tests for the energy_gans.functional.evaluation.birthday module."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from energy_gans.functional import closest_pairs, support_size
from energy_gans.functional.evaluation import neighbours
from energy_gans.functional.evaluation.birthday import _gamma_quantile, _pair_variance


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[1, 7, 16, neighbours._TILE], ids="tile-{}".format)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_TILE", request.param)


def all_pairs(x: Tensor) -> list[tuple[float, int, int]]:
    r"""Returns the distances of all pairs with their indices, by a plain loop."""
    x = x.double()
    return sorted(
        ((x[i] - x[j]).square().sum().sqrt().item(), i, j)
        for i in range(len(x))
        for j in range(i + 1, len(x))
    )


# Closest pairs


@pytest.mark.parametrize("n, k", [(2, 1), (3, 3), (17, 1), (17, 20), (17, 136)])
@pytest.mark.usefixtures("block")
def test_closest_pairs_are_those_of_a_loop(n: int, k: int) -> None:
    x = torch.randn(n, 5)
    pairs = all_pairs(x)
    radius = pairs[len(pairs) // 2][0]
    r, index, count = closest_pairs(x, k, radius * 1.00001)
    assert r.tolist() == pytest.approx([pair[0] for pair in pairs[:k]], rel=1e-6)
    assert [tuple(pair) for pair in index.tolist()] == [pair[1:] for pair in pairs[:k]]
    near = pairs[: len(pairs) // 2 + 1]
    expected = [sum(i in pair[1:] for pair in near) for i in range(n)]
    assert (count.dtype, count.tolist()) == (torch.long, expected)


@pytest.mark.usefixtures("block")
def test_closest_pairs_among_ties_and_coincident_points() -> None:
    # Distances of points on a grid are exact.
    x = torch.randint(3, (16, 2)).float()
    x[10:] = x[:6]
    pairs = all_pairs(x)
    r, index, count = closest_pairs(x, 60, 1.2)
    assert torch.equal(r, torch.tensor([pair[0] for pair in pairs[:60]]))
    assert (index[:, 0] < index[:, 1]).all()
    assert len({tuple(pair) for pair in index.tolist()}) == 60
    assert torch.equal((x[index[:, 0]] - x[index[:, 1]]).norm(dim=1), r)
    assert count.sum() == 2 * sum(pair[0] < 1.2 for pair in pairs)
    # The radius itself belongs to it.
    for radius in (0.0, 1.0, 2.0):
        near = closest_pairs(x, 1, radius)[2]
        assert near.sum() == 2 * sum(pair[0] <= radius for pair in pairs)


@pytest.mark.parametrize("radius", [1e-9, math.inf])
def test_pairs_of_equal_points(radius: float) -> None:
    r, index, found = closest_pairs(torch.full((7, 6), 0.1), 21, radius)
    assert (r == 0).all()
    assert (index[:, 0] < index[:, 1]).all()
    assert found.tolist() == [6] * 7


def test_closest_pairs_of_many_points_are_those_of_scipy() -> None:
    x = torch.randn(700, 6)
    expected = np.sort(pdist(x.double().numpy()))
    r, _, count = closest_pairs(x, 50, 0.9)
    np.testing.assert_allclose(r, expected[:50], rtol=1e-6)
    assert count.sum() == 2 * (expected < 0.9).sum()


@pytest.mark.parametrize("n, k", [(0, 1), (1, 1), (3, 0), (3, 4), (3, -1)])
def test_more_pairs_than_there_are_are_refused(n: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"'k' should be between 1 and .*, got {k}"):
        closest_pairs(torch.zeros(n, 2), k)


# Support size


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("duplicates", [0, 1, 2, 10, 1000, 5000])
def test_interval_of_independent_pairs_is_garwoods(duplicates: int, confidence: float) -> None:
    pairs, tail = 10_000 * 9999 // 2, (1 - confidence) / 2
    # No sample is in more than one pair.
    size, low, high = support_size((torch.arange(10_000) < 2 * duplicates).long(), confidence)
    assert size == (pairs / duplicates if duplicates else math.inf)
    most = scipy.stats.chi2(2 * duplicates + 2).isf(tail) / 2
    assert low == pytest.approx(pairs / most, rel=1e-9)
    if duplicates == 0:
        assert high == math.inf
    else:
        assert high == pytest.approx(pairs / scipy.stats.chi2(2 * duplicates).ppf(tail) * 2)


@pytest.mark.parametrize("probability", [1e-12, 0.025, 0.5, 0.975, 1 - 1e-12])
@pytest.mark.parametrize("shape", [1, 2, 7.5, 1e4, 1e8])
def test_gamma_quantile_is_that_of_scipy(shape: float, probability: float) -> None:
    expected = scipy.stats.gamma(shape).ppf(probability)
    # The distribution function itself is good to 1e-12 or so in the far tails.
    assert _gamma_quantile(shape, probability) == pytest.approx(expected, rel=1e-5)


def test_a_quantile_of_the_exponential_distribution_near_one() -> None:
    # The distribution function itself is good to 1e-16, a 60th of what is left.
    assert _gamma_quantile(1, 1 - 2**-47) == pytest.approx(47 * math.log(2), rel=1e-3)


@pytest.mark.parametrize("confidence", [0.95, 1 - 1e-9])
def test_the_shared_variance_widens_garwoods_interval(confidence: float) -> None:
    tail, pairs, duplicates = (1 - confidence) / 2, 10, 3
    most = scipy.stats.chi2(2 * duplicates + 2).isf(tail) / 2
    shared = scipy.stats.norm.isf(tail) * 0.45**0.5 / duplicates
    expected = pairs / duplicates / math.exp(math.hypot(math.log(most / duplicates), shared))
    low = support_size(torch.tensor([2, 2, 2, 0, 0]), confidence)[1]
    assert low == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("samples", [2, 3, 1000, 10**6])
def test_a_generator_of_one_sample_has_a_support_of_one(samples: int) -> None:
    size, low, high = support_size(torch.full((samples,), samples - 1))
    assert size == 1
    assert low < 1 < high
    assert high - low < 6 / (samples - 1) ** 0.5 or samples < 10


@pytest.mark.parametrize(
    "degrees, zeta",
    [
        # With q = 3/10, the degrees' variance 24/25 is 4 q (1 - q) = 21/25 of independent pairs,
        # and 3/25 that pairs share.
        ([2, 2, 2, 0, 0], 3 / 25 / 4**2),
        # Here they vary less than degrees of independent pairs do.
        ([1, 1, 0, 0], 0.0),
    ],
)
def test_the_variance_that_pairs_share_by_hand(degrees: list[int], zeta: float) -> None:
    s = len(degrees)
    expected = 2 * (s * (s - 1) / 2) * (s - 2) * zeta
    assert _pair_variance(torch.tensor(degrees)) == pytest.approx(expected)


def degrees(which: np.ndarray) -> Tensor:
    r"""Returns the number of other samples that each sample is equal to."""
    _, inverse, count = np.unique(which, return_inverse=True, return_counts=True)
    return torch.from_numpy(count[inverse] - 1)


def one_mode(share: float) -> Callable:
    r"""Returns a generator that draws one point with a given probability, else unique samples."""

    def draw(random: np.random.Generator, samples: int) -> np.ndarray:
        return np.where(random.random(samples) < share, -1, np.arange(samples))

    return draw


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize(
    ("k", "samples", "draw"),
    [
        *((k, s, None) for k, s in [(500, 60), (2000, 200), (100_000, 600), (50, 100)]),
        *((share**-2, 2000, one_mode(share)) for share in (0.02, 0.05, 0.3)),
    ],
)
def test_the_interval_holds_the_size(
    k: float, samples: int, draw: Callable | None, confidence: float
) -> None:
    random, held = np.random.default_rng(0), []
    for _ in range(300):
        which = random.integers(k, size=samples) if draw is None else draw(random, samples)
        _, low, high = support_size(degrees(which), confidence)
        held.append(low <= k <= high)
    # Exact without a shared variance; else valid for many samples.
    assert np.mean(held) > confidence - 0.06
    assert np.mean(held) < confidence + (1 - confidence) * 0.98


def test_duplicates_become_as_likely_as_not_where_the_docstring_says() -> None:
    k = 10**6
    samples = round((2 * k * math.log(2)) ** 0.5)
    assert np.prod(1 - np.arange(samples) / k) == pytest.approx(0.5, abs=1e-3)
    # An interval of confidence 0 ends where no duplicate is as likely as not.
    assert support_size(torch.zeros(samples), 1e-6)[1] == pytest.approx(k, rel=2e-3)


@pytest.mark.parametrize("samples", [0, 1])
def test_fewer_than_two_samples_are_refused(samples: int) -> None:
    with pytest.raises(ValueError, match=f"'degrees' should .* 2 samples, got {samples}"):
        support_size(torch.zeros(samples))


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 95, math.nan])
def test_confidences_that_are_no_probability_are_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match=rf"'confidence' should be in \(0, 1\), got {confidence}"):
        support_size(torch.zeros(10), confidence)
