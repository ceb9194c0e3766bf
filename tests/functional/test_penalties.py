r"""Tests for the energy_gans.functional.penalties module."""

import pytest
import torch
from torch import Tensor, nn

from energy_gans.functional import gradient_penalty


@pytest.fixture
def samples() -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    y, x = torch.randn(2, 6, 3, generator=random, dtype=torch.float64).unbind()
    return y, x, torch.rand(6, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("target", [1.0, 0.0, 2.5])
def test_a_linear_critic(samples: tuple[Tensor, Tensor, Tensor], target: float) -> None:
    w = torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64)
    penalty = gradient_penalty(lambda a: a @ w + 7, *samples, target=target)
    assert penalty.item() == pytest.approx((5 - target) ** 2)


def test_a_quadratic_critic_shows_where_the_slope_is_taken(
    samples: tuple[Tensor, Tensor, Tensor],
) -> None:
    # The slope of |a|^2 / 2 is |a|.
    y, x, epsilon = samples
    penalty = gradient_penalty(lambda a: a.square().sum(1) / 2, y, x, epsilon)
    expected = [(torch.lerp(x[i], y[i], epsilon[i]).norm() - 1) ** 2 for i in range(6)]
    torch.testing.assert_close(penalty, torch.stack(expected).mean())


@pytest.mark.parametrize("place, end", [(0.0, 1), (1.0, 0)])
def test_the_ends_are_the_samples(place: float, end: int) -> None:
    ends = torch.full((1, 2), 3.0), torch.full((1, 2), 5.0)
    penalty = gradient_penalty(
        lambda a: a.square().sum(1) / 2, *ends, torch.tensor([place]), target=0.0
    )
    assert penalty.item() == pytest.approx(ends[end].square().sum().item())


def test_its_gradient_is_that_of_finite_differences(
    samples: tuple[Tensor, Tensor, Tensor],
) -> None:
    w = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def penalty(w: Tensor) -> Tensor:
        return gradient_penalty(lambda a: torch.tanh(a @ w).sum(1), *samples)

    assert torch.autograd.gradcheck(penalty, w.requires_grad_())


def test_the_gradient_reaches_the_critic_and_not_the_samples() -> None:
    critic = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 1))
    y, x = torch.randn(2, 5, 1, 2, 2).unbind()
    y.requires_grad_(), x.requires_grad_()
    gradient_penalty(lambda a: critic(a.flatten(1))[:, 0], y, x, torch.rand(5)).backward()
    assert y.grad is None and x.grad is None
    assert all(critic[i].weight.grad.abs().sum() > 0 for i in (0, 2))


def test_a_flat_critic_has_finite_gradients() -> None:
    w = torch.zeros(2, requires_grad=True)
    penalty = gradient_penalty(lambda a: a @ w, torch.ones(3, 2), torch.zeros(3, 2), torch.rand(3))
    penalty.backward()
    assert penalty.item() == pytest.approx(1.0)
    assert w.grad.isfinite().all()


def test_it_is_float32_under_autocast() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 1))
    y, x, epsilon = torch.randn(8, 2), torch.randn(8, 2), torch.rand(8)
    seen: list[torch.dtype] = []

    def value(a: Tensor) -> Tensor:
        seen.append(critic(a).dtype)
        return critic(a)[:, 0]

    plain = gradient_penalty(value, y, x, epsilon)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = gradient_penalty(value, y.bfloat16(), x, epsilon)
        mixed = gradient_penalty(value, y, x, epsilon)
        assert critic(y).dtype == torch.bfloat16
    assert mixed.dtype == half.dtype == torch.float32
    assert set(seen) == {torch.float32}
    assert torch.equal(plain, mixed)
    assert half.isfinite()
