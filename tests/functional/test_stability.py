r"""Tests for the energy_gans.functional.stability module."""

import math

import pytest
import torch
from scipy import integrate, optimize, special

from energy_gans.functional import elastic, stability
from energy_gans.functional.stability import critical_coefficient, elastic_transform, growth_rate


def wave_numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def hankel(k: float, cutoff: float) -> float:
    r"""Returns the transform by quadrature over the kernel, with the tail in closed form."""

    def inside(r: float) -> float:
        a = torch.tensor([[r, 0.0]], dtype=torch.float64)
        return elastic(a, torch.zeros_like(a), cutoff).item() * special.j0(k * r) * r

    near, _ = integrate.quad(inside, 0, cutoff, epsabs=1e-12, limit=200)
    skipped, _ = integrate.quad(lambda r: special.j0(k * r), 0, cutoff, epsabs=1e-12, limit=200)
    return 2 * math.pi * (near + 1 / k - skipped)


@pytest.mark.parametrize("cutoff", [0.1, 0.8, 2.0])
@pytest.mark.parametrize("k", [0.01, 0.6, 3.0, 9.0, 40.0])
def test_the_transform_is_that_of_the_kernel(k: float, cutoff: float) -> None:
    found = elastic_transform(wave_numbers(k), cutoff).item()
    assert found == pytest.approx(hankel(k, cutoff), rel=1e-8, abs=1e-10)


def test_small_cutoffs_change_nothing() -> None:
    k = wave_numbers(0.1, 1.0, 7.0)
    torch.testing.assert_close(elastic_transform(k, 1e-9), elastic_transform(k), rtol=1e-7, atol=0)
    torch.testing.assert_close(k * elastic_transform(k), torch.full_like(k, 2 * math.pi))


def test_long_waves_miss_the_mass_that_the_cutoff_takes() -> None:
    missing = elastic_transform(wave_numbers(1e-6)) - elastic_transform(wave_numbers(1e-6), 0.8)
    assert missing.item() == pytest.approx(2 * math.pi * 3 * 0.8 / 8, rel=1e-6)


def test_the_transform_depends_on_the_phase_alone() -> None:
    k = torch.linspace(0.1, 60, 50, dtype=torch.float64)
    torch.testing.assert_close(
        elastic_transform(k, 3.0), 3 * elastic_transform(3 * k, 1.0), rtol=1e-9, atol=1e-13
    )


def test_the_first_zero_is_where_quadrature_says() -> None:
    zero = optimize.brentq(lambda k: hankel(k, 1.0), 3.0, 5.0)
    assert zero == pytest.approx(4.0037, abs=1e-4)
    before, after = elastic_transform(wave_numbers(zero - 1e-6, zero + 1e-6), 1.0)
    assert before > 0 > after


def test_shapes_are_kept_and_phases_may_be_large() -> None:
    k = torch.linspace(0.5, 3000, 6).reshape(2, 3)
    assert elastic_transform(k, 1.0).shape == (2, 3)
    assert elastic_transform(k[:0], 1.0).shape == (0, 3)
    # The jump of the second derivative, 3 at e = 1, gives the oscillation 2 pi sqrt(2 / (pi k)) 3
    # / k^3.
    assert elastic_transform(k, 1.0)[1, 2].abs() < 15.1 * 3000**-3.5


@pytest.mark.parametrize("cutoff", [None, 0.1, 0.8])
def test_waves_of_one_kernel_change_at_a_coefficient_of_one(cutoff: float | None) -> None:
    k = torch.linspace(0.1, 4.9, 20)
    assert (growth_rate(k, 0.99, cutoff, cutoff) > 0).all()
    assert (growth_rate(k, 1.0, cutoff, cutoff) == 0).all()
    assert (growth_rate(k, 1.01, cutoff, cutoff) < 0).all()
    assert critical_coefficient(4.9, cutoff, cutoff) == pytest.approx(1.0)


def test_without_a_stabilizer_waves_grow_by_four_pi_a_wave_number() -> None:
    k = wave_numbers(0.5, 2.0)
    torch.testing.assert_close(growth_rate(k, 0.0, None, None), 4 * math.pi * k)


@pytest.mark.parametrize(
    "largest, critical", [(1.0, 1.36), (2.0, 2.10), (3.0, 3.87), (4.0, 10.2), (5.03, math.inf)]
)
def test_critical_coefficients_of_the_papers_cutoffs(largest: float, critical: float) -> None:
    assert critical_coefficient(largest) == pytest.approx(critical, rel=5e-3)


@pytest.mark.parametrize("largest", [1.1, 3.3])
def test_the_shortest_wave_decides_before_the_first_zero(largest: float) -> None:
    k = wave_numbers(largest)
    expected = (elastic_transform(k, 0.1) / elastic_transform(k, 0.8)).item()
    assert critical_coefficient(largest) == pytest.approx(expected, rel=1e-12)


def test_no_coefficient_stabilises_waves_beyond_the_first_zero() -> None:
    zero = optimize.brentq(lambda k: elastic_transform(wave_numbers(k), 0.8).item(), 4.0, 6.0)
    assert 1e5 < critical_coefficient(zero - 1e-6) < math.inf
    assert critical_coefficient(zero + 1e-6) == math.inf


@pytest.mark.parametrize("transform, critical", [(1.0, math.inf), (-1.0, 1.0)])
def test_where_the_stabilizer_vanishes_the_kernel_alone_decides(
    transform: float, critical: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_but_at_the_end(k: torch.Tensor, cutoff: float) -> torch.Tensor:
        end = {0.1: transform, 0.8: 0.0}[cutoff]
        return torch.where(k < k.max(), 1.0, end)

    monkeypatch.setattr(stability, "elastic_transform", one_but_at_the_end)
    assert critical_coefficient(3.0, 0.1, 0.8) == critical


def test_short_waves_of_one_kernel_have_the_critical_coefficient_one() -> None:
    assert critical_coefficient(100.0, 0.8, 0.8) == pytest.approx(1.0)


def test_waves_decay_above_the_critical_coefficient_alone() -> None:
    k = torch.linspace(0.01, 4.5, 400)
    critical = critical_coefficient(4.5)
    assert growth_rate(k, 1.001 * critical).max() < 0 < growth_rate(k, 0.999 * critical).max()


def test_a_critical_coefficient_beyond_the_first_zero() -> None:
    # Where both transforms are negative the coefficient has an upper bound, too.
    assert critical_coefficient(7.0, 0.8, 0.8) == pytest.approx(1.0)
    assert critical_coefficient(6.0, 0.9, 0.8) == 1.0
    assert critical_coefficient(7.8, 0.9, 0.8) == math.inf
    assert (growth_rate(wave_numbers(0.1, 7.8), 1.01, 0.9, 0.8) > 0).tolist() == [False, True]
    assert (growth_rate(wave_numbers(0.1, 7.8), 0.10, 0.9, 0.8) > 0).tolist() == [True, False]


@pytest.mark.parametrize(
    "told, call",
    [
        ("'k' should be positive", lambda: elastic_transform(torch.tensor([1.0, 0.0]))),
        ("'k' should be positive", lambda: growth_rate(torch.tensor([-1.0]), 1.0)),
        ("'cutoff' should be positive", lambda: elastic_transform(torch.ones(1), 0.0)),
        ("'largest' should be positive", lambda: critical_coefficient(math.inf)),
    ],
)
def test_what_makes_no_sense_is_refused(told: str, call: object) -> None:
    with pytest.raises(ValueError, match=told):
        call()
