r"""Tests for the energy_gans.methods.parts.chains module."""

import pytest
import torch

from energy_gans.methods import Chains
from energy_gans.methods.parts.chains import sampler_of


@pytest.mark.parametrize("noise_std", [None, 0.007])
def test_chains_have_the_noise_that_is_asked_for_at_every_size(noise_std: float | None) -> None:
    chains = Chains(steps=3, step_size=0.3, last_step_size=0.1, bound=1e3, noise_std=noise_std)
    draw = sampler_of(torch.Generator().manual_seed(0), torch.device("cpu"), torch.float32)
    found = chains.end(torch.zeros(500, 2), torch.zeros_like, draw)
    random = torch.Generator().manual_seed(0)
    x = torch.zeros(500, 2)
    for size in chains.step_sizes(3):
        epsilon = torch.randn(500, 2, generator=random)
        x = torch.add(x, epsilon, alpha=size if noise_std is None else noise_std)
    assert torch.equal(found, x)


def test_chains_start_at_the_reference_or_uniformly_between_the_bounds() -> None:
    draw = sampler_of(torch.Generator().manual_seed(0), torch.device("cpu"), torch.float32)
    x = Chains(bound=3.0).start(draw, 4000, (2,))
    assert x.shape == (4000, 2)
    assert -3 <= x.min() < -2.99 and 2.99 < x.max() <= 3
    torch.testing.assert_close(x.mean(0), torch.zeros(2), atol=0.1, rtol=0)
    torch.testing.assert_close(x.var(0), torch.full((2,), 3.0), atol=0.15, rtol=0)
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    draw = sampler_of(torch.Generator().manual_seed(1), torch.device("cpu"), torch.float64)
    x = Chains(reference_std=0.7, bound=0.1).start(draw, 5, (2,))
    assert torch.equal(x, 0.7 * z.double())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"step_size": 0.2, "reference_std": 0.01}, "below 2 reference_std = 0.02"),
        ({"step_size": 0.2, "reference_std": 0.2, "last_step_size": 0.5}, "below 2 reference_std"),
        ({"steps": 0, "bound": 1.0}, "'steps'"),
        ({"step_size": 1.0}, "'reference_std' or 'bound'"),
        ({"bound": 1.0, "noise_std": -1.0}, "'noise_std'"),
        ({"bound": -1.0}, "'bound'"),
        ({"bound": 1.0, "step_size": 0.0}, "^'step_size' should be positive"),
        ({"bound": 1.0, "last_step_size": 0.0}, "^'last_step_size' should be positive"),
        ({"bound": 1.0, "last_step_size": -0.1}, "^'last_step_size' should be positive"),
        ({"bound": 1.0, "clip_gradient": 0.0}, "'clip'"),
    ],
)
def test_chains_that_can_not_run_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Chains(**arguments)
