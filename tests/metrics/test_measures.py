r"""Tests for the energy_gans.metrics.measures module."""

import math
from unittest import mock

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_poly, mmd2
from torch_fidelity.metric_prc import calculate_precision_recall_full

from energy_gans.functional import density_coverage, neighbour_radii
from energy_gans.metrics import measures, statistics
from energy_gans.metrics.measures import (
    MEASURES,
    Measurement,
    _random_subset,
    measure,
    parse_measures,
)
from energy_gans.metrics.statistics import Statistics, _FeatureSums

DIM = 8


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def statistics_of(features: Tensor, logits: Tensor | None = None) -> Statistics:
    k = None if logits is None else logits.shape[1]
    sums, n = _FeatureSums(features.shape[1], k), len(features)
    sums.update(features, logits, torch.arange(n))
    _, mean, covariance, scores = sums.compute()
    return Statistics(n, mean, covariance, features, scores)


def real(n: int, modes: int = 10) -> Tensor:
    r"""Returns features with equally many samples of each of the first modes."""
    means = 8 * torch.randn(10, DIM, generator=torch.Generator().manual_seed(9))
    return means[torch.arange(n) % modes] + torch.randn(n, DIM)


def measured(
    name: str, x: Tensor, y: Tensor, held_out: Tensor | None = None
) -> dict[str, Measurement]:
    held_out = real(300) if held_out is None else held_out
    return measure([name], *map(statistics_of, (x, y, held_out)))


# Fréchet distance


@pytest.mark.parametrize("n, m", [(200, 300), (5, 300)])
def test_fd_is_that_of_torch_fidelity(n: int, m: int) -> None:
    x, y = 1.2 * real(n) + 0.3, real(m)
    both = [fid_features_to_statistics(features.double()) for features in (x, y)]
    (expected,) = fid_statistics_to_metric(*both, verbose=False).values()
    number = measured("fd", x, y)["fd"]
    assert number.value == pytest.approx(expected, rel=1e-6)
    assert (number.n, number.reference_n) == (n, m)


def test_fd_of_a_set_from_itself_is_zero() -> None:
    y = real(300)
    assert measured("fd", y.flip(0), y)["fd"].value == pytest.approx(0, abs=1e-8)


def test_fd_of_a_constant_generator() -> None:
    y = real(100).double()
    x = torch.full((50, DIM), 0.5)
    expected = (y.mean(0) - 0.5).square().sum() + y.var(0).sum()
    assert measured("fd", x, y.float())["fd"].value == pytest.approx(expected.item(), rel=1e-6)


# Inception Score


def test_is_is_that_of_torch_fidelity() -> None:
    logits = 3 * torch.randn(130, 7)
    x = statistics_of(real(130), logits)
    number = measure(["is"], x, x, x)["is"]
    order = torch.cat([torch.arange(130)[group::10] for group in range(10)])
    expected = isc_features_to_metric(logits[order], shuffle=False)
    assert number.value == pytest.approx(expected["inception_score_mean"], rel=1e-12)
    assert number.std == pytest.approx(expected["inception_score_std"], rel=1e-9)
    assert (number.n, number.reference_n, number.parameters) == (130, 0, {"groups": 10})


def test_is_without_a_classifier_is_refused() -> None:
    with pytest.raises(ValueError, match="'is', and 'extractor' has no classifier"):
        measured("is", real(20), real(20))


@pytest.mark.parametrize("n", [2, 9])
def test_is_of_fewer_samples_than_groups_is_refused(n: int) -> None:
    x = statistics_of(real(n), torch.randn(n, 3))
    with pytest.raises(ValueError, match=f"'is' needs at least 10 samples, got {n}"):
        measure(["is"], x, x, x)


def test_is_of_one_sample_a_group() -> None:
    x = statistics_of(real(10), torch.randn(10, 3))
    number = measure(["is"], x, x, x)["is"]
    assert (number.value, number.std) == pytest.approx((1, 0), abs=1e-12)


# Kernel Inception Distance


def kids(x: Tensor, y: Tensor, size: int, subsets: int) -> list[float]:
    r"""Returns the squared MMDs by torch-fidelity for the same subsets."""
    values = []
    for i in range(subsets):
        a, b = (
            _random_subset(f, size, i, which).double().numpy() for f, which in ((x, "x"), (y, "y"))
        )
        values.append(mmd2(kernel_poly(a, a), kernel_poly(a, b), kernel_poly(b, b)))
    return values


@pytest.mark.parametrize("n, m, size", [(90, 81, 40), (80, 90, 40), (60, 25, 12), (4, 30, 2)])
def test_kid_is_that_of_torch_fidelity(n: int, m: int, size: int) -> None:
    x, y = real(n) / 8 + 0.1, real(m) / 8
    with mock.patch.object(measures, "SUBSET", 40), mock.patch.object(measures, "SUBSETS", 12):
        number = measured("kid", x, y)["kid"]
    expected = kids(x, y, size, 12)
    assert number.value == pytest.approx(np.mean(expected), rel=1e-4)
    assert number.std == pytest.approx(np.std(expected), rel=1e-4, abs=1e-6)
    assert number.parameters == {"subsets": 12, "subset": size}
    assert (number.n, number.reference_n) == (n, m)


def test_kid_has_the_subsets_of_the_paper() -> None:
    assert (measures.SUBSETS, measures.SUBSET) == (100, 1000)
    parameters = measured("kid", real(12), real(13))["kid"].parameters
    assert parameters == {"subsets": 100, "subset": 6}


@pytest.mark.parametrize("u, v", [(0.0, 1.0), (0.5, -1.0), (2.0, 2.0)])
def test_kid_of_constant_sets(u: float, v: float) -> None:
    x, y = torch.full((9, DIM), u), torch.full((7, DIM), v)
    expected = (u * u + 1) ** 3 + (v * v + 1) ** 3 - 2 * (u * v + 1) ** 3
    assert measured("kid", x, y)["kid"].value == pytest.approx(expected, abs=1e-5)


def test_kid_is_unbiased() -> None:
    values = []
    with mock.patch.object(measures, "SUBSETS", 1):
        for _ in range(225):
            x, y = torch.randn(2, 6, DIM)
            values.append(measured("kid", x, y, y)["kid"].value)
    assert abs(np.mean(values)) < 4 * np.std(values) / 15
    assert min(values) < 0 < max(values)


def test_subsets_are_random_rows_and_the_same_ones_always() -> None:
    f = torch.arange(50)[:, None]
    one = _random_subset(f, 20, 3, "x")
    assert len(one.unique()) == 20
    assert torch.equal(one, _random_subset(f, 20, 3, "x"))
    others = _random_subset(f, 20, 4, "x"), _random_subset(f, 20, 3, "y")
    assert not any(torch.equal(one, other) for other in others)
    hits = torch.cat([_random_subset(f, 20, i, "x") for i in range(100)]).flatten().bincount()
    # Each row is in 40 of 100 subsets on average, with a standard deviation of 4.9.
    assert len(hits) == 50
    assert 15 < hits.min() <= hits.max() < 65


# Precision, recall, density and coverage


def test_pr_is_that_of_torch_fidelity() -> None:
    x, y = real(130, 6) + 0.3, real(150)
    numbers = measured("pr", x, y)
    # Both sets have the same size.
    expected = calculate_precision_recall_full(x.double(), y[:130].double(), 3)
    values = numbers["precision"].value, numbers["recall"].value
    assert values == pytest.approx(expected, abs=1e-6)
    assert 0 < values[0] != values[1] < 1
    assert all(number.parameters == {"k": 3} for number in numbers.values())
    assert all((number.n, number.reference_n) == (130, 130) for number in numbers.values())


def test_dc_is_that_of_the_five_nearest() -> None:
    x, y = 1.5 * real(130, 6), real(150)
    numbers = measured("dc", x, y)
    expected = density_coverage(y[:130], x, neighbour_radii(y[:130], 5)[:, 4], 5)
    assert [numbers[name].value for name in ("density", "coverage")] == [
        v.item() for v in expected
    ]
    assert numbers["coverage"].value != measured("dc", y, x)["coverage"].value
    assert all(number.parameters == {"k": 5, "rim": 0} for number in numbers.values())
    assert all((number.n, number.reference_n) == (130, 130) for number in numbers.values())


@pytest.mark.parametrize(("name", "least"), [("kid", 4), ("pr", 6), ("dc", 6)])
def test_too_few_samples_are_refused(name: str, least: int) -> None:
    with pytest.raises(ValueError, match=f"'{name}' needs at least {least} samples and {least}"):
        measured(name, real(least - 1), real(40))
    measured(name, real(least), real(40))


def test_dropped_modes_lower_recall_and_coverage() -> None:
    y = real(600)
    found = [measured("pr", real(500, k), y) | measured("dc", real(500, k), y) for k in (10, 7, 3)]
    for name in ("recall", "coverage"):
        all_modes, seven, three = (numbers[name].value for numbers in found)
        assert all_modes > 0.8
        assert seven == pytest.approx(0.7 * all_modes, abs=0.08)
        assert three == pytest.approx(0.3 * all_modes, abs=0.08)
    assert all(numbers["precision"].value > 0.8 for numbers in found)


def test_noise_lowers_precision_and_density() -> None:
    y, x = real(600), real(500)
    clean, noisy = (measured("pr", z, y) | measured("dc", z, y) for z in (x, x + 20))
    assert clean["precision"].value > 0.8
    assert clean["density"].value == pytest.approx(1, abs=0.2)
    assert noisy["precision"].value == noisy["density"].value == 0


# Support


@pytest.mark.parametrize("size", [1, 20, 300])
def test_a_small_support_is_measured(size: int) -> None:
    y = real(1500)
    x = y[torch.randint(size, (400,))]
    number = measured("support", x, y)["support"]
    assert number.value == pytest.approx(size, rel=0.2)
    assert number.low <= size <= number.high
    assert (number.n, number.reference_n) == (400, 1500)
    assert number.parameters == {"alike": 1 / math.comb(1500, 2)}


def test_nearly_equal_samples_are_duplicates() -> None:
    y = real(1500)
    x = y[torch.randint(20, (400,))] + 1e-3 * torch.randn(400, DIM)
    assert measured("support", x, y)["support"].value == pytest.approx(20, rel=0.2)


def test_real_samples_have_no_small_support() -> None:
    number = measured("support", real(400), real(1500))["support"]
    assert (number.value, number.high) == (math.inf, math.inf)
    assert number.low == pytest.approx(400 * 399 / 2 / -math.log(0.025), rel=1e-9)


@pytest.mark.parametrize("copies", [1, 5])
def test_a_reference_with_duplicates_does_not_hide_a_small_support(copies: int) -> None:
    y = real(1500)
    y[-copies:] = y[:copies]
    x = y[200:][torch.randint(20, (400,))]
    assert measured("support", x, y)["support"].value == pytest.approx(20, rel=0.2)


def test_a_constant_generator_has_a_support_of_one() -> None:
    number = measured("support", torch.full((30, DIM), 0.1), real(500))["support"]
    assert number.value == 1


# Neighbours


def copies(x: Tensor, y: Tensor, held_out: Tensor) -> Measurement:
    return measured("neighbours", x, y, held_out)["copies"]


def test_copies_are_those_of_a_plain_search() -> None:
    x, y, held_out = real(150), real(1200), real(120)
    x[:40] = y[1140:1180] + 0.01 * torch.linspace(0, 1, 40)[:, None]
    held_out[:3] = y[1100:1103] + 0.005
    nearest_x, nearest_real = (cdist(z.double(), y.double()).min(1) for z in (x, held_out))
    expected = np.mean(nearest_x <= np.quantile(nearest_real, 0.01))
    number = copies(x, y, held_out)
    assert number.value == expected == pytest.approx(20 / 150)
    assert (number.n, number.reference_n) == (150, 1200)
    assert (number.parameters, number.held_out_n) == ({"close": 0.01}, 120)


@pytest.mark.parametrize("size", [1, 30, 600])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_memorised_samples_are_caught(size: int, noise: float) -> None:
    y = real(800)
    x = y[torch.randint(size, (300,))]
    assert copies(x + noise * torch.randn_like(x), y, real(400)).value == 1


def test_splits_that_share_images_do_not_hide_copies() -> None:
    y, held_out = real(300), real(200)
    held_out[:10] = y[:10]
    assert copies(y[20:120], y, held_out).value == 1


def test_real_samples_are_no_copies() -> None:
    y, held_out = real(800), real(1000)
    assert copies(held_out, y, held_out).value == 0.01
    assert copies(real(1000), y, held_out).value == pytest.approx(0.01, abs=0.015)
    assert copies(1.1 * real(500) + 9, y, held_out).value == 0


def test_a_share_of_copies_is_measured() -> None:
    y, x = real(800), real(500)
    x[::5] = y[:100]
    assert copies(x, y, real(1000)).value == pytest.approx(0.2, abs=0.02)


def test_a_thousand_are_searched_for_in_all() -> None:
    y, x, held_out = real(1300), real(1100), real(1200)
    # Only the first thousand samples are used, but the whole reference.
    x[1000:], held_out[1000:], y[-1] = y[:100], y[100:300], x[3]
    number = copies(x, y, held_out)
    assert (number.n, number.reference_n) == (1000, 1300)
    assert number.held_out_n == 1000
    expected = copies(x[:1000], y, held_out[:1000])
    assert number == expected
    assert number.value == copies(x, y[:-1], held_out).value + 0.001


# All measures


def test_pairs_are_of_the_first_samples_only() -> None:
    x, y = real(90), real(120)
    names = ["kid", "pr", "dc", "support"]
    with mock.patch.object(statistics, "PAIRED", 50):
        found = measure(names, *map(statistics_of, (x, y, y)))
    assert found == measure(names, *map(statistics_of, (x[:50], y[:50], y)))
    assert all((number.n, number.reference_n) == (50, 50) for number in found.values())


def test_numbers_of_all_measures() -> None:
    x, y, held_out = (statistics_of(real(n), torch.randn(n, 3)) for n in (60, 80, 70))
    names = parse_measures("fd,is,kid,pr,dc,support,neighbours")
    numbers = measure(names, x, y, held_out)
    assert list(numbers) == [
        *("fd", "is", "kid", "precision", "recall", "density", "coverage", "support", "copies")
    ]
    assert all(isinstance(number.value, float) for number in numbers.values())
    assert numbers == measure(names, x, y, held_out)


@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e12])
@pytest.mark.parametrize("name", ["pr", "dc", "support", "neighbours"])
def test_measures_of_pairs_do_not_depend_on_the_unit(name: str, scale: float) -> None:
    sets = real(150, 6), real(200), real(200)
    sets[0][:50] = sets[1][:50]
    found, scaled = (
        [n.value for n in measured(name, *(s * z for z in sets)).values()] for s in (1, scale)
    )
    assert scaled == found


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "is"])
def test_the_smallest_sets(name: str) -> None:
    x, y, held_out = real(6), real(6), real(6)
    assert all(
        math.isfinite(n.value) or name == "support"
        for n in measured(name, x, y, held_out).values()
    )


# Names


@pytest.mark.parametrize(
    "text, names",
    [("fd", ["fd"]), (" kid , fd,", ["kid", "fd"]), (",".join(MEASURES), list(MEASURES))],
)
def test_names_in_a_list(text: str, names: list[str]) -> None:
    assert parse_measures(text) == names


@pytest.mark.parametrize("text", ["", " , ", "fid", "fd,KID", "fd is"])
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"'measures' should be of fd,is,kid,.*, got '{text}'"):
        parse_measures(text)
