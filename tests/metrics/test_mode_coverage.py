r"""Tests for the energy_gans.metrics.mode_coverage module."""

import math

import pytest
import scipy.stats
import torch
from torch import Tensor

from energy_gans.metrics import ModeCoverage
from energy_gans.metrics.mode_coverage import _truncated_variance


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def modes(k: int, dim: int) -> Tensor:
    means = torch.zeros(k, dim)
    means[:, 0] = 10 * torch.arange(k)
    return means


def measured(x: Tensor, metric: ModeCoverage) -> dict[str, float]:
    metric.update(x)
    return {name: value.item() for name, value in metric.compute().items()}


@pytest.mark.parametrize("std", [0.1, 1.0])
@pytest.mark.parametrize("dim", [1, 2, 3, 8])
def test_exact_samples(dim: int, std: float) -> None:
    k, n = 5, 200_000
    means = modes(k, dim)
    x = means[torch.randint(k, (n,))] + std * torch.randn(n, dim)
    values = measured(x, ModeCoverage(means, std))
    share = scipy.stats.chi2(dim).cdf(9)
    assert values["modes"] == k
    assert values["share"] == pytest.approx(share, abs=5 * (share * (1 - share) / n) ** 0.5)
    # 2 n KL is chi-squared distributed in K - 1 degrees of freedom.
    assert 0 <= values["kl"] < scipy.stats.chi2(k - 1).isf(1e-6) / (2 * n)
    assert values["spread"] == pytest.approx(1, abs=5 / (2 * n * share * dim) ** 0.5)


def test_share_of_exact_samples_in_the_plane() -> None:
    x = torch.randn(1_000_000, 2)
    values = measured(x, ModeCoverage(torch.zeros(1, 2), 1.0))
    assert values["share"] == pytest.approx(1 - math.exp(-4.5), abs=5e-4)


@pytest.mark.parametrize("dim", [1, 2, 3, 10])
def test_variance_of_a_truncated_normal(dim: int) -> None:
    exact = scipy.stats.chi2(dim).expect(lambda r2: r2, lb=0, ub=9, conditional=True) / dim
    value = _truncated_variance(torch.tensor(dim, dtype=torch.float64)).item()
    assert value == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize("dim", [1, 2, 3, 10])
@pytest.mark.parametrize("radius", [0.5, 1.0, 2.9])
def test_spread_of_samples_at_one_radius(radius: float, dim: int) -> None:
    u = torch.nn.functional.normalize(torch.randn(1000, dim))
    exact = scipy.stats.chi2(dim).expect(lambda r2: r2, lb=0, ub=9, conditional=True)
    values = measured(0.3 * radius * u + 7, ModeCoverage(torch.full((1, dim), 7.0), 0.3))
    assert values["spread"] == pytest.approx(radius / exact**0.5, rel=1e-5)


@pytest.mark.parametrize("radius, share", [(2.999, 1.0), (3.001, 0.0)])
def test_samples_are_good_up_to_three_standard_deviations(radius: float, share: float) -> None:
    x = torch.tensor([[0.0, 0.5 * radius], [10 - 0.5 * radius, 0.0]])
    assert measured(x, ModeCoverage(modes(2, 2), 0.5))["share"] == share


def test_samples_belong_to_the_nearest_mode() -> None:
    means = torch.tensor([[0.0], [1.0], [9.0]])
    x = torch.tensor([[0.4], [0.6], [0.7], [1.2]])
    metric = ModeCoverage(means, 1.0)
    metric.update(x)
    assert metric.count.tolist() == [1, 3, 0]


@pytest.mark.parametrize("k", [1, 2, 25])
def test_a_collapse_onto_one_mode(k: int) -> None:
    values = measured(modes(k, 2)[-1:].expand(100, 2), ModeCoverage(modes(k, 2), 0.1))
    expected = {"modes": 1, "share": 1, "kl": math.log(k), "spread": 0}
    assert values == pytest.approx(expected, abs=1e-6)


def test_a_collapse_within_every_mode() -> None:
    values = measured(modes(4, 2).repeat(10, 1), ModeCoverage(modes(4, 2), 0.1))
    assert values == pytest.approx({"modes": 4, "share": 1, "kl": 0, "spread": 0}, abs=1e-6)


def test_spread_is_the_mean_over_the_modes_that_were_hit() -> None:
    means = modes(3, 1)
    metric = ModeCoverage(means, 1.0)
    one = measured(torch.tensor([[-1.0], [1.0]]), metric)["spread"]
    # Twice as wide around the second mode, for any number of samples of that mode.
    values = measured(torch.tensor([[8.0], [12.0]]).repeat(5, 1), metric)
    assert values["modes"] == 2
    assert values["spread"] == pytest.approx(1.5 * one)


def test_where_nothing_is_good() -> None:
    values = measured(torch.full((7, 2), 5.0), ModeCoverage(modes(3, 2), 0.1))
    assert values == {"modes": 0, "share": 0, "kl": math.inf, "spread": 0}


@pytest.mark.parametrize("weights", [[3.0, 1.0], [0.75, 0.25], [30, 10]])
def test_samples_in_proportion_to_unequal_weights(weights: list[float]) -> None:
    x = modes(2, 2)[torch.tensor([0, 0, 0, 1])]
    values = measured(x, ModeCoverage(modes(2, 2), 0.1, torch.tensor(weights)))
    assert values["kl"] == pytest.approx(0, abs=1e-6)


def test_kl_is_that_of_torch_distributions() -> None:
    count, weights = torch.tensor([5, 0, 3, 2]), torch.tensor([0.1, 0.2, 0.3, 0.4])
    x = modes(4, 3).repeat_interleave(count, 0)
    p, w = (torch.distributions.Categorical(probs) for probs in (count / 10, weights))
    expected = torch.distributions.kl_divergence(p, w).item()
    values = measured(x, ModeCoverage(modes(4, 3), 0.1, weights))
    assert values["kl"] == pytest.approx(expected, rel=1e-5)


def metric_and_samples() -> tuple[ModeCoverage, Tensor]:
    return ModeCoverage(modes(3, 2), 1.0, torch.tensor([1.0, 2.0, 3.0])), torch.cat(
        [mean + 1.5 * torch.randn(50, 2) for mean in modes(2, 2)]
    )


@pytest.mark.parametrize("sizes", [(1, 99), (50, 50), (30, 0, 70), (10,) * 10])
def test_many_updates_equal_one(sizes: tuple[int, ...]) -> None:
    metric, x = metric_and_samples()
    for part in x.split(sizes):
        metric.update(part)
    values = {name: value.item() for name, value in metric.compute().items()}
    metric.reset()
    assert values == pytest.approx(measured(x, metric), rel=1e-6)


def test_merged_metrics_equal_one() -> None:
    metric, x = metric_and_samples()
    one, other = metric.clone(), metric.clone()
    one.update(x[:30])
    other.update(x[30:])
    one.merge_state(other)
    values = {name: value.item() for name, value in one.compute().items()}
    assert values == pytest.approx(measured(x, metric), rel=1e-6)


def test_the_value_of_a_batch_is_its_own() -> None:
    metric, x = metric_and_samples()
    metric.update(x[:30])
    batch = {name: value.item() for name, value in metric(x[30:]).items()}
    total = {name: value.item() for name, value in metric.compute().items()}
    metric.reset()
    assert batch == pytest.approx(measured(x[30:], metric))
    metric.reset()
    assert total == pytest.approx(measured(x, metric))


@pytest.mark.parametrize("shape", [(2,), (2, 2, 2), ()])
def test_means_that_are_no_matrix_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"'means' should have shape \(K, D\), got \("):
        ModeCoverage(torch.zeros(shape), 1.0)


@pytest.mark.parametrize("std", [0.0, -1.0, math.nan])
def test_stds_that_are_not_positive_are_refused(std: float) -> None:
    with pytest.raises(ValueError, match=f"'std' should be positive, got {std}"):
        ModeCoverage(torch.zeros(2, 2), std)


@pytest.mark.parametrize("shape", [(3,), (1,), (2, 1), ()])
def test_weights_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"'weights' should have shape \(2,\), got \("):
        ModeCoverage(torch.zeros(2, 2), 1.0, torch.ones(shape))


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 1)])
def test_samples_of_another_dimension_are_refused(shape: tuple[int, ...]) -> None:
    metric = ModeCoverage(torch.zeros(2, 2), 1.0)
    with pytest.raises(ValueError, match=r"'x' should have shape \(B, 2\), got \(5"):
        metric.update(torch.zeros(shape))


def test_no_samples_have_no_coverage() -> None:
    metric = ModeCoverage(modes(3, 2), std=0.1)
    metric.update(torch.zeros(0, 2))
    with pytest.raises(ValueError, match="at least one sample, got none"):
        metric.compute()
