r"""Tests for the energy_gans.methods.baselines.mmd_gan module."""

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn
from torch.optim import SGD

from energy_gans.functional import fold
from energy_gans.methods.baselines import MMDGAN
from energy_gans.networks import MLP

from ..harness import batches, fit, sgd

BANDWIDTHS = (0.5, 2.0)


def model(**kwargs: object) -> MMDGAN:
    seed_everything(7, verbose=False)
    defaults = {
        "generator": MLP(2, 2, [16]),
        "discriminator": MLP(2, 3, [16], nn.SiLU),
        "latent_dim": 2,
        "generator_optimizer": sgd(0.05),
        "discriminator_optimizer": sgd(0.02),
        "bandwidths": BANDWIDTHS,
    }
    return MMDGAN(**(defaults | kwargs))


def mmd2(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns the squared discrepancy of two samples, including the pairs of equal points."""

    def mean(s: Tensor, t: Tensor) -> Tensor:
        values = [
            torch.exp(-(p - q).square().sum() / (2 * sigma**2)) / len(BANDWIDTHS)
            for p in s
            for q in t
            for sigma in BANDWIDTHS
        ]
        return torch.stack(values).sum() / (len(s) * len(t))

    return mean(a, a) + mean(b, b) - 2 * mean(a, b)


def algorithm(gan: MMDGAN, ys: list[Tensor]) -> None:
    r"""Runs the paper's algorithm: critic steps with reconstruction error, then a step of G."""
    critic = list(gan.discriminator.parameters())
    critic += [] if gan.decoder is None else list(gan.decoder.parameters())
    d_step, g_step = SGD(critic, 0.02), SGD(gan.generator.parameters(), 0.05)
    for step, y in enumerate(ys):
        random = torch.Generator().manual_seed(fold(gan.seed, "noise", step))
        for part in y.chunk(2):
            x = gan.generator(torch.randn(len(part), 2, generator=random)).detach()
            u, v = gan.discriminator(part), gan.discriminator(x)
            loss = -mmd2(u, v)
            if gan.decoder is not None:
                loss = loss + 8 * nn.functional.mse_loss(gan.decoder(u), part)
                loss = loss + 8 * nn.functional.mse_loss(gan.decoder(v), x)
            gan.zero_grad()
            loss.backward()
            d_step.step()
            for p in gan.discriminator.parameters():
                p.data.clamp_(-(gan.clip or 1e9), gan.clip or 1e9)
        x = gan.generator(torch.randn(len(part), 2, generator=random))
        gan.zero_grad()
        mmd2(gan.discriminator(part), gan.discriminator(x)).backward()
        g_step.step()


@pytest.mark.parametrize("decoder, clip", [(False, None), (True, None), (True, 0.3)])
def test_training_is_the_papers_algorithm(decoder: bool, clip: float | None) -> None:
    def made() -> MMDGAN:
        seed_everything(3, verbose=False)
        network = MLP(3, 2, [8], nn.SiLU) if decoder else None
        return model(decoder=network, clip=clip, discriminator_steps=2)

    fitted, looped = made(), made()
    algorithm(looped, batches(fit(fitted, 3, batch_size=12), 3))
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
    if decoder:
        moved = fitted.decoder[0].weight - made().decoder[0].weight
        assert moved.abs().max() > 1e-4


@pytest.mark.parametrize("decoder", [None, MLP(3, 2, [8])])
def test_a_loss_takes_one_pass_for_each_set(decoder: nn.Module | None) -> None:
    gan, passes = model(decoder=decoder), []
    fit(gan, 0)
    gan.discriminator.register_forward_hook(lambda *_: passes.append(1))
    next(gan.discriminator_losses(torch.ones(4, 2), torch.zeros(4, 2)))
    assert len(passes) == 2


def test_the_witness_of_a_linear_map_has_a_penalty_in_closed_form() -> None:
    # One feature, one bandwidth, one real and one generated sample: the witness is
    # exp(-(wa - u)^2 / 2) - exp(-(wa - v)^2 / 2), with a known slope.
    linear = nn.Linear(2, 1, bias=False)
    gan = model(discriminator=linear, bandwidths=(1.0,), gradient_penalty=1.0)
    fit(gan, 0)
    y, x = torch.tensor([[1.0, 0.5]]), torch.tensor([[-1.0, 0.2]])
    gan.uniform = lambda n: torch.full((n,), 0.3)
    whole = next(gan.discriminator_losses(x, y))
    gan.gradient_penalty = 0.0
    plain = next(gan.discriminator_losses(x, y))
    w = linear.weight.detach()[0].double()
    u, v, s = (w @ p[0].double() for p in (y, x, 0.3 * y + 0.7 * x))
    slope = (v - s) * torch.exp(-((s - v) ** 2) / 2) - (u - s) * torch.exp(-((s - u) ** 2) / 2)
    expected = (slope.abs() * w.norm() - 1) ** 2
    assert (whole - plain).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"bandwidths": ()}, "'bandwidths' should hold at least one value"),
        ({"bandwidths": (0.0,)}, "'bandwidths' should be positive"),
        ({"clip": 0.0}, "'clip' should be positive"),
        ({"reconstruction": 0.0}, "'reconstruction' should be positive"),
    ],
)
def test_numbers_out_of_their_range_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model(**options)


def test_a_decoder_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'model.init_args.decoder' should map features to"):
        fit(model(decoder=MLP(3, 5, [4])), 1)


def test_an_optimizer_that_can_not_be_made_is_named_after_the_first_of_its_networks() -> None:
    gan = model(decoder=MLP(3, 2, [4]), discriminator_optimizer=sgd(-1.0))
    with pytest.raises(ValueError, match="optimizer of 'discriminator', or its schedule, can not"):
        gan.configure_optimizers()
