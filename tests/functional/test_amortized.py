r"""Tests for the energy_gans.functional.amortized module."""

import math

import pytest
import torch
from torch import Tensor, nn

from energy_gans.functional.amortized import amortized_loss, ascent_loss, stein_direction


@pytest.fixture
def generator() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double()


def gradients(loss: Tensor, network: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters())))


def test_the_slope_towards_moved_samples_is_that_along_their_moves(generator: nn.Module) -> None:
    # At x~ = x + e dx, the gradient of the summed squares is -2 e sum dG^T dx.
    z = torch.randn(5, 3, dtype=torch.float64)
    x, move, epsilon = generator(z), torch.randn(5, 2, dtype=torch.float64), 0.01
    towards = gradients(amortized_loss(x, x + epsilon * move), generator)
    along = gradients(ascent_loss(generator(z), move), generator)
    for a, b in zip(towards, along, strict=True):
        torch.testing.assert_close(a, 2 * epsilon * b)


def test_climbing_along_the_score_climbs_the_potential(generator: nn.Module) -> None:
    z = torch.randn(5, 3, dtype=torch.float64)

    def phi(x: Tensor) -> Tensor:
        return torch.sin(x).sum(1)

    x = generator(z)
    direct = gradients(-phi(x).mean(), generator)
    along = gradients(ascent_loss(generator(z), torch.cos(x)), generator)
    for a, b in zip(direct, along, strict=True):
        torch.testing.assert_close(a, b)


def test_without_repulsion_a_linear_generator_collapses_and_with_it_it_does_not() -> None:
    # For a concave quadratic potential, the best G(z) = A z + c has A = 0. With Stein's direction
    # the best distribution of G(z) is the standard normal.
    variances = []
    for repelled in (False, True):
        a, c = torch.eye(2).requires_grad_(), torch.ones(2).requires_grad_()
        step = torch.optim.Adam([a, c], lr=0.02)
        random = torch.Generator().manual_seed(0)
        for _ in range(400):
            x = torch.randn(200, 2, generator=random) @ a.T + c
            score = -x.detach()
            step.zero_grad()
            ascent_loss(x, stein_direction(x, x, score, 1.0) if repelled else score).backward()
            step.step()
        variances.append((a @ a.T).trace().item() / 2)
        assert c.norm() < 0.15
    assert variances[0] < 0.02
    assert variances[1] == pytest.approx(1, abs=0.25)


def test_steins_direction_is_that_of_a_plain_loop() -> None:
    x, s = torch.randn(2, 6, 3, dtype=torch.float64).unbind()
    h = 0.8
    expected = torch.zeros_like(x)
    for i in range(6):
        for j in range(6):
            source = x[j].clone().requires_grad_()
            k = torch.exp(-(source - x[i]).square().sum() / (2 * h**2))
            (slope,) = torch.autograd.grad(k, source)
            expected[i] += (k.detach() * s[j] + slope) / 6
    torch.testing.assert_close(stein_direction(x, x, s, h), expected)
    torch.testing.assert_close(stein_direction(x[2:4], x, s, h), expected[2:4])


@pytest.mark.parametrize("n", [2, 5])
def test_by_default_a_sample_counts_about_as_much_as_all_others(n: int) -> None:
    # All distances are 3 sqrt(2), so that the kernel of two samples is 1 / (n + 1).
    x, k = 3 * torch.eye(n, dtype=torch.float64), 1 / (n + 1)
    repulsion = 2 * math.log(n + 1) / 18 * k * (n * x - x.sum(0)) / n
    found = stein_direction(x, x, torch.zeros_like(x))
    torch.testing.assert_close(found, repulsion)
    attracted = stein_direction(x, x, torch.ones_like(x)) - found
    torch.testing.assert_close(attracted, torch.full_like(x, (1 + (n - 1) * k) / n))


def test_a_single_sample_follows_its_score() -> None:
    x, s = torch.randn(2, 1, 4).unbind()
    torch.testing.assert_close(stein_direction(x, x, s), s)


def test_samples_that_coincide_do_not_break_it() -> None:
    x = torch.zeros(5, 2)
    assert stein_direction(x, x, torch.ones(5, 2)).isfinite().all()


def test_a_bandwidth_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="'bandwidth' should be positive"):
        stein_direction(torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(2, 2), 0.0)
