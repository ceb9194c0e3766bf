r"""Tests for the energy_gans.methods.coulomb_gan module."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn as nn
from lightning.pytorch import seed_everything
from torch import Tensor
from torch.optim import Adam

from energy_gans.functional import fold, plummer
from energy_gans.methods import CoulombGAN
from energy_gans.networks import MLP, DCGANDiscriminator, DCGANGenerator

from . import harness
from .harness import batches, sgd

fit = partial(harness.fit, batch_size=32)


def adam(lr: float) -> Callable:
    return lambda groups: Adam(groups, lr=lr, betas=(0.5, 0.999))


def model(**kwargs: object) -> CoulombGAN:
    seed_everything(7, verbose=False)
    defaults = {
        "generator": MLP(2, 2, [16]),
        "discriminator": MLP(2, 1, [16]),
        "latent_dim": 2,
        "generator_optimizer": adam(1e-3),
        "discriminator_optimizer": adam(2e-3),
        "power": 3.0,
        "epsilon": 0.3,
    }
    return CoulombGAN(**(defaults | kwargs))


def plain_loop(gan: CoulombGAN, ys: list[Tensor]) -> None:
    r"""Runs Algorithm 1 of the paper: both gradients first, then both updates."""
    optimizers = [Adam(gan.generator.parameters(), 1e-3, (0.5, 0.999))]
    optimizers += [Adam(gan.discriminator.parameters(), 2e-3, (0.5, 0.999))]
    for step, y in enumerate(ys):
        random = torch.Generator().manual_seed(fold(gan.seed, "noise", step))
        x = gan.generator(torch.randn(len(y), 2, generator=random))
        a = torch.cat([y, x.detach()])
        phi = torch.stack(
            [
                sum(1 / ((p - q).square().sum() + 0.3**2) ** 1.5 for q in y) / len(y)
                - sum(1 / ((p - q).square().sum() + 0.3**2) ** 1.5 for q in x.detach()) / len(x)
                for p in a
            ]
        )
        loss_d = 0.5 * ((gan.discriminator(a)[:, 0] - phi) ** 2).mean()
        loss_g = -0.5 * gan.discriminator(x).mean()
        gradients_d = torch.autograd.grad(loss_d, list(gan.discriminator.parameters()))
        gradients_g = torch.autograd.grad(loss_g, list(gan.generator.parameters()))
        for network, gradients in ((gan.generator, gradients_g), (gan.discriminator, gradients_d)):
            for p, g in zip(network.parameters(), gradients, strict=True):
                p.grad = g
        for optimizer in reversed(optimizers):
            optimizer.step()


def test_training_is_algorithm_1() -> None:
    fitted, looped = model(), model()
    ys = batches(fit(fitted, 3), 3)
    plain_loop(looped, ys)
    for p, q in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


def test_parts_of_a_minibatch_add_up_to_it() -> None:
    # Adam would amplify the rounding errors of small gradients.
    plain = {"generator_optimizer": sgd(1e-2), "discriminator_optimizer": sgd(1e-2)}
    whole, parts = model(**plain), model(accumulate=4, **plain)
    fit(whole, 5)
    fit(parts, 5)
    for p, q in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


def test_a_step_makes_the_updates_it_is_asked_for() -> None:
    zero = {"generator_optimizer": sgd(0.0), "discriminator_optimizer": adam(1e-2)}
    one, four = model(**zero), model(updates_per_step=4, **zero)
    fit(one, 4, batch_size=8)
    fit(four, 1, batch_size=32)
    steps = [int(next(iter(g.trainer.optimizers[1].state.values()))["step"]) for g in (one, four)]
    assert steps == [4, 4]
    assert (one.global_step, four.global_step) == (4, 1)


def test_the_discriminator_moves_more_often() -> None:
    gan = model(discriminator_steps=3)
    fit(gan, 2, batch_size=48)
    steps = [{int(s["step"]) for s in o.state.values()} for o in gan.trainer.optimizers]
    assert steps == [{2}, {6}]


def test_the_discriminators_loss_leaves_the_generator_alone() -> None:
    gan = model()
    fit(gan, 1)
    gan.zero_grad()
    x = gan.generator(torch.randn(8, 2))
    for loss in gan.discriminator_losses(x, torch.randn(8, 2)):
        loss.backward()
    assert all(p.grad is None for p in gan.generator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in gan.discriminator.parameters())


def test_the_generators_loss_leaves_the_discriminator_alone() -> None:
    gan = model()
    fit(gan, 1)
    gan.zero_grad()
    for loss in gan.generator_losses(torch.zeros(8, 2)):
        loss.backward()
    assert all(p.grad is None for p in gan.discriminator.parameters())
    assert all(p.requires_grad for p in gan.discriminator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in gan.generator.parameters())


def test_the_scale_of_the_potential_is_the_discriminators() -> None:
    # With D = 0, L_D = c^2 E[phi^2] / 2.
    zero = MLP(2, 1, [4])
    nn.init.zeros_(zero[-1].weight)
    losses = []
    for scale in (1.0, 3.0):
        gan = model(discriminator=zero, potential_scale=scale)
        fit(gan, 0)
        y, x = torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(0)).unbind()
        losses.append(next(gan.discriminator_losses(x, y)).item())
    assert losses[1] == pytest.approx(9 * losses[0])


def test_weight_decay_is_for_weights_of_layers_only() -> None:
    networks = {
        "generator": DCGANGenerator(4, 1, 8, 4),
        "discriminator": DCGANDiscriminator(1, 8, 4, norm="all"),
    }
    gan = model(
        **networks,
        latent_dim=4,
        generator_optimizer=lambda groups: Adam(groups, weight_decay=0.1),
    )
    decayed, rest = gan.configure_optimizers()[0][0].param_groups
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    assert all(p.ndim == 4 for p in decayed["params"])
    assert all(p.ndim == 1 for p in rest["params"])
    count = len(decayed["params"]) + len(rest["params"])
    assert count == len(list(gan.generator.parameters()))


def test_gradients_are_clipped() -> None:
    lr, norm = 1.0, 1e-3
    gan = model(
        generator_optimizer=sgd(lr), discriminator_optimizer=sgd(lr), gradient_clip_norm=norm
    )
    before = [p.detach().clone() for p in gan.discriminator.parameters()]
    fit(gan, 1)
    moved = sum(
        (p - q).square().sum() for p, q in zip(gan.discriminator.parameters(), before, strict=True)
    )
    assert moved.sqrt().item() == pytest.approx(norm, rel=1e-4)


def test_epsilon_decays_to_its_minimum() -> None:
    gan = model(epsilon=1.0, epsilon_decay=0.5, epsilon_min=0.2)
    a = torch.zeros(1, 2)
    fit(gan, 2)
    assert gan.kernel()(a, a).item() == pytest.approx(plummer(a, a, 3.0, 0.25).item())
    fit(gan, 3)
    assert gan.kernel()(a, a).item() == pytest.approx(plummer(a, a, 3.0, 0.2).item())


def test_smoothing_noise_has_its_standard_deviation() -> None:
    gan = model(noise_std=0.5)
    fit(gan, 1)
    a = gan.smooth(torch.zeros(50_000, 2))
    assert a.std().item() == pytest.approx(0.5, rel=0.01)


def test_the_potential_is_high_where_real_data_is() -> None:
    gan = model(
        generator_optimizer=sgd(0.0), discriminator_optimizer=adam(1e-2), generator=MLP(2, 2, [4])
    )
    nn.init.zeros_(gan.generator[-1].weight)
    data = fit(gan, 60)
    real, generated = data.contents("train")[0], gan.sample(100)
    assert gan.potential(real).mean() > 0 > gan.potential(generated).mean()


def test_losses_and_potentials_are_float32_under_autocast() -> None:
    gan = model()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert gan.discriminator(torch.randn(4, 2)).dtype == torch.bfloat16
        assert gan.potential(torch.randn(4, 2)).dtype == torch.float32


@pytest.mark.parametrize(
    "options, message",
    [
        ({"epsilon": 0.0}, "'epsilon' should be positive and finite, got 0.0"),
        ({"power": -1.0}, "'power' should be positive and finite, got -1.0"),
        ({"noise_std": -0.1}, "'noise_std' should not be negative, got -0.1"),
        ({"potential_scale": 0.0}, "'potential_scale' should be positive and finite, got 0.0"),
        ({"epsilon_decay": 1.5}, r"'epsilon_decay' should be in \(0, 1\], got 1.5"),
        ({"epsilon_decay": 0.0}, r"'epsilon_decay' should be in \(0, 1\], got 0.0"),
        (
            {"epsilon_decay": 0.999},
            "'epsilon_min' should be positive where 'epsilon_decay' is below 1, got 0.0 with "
            "0.999",
        ),
        ({"epsilon_decay": 0.5, "epsilon_min": -1.0}, "'epsilon_min' should be positive where"),
        ({"epsilon_decay": 0.5, "epsilon_min": 1e-13}, "'epsilon' should be at least"),
        ({"discriminator_steps": 0}, "'discriminator_steps' should be at least 1, got 0"),
        ({"gradient_clip_norm": 0.0}, "'gradient_clip_norm' should be positive"),
    ],
)
def test_numbers_out_of_range_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"generator": MLP(2, 3, [4])}, r"generator' should map \(2, 2\).*\(2, 2\), got \(2, 3\)"),
        ({"latent_dim": 5}, r"generator' should map \(2, 5\) \(latent_dim = 5\).*fails"),
        ({"discriminator": MLP(2, 2, [4])}, r"discriminator' should map.*to \(2, 1\), got \(4,\)"),
        ({"discriminator": MLP(3, 1, [4])}, r"discriminator' should map.*fails: mat1 and mat2"),
        (
            {"updates_per_step": 5},
            "batch_size' should be a multiple of.*= 5 on each of 1 processes, got 32",
        ),
    ],
)
def test_networks_that_do_not_fit_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(model(**options), 1)


def test_the_energy_that_a_validation_measures_leaves_out_pairs_of_one_sample() -> None:
    y, x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0)).split([6, 4])
    measures = model().validation_measures()
    assert set(measures) == {"val/energy_distance", "val/energy"}

    def mean(a: Tensor, b: Tensor) -> Tensor:
        values = [
            ((p - q).square().sum() + 0.3**2) ** -1.5
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if a is not b or i != j
        ]
        return torch.stack(values).mean()

    expected = (mean(y, y) + mean(x, x)) / 2 - mean(y, x)
    torch.testing.assert_close(measures["val/energy"](y, x), expected, rtol=1e-4, atol=1e-5)
