r"""Properties of chains, particles, paths and schedules, on numbers that hypothesis draws."""

import math

import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor

from energy_gans.functional import (
    annealed,
    conditional_moments,
    evolve,
    exponential_decay,
    flow_time,
    force,
    gibbs_score,
    homotopy_time,
    langevin,
    langevin_step,
    lerp,
    particle_velocity,
    potential_gradient,
    preconditioning,
    slerp,
    warmed_decay,
)

from ..examples import clouds, examples, orders, rotation, seeds

times = st.floats(0, 1)
scales = orders.map(lambda order: 10**order)


def bump(x: Tensor, length: float = 1.0) -> Tensor:
    r"""Returns a potential with a maximum at the origin, without a unit."""
    return torch.exp(-x.flatten(1).square().sum(1) / (2 * length**2))


def chain(x: Tensor, noise: Tensor, length: float = 1.0, steps: int = 3) -> Tensor:
    score = gibbs_score(potential_gradient(lambda a: bump(a, length)), 2 * length)
    sizes = [0.3 * length] * steps
    return [*langevin(x, score, sizes, 2 * length, lambda _: noise)][-1]


def same(found: Tensor, expected: Tensor) -> None:
    size = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9 * size)


@examples(15)
@given(clouds(1), seeds, scales)
def test_chains_scale_turn_and_run_in_parts(sets: list[Tensor], seed: int, s: float) -> None:
    (x,) = sets
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(x.shape, generator=random, dtype=torch.float64)
    end = chain(x, noise)
    same(chain(s * x, noise, s) / s, end)
    turn = rotation(x.shape[1], seed)
    same(chain(x @ turn, noise @ turn), end @ turn)
    parts = [chain(one, e) for one, e in zip(x.split(1), noise.split(1), strict=True)]
    same(torch.cat(parts), end)


@examples(15)
@given(clouds(1), scales, scales, st.floats(0, 10))
def test_a_step_is_affine_in_score_and_noise(
    sets: list[Tensor], size: float, force: float, noise_std: float
) -> None:
    (x,) = sets
    moved = langevin_step(x, lambda a: force * a, size, None, x.flip(0), noise_std)
    same(moved, x + size**2 / 2 * force * x + noise_std * x.flip(0))
    assert langevin_step(x, torch.zeros_like, size).equal(x)


@examples(15)
@given(clouds(1), scales, scales)
def test_clipped_chains_stay_within_their_bound(
    sets: list[Tensor], clip: float, bound: float
) -> None:
    (x,) = sets
    score = gibbs_score(lambda a: 1e4 * a, clip=clip)
    assert score(x).abs().max() <= clip
    for at in langevin(x, score, [1.0, 0.5], noise=None, bound=bound):
        assert at.abs().max() <= bound


@examples(20)
@given(scales, scales, st.integers(1, 50))
def test_annealed_steps_are_monotone_and_reversible(first: float, last: float, n: int) -> None:
    sizes = annealed(first, last, n)
    assert len(sizes) == n and math.isclose(sizes[-1], last, rel_tol=1e-12)
    assert all(min(first, last) * (1 - 1e-9) <= one for one in sizes)
    assert sizes == sorted(sizes, reverse=first > last) or first == last
    if n > 1:
        back = annealed(last, first, n)[::-1]
        assert all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(sizes, back, strict=True))


@examples(20)
@given(scales, st.floats(1e-3, 1), st.integers(0, 9), st.integers(0, 9), scales)
def test_decay_falls_composes_and_scales(
    initial: float, rate: float, n: int, m: int, least: float
) -> None:
    at = [exponential_decay(initial, rate, i, least) for i in range(n + m + 1)]
    assert at == sorted(at, reverse=True) and at[-1] >= least
    twice = exponential_decay(exponential_decay(initial, rate, n), rate, m, least)
    assert math.isclose(twice, at[-1], rel_tol=1e-9)
    scaled = exponential_decay(7 * initial, rate, n, 7 * least)
    assert math.isclose(scaled, 7 * at[n], rel_tol=1e-9)


@examples(20)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 10**8))
def test_a_warmed_decay_is_between_a_tenth_and_its_end(decay: float, n: int) -> None:
    assert min(decay, 0.1) <= warmed_decay(decay, n) <= warmed_decay(decay, n + 1) <= decay


@pytest.mark.parametrize("path", [lerp, slerp])
@examples(15)
@given(clouds(1), times, seeds, orders)
def test_paths_end_exactly_turn_and_run_back(
    path: object, sets: list[Tensor], time: float, seed: int, order: float
) -> None:
    a = sets[0] * 10**order
    b, t = a.flip(0) * 0.3 + a[:1], torch.tensor([0.0, time, 1.0], dtype=torch.float64)
    z, turn = path(a, b, t), rotation(a.shape[1], seed)
    assert z[:, 0].equal(a) and z[:, 2].equal(b) and z.isfinite().all()
    size = 1e-6 * 10**order
    torch.testing.assert_close(path(b, a, 1 - t), z, rtol=1e-6, atol=size)
    torch.testing.assert_close(path(a @ turn, b @ turn, t), z @ turn, rtol=1e-6, atol=size)


@examples(20)
@given(times, st.floats(-8, 0), scales, scales)
def test_homotopies_run_from_the_prior_and_back(
    time: float, sharpness: float, sigma: float, omega: float
) -> None:
    t = torch.tensor([0.0, time, 1.0], dtype=torch.float64)
    there = homotopy_time(t, 10**sharpness)
    assert ((there >= 0) & (there <= 1 + 1e-12)).all() and (there.diff() >= 0).all()
    torch.testing.assert_close(flow_time(there, 10**sharpness), t, rtol=1e-7, atol=1e-7)
    a, v = conditional_moments(t, sigma, omega)
    torch.testing.assert_close(a + v / omega**2, torch.ones_like(t))
    assert (v > 0).all() and (v <= omega**2 * (1 + 1e-9)).all() and a[0] == 0


@examples(20)
@given(times, scales, scales, scales)
def test_coefficients_are_finite(time: float, sigma: float, omega: float, std: float) -> None:
    t = torch.tensor([time], dtype=torch.float64)
    _, v = conditional_moments(t, sigma, omega)
    b, c, root = preconditioning(v, sigma, omega, std)
    assert all(one.isfinite().all() for one in (b, c, root)) and root > 0 and c >= 0


@examples(12)
@given(clouds(2), scales, seeds)
def test_particles_scale_turn_and_keep_their_mean(sets: list[Tensor], s: float, seed: int) -> None:
    x, y = sets
    v = particle_velocity(x, y, 0.5, 1.5)
    same(particle_velocity(s * x, s * y, s * 0.5, 1.5) * s**2.5, v)
    turn = rotation(x.shape[1], seed)
    same(particle_velocity(x @ turn, y @ turn, 0.5, 1.5), v @ turn)
    # Newton's third law.
    inner = force(x, x, 0.5, 1.5)
    assert inner.sum(0).abs().max() <= 1e-9 * max(1.0, float(inner.abs().max()))
    pulls = len(y) * force(x, y, 0.5, 1.5).sum(0) + len(x) * force(y, x, 0.5, 1.5).sum(0)
    assert pulls.abs().max() <= 1e-9 * max(1.0, float(v.abs().max())) * len(x) * len(y)
    steps = evolve(x, [y, y], lambda a, b: particle_velocity(a, b, 0.5, 1.5), 0.01, 0.5)
    assert all(at.isfinite().all() for at in steps)
