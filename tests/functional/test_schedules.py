r"""Tests for the energy_gans.functional.schedules module."""

import math

import pytest

from energy_gans.functional import exponential_decay, warmed_decay

every_decay = pytest.mark.parametrize(
    "initial, rate, minimum",
    [(3.0, 0.9, 0.0), (3.0, 0.999, 1.0), (0.2, 1.0, 0.0), (1e-3, 0.5, 1e-5)],
)


@every_decay
def test_decay_begins_at_the_initial_value(initial: float, rate: float, minimum: float) -> None:
    assert exponential_decay(initial, rate, 0, minimum) == initial


@every_decay
@pytest.mark.parametrize("m, n", [(0, 5), (3, 4), (1000, 1)])
def test_decay_by_m_and_then_by_n_is_decay_by_their_sum(
    initial: float, rate: float, minimum: float, m: int, n: int
) -> None:
    first = exponential_decay(initial, rate, m, minimum)
    both = exponential_decay(initial, rate, m + n, minimum)
    assert exponential_decay(first, rate, n, minimum) == pytest.approx(both, rel=1e-12)


@pytest.mark.parametrize("half_life", [1, 10, 1000])
def test_decay_halves_every_half_life(half_life: int) -> None:
    rate = 0.5 ** (1 / half_life)
    assert exponential_decay(8.0, rate, 3 * half_life) == pytest.approx(1.0)


@every_decay
def test_decay_never_rises_and_never_falls_below_its_minimum(
    initial: float, rate: float, minimum: float
) -> None:
    values = [exponential_decay(initial, rate, step, minimum) for step in range(2000)]
    assert values == sorted(values, reverse=True)
    assert min(values) >= minimum


@pytest.mark.parametrize("minimum", [0.0, 0.1])
def test_decay_ends_at_its_minimum(minimum: float) -> None:
    assert exponential_decay(3.0, 0.99, 10**9, minimum) == minimum


@pytest.mark.parametrize("rate", [0.0, -0.5, math.nan, math.inf, 1.0001])
def test_rates_that_are_no_decay_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=f"'rate' .* got {rate}"):
        exponential_decay(1.0, rate, 0)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99, 0.9999])
def test_warmed_decay_rises_to_the_decay_and_stays(decay: float) -> None:
    values = [warmed_decay(decay, n) for n in range(0, 200_000, 100)]
    assert values == sorted(values)
    assert values[-1] == decay


@pytest.mark.parametrize("n", [1, 5, 100])
def test_what_a_warmed_average_keeps_of_its_initial_value(n: int) -> None:
    kept = math.prod(warmed_decay(0.9999, i) for i in range(n))
    assert kept == pytest.approx(1 / math.comb(n + 9, 9))
