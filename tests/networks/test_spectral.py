r"""Tests for the energy_gans.networks.spectral module."""

import pytest
import torch
from torch import Tensor

from energy_gans.networks.spectral import SpectralSum, _power_iterations

SHAPES = [(6, 2, 3, 3), (4, 10), (6, 18), (6, 2, 3, 3)]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def weights(shapes: list[tuple[int, ...]] = SHAPES) -> list[Tensor]:
    r"""Returns random weights, each with one dominant singular value."""
    drawn = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    for w in drawn:
        w[0] *= 3
    return drawn


def exact(drawn: list[Tensor]) -> Tensor:
    return sum(torch.linalg.matrix_norm(w.flatten(1), 2) for w in drawn)


def test_it_is_the_sum_of_largest_singular_values() -> None:
    drawn = weights()
    torch.testing.assert_close(SpectralSum(SHAPES).double()(drawn), exact(drawn))


def test_its_gradient_is_that_of_the_singular_values() -> None:
    drawn = [w.requires_grad_() for w in weights()]
    gradients = torch.autograd.grad(SpectralSum(SHAPES).double()(drawn), drawn)
    torch.testing.assert_close(gradients, torch.autograd.grad(exact(drawn), drawn))


def test_it_follows_weights_that_move_with_few_iterations() -> None:
    total, drawn = SpectralSum(SHAPES).double(), weights()
    total(drawn)
    for _ in range(5):
        drawn = [w + 0.02 * torch.randn_like(w) for w in drawn]
        torch.testing.assert_close(total(drawn), exact(drawn), rtol=1e-4, atol=0)


def test_it_is_never_too_large() -> None:
    drawn = [torch.randn(30, 30, dtype=torch.float64) for _ in range(20)]
    left = torch.nn.functional.normalize(torch.randn(20, 30, dtype=torch.float64))
    estimates = []
    for _ in range(3):
        left = _power_iterations(torch.stack(drawn), left, 1)
        estimates.append(torch.stack([(w.T @ u).norm() for w, u in zip(drawn, left, strict=True)]))
    norms = torch.stack([torch.linalg.matrix_norm(w, 2) for w in drawn])
    assert (estimates[0] < estimates[1]).all()
    assert (estimates[1] < estimates[2]).all()
    assert (estimates[2] < norms).all()


def test_a_weight_that_is_zero_is_left_and_found_again() -> None:
    total, drawn = SpectralSum(SHAPES).double(), weights()
    zeros = [torch.zeros_like(w, requires_grad=True) for w in drawn]
    value = total(zeros)
    value.backward()
    assert value == 0
    assert all(w.grad.count_nonzero() == 0 for w in zeros)
    for _ in range(10):
        value = total(drawn)
    torch.testing.assert_close(value, exact(drawn))


def test_a_checkpoint_holds_the_vectors_and_the_start() -> None:
    drawn = weights()
    total, other = SpectralSum(SHAPES).double(), SpectralSum(SHAPES).double()
    total(drawn)
    other.load_state_dict(total.state_dict())
    moved = [w + 0.1 * torch.randn_like(w) for w in drawn]
    assert torch.equal(total(moved), other(moved))


def test_it_may_be_called_twice_before_its_gradient() -> None:
    total, drawn = SpectralSum(SHAPES).double(), [w.requires_grad_() for w in weights()]
    (total(drawn) + total(drawn)).backward()
    assert all(w.grad.count_nonzero() > 0 for w in drawn)


def test_it_is_in_full_precision_under_autocast() -> None:
    drawn = [w.float() for w in weights()]
    with torch.autocast("cpu", torch.bfloat16):
        value = SpectralSum(SHAPES)(drawn)
    torch.testing.assert_close(value, exact(drawn))
