r"""Tests for the energy_gans.methods.bases.langevin module: samples and gradients."""

import pytest
import torch
from torch import nn

from energy_gans.methods import Chains

from ..test_gcn import model


def test_samples_of_a_linear_potential_are_the_gaussian_that_they_should_be() -> None:
    # Phi = b x with the reference N(0, s^2) is N(s^2 b, s^2), up to the error of the step size.
    descriptor = nn.Linear(2, 1)
    chains = Chains(steps=200, step_size=0.3, reference_std=0.8)
    gcn = model(descriptor=descriptor, chains=chains)
    x = gcn.sample(20_000, random=torch.Generator().manual_seed(0))
    mean = 0.64 * descriptor.weight[0].detach()
    torch.testing.assert_close(x.mean(0), mean, atol=0.03, rtol=0)
    variance = 0.64 / (1 - 0.3**2 / (4 * 0.64))
    torch.testing.assert_close(x.var(0), torch.full((2,), variance), rtol=0.05, atol=0)


def test_samples_are_a_function_of_their_generator() -> None:
    gcn = model(sample_steps=7)
    one, other, third = (gcn.sample(5, random=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, other) and not torch.equal(one, third)
    assert not one.requires_grad


@pytest.mark.parametrize("half", [False, True])
def test_a_compiled_gradient_is_the_gradient(half: bool) -> None:
    x = torch.randn(6, 2)
    given, eager = model(compile_gradient=True, half_chains=half), model(half_chains=half)
    expected = eager.gradient(eager.descriptor)(x)
    tolerance = {"atol": 1e-2, "rtol": 2e-2} if half else {}
    torch.testing.assert_close(given.gradient(given.descriptor)(x), expected, **tolerance)
    assert expected.dtype == torch.float32


def test_chains_of_half_precision_keep_whole_states() -> None:
    x, whole = (
        m.sample(50, random=torch.Generator().manual_seed(0))
        for m in (model(half_chains=True), model())
    )
    assert x.dtype == torch.float32
    assert 0 < (x - whole).abs().max() < 0.01
