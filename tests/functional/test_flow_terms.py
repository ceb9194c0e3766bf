r"""Tests for the energy_gans.functional.flow_terms module."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from energy_gans.functional.flow_terms import (
    alignment,
    covariance,
    kinetic_energy,
    spread_energy,
)
from energy_gans.functional.homotopy import (
    conditional_moments,
    conditional_point,
    conditional_velocity,
    innovation,
)

from .test_homotopy import OMEGA, SIGMA, M, S, T, hermite, normal, slopes, tensor

# The two estimators, and a biased one


@pytest.mark.parametrize("phi", [torch.sin, torch.tanh, lambda x: x**3 - 2 * x])
@pytest.mark.parametrize("y", [-1.3, 0.4])
def test_covariance_and_alignment_agree(phi: object, y: float) -> None:
    noise, weights = hermite()
    a, v, *_ = slopes(T)
    moments = tensor(a).expand(len(noise)), tensor(v).expand(len(noise))
    real = tensor(y).expand(len(noise))[:, None]
    x = conditional_point(real, noise[:, None], *moments).requires_grad_()
    (gradient,) = torch.autograd.grad(phi(x).sum(), x)
    gamma = innovation(real, noise[:, None], moments[1], SIGMA, OMEGA)
    u = conditional_velocity(real, noise[:, None], moments[1], SIGMA, OMEGA)
    left = (weights * phi(x)[:, 0] * gamma).sum() / 2
    right = -(weights * (gradient * u)[:, 0]).sum()
    torch.testing.assert_close(left, right)


def drawn(n: int, s: float = S, m: float = M) -> tuple[Tensor, ...]:
    r"""Returns points of the path of Gaussian data, their innovations and velocities."""
    y, noise = m + s * normal(n, 1), normal(n, 1, seed=1)
    a, v, *_ = slopes(T)
    moments = tensor(a).expand(n), tensor(v).expand(n)
    gamma = innovation(y, noise, moments[1], SIGMA, OMEGA)
    u = conditional_velocity(y, noise, moments[1], SIGMA, OMEGA)
    return y, conditional_point(y, noise, *moments), gamma, u


def test_centring_the_potential_leaves_no_bias_and_centring_the_distance_does() -> None:
    n, batch = 400_000, 16
    y, x, gamma, u = drawn(n, m=0.0)
    phi = x[:, 0].square() / 2
    a, v, _, _ = slopes(T)
    total = gamma + (v + (1 - a) ** 2 * y[:, 0].square()) / SIGMA**2
    # For k x^2 / 2 it is - v' - 2 a a' s^2; the bias from the batch's mean of gamma has a closed
    # form.
    slope = slopes(T)[2:]
    exact = -(slope[1] + 2 * a * slope[0] * S**2)
    estimates = torch.stack(
        [covariance(p, g) for p, g in zip(phi.split(batch), gamma.split(batch), strict=True)]
    )
    error = 4 * estimates.std() / math.sqrt(len(estimates))
    assert abs(estimates.mean() - exact) < error
    assert -2 * alignment(x, u).item() == pytest.approx(exact, rel=0.03)
    biased = ((phi - phi.mean()) * (total - total.mean())).mean()
    bias = a**2 * (1 - a) ** 2 * S**4 / SIGMA**2
    assert (biased - exact).item() == pytest.approx(bias, rel=0.03)
    assert bias > 5 * error


def test_particles_of_one_sample_are_centred_by_each_other() -> None:
    phi, gamma = normal(40, 6), normal(40, 6, seed=1)
    plain = 0.0
    for p, g in zip(phi, gamma, strict=True):
        for k in range(6):
            others = torch.cat([p[:k], p[k + 1 :]]).mean()
            plain += (p[k] - others) * g[k] / 240
    torch.testing.assert_close(covariance(phi, gamma), plain)
    one = phi[0]
    torch.testing.assert_close(covariance(one, gamma[0]), covariance(one[None], gamma[:1]))


def test_a_constant_does_not_matter() -> None:
    phi, gamma = normal(16), normal(16, seed=1)
    torch.testing.assert_close(covariance(phi + 1e3, gamma), covariance(phi, gamma))
    torch.testing.assert_close(spread_energy(phi + 1e3), spread_energy(phi))
    assert spread_energy(phi).item() == pytest.approx(phi.var().item() / 2)


@pytest.mark.parametrize("sigma", [0.001, 0.01, 0.1])
def test_the_innovation_keeps_its_digits_near_the_end(sigma: float) -> None:
    # If the squared noise equals its mean, only the second term remains.
    y, noise = normal(50, 4), torch.ones(50, 4, dtype=torch.float64)
    _, v = conditional_moments(torch.ones(50, dtype=torch.float64), sigma, OMEGA)
    expected = innovation(y, noise, v, sigma, OMEGA)
    found = innovation(y.float(), noise.float(), v.float(), sigma, OMEGA)
    torch.testing.assert_close(
        found.double(), expected, rtol=1e-5, atol=1e-6 * expected.abs().max()
    )


@pytest.mark.parametrize("k", [1, 2, 8])
def test_the_spread_of_several_points_of_a_real_sample_has_no_bias(k: int) -> None:
    # Real samples of the variance 0.6 and noise of the variance 0.4, in batches of three.
    phi = math.sqrt(0.6) * normal(8_000, 3, 1) + math.sqrt(0.4) * normal(8_000, 3, k, seed=1)
    found = torch.stack([spread_energy(batch) for batch in phi])
    assert abs(found.mean() - 0.5) < 4 * found.std() / math.sqrt(len(found))


def test_the_spread_is_a_loop_over_points_of_different_real_samples() -> None:
    phi = normal(4, 3)
    differences = [
        (phi[i, j] - phi[m, n]).square() / 4
        for i, j, m, n in itertools.product(range(4), range(3), range(4), range(3))
        if i != m
    ]
    torch.testing.assert_close(spread_energy(phi), torch.stack(differences).mean())


def test_a_large_constant_costs_the_spread_no_digits() -> None:
    phi = 1e5 + torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(spread_energy(phi).double(), spread_energy(phi.double()))


def test_one_real_sample_has_no_spread() -> None:
    for phi in (normal(1), normal(1, 5)):
        with pytest.raises(ValueError, match="two real samples or more, got 1"):
            spread_energy(phi)


def test_centring_takes_most_of_the_variance_away() -> None:
    d, n = 100, 20_000
    y, noise = S * normal(n, d), normal(n, d, seed=1)
    a, v, *_ = slopes(T)
    moments = tensor(a).expand(n), tensor(v).expand(n)
    phi = conditional_point(y, noise, *moments).square().sum(1) / 2
    gamma = innovation(y, noise, moments[1], SIGMA, OMEGA)
    raw, centred = (phi * gamma).std(), ((phi - phi.mean()) * gamma).std()
    u = conditional_velocity(y, noise, moments[1], SIGMA, OMEGA)
    aligned = (conditional_point(y, noise, *moments) * u).sum(1).std()
    # Measured before, for half the covariance: 1054, 147 and 11.3.
    assert raw / 2 == pytest.approx(1054, rel=0.05)
    assert centred / 2 == pytest.approx(147, rel=0.05)
    assert aligned == pytest.approx(11.3, rel=0.05)


# The loss on Gaussian data


def exact(t: float) -> tuple[float, float, float, float]:
    r"""Returns the mean and the variance of the path of Gaussian data, and their derivatives."""
    a, v, da, dv = slopes(t)
    return a * M, a**2 * S**2 + v, da * M, 2 * a * da * S**2 + dv


def test_the_exact_potential_is_the_minimum() -> None:
    mean, variance, dmean, dvariance = exact(T)
    _, x, _, u = drawn(2_000_000)
    # The mean velocity is linear in the point, so least squares find the field.
    z = x - mean
    slope, constant = (z * u).mean() / (z * z).mean(), u.mean()
    assert constant.item() == pytest.approx(dmean, rel=5e-3)
    assert slope.item() == pytest.approx(dvariance / (2 * variance), rel=5e-3)
    field = dmean + dvariance / (2 * variance) * z
    loss = kinetic_energy(field) - alignment(field, u)
    least = -(dmean**2 + dvariance**2 / (4 * variance)) / 2
    assert least == pytest.approx(-0.20897, abs=1e-5)
    assert loss.item() == pytest.approx(least, rel=5e-3)


def test_the_exact_flow_carries_the_prior_to_the_data() -> None:
    x, steps = OMEGA * normal(5, seed=2), 400
    start = x.clone()

    def velocity(x: Tensor, t: float) -> Tensor:
        mean, variance, dmean, dvariance = exact(t)
        return dmean + dvariance / (2 * variance) * (x - mean)

    h = 1 / steps
    for i in range(steps):
        k1 = velocity(x, i * h)
        k2 = velocity(x + h / 2 * k1, (i + 0.5) * h)
        k3 = velocity(x + h / 2 * k2, (i + 0.5) * h)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + velocity(x + h * k3, (i + 1) * h))
    mean, variance, *_ = exact(1.0)
    torch.testing.assert_close(x, mean + math.sqrt(variance) / OMEGA * start, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("eta", [0.0, 0.5, 3.0])
def test_the_spectral_gap_shrinks_what_is_slow(eta: float) -> None:
    # On N(0, V) the optimum's k-th Hermite coefficient is 1 / (1 + eta V / k) of the exact one.
    variance = 0.7
    noise, weights = hermite()
    x = math.sqrt(variance) * noise
    basis = torch.stack([x, x**2 - variance])
    slopes = torch.stack([torch.ones_like(x), 2 * x])
    target = 0.8 - 1.3 * x
    matrix = (slopes * weights) @ slopes.T + eta * (basis * weights) @ basis.T
    found = torch.linalg.solve(matrix, (slopes * weights) @ target)
    shrink = [1 / (1 + eta * variance / k) for k in (1, 2)]
    torch.testing.assert_close(found, tensor(0.8 * shrink[0], -0.65 * shrink[1]))
    # The sum of the loss's terms has this minimum.
    u = (x.repeat(1000), target.repeat(1000)[:, None])
    random = torch.multinomial(weights, 400_000, replacement=True, generator=torch.Generator())
    coefficients = found.clone().requires_grad_()
    phi = coefficients @ basis[:, random]
    field = (coefficients @ slopes[:, random])[:, None]
    loss = kinetic_energy(field) - alignment(field, u[1][random]) + eta * spread_energy(phi)
    (gradient,) = torch.autograd.grad(loss, coefficients)
    assert gradient.abs().max() < 0.02


def test_uniform_time_telescopes_for_a_potential_without_time() -> None:
    # The integral of half the covariance is the difference of the means under prior and smoothed
    # data.
    noise, weights = hermite()
    y = tensor(-0.8, 0.5, 1.1)
    nodes, time_weights = np.polynomial.legendre.leggauss(60)
    total = 0.0
    for node, weight in zip((nodes + 1) / 2, time_weights / 2, strict=True):
        a, v, *_ = slopes(node)
        for one in y:
            many = one.expand(len(noise))[:, None]
            moments = tensor(a).expand(len(noise)), tensor(v).expand(len(noise))
            x = conditional_point(many, noise[:, None], *moments)[:, 0]
            gamma = innovation(many, noise[:, None], moments[1], SIGMA, OMEGA)
            total += weight * (weights * torch.cos(2 * x) * gamma).sum() / 2 / len(y)
    a, v, *_ = slopes(1.0)
    prior = math.exp(-2 * OMEGA**2)
    data = (torch.cos(2 * a * y) * math.exp(-2 * v)).mean()
    torch.testing.assert_close(total, prior - data)


def test_the_best_quadratic_without_time() -> None:
    n = 2_000_000
    t = torch.rand(n, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    y, noise = M + S * normal(n, 1), normal(n, 1, seed=1)
    a, v = conditional_moments(t, SIGMA, OMEGA)
    x = conditional_point(y, noise, a, v)[:, 0]
    u = conditional_velocity(y, noise, v, SIGMA, OMEGA)[:, 0]
    start, end = (exact(t)[:2] for t in (0.0, 1.0))
    # For uniform times the right-hand side is half of the change of the second moment or of the
    # mean.
    gains = tensor((end[1] + end[0] ** 2 - start[1] - start[0] ** 2) / 2, end[0] - start[0])
    torch.testing.assert_close(
        torch.stack([(x * u).mean(), u.mean()]), gains, rtol=0.02, atol=0.01
    )


def test_two_points_have_the_covariance_and_the_spread_of_their_difference() -> None:
    phi, gamma = (torch.tensor(v, dtype=torch.float64) for v in ([1.0, 4.0], [2.0, -3.0]))
    assert covariance(phi, gamma).item() == pytest.approx(-3 * 5 / 2)
    assert spread_energy(phi).item() == pytest.approx(3**2 / 4)


def test_one_potential_can_not_be_centred() -> None:
    with pytest.raises(ValueError, match="two potentials or more"):
        covariance(normal(3, 1), normal(3, 1))
