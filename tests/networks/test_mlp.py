r"""Tests for the energy_gans.networks.mlp module."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from energy_gans.networks import MLP


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    "widths, count",
    [((2, (128, 128), 1), 17_025), ((2, (100, 50), 2), 5_452), ((3, (), 5), 20)],
)
def test_number_of_parameters(widths: tuple[int, tuple[int, ...], int], count: int) -> None:
    before, hidden, after = widths
    assert sum(p.numel() for p in MLP(before, after, hidden).parameters()) == count


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4, 8)])
def test_shape(hidden: tuple[int, ...]) -> None:
    assert MLP(3, 5, hidden)(torch.randn(7, 3)).shape == (7, 5)


def test_without_hidden_layers_it_is_affine() -> None:
    mlp = MLP(3, 2, ())
    u, v = torch.randn(4, 3), torch.randn(4, 3)
    torch.testing.assert_close(mlp(u) + mlp(v), mlp(u + v) + mlp(0 * u))


@pytest.mark.parametrize("activation", [nn.LeakyReLU, nn.ELU, nn.Tanh])
def test_with_hidden_layers_it_is_not_affine(activation: Callable[[], nn.Module]) -> None:
    mlp = MLP(3, 2, (16,), activation)
    u, v = torch.randn(4, 3), torch.randn(4, 3)
    assert not torch.allclose(mlp(u) + mlp(v), mlp(u + v) + mlp(0 * u), atol=1e-3)


def test_activations_stand_between_layers_only() -> None:
    kinds = [type(layer) for layer in MLP(2, 1, (4, 4), nn.ELU)]
    assert kinds == [nn.Linear, nn.ELU, nn.Linear, nn.ELU, nn.Linear]


def test_its_end_is_linear() -> None:
    mlp, u = MLP(2, 3, (16, 16), nn.Tanh), torch.randn(5, 2)
    output = mlp(u).detach()
    with torch.no_grad():
        mlp[-1].weight.mul_(1e3)
        mlp[-1].bias.mul_(1e3)
    torch.testing.assert_close(mlp(u).detach(), 1e3 * output)


def test_the_gradient_reaches_every_parameter() -> None:
    mlp = MLP(2, 3, (16, 16))
    mlp(torch.randn(8, 2)).square().sum().backward()
    assert all(p.grad.count_nonzero() > 0 for p in mlp.parameters())


@pytest.mark.parametrize("widths", [(0, (4,), 1), (2, (4, 0), 1), (2, (-3,), 1), (2, (4,), 0)])
def test_widths_that_are_not_positive_are_refused(
    widths: tuple[int, tuple[int, ...], int],
) -> None:
    before, hidden, after = widths
    with pytest.raises(ValueError, match=r"at least 1, got \[" + f"{before}, {hidden[0]}"):
        MLP(before, after, hidden)


def test_initial_weights_are_those_of_he_and_at_the_end_of_glorot() -> None:
    first, _, hidden, _, last = MLP(200, 600, (400, 800))
    variances = [(layer.weight.var() * 200).item() for layer in (first, hidden, last)]
    assert variances == pytest.approx([2.0, 1.0, 2 * 200 / 1400], rel=0.02)
    assert not any(layer.bias.any() for layer in (first, hidden, last))


def test_initial_weights_keep_the_size_of_the_signal() -> None:
    mlp, u = MLP(256, 256, (256,) * 10), torch.randn(500, 256)
    *hidden, _ = mlp
    assert nn.Sequential(*hidden)(u).square().mean().item() == pytest.approx(1.0, rel=0.5)
