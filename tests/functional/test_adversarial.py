r"""Tests for the energy_gans.functional.adversarial module."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from energy_gans.functional.adversarial import (
    balanced,
    convergence,
    equilibrium_loss,
    logistic_loss,
    nonsaturating_loss,
    reconstruction_error,
    wasserstein_loss,
)


@pytest.fixture
def outputs() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    return 3 * torch.randn(7, generator=random), 3 * torch.randn(5, generator=random)


def test_the_logistic_losses_are_cross_entropies(outputs: tuple[Tensor, Tensor]) -> None:
    d_y, d_x = outputs
    entropy = F.binary_cross_entropy_with_logits
    expected = entropy(d_y, torch.ones(7)) + entropy(d_x, torch.zeros(5))
    torch.testing.assert_close(logistic_loss(d_y, d_x), expected)
    torch.testing.assert_close(nonsaturating_loss(d_x), entropy(d_x, torch.ones(5)))


def test_the_best_discriminator_is_the_log_odds() -> None:
    # On two points with masses p and q the loss is smallest at log p / q, where it is
    # 2 log 2 - 2 JS(p, q).
    y, x = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 1])
    d = torch.tensor([math.log(3.0), -math.log(3.0)], requires_grad=True)
    loss = logistic_loss(d[y], d[x])
    (gradient,) = torch.autograd.grad(loss, d)
    torch.testing.assert_close(gradient, torch.zeros(2), atol=1e-6, rtol=0)
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert loss.item() == pytest.approx(2 * math.log(2) - 2 * divergence)


def test_the_generators_slope_stays_where_the_discriminator_is_sure() -> None:
    d = torch.tensor([-100.0, 100.0], requires_grad=True)
    nonsaturating_loss(d).backward()
    torch.testing.assert_close(d.grad, torch.tensor([-0.5, 0.0]))


def test_large_logits_stay_finite() -> None:
    d = torch.tensor([1e4, -1e4])
    assert logistic_loss(d, d).item() == nonsaturating_loss(d).item() * 2 == 1e4


def test_the_best_critic_in_one_dimension_gives_the_wasserstein_distance() -> None:
    # Of two samples, one to the right of the other: the critic is the coordinate itself.
    y, x = torch.tensor([2.0, 3.0, 7.0]), torch.tensor([-1.0, 0.0, 1.0])
    distance = (y.sort().values - x.sort().values).abs().mean()
    torch.testing.assert_close(-wasserstein_loss(y, x), distance)


def test_the_wasserstein_loss_ignores_a_constant(outputs: tuple[Tensor, Tensor]) -> None:
    d_y, d_x = outputs
    torch.testing.assert_close(wasserstein_loss(d_y + 5, d_x + 5), wasserstein_loss(d_y, d_x))


@pytest.mark.parametrize("eta, loss", [(1, F.l1_loss), (2, F.mse_loss)])
def test_errors_are_those_of_single_samples(eta: int, loss: object) -> None:
    v, d = torch.randn(2, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0)).unbind()
    expected = torch.stack([loss(a, b) for a, b in zip(v, d, strict=True)])
    torch.testing.assert_close(reconstruction_error(v, d, eta), expected)


def test_errors_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(4, 2\) and \(4, 1\)"):
        reconstruction_error(torch.zeros(4, 2), torch.zeros(4, 1))


def test_the_autoencoder_learns_real_samples_and_unlearns_generated_ones() -> None:
    l_y, l_x = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    equilibrium_loss(l_y, l_x, torch.tensor(0.4)).backward()
    assert (l_y.grad.item(), l_x.grad.item()) == pytest.approx((1.0, -0.4))


@pytest.mark.parametrize("start, end", [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_the_balance_rests_where_the_errors_are_in_proportion(start: float, end: float) -> None:
    l_y, l_x = torch.tensor(0.4), torch.tensor(0.1)
    k = balanced(torch.tensor(start), l_y, l_x, gamma=0.25, rate=3.0)
    assert k.item() == pytest.approx(end)
    torch.testing.assert_close(convergence(l_y, l_x, 0.25), l_y)


def test_the_balance_moves_towards_the_player_that_is_behind() -> None:
    k, l_y = torch.tensor(0.5), torch.tensor(1.0)
    up, down = (balanced(k, l_y, torch.tensor(l_x), 0.5, 0.1).item() for l_x in (0.2, 0.8))
    assert (up, down) == pytest.approx((0.53, 0.47))
    near, far = (convergence(l_y, torch.tensor(l_x), 0.5).item() for l_x in (0.4, 0.8))
    assert (near, far) == pytest.approx((1.1, 1.3))


@pytest.mark.parametrize("l_x, end", [(0.0, 1.0), (100.0, 0.0)])
def test_the_balance_stays_within_its_bounds(l_x: float, end: float) -> None:
    k = torch.tensor(0.5)
    for _ in range(20):
        k = balanced(k, torch.tensor(1.0), torch.tensor(l_x), gamma=0.5, rate=0.1)
    assert k.item() == end


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_losses_are_float32_at_least(dtype: torch.dtype) -> None:
    d = torch.randn(4, 2).to(dtype)
    expected = torch.promote_types(dtype, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = [logistic_loss(d, d), nonsaturating_loss(d), wasserstein_loss(d, d + 1)]
        losses += [reconstruction_error(d, d + 1), reconstruction_error(d, d + 1, 2)]
    assert {loss.dtype for loss in losses} == {expected}
