r"""Tests for the energy_gans.functional.potential_flow module."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from energy_gans.functional import (
    conditional_moments,
    conditional_velocity,
    flow_time,
    homotopy_time,
)
from energy_gans.functional.potential_flow import (
    Homotopy,
    _path_rate,
    _potential_scales,
    driving_term,
    path_point,
    preconditioned_potential,
)

PLAIN = Homotopy(sigma=0.2, omega=1.5, sharpness=0.02)
SCALED = PLAIN._replace(data_std=0.5)


def samples(n: int, dims: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    y, noise = torch.randn(2, n, dims, generator=random, dtype=torch.float64)
    return y * 0.5, noise


def flat(a: Tensor) -> Tensor:
    return 0 * a.sum(1)


def test_the_rate_is_the_slope_of_the_homotopys_time() -> None:
    s = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    t = homotopy_time(s, PLAIN.sharpness)
    step = 1e-5
    slope = (homotopy_time(s + step, 0.02) - homotopy_time(s - step, 0.02)) / (2 * step)
    torch.testing.assert_close(_path_rate(t, PLAIN), slope, rtol=1e-7, atol=0)
    assert torch.equal(_path_rate(t, PLAIN._replace(jacobian=False)), torch.ones_like(t))
    torch.testing.assert_close(flow_time(t, 0.02), s)


@pytest.mark.parametrize("jacobian", [False, True])
def test_without_a_network_the_potential_is_that_of_gaussian_data(jacobian: bool) -> None:
    y, noise = samples(200_000)
    homotopy = SCALED._replace(jacobian=jacobian)
    for time in (0.1, 0.5, 0.9):
        point = path_point(y, noise, torch.full((len(y),), time, dtype=y.dtype), homotopy)
        # The path's velocity in the potential's time, by a difference in the homotopy's time.
        step = 1e-6
        t = homotopy_time(torch.tensor(time, dtype=y.dtype), 0.02)
        later = path_point(y, noise, flow_time(t + step, 0.02).expand(len(y)), homotopy)
        u = (later.x - point.x) / step * point.rate[:, None]
        best = (u * point.x).sum() / point.x.square().sum()
        a, s = torch.randn(5, 3, dtype=y.dtype), torch.full((5,), time, dtype=y.dtype)
        slope = potential_slope(flat, a, s, homotopy)
        torch.testing.assert_close(slope, best * a, rtol=0.01, atol=0.005)


def potential_slope(network: Callable, a: Tensor, s: Tensor, homotopy: Homotopy) -> Tensor:
    a = a.detach().requires_grad_()
    phi = preconditioned_potential(network, a, s, homotopy)
    return torch.autograd.grad(phi.sum(), a)[0]


@pytest.mark.parametrize("jacobian", [False, True])
def test_the_network_has_inputs_and_slopes_of_order_one(jacobian: bool) -> None:
    homotopy = SCALED._replace(jacobian=jacobian)
    y, noise = samples(7)
    s = torch.linspace(0.1, 0.9, 7, dtype=y.dtype)
    point = path_point(y, noise, s, homotopy)
    slopes = [potential_slope(n, point.x, s, homotopy) for n in (lambda a: a.sin().sum(1), flat)]
    mean, v = conditional_moments(homotopy_time(s, 0.02), 0.2, 1.5)
    width = (mean**2 * 0.5**2 + v).sqrt()
    learned = (slopes[0] - slopes[1]) / point.gradient_scale[:, None]
    torch.testing.assert_close(learned, (point.x / width[:, None]).cos())


@pytest.mark.parametrize("jacobian", [False, True])
@pytest.mark.parametrize("time", [0.1, 0.5, 0.9])
def test_what_the_network_has_to_learn_has_unit_variance(time: float, jacobian: bool) -> None:
    homotopy = SCALED._replace(jacobian=jacobian)
    y, noise = samples(50_000)
    s = torch.full((len(y),), time, dtype=y.dtype)
    point = path_point(y, noise, s, homotopy)
    u = conditional_velocity(y, noise, point.v, 0.2, 1.5) * point.rate[:, None]
    left = (u - potential_slope(flat, point.x, s, homotopy)) / point.gradient_scale[:, None]
    assert left.square().mean().item() == pytest.approx(1, rel=0.02)


def test_the_covariance_takes_potentials_and_the_alignment_slopes() -> None:
    y, noise = samples(6)
    point = path_point(y, noise, torch.linspace(0.1, 0.9, 6, dtype=y.dtype), PLAIN)
    phi, gradient = y.square().sum(1), y.cos()
    for estimator, kept in (("e1", (phi, 0 * gradient)), ("e4", (0 * phi, gradient))):
        term = driving_term(phi, gradient, point, PLAIN, estimator)
        assert term == driving_term(*kept, point, PLAIN, estimator) != 0


def test_an_unknown_estimator_is_refused() -> None:
    y, noise, s = (torch.zeros(2, 3), torch.zeros(2, 3), torch.full((2,), 0.5))
    with pytest.raises(ValueError, match=r"'estimator' should be one of \('e1', .*, got 'e3'"):
        driving_term(s, y, path_point(y, noise, s, PLAIN), PLAIN, "e3")


@pytest.mark.parametrize("estimator", ["e1", "e4"])
def test_at_one_time_a_unit_only_scales_the_term(estimator: str) -> None:
    y, noise = samples(64)
    s = torch.full((64,), 0.6, dtype=y.dtype)
    phi, gradient = y.square().sum(1), 2 * y
    plain = driving_term(phi, gradient, path_point(y, noise, s, PLAIN), PLAIN, estimator)
    point = path_point(y, noise, s, SCALED)
    unit = point.gradient_scale[0]
    scaled = driving_term(phi, gradient / unit, point, SCALED, estimator)
    assert unit != 1
    torch.testing.assert_close(scaled, plain / unit**2)
    _, c, width = _potential_scales(s[:1], SCALED)
    torch.testing.assert_close(unit[None], c / width)


def test_both_estimators_have_one_expectation() -> None:
    y, noise = samples(400_000)
    s = torch.full((len(y),), 0.4, dtype=y.dtype)
    point = path_point(y, noise, s, PLAIN)
    phi, gradient = point.x.square().sum(1) / 2, point.x
    terms = [driving_term(phi, gradient, point, PLAIN, e).item() for e in ("e1", "e4")]
    assert terms[0] == pytest.approx(terms[1], rel=0.03)
