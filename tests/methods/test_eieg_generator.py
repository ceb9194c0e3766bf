r"""Tests for EIEGGenerator of the energy_gans.methods.eieg_gan module."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD

from energy_gans.functional import elastic, field, fold
from energy_gans.networks import MLP

from .harness import batches, fit
from .test_eieg_gan import direct, k, scaled


def test_the_direct_generator_descends_the_energy_of_samples() -> None:
    fitted, looped = direct(), direct()
    ys = batches(fit(fitted, 3), 3)
    step = SGD(looped.generator.parameters(), 0.02)
    for i, y in enumerate(ys):
        random = torch.Generator().manual_seed(fold(looped.seed, "noise", i))
        x = looped.generator(torch.randn(len(y), 2, generator=random))
        looped.zero_grad()
        kernel = partial(k, e=0.2, p=1.0)
        scaled([(1, x, x, kernel), (-2, y, x, kernel)]).backward()
        step.step()
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_without_self_interaction_only_the_attraction_is_left() -> None:
    fitted, looped = direct(self_interaction=False), direct()
    ys = batches(fit(fitted, 1), 1)
    random = torch.Generator().manual_seed(fold(looped.seed, "noise", 0))
    x = looped.generator(torch.randn(16, 2, generator=random))
    scaled([(-2, ys[0], x, partial(k, e=0.2, p=1.0))]).backward()
    SGD(looped.generator.parameters(), 0.02).step()
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_the_direct_potential_is_that_of_the_last_minibatch() -> None:
    model = direct()
    fit(model, 1)
    y, x = model.charges
    a = torch.randn(5, 2)
    force = torch.func.grad(lambda a: model.potential(a).sum())(a)
    expected = -field(a, y, x, lambda a, b: elastic(a, b, 0.2))
    cosine = nn.functional.cosine_similarity(force, expected)
    torch.testing.assert_close(cosine, torch.ones(5))
    assert (force.norm(dim=1) / expected.norm(dim=1)).std() < 1e-4


def test_the_direct_generator_has_no_discriminator_to_step() -> None:
    with pytest.raises(ValueError, match="'discriminator_steps' should be 1"):
        direct(discriminator_steps=3)


def test_between_one_real_and_one_generated_sample_the_potential_changes_its_sign() -> None:
    model = direct()
    model.charges = torch.tensor([[1.0, 0.5]]), torch.tensor([[-1.0, -0.5]])
    # At the real sample, halfway, and where both are equally far.
    phi = model.potential_at(torch.tensor([[1.0, 0.5], [0.0, 0.0], [0.5, -1.0], [-1.0, -0.5]]))
    assert phi.shape == (4,) and phi[0] > 0
    torch.testing.assert_close(phi / phi[0], torch.tensor([1.0, 0.0, 0.0, -1.0]).to(phi))


def test_a_power_that_the_data_does_not_permit_is_refused() -> None:
    with pytest.raises(ValueError, match="'power' should be between 0 and .* got 5.0"):
        direct(power=5.0).check(torch.zeros(3, 2))
    direct(power=5.0, generator=MLP(2, 6, [16])).check(torch.zeros(3, 6))
