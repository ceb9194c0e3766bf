r"""Tests for the energy_gans.functional.homotopy module: the facts that the paper's flow obeys."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from energy_gans.functional.homotopy import (
    conditional_moments,
    conditional_point,
    conditional_velocity,
    flow_time,
    homotopy_time,
    innovation,
    time_rate,
)

SIGMA, OMEGA, T, M, S = 0.3, 1.0, 0.2, 0.6, 0.9


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def normal(n: int, *shape: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=random, dtype=torch.float64)


def hermite(n: int = 80) -> tuple[Tensor, Tensor]:
    r"""Returns nodes and weights of expectations over standard normal noise."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return torch.from_numpy(nodes), torch.from_numpy(weights / math.sqrt(2 * math.pi))


def slopes(t: float, omega: float = OMEGA, sigma: float = SIGMA) -> tuple[float, ...]:
    r"""Returns a, v and their derivatives in t."""
    a, v = (value.item() for value in conditional_moments(tensor(t), sigma, omega))
    return a, v, v**2 / (omega * sigma) ** 2, -(v**2) / sigma**2


# The conditional path


@pytest.mark.parametrize("omega, sigma", [(1.0, 0.01), (0.7, 0.3), (2.0, 1.5)])
def test_the_path_goes_from_the_prior_to_the_posterior(omega: float, sigma: float) -> None:
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    a, v = conditional_moments(t, sigma, omega)
    torch.testing.assert_close(a + v / omega**2, torch.ones_like(t))
    assert (a[0].item(), v[0].item()) == (0, pytest.approx(omega**2))
    total = sigma**2 + omega**2
    assert a[-1].item() == pytest.approx(omega**2 / total)
    assert v[-1].item() == pytest.approx(omega**2 * sigma**2 / total)
    step = 1e-6
    for side, derivative in zip(
        conditional_moments(t + step, sigma, omega), slopes(0.5, omega, sigma)[2:], strict=True
    ):
        centre = (a, v)[0 if derivative > 0 else 1]
        assert ((side - centre) / step)[5].item() == pytest.approx(derivative, rel=1e-4)


def test_densities_change_by_the_innovation() -> None:
    # Eq. 10, of a finite set of real samples: a finite difference in time against the formula.
    y, x = tensor(-1.0, 0.2, 0.9), torch.linspace(-3, 3, 101, dtype=torch.float64)[:, None]

    def densities(t: float) -> tuple[Tensor, float, float]:
        a, v, *_ = slopes(t)
        return torch.exp(-((x - a * y) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v), a, v

    h = 1e-5
    difference = (densities(T + h)[0] - densities(T - h)[0]).mean(1) / (2 * h)
    rho, a, v = densities(T)
    noise = ((x - a * y) / math.sqrt(v)).T.reshape(-1, 1)
    many = y.repeat_interleave(len(x))[:, None]
    moments = tensor(a).expand(len(many)), tensor(v).expand(len(many))
    gamma = innovation(many, noise, moments[1], SIGMA, OMEGA).reshape(3, -1).T
    torch.testing.assert_close(difference, -(rho * gamma).mean(1) / 2, rtol=1e-6, atol=1e-8)


def test_the_innovation_is_the_distance_less_its_mean() -> None:
    d, n = 5, 400_000
    y = normal(1, d, seed=1).expand(n, d)
    a, v, *_ = slopes(T)
    noise = normal(n, d)
    moments = tensor(a).expand(n), tensor(v).expand(n)
    x = conditional_point(y, noise, *moments)
    gamma = ((y - x) ** 2).sum(1) / SIGMA**2
    mean = (d * v + (1 - a) ** 2 * y[0].square().sum()) / SIGMA**2
    found = innovation(y, noise, moments[1], SIGMA, OMEGA)
    torch.testing.assert_close(found, gamma - mean)
    assert found.mean().abs() < 5 * found.std() / math.sqrt(n)
    variance = 2 * d * (v / SIGMA**2) ** 2 + 4 * (1 - a) ** 2 * v * y[0].square().sum() / SIGMA**4
    assert found.var().item() == pytest.approx(variance.item(), rel=0.02)


# Time


def test_times_are_even_in_their_logarithm() -> None:
    epsilon = 1e-4
    length = math.log((1 + epsilon) / epsilon)
    assert length == pytest.approx(9.21044, abs=1e-5)
    s = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    t = homotopy_time(s, epsilon)
    assert homotopy_time(tensor(0.0, 1.0), epsilon).tolist() == pytest.approx([0, 1])
    assert t.mean().item() == pytest.approx(1 / length - epsilon, abs=1e-5)
    assert t.mean().item() == pytest.approx(0.10847, abs=1e-5)
    torch.testing.assert_close(flow_time(t, epsilon), s)
    middle = math.sqrt(epsilon * (1 + epsilon)) - epsilon
    assert homotopy_time(tensor(0.5), epsilon).item() == pytest.approx(middle)
    difference = (t[2:] - t[:-2]) / (s[2:] - s[:-2])
    torch.testing.assert_close(difference, time_rate(t[1:-1], epsilon), rtol=1e-6, atol=1e-9)


def test_in_flow_time_all_is_simple_if_the_sharpness_is_that_of_the_likelihood() -> None:
    # a = 1 - e^-u, v = e^-u and the velocity v y - sqrt(v) noise / 2, with u = s L.
    sigma, epsilon = 0.01, 1e-4
    s = torch.linspace(0, 1, 50, dtype=torch.float64)
    t = homotopy_time(s, epsilon)
    length = math.log1p(1 / epsilon)
    _, v = conditional_moments(t, sigma, 1.0)
    torch.testing.assert_close(v, torch.exp(-s * length))
    y, noise = normal(50, 3), normal(50, 3, seed=1)
    u = conditional_velocity(y, noise, v, sigma, 1.0) * (t + epsilon)[:, None]
    torch.testing.assert_close(u, v[:, None] * y - v[:, None].sqrt() / 2 * noise)
    gamma = innovation(y, noise, v, sigma, 1.0) * (t + epsilon)
    simple = noise.square().sum(1) - 3 - 2 * v.sqrt() * (y * noise).sum(1)
    torch.testing.assert_close(gamma, simple)


def test_the_variance_dips_on_its_way() -> None:
    # For data as wide as the prior, the value is 0.75 where the time equals the likelihood's
    # variance.
    t = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    a, v = conditional_moments(t, 0.1, 1.0)
    variance = a**2 + v
    assert variance.min().item() == pytest.approx(0.75, abs=1e-9)
    assert t[variance.argmin()].item() == pytest.approx(0.01, abs=1e-5)
    assert (variance[0].item(), variance[-1].item()) == pytest.approx((1, 1), abs=0.02)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_what_should_be_positive_is_refused(value: float) -> None:
    t, y = tensor(0.5), normal(1, 2)
    for call in (
        lambda: conditional_moments(t, value, 1.0),
        lambda: conditional_moments(t, 1.0, value),
        lambda: innovation(y, y, t, value, 1.0),
        lambda: innovation(y, y, t, 1.0, value),
        lambda: conditional_velocity(y, y, t, 1.0, value),
        lambda: homotopy_time(t, value),
        lambda: time_rate(t, value),
        lambda: flow_time(t, value),
    ):
        with pytest.raises(ValueError, match="should be positive"):
            call()
