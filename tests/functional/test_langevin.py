r"""Tests for the energy_gans.functional.langevin module."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from energy_gans.functional.langevin import (
    annealed,
    gibbs_score,
    langevin,
    langevin_step,
    potential_gradient,
)

from .test_distances import LargestTensor

# The log-density -k x^2 / 2 + b x with the reference N(0, s^2).
K, B, S = 1.0, 0.7, 0.8
P = K + 1 / S**2


def quadratic(x: Tensor) -> Tensor:
    return (B * x - K * x.square() / 2).flatten(1).sum(1)


def score(x: Tensor) -> Tensor:
    return gibbs_score(potential_gradient(quadratic), S)(x)


def last(*args: object, **kwargs: object) -> Tensor:
    *_, x = langevin(*args, **kwargs)
    return x


def test_the_score_is_that_of_the_gibbs_density() -> None:
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(score(x), B - P * x)


def test_a_step_is_the_papers() -> None:
    x, noise = torch.randn(2, 5, 3, dtype=torch.float64).unbind()
    expected = x + 0.5**2 / 2 * (B - P * x) + 0.5 * noise
    torch.testing.assert_close(langevin_step(x, score, 0.5, S, noise), expected)
    expected += (0.2 - 0.5) * noise
    torch.testing.assert_close(langevin_step(x, score, 0.5, S, noise, 0.2), expected)


def response(step_size: float, steps: int) -> tuple[float, float]:
    r"""Returns the mean and the variance, started at 0, after steps of a linear score, exactly.

    The last state is linear in the noise: each row of the batch feels that of one step alone.
    """
    impulses = torch.cat([torch.eye(steps), torch.zeros(1, steps)]).to(torch.float64)
    time = iter(range(steps))
    end = last(
        torch.zeros(steps + 1, 1, dtype=torch.float64),
        score,
        [step_size] * steps,
        S,
        lambda x: impulses[:, next(time)][:, None],
    )
    mean = end[-1].item()
    return mean, (end[:-1] - mean).square().sum().item()


@pytest.mark.parametrize("step_size", [0.2, 0.5, 1.0])
def test_the_stationary_moments_are_those_of_the_discrete_chain(step_size: float) -> None:
    mean, variance = response(step_size, round(30 / step_size**2))
    assert mean == pytest.approx(B / P)
    assert variance == pytest.approx(1 / (P * (1 - step_size**2 * P / 4)))
    if step_size == 0.5:
        assert (mean, variance) == (
            pytest.approx(0.27317, abs=5e-6),
            pytest.approx(0.46466, abs=5e-6),
        )


def test_a_population_of_chains_has_these_moments() -> None:
    x = last(torch.zeros(100_000, 1), score, [0.5] * 60, S)
    deviation = math.sqrt(0.46466 / len(x))
    assert x.mean().item() == pytest.approx(0.27317, abs=5 * deviation)
    assert x.var().item() == pytest.approx(0.46466, rel=5 * math.sqrt(2 / len(x)))
    energy = P * (x - B / P).square().mean() / 2
    assert energy.item() == pytest.approx(0.5 / (1 - 0.5**2 * P / 4), rel=0.03)


def test_weak_convergence_is_of_first_order() -> None:
    # With t = n step_size^2 the chain is dx = s(x) dt / 2 + dW, whose variance is known.
    t = 1.0
    exact = (1 - math.exp(-P * t)) / P, B / P * (1 - math.exp(-P * t / 2))
    errors = []
    for steps in (40, 80, 160, 320):
        mean, variance = response(math.sqrt(t / steps), steps)
        errors.append((abs(variance - exact[0]), abs(mean - exact[1])))
    for coarse, fine in itertools.pairwise(errors):
        for a, b in zip(coarse, fine, strict=True):
            assert math.log2(a / b) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("step_size, reference_std", [(1.6, 0.8), (0.2, 0.01), (2.0, 0.5)])
def test_a_step_that_is_unstable_for_the_reference_is_refused(
    step_size: float, reference_std: float
) -> None:
    with pytest.raises(ValueError, match=f"below 2 reference_std = {2 * reference_std:g}.*< 4"):
        langevin_step(torch.zeros(1, 1), score, step_size, reference_std)
    with pytest.raises(ValueError, match="below 2 reference_std"):
        last(torch.zeros(1, 1), flat, [1e-3, step_size], reference_std)
    # The refusal is justified: chains of the reference alone diverge.
    x = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(50):
        x = langevin_step(x, lambda x: -x / reference_std**2, step_size)
    assert x.abs() >= 1 - 1e-9


def test_the_largest_steps_that_are_allowed_are_stable() -> None:
    x = last(torch.ones(1, 1), lambda x: -x / 0.8**2, [1.599] * 400, 0.8, noise=None)
    assert x.abs() < 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: langevin_step(torch.zeros(1, 1), score, 0.0),
        lambda: langevin_step(torch.zeros(1, 1), score, 0.1, -1.0),
        lambda: langevin_step(torch.zeros(1, 1), score, 0.1, noise_std=-0.1),
        lambda: last(torch.zeros(1, 1), score, [0.1], noise_std=math.nan),
        lambda: gibbs_score(score, 0.0),
        lambda: gibbs_score(score, None, -1.0),
        lambda: annealed(1.0, 0.1, 0),
        lambda: annealed(0.0, 0.1, 3),
    ],
)
def test_numbers_out_of_range_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="should"):
        call()


def test_states_and_gradients_are_clipped() -> None:
    steep = gibbs_score(potential_gradient(lambda x: 100 * x.sum(1)), clip=0.03)
    xs = list(langevin(torch.zeros(4, 2), steep, [1.0] * 100, noise=None, bound=1.0))
    torch.testing.assert_close(xs[0], torch.full((4, 2), 0.015))
    assert torch.equal(xs[-1], torch.ones(4, 2))


def test_the_gradient_is_clipped_and_the_reference_is_not() -> None:
    x = torch.tensor([[2.0, -2.0, 0.1]])
    steep = gibbs_score(lambda x: 9 * x, reference_std=0.5, clip=1.0)
    torch.testing.assert_close(steep(x), torch.tensor([[1.0, -1.0, 0.9]]) - 4 * x)


def test_annealed_steps_have_one_ratio() -> None:
    sizes = annealed(2.0, 0.5, 5)
    assert sizes[0] == 2.0 and sizes[-1] == 0.5
    assert all(b / a == pytest.approx(0.25**0.25) for a, b in itertools.pairwise(sizes))
    assert annealed(2.0, 0.5, 1) == [0.5]


def flat(x: Tensor) -> Tensor:
    return torch.zeros_like(x)


@pytest.mark.parametrize("noise_std", [None, 0.007])
def test_where_the_density_is_even_a_step_is_its_noise_bit_for_bit(noise_std: float) -> None:
    noise = torch.randn(3, 1000, 1).unbind()
    x, sizes, time = torch.zeros(1000, 1), annealed(0.3, 0.1, 3), iter(noise)
    for size, epsilon, moved in zip(
        sizes,
        noise,
        langevin(x, flat, sizes, noise=lambda x: next(time), noise_std=noise_std),
        strict=True,
    ):
        x = torch.add(x, epsilon, alpha=size if noise_std is None else noise_std)
        assert torch.equal(moved, x)


def test_no_noise_is_drawn_that_would_be_zero() -> None:
    def noise(x: Tensor) -> Tensor:
        raise AssertionError

    assert torch.equal(
        last(torch.ones(2, 1), flat, [0.1], None, noise, noise_std=0.0), torch.ones(2, 1)
    )


def test_the_score_is_evaluated_once_a_step_and_no_graph_is_kept() -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(), nn.Linear(8, 1))
    calls = []

    def potential(x: Tensor) -> Tensor:
        calls.append(x)
        return network(x)[:, 0]

    start = torch.randn(6, 3)
    kept = start.clone()
    states = list(langevin(start, gibbs_score(potential_gradient(potential), 1.0), [0.1] * 7, 1.0))
    assert len(calls) == 7
    assert torch.equal(start, kept)
    assert not any(x.requires_grad for x in states)
    assert all(p.grad is None for p in network.parameters())
    assert len({x.data_ptr() for x in states}) == 7


def test_memory_does_not_grow_with_the_chain() -> None:
    network = nn.Sequential(nn.Linear(3, 64), nn.LeakyReLU(), nn.Linear(64, 1))
    gradient = potential_gradient(lambda x: network(x)[:, 0])
    with LargestTensor() as largest:
        for _ in langevin(torch.randn(6, 3), gradient, [0.1] * 50):
            pass
    assert largest.numel == 6 * 64


def test_the_gradient_is_float32_under_autocast() -> None:
    network = nn.Linear(3, 1)
    gradient = potential_gradient(lambda x: network(x)[:, 0])
    x = torch.randn(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        given = gradient(x.bfloat16())
    assert given.dtype == torch.float32
    assert torch.equal(given, network.weight.detach().expand(4, 3))


def test_a_gradient_of_half_precision_is_near_and_returned_whole() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 64), nn.LeakyReLU(), nn.Linear(64, 1))
    x = torch.randn(20, 3)
    whole, half = (potential_gradient(lambda x: network(x)[:, 0], h)(x) for h in (False, True))
    assert half.dtype == torch.float32
    assert 0 < (half - whole).norm() / whole.norm() < 0.02


def test_half_precision_is_bfloat16_whatever_autocast_does_by_itself() -> None:
    seen = set()

    def potential(x: Tensor) -> Tensor:
        seen.add((x @ x.T).dtype)
        return x.sum(1)

    usual = torch.get_autocast_dtype("cpu")
    torch.set_autocast_dtype("cpu", torch.float16)
    try:
        potential_gradient(potential, half=True)(torch.randn(4, 3))
    finally:
        torch.set_autocast_dtype("cpu", usual)
    assert seen == {torch.bfloat16}


def test_the_same_noise_gives_the_same_chain() -> None:
    def chain(seed: int) -> Tensor:
        random = torch.Generator().manual_seed(seed)
        return last(
            torch.zeros(4, 2),
            score,
            [0.3] * 5,
            S,
            lambda x: torch.randn(x.shape, generator=random),
        )

    assert torch.equal(chain(1), chain(1)) and not torch.equal(chain(1), chain(2))
