r"""Tests for the energy_gans.functional.contrastive module."""

import pytest
import torch
from torch import Tensor, nn

from energy_gans.functional.contrastive import (
    contrastive_loss,
    gap_share,
    magnitude,
    transport_cost,
)


@pytest.fixture
def points() -> tuple[Tensor, Tensor]:
    return torch.randn(
        2, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).unbind()


def relu_network(bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Linear(3, 16, bias), nn.LeakyReLU(0.2), nn.Linear(16, 16, bias), nn.LeakyReLU(0.2)
    return nn.Sequential(*layers, nn.Linear(16, 1, bias), nn.Flatten(0)).double()


def test_the_loss_of_a_gibbs_density_has_the_likelihoods_slope() -> None:
    # p(x) ~ exp(t x - x^2 / 2): the log-likelihood's slope in t is E_y y - E_p x = E_y y - t.
    t = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([1.0, 2.0, 4.5], dtype=torch.float64)
    x = 0.3 + torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    contrastive_loss(t * x, t * y).backward()
    assert t.grad.item() == pytest.approx(-(2.5 - 0.3))


@pytest.mark.parametrize("zeta", [0.0, 0.3, 1.0])
def test_the_cost_of_a_quadratic_potential(points: tuple[Tensor, Tensor], zeta: float) -> None:
    before, after = points
    cost = transport_cost(lambda x: x.square().sum(1) / 2, before, after, zeta)
    expected = zeta * before.square().sum(1).mean() + (1 - zeta) * after.square().sum(1).mean()
    torch.testing.assert_close(cost, expected)


def test_the_mean_over_zeta_is_the_trapezoid_rule(points: tuple[Tensor, Tensor]) -> None:
    network = relu_network()
    ends = [transport_cost(network, *points, zeta) for zeta in (0.0, 1.0)]
    zetas = torch.linspace(0, 1, 101, dtype=torch.float64)
    costs = torch.stack([transport_cost(network, *points, zeta) for zeta in zetas])
    torch.testing.assert_close(costs.mean(), sum(ends) / 2)


def test_for_an_affine_potential_the_flows_dual_is_exact() -> None:
    # sup_b a b - (b - x)^2 / (2 gamma), here by a fine grid, is a x + gamma a^2 / 2.
    slope, x, gamma = 1.3, 0.4, 0.7
    b = torch.linspace(-5, 5, 100_001, dtype=torch.float64)
    dual = (slope * b - (b - x).square() / (2 * gamma)).max().item()
    point = torch.full((1, 1), x, dtype=torch.float64)
    cost = transport_cost(lambda a: slope * a[:, 0], point, point, 0.5).item()
    assert dual == pytest.approx(slope * x + gamma / 2 * cost, abs=1e-6)


def test_a_piecewise_linear_potential_has_a_cost_that_moves_its_weights_alone(
    points: tuple[Tensor, Tensor],
) -> None:
    network = relu_network()
    x = points[0].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    (slope,) = torch.autograd.grad(
        gradient.square().sum(), x, allow_unused=True, materialize_grads=True
    )
    assert slope.abs().max() == 0
    transport_cost(network, *points, 0.4).backward()
    assert all(network[i].weight.grad.abs().sum() > 0 for i in (0, 2, 4))


def test_a_network_without_biases_is_homogeneous(points: tuple[Tensor, Tensor]) -> None:
    network = relu_network(bias=False)
    x = points[0].clone().requires_grad_()
    phi = network(x)
    (gradient,) = torch.autograd.grad(phi.sum(), x)
    torch.testing.assert_close((gradient * x).sum(1), phi)
    torch.testing.assert_close(network(2.5 * x), 2.5 * phi)


def test_linear_weights_on_frozen_filters_feel_a_positive_semidefinite_matrix(
    points: tuple[Tensor, Tensor],
) -> None:
    # The gradient of half the cost is M theta with M the mean of D W W^T D.
    network = relu_network().requires_grad_(False)
    network[4].weight.requires_grad_()
    x, _ = points

    def gradient(theta: Tensor) -> Tensor:
        network[4].weight.data = theta[None]
        (g,) = torch.autograd.grad(transport_cost(network, x, x, 0.5) / 2, network[4].weight)
        return g[0]

    m = torch.stack([gradient(e) for e in torch.eye(16, dtype=torch.float64)], 1)
    theta = torch.randn(16, dtype=torch.float64)
    torch.testing.assert_close(m @ theta, gradient(theta))
    torch.testing.assert_close(m, m.T)
    assert torch.linalg.eigvalsh(m).min() > -1e-12


def test_the_points_get_no_gradient(points: tuple[Tensor, Tensor]) -> None:
    before, after = (x.requires_grad_() for x in points)
    transport_cost(relu_network(), before, after, 0.5).backward()
    assert before.grad is None and after.grad is None


def test_the_inner_gradient_is_float32_under_autocast() -> None:
    network = nn.Linear(3, 1)
    x = torch.randn(5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        cost = transport_cost(lambda x: network(x)[:, 0], x, x, 0.5)
    torch.testing.assert_close(cost, network.weight.square().sum())


def test_points_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(3, 2\)"):
        transport_cost(lambda x: x.sum(1), torch.zeros(4, 2), torch.zeros(3, 2), 0.5)


def test_the_magnitude_is_that_of_both_sets() -> None:
    assert magnitude(torch.tensor([1.0, 2.0]), torch.tensor([3.0])).item() == pytest.approx(14 / 3)


@pytest.mark.parametrize("weight", [0.1, 3.0])
@pytest.mark.parametrize(
    "y, x, expected",
    [
        ([0, 1, 1], [1, 0, 1], 0.0),
        ([0, 0, 1], [2, 3, 3], 1.0),
        # p = (1/2, 1/4, 1/4, 0), q = (0, 1/4, 1/2, 1/4): (1/2 + 0 + 1/12 + 1/4) / 2
        ([0, 0, 1, 2], [1, 2, 2, 3], 5 / 12),
    ],
)
def test_the_share_of_the_best_potential_is_le_cams_distance(
    y: list[int], x: list[int], expected: float, weight: float
) -> None:
    def loss(phi: Tensor) -> Tensor:
        return contrastive_loss(phi[x], phi[y]) + weight * magnitude(phi[x], phi[y])

    # The loss is quadratic in the values at the points: one step of Newton's ends at its minimum.
    start = torch.zeros(max(x + y) + 1, dtype=torch.float64)
    curvature = torch.autograd.functional.hessian(loss, start)
    best = -torch.linalg.solve(curvature, torch.autograd.functional.jacobian(loss, start))
    assert gap_share(best[x], best[y], weight).item() == pytest.approx(expected, abs=1e-12)
    gap = (best[y].mean() - best[x].mean()).item()
    assert gap == pytest.approx(expected * 2 / weight, abs=1e-12)


def test_without_a_weight_the_gap_has_no_share(points: tuple[Tensor, Tensor]) -> None:
    assert gap_share(points[0][:, 0], points[1][:, 0], 0.0) == 0
