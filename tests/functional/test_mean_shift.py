r"""Tests for the energy_gans.functional.mean_shift module."""

import math

import pytest
import torch
from torch import Tensor

from energy_gans.functional import (
    gaussian_mean_shift,
    mean_shift,
    mean_shift_field,
    mean_shift_potential,
)

KERNELS = ("laplace", "gaussian", "sharp")


def points(*sizes: int, dim: int = 3) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(n, dim, generator=random, dtype=torch.float64) for n in sizes]


def shift(a: Tensor, b: Tensor, tau: float, kernel: str, own: bool) -> Tensor:
    r"""The mean shift, by plain loops."""
    moves = []
    for i, point in enumerate(a):
        total, norm = torch.zeros_like(point), 0.0
        for j, sample in enumerate(b):
            if own and i == j:
                continue
            r = float((point - sample).norm())
            k = math.exp(-(r**2) / (2 * tau**2)) if kernel == "gaussian" else math.exp(-r / tau)
            total = total + k * (sample - point)
            norm += (1 + r / tau) * k if kernel == "sharp" else k
        moves.append(total / norm)
    return torch.stack(moves)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("dim", [2, 7])
def test_mean_shift_equals_plain_loops(kernel: str, own: bool, dim: int) -> None:
    a, b = points(5, 8, dim=dim)
    b = a if own else b
    expected = shift(a, b, 0.8, kernel, own)
    torch.testing.assert_close(mean_shift(a, b, 0.8, kernel, own), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kernel", ["gaussian", "sharp"])
def test_the_field_is_the_gradient_of_its_potential(kernel: str) -> None:
    a, y, x = points(5, 8, 6)
    gradient = torch.func.grad(lambda a: mean_shift_potential(a, y, x, 0.7, kernel).sum())(a)
    torch.testing.assert_close(mean_shift_field(a, y, x, 0.7, kernel), gradient)


@pytest.mark.parametrize("own", [False, True])
def test_the_field_equals_plain_loops(own: bool) -> None:
    a, y = points(5, 8)
    expected = 2 * shift(a, y, 0.8, "laplace", False) - shift(a, a, 0.8, "laplace", own)
    v = mean_shift_field(a, y, a, 0.8, own=own, attraction=2.0)
    torch.testing.assert_close(v, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kernel", ["gaussian", "sharp"])
def test_copies_of_all_samples_change_no_potential(kernel: str) -> None:
    a, y, x = points(5, 8, 6)
    expected = mean_shift_potential(a, y, x, 0.7, kernel)
    more = mean_shift_potential(a, y, torch.cat([x, x, x]), 0.7, kernel)
    torch.testing.assert_close(more, expected)
    torch.testing.assert_close(mean_shift_potential(a, x, y, 0.7, kernel), -expected)


def test_the_laplace_field_has_no_potential() -> None:
    a, y, x = points(1, 8, 6)
    jacobian = torch.func.jacrev(lambda a: mean_shift_field(a[None], y, x, 0.7)[0])(a[0])
    assert (jacobian - jacobian.T).abs().max() > 1e-3
    jacobian = torch.func.jacrev(lambda a: mean_shift_field(a[None], y, x, 0.7, "sharp")[0])(a[0])
    torch.testing.assert_close(jacobian, jacobian.T)


def test_the_gaussian_field_of_two_gaussians_is_linear() -> None:
    # Smoothed by the kernel, N(m, s^2) is N(m, s^2 + t^2): t^2 grad log is known in closed form.
    random, n, t = torch.Generator().manual_seed(0), 200_000, 1.0
    y = 1 + 0.5 * torch.randn(n, 1, generator=random, dtype=torch.float64)
    x = torch.randn(n, 1, generator=random, dtype=torch.float64)
    a = torch.tensor([[-0.5], [0.0], [1.0]], dtype=torch.float64)
    expected = (1 - a) * t**2 / (0.25 + t**2) + a * t**2 / (1 + t**2)
    v = mean_shift_field(a, y, x, t, "gaussian")
    torch.testing.assert_close(v, expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("kernel", KERNELS)
def test_far_points_move_to_the_nearest_sample(kernel: str) -> None:
    b = torch.tensor([[0.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    a = torch.tensor([[1e3, 0.0]], dtype=torch.float64)
    move = mean_shift(a, b, 1e-5, kernel)
    # The sharp weights are divided by 1 + r / tau more.
    scale = 1 / (1 + 1e8) if kernel == "sharp" else 1.0
    torch.testing.assert_close(move, scale * (b[:1] - a), rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("dim", [2, 64])
def test_attention_is_the_gaussian_mean_shift(dim: int) -> None:
    a, b = (s.float() for s in points(50, 80, dim=dim))
    exact = mean_shift(a.double(), b.double(), 2.0, "gaussian")
    torch.testing.assert_close(
        gaussian_mean_shift(a + 10, b + 10, 2.0).double(), exact, rtol=1e-4, atol=1e-4
    )


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="'kernel' should be 'laplace', 'gaussian' or 'sharp'"):
        mean_shift(*points(5, 8), 1.0, "cauchy")


def test_the_laplace_potential_is_refused() -> None:
    with pytest.raises(ValueError, match="'kernel' should be 'gaussian' or 'sharp', got 'lapl"):
        mean_shift_potential(*points(5, 8, 6), 1.0, "laplace")
