r"""Tests for the energy_gans.methods.baselines.gan module."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from energy_gans.methods.baselines import GAN
from energy_gans.networks import DCGANDiscriminator, DCGANGenerator

from ..harness import RATES, adam, assert_same_weights, batches, fit, model, noises, sgd, stepped


def entropy(logits: Tensor, real: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, real))


def algorithm_1(gan: GAN, ys: list[Tensor], k: int) -> None:
    r"""Runs Algorithm 1 of Goodfellow et al., with the non-saturating loss."""
    g, d = gan.generator, gan.discriminator
    for y, random in zip(ys, noises(gan, len(ys)), strict=True):
        for part in y.chunk(k):
            x = g(torch.randn(len(part), 2, generator=random)).detach()
            stepped(d, entropy(d(part), 1.0) + entropy(d(x), 0.0), RATES["discriminator"])
        x = g(torch.randn(len(part), 2, generator=random))
        stepped(g, entropy(d(x), 1.0), RATES["generator"])


def test_training_is_algorithm_1() -> None:
    fitted, looped, start = (model(GAN, discriminator_steps=2) for _ in range(3))
    algorithm_1(looped, batches(fit(fitted, 3), 3), k=2)
    assert_same_weights(fitted, looped, start)


def test_parts_of_a_minibatch_add_up_to_it() -> None:
    whole, parts, start = model(GAN), model(GAN, accumulate=4), model(GAN)
    fit(whole, 3)
    fit(parts, 3)
    assert_same_weights(whole, parts, start)


def test_the_discriminator_learns_the_log_odds() -> None:
    # Real points lie on a circle of radius 2, generated points at its centre.
    gan = model(GAN, generator_optimizer=sgd(0.0), discriminator_optimizer=adam(1e-2))
    gan.generator[-1].weight.data.zero_()
    data = fit(gan, 60, batch_size=64)
    assert gan.potential(data.contents("train")[0]).mean() > 1
    assert gan.potential(gan.sample(10)).mean() < -1


def test_with_the_networks_of_the_name_it_is_dcgan() -> None:
    networks = {
        "generator": DCGANGenerator(4, 1, 8, 4),
        "discriminator": DCGANDiscriminator(1, 8, 4),
    }
    gan = model(GAN, latent_dim=4, **networks)
    y = torch.rand(6, 1, 8, 8)
    gan.check(y[:2])
    x = gan.generator(torch.randn(6, 4))
    gan.discriminator_loss(x.detach(), y).backward()
    gan.generator_loss(x).backward()
    assert all(p.grad.isfinite().all() for p in gan.parameters())


def test_losses_are_float32_under_autocast() -> None:
    gan = model(GAN)
    y, x = torch.randn(2, 8, 2).unbind()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert gan.discriminator(y).dtype == torch.bfloat16
        losses = gan.discriminator_loss(x, y), gan.generator_loss(x)
    assert {loss.dtype for loss in losses} == {torch.float32}
