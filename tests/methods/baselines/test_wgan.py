r"""Tests for the energy_gans.methods.baselines.wgan module."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from energy_gans.methods.baselines import WGAN, WGANGP
from energy_gans.networks import DCGANDiscriminator, DCGANGenerator

from ..harness import RATES, adam, assert_same_weights, batches, fit, model, noises, sgd, stepped

OPTIONS = {WGAN: {"clip": 0.3}, WGANGP: {"gradient_penalty": 2.0}}


def penalty(d: nn.Module, y: Tensor, x: Tensor, epsilon: Tensor) -> Tensor:
    r"""Returns the gradient penalty, computed point by point."""
    a = torch.lerp(x, y, epsilon[:, None])
    slopes = vmap(grad(lambda point: d(point)[0]))(a)
    return torch.linalg.vector_norm(slopes, dim=1).sub(1).pow(2).mean()


def algorithm_1(gan: WGAN | WGANGP, ys: list[Tensor], n_critic: int) -> None:
    r"""Runs Algorithm 1 of either paper with plain gradient steps."""
    g, d = gan.generator, gan.discriminator
    for y, random in zip(ys, noises(gan, len(ys)), strict=True):
        for part in y.chunk(n_critic):
            n = len(part)
            x = g(torch.randn(n, 2, generator=random)).detach()
            loss = (d(x) - d(part)).sum() / n
            if isinstance(gan, WGANGP):
                epsilon = torch.rand(n, generator=random)
                loss = loss + gan.gradient_penalty * penalty(d, part, x, epsilon)
            stepped(d, loss, RATES["discriminator"])
            if isinstance(gan, WGAN):
                for p in d.parameters():
                    p.data = p.data.minimum(torch.tensor(gan.clip)).maximum(
                        -torch.tensor(gan.clip)
                    )
        x = g(torch.randn(n, 2, generator=random))
        stepped(g, -d(x).sum() / n, RATES["generator"])


@pytest.mark.parametrize("method", [WGAN, WGANGP])
def test_training_is_algorithm_1(method: type) -> None:
    options = OPTIONS[method] | {"discriminator_steps": 4}
    fitted, looped, start = (model(method, **options) for _ in range(3))
    algorithm_1(looped, batches(fit(fitted, 3), 3), n_critic=4)
    assert_same_weights(fitted, looped, start)


@pytest.mark.parametrize("method", [WGAN, WGANGP])
def test_parts_of_a_minibatch_add_up_to_it(method: type) -> None:
    whole, start = (model(method, **OPTIONS[method]) for _ in range(2))
    parts = model(method, accumulate=4, **OPTIONS[method])
    fit(whole, 3)
    fit(parts, 3)
    assert_same_weights(whole, parts, start)


def test_all_of_the_critics_parameters_are_clipped_and_no_others() -> None:
    gan = model(WGAN, clip=0.05)
    gan.discriminator[0].bias.data.fill_(3.0)
    fit(gan, 1)
    *others, last_bias = gan.discriminator.parameters()
    assert [p.abs().max().item() for p in others] == pytest.approx([0.05] * 3)
    assert last_bias.abs().item() < 1e-6  # a constant is no matter of a difference of means
    assert gan.generator[0].weight.abs().max() > 0.05


def test_the_penalty_is_logged() -> None:
    gan = model(WGANGP)
    (y,), (random,) = batches(fit(gan, 1, log_every_n_steps=1), 1), noises(gan, 1)
    start = model(WGANGP)
    x = start.generator(torch.randn(len(y), 2, generator=random))
    expected = penalty(start.discriminator, y, x, torch.rand(len(y), generator=random))
    logged = gan.trainer.callback_metrics["train/penalty"]
    assert logged.item() == pytest.approx(expected.item(), rel=1e-5)


def test_batch_norm_is_refused_at_the_first_batch() -> None:
    generator, y = DCGANGenerator(4, 1, 16, 4), torch.rand(2, 1, 16, 16)
    plain = DCGANDiscriminator(1, 16, 4, norm="none")
    normed = DCGANDiscriminator(1, 16, 4, norm="inner")
    for method, discriminator in ((WGANGP, plain), (WGAN, normed)):
        model(method, generator=generator, discriminator=discriminator, latent_dim=4).check(y)
    points = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with pytest.raises(ValueError, match=r"no batch norm, .* got BatchNorm1d at '1'"):
        fit(model(WGANGP, discriminator=points), 1)
    gan = model(WGANGP, generator=generator, discriminator=normed, latent_dim=4)
    with pytest.raises(ValueError, match=r"no batch norm, .* got BatchNorm2d at 'layers.3'"):
        gan.check(y)


def test_the_penalty_is_float32_under_autocast() -> None:
    gan = model(WGANGP)
    fit(gan, 0)
    y, x = torch.randn(2, 8, 2).unbind()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = gan.discriminator_loss(x, y)
        assert gan.discriminator(y).dtype == torch.bfloat16
    assert loss.dtype == gan.noted["penalty"].dtype == torch.float32
    loss.backward()
    assert all(p.grad.isfinite().all() for p in gan.discriminator.parameters())


def test_it_trains_in_mixed_precision() -> None:
    gan, start = model(WGANGP), model(WGANGP)
    fit(gan, 2, precision="bf16-mixed")
    assert gan.noted["penalty"].dtype == torch.float32
    assert all(p.isfinite().all() for p in gan.parameters())
    assert not torch.equal(gan.generator[0].weight, start.generator[0].weight)


def test_the_penalty_keeps_the_slope_at_one() -> None:
    optimizers = {"generator_optimizer": sgd(0.0), "discriminator_optimizer": adam(1e-2)}
    free = model(WGAN, clip=100.0, **optimizers)
    held = model(WGANGP, gradient_penalty=10.0, **optimizers)
    a = torch.randn(64, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    slopes = []
    for gan in (free, held):
        fit(gan, 60, batch_size=64)
        (slope,) = torch.autograd.grad(gan.potential(a).sum(), a)
        slopes.append(slope.norm(dim=1).mean().item())
    assert slopes[0] > 2
    assert slopes[1] == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize(
    "method, options, words",
    [
        (WGAN, {"clip": 0.0}, "'clip' should be positive and finite, got 0.0"),
        (WGANGP, {"gradient_penalty": -1.0}, "'gradient_penalty' should be positive"),
    ],
)
def test_numbers_out_of_their_range_are_refused(method: type, options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model(method, **options)
