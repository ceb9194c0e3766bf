r"""Tests for the energy_gans.functional.transport_fields module."""

import math

import pytest
import scipy.optimize
import torch
from torch import Tensor

import energy_gans.functional.transport_fields as module
from energy_gans.functional import sinkhorn_field, squared_distances, transport


def points(*sizes: int, dim: int = 3) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(n, dim, generator=random, dtype=torch.float64) for n in sizes]


def scaled(a: Tensor, b: Tensor, epsilon: float, iterations: int) -> Tensor:
    r"""The barycentric map by Sinkhorn's scaling of the kernel itself, without logarithms."""
    k = torch.exp(-torch.cdist(a, b).square() / (2 * epsilon))
    u = 1 / (k.mean(1))
    for _ in range(iterations):
        v = 1 / (k.T @ u / len(a))
        u = 1 / (k @ v / len(b))
    plan = u[:, None] * k * v / (len(a) * len(b))
    return len(a) * plan @ b


@pytest.mark.parametrize("epsilon", [0.2, 2.0])
@pytest.mark.parametrize("iterations", [1, 20])
def test_logarithms_equal_scalings(epsilon: float, iterations: int) -> None:
    a, b = points(5, 8)
    target = transport(a, b, epsilon, iterations).target
    torch.testing.assert_close(target, scaled(a, b, epsilon, iterations))


@pytest.mark.parametrize("epsilon", [1e-3, 1e-2, 0.2])
def test_scalings_equal_logarithms(epsilon: float, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = points(40, 50)
    scaled = transport(a, b, epsilon, 30)
    extreme = []
    monkeypatch.setattr(module, "_scale", lambda plan, u: extreme.append(u))
    logarithms = transport(a, b, epsilon, 30)
    torch.testing.assert_close(scaled, logarithms)
    assert len(extreme) == 29


def test_extreme_scalings_become_a_part_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = points(40, 50)
    expected = transport(a, b, 1e-2, 30)
    found, scale = [], module._scale
    monkeypatch.setattr(module, "_EXTREME", 5.0)
    monkeypatch.setattr(module, "_scale", lambda *args: found.append(scale(*args)) or found[-1])
    torch.testing.assert_close(transport(a, b, 1e-2, 30), expected)
    assert {one is None for one in found} == {True, False}


@pytest.mark.parametrize(
    "entry, extreme", [(1e-9, False), (1e-11, True), (1e9, False), (1e11, True)]
)
def test_scalings_are_extreme_if_one_of_them_is(entry: float, extreme: bool) -> None:
    # The scaling of the second column is the inverse of its entry.
    scalings = module._scale(torch.tensor([[1.0, entry]]), torch.ones(1))
    assert (scalings is None) == extreme


def test_costs_are_computed_once_if_they_can_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def recorded(a: Tensor, b: Tensor) -> Tensor:
        computed.append(len(a))
        return squared_distances(a, b)

    monkeypatch.setattr(module, "squared_distances", recorded)
    transport(*points(5, 8), 0.5)
    assert computed == [5]


def test_columns_converge_to_their_marginal() -> None:
    a, b = points(6, 8)
    errors = [transport(a, b, 0.5, n).error.item() for n in (1, 10, 100, 1000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-12 < errors[0]


def test_a_converged_map_keeps_the_mean() -> None:
    a, b = points(6, 8)
    target = transport(a, b, 0.5, 1000).target
    torch.testing.assert_close(target.mean(0), b.mean(0))


def test_a_large_epsilon_gives_the_difference_of_means() -> None:
    a, y, x = points(5, 8, 6)
    v = sinkhorn_field(a, y, x, 1e8)
    torch.testing.assert_close(v, (y.mean(0) - x.mean(0)).expand_as(v), rtol=0, atol=1e-6)


def test_a_small_epsilon_gives_the_assignment() -> None:
    a, y, x = points(6, 6, 6)

    def assigned(b: Tensor) -> Tensor:
        cost = torch.cdist(a, b).square().numpy()
        return b[torch.from_numpy(scipy.optimize.linear_sum_assignment(cost)[1])]

    v = sinkhorn_field(a, y, x, 1e-2, 1000)
    torch.testing.assert_close(v, assigned(y) - assigned(x), rtol=0, atol=1e-2)


def test_a_set_that_moves_to_itself_stays_if_epsilon_is_small() -> None:
    (a,) = points(6)
    torch.testing.assert_close(transport(a, a, 1e-3, 50).target, a, rtol=0, atol=1e-6)


def test_iterations_that_do_not_converge_are_refused() -> None:
    a, y, x = points(6, 8, 7)
    with pytest.raises(ValueError, match=r"did not converge: the columns' error is .* after 2 "):
        sinkhorn_field(a, y, x, 1e-3, 2, tolerance=1e-3)
    v = sinkhorn_field(a, y, x, 1.0, 500, tolerance=1e-3)
    assert torch.equal(v, sinkhorn_field(a, y, x, 1.0, 500))


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf])
def test_an_epsilon_out_of_range_is_refused(epsilon: float) -> None:
    with pytest.raises(ValueError, match="'epsilon' should be positive and finite"):
        sinkhorn_field(*points(5, 8, 6), epsilon)
