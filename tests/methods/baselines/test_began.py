r"""Tests for the energy_gans.methods.baselines.began module."""

import pytest
import torch
from torch import Tensor

from energy_gans.methods.baselines import BEGAN
from energy_gans.networks import MLP, Autoencoder, DCGANDiscriminator, DCGANGenerator

from ..harness import RATES, adam, assert_same_weights, batches, fit, model, noises, sgd, stepped


def began(**kwargs: object) -> BEGAN:
    return model(BEGAN, **({"out": 2, "gamma": 0.9, "lambda_k": 0.3} | kwargs))


def algorithm(gan: BEGAN, ys: list[Tensor], steps_of_discriminator: int = 1) -> list[float]:
    r"""Runs the equations of the paper. Returns k after each step."""
    g, d, k, ks = gan.generator, gan.discriminator, 0.0, []

    def error(v: Tensor) -> Tensor:
        return sum(((p - q).abs() ** gan.eta).sum() for p, q in zip(v, d(v), strict=True)) / (
            v.numel()
        )

    for y, random in zip(ys, noises(gan, len(ys)), strict=True):
        for part in y.chunk(steps_of_discriminator):
            x = g(torch.randn(len(part), 2, generator=random)).detach()
            l_y = error(part)
            stepped(d, l_y - k * error(x), RATES["discriminator"])
        l_x = error(g(torch.randn(len(part), 2, generator=random)))
        stepped(g, l_x, RATES["generator"])
        k = min(max(k + gan.lambda_k * (gan.gamma * l_y.item() - l_x.item()), 0.0), 1.0)
        ks.append(k)
    return ks


@pytest.mark.parametrize("eta, steps_of_discriminator", [(1, 1), (2, 1), (1, 2)])
def test_training_is_the_papers(eta: int, steps_of_discriminator: int) -> None:
    options = {"eta": eta, "discriminator_steps": steps_of_discriminator}
    fitted, looped, start = (began(**options) for _ in range(3))
    ks = algorithm(looped, batches(fit(fitted, 4), 4), steps_of_discriminator)
    assert_same_weights(fitted, looped, start)
    assert fitted.k.item() == pytest.approx(ks[-1], rel=1e-4)
    assert 0 < ks[-1] != ks[-2] > 0


def test_parts_of_a_minibatch_add_up_to_it() -> None:
    whole, parts, start = began(), began(accumulate=4), began()
    fit(whole, 3)
    fit(parts, 3)
    assert_same_weights(whole, parts, start)
    torch.testing.assert_close(whole.k, parts.k)
    assert whole.k > 0


def test_the_balance_is_a_part_of_the_checkpoint() -> None:
    gan, other = began(), began()
    fit(gan, 2)
    other.load_state_dict(gan.state_dict())
    assert torch.equal(gan.k, other.k) and gan.k > 0


def test_what_is_logged() -> None:
    gan = began()
    data = fit(gan, 1, log_every_n_steps=1)
    metrics = gan.trainer.callback_metrics
    assert metrics["train/k"] == gan.k
    # M is L(y) plus the deviation from equilibrium, which moved k from 0.
    l_x, (y,) = metrics["train/loss_g"], batches(data, 1)
    l_y = (y - began().discriminator(y)).abs().mean()
    assert metrics["train/loss_d"].item() == pytest.approx(l_y.item(), rel=1e-5)
    expected = l_y + (0.9 * l_y - l_x).abs()
    assert metrics["train/convergence"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_potential_is_high_where_real_data_is() -> None:
    gan = began(generator_optimizer=sgd(0.0), discriminator_optimizer=adam(1e-2))
    data = fit(gan, 100, batch_size=64)
    y = data.contents("train")[0]
    potential = gan.potential(y)
    assert potential.shape == (512,) and (potential <= 0).all()
    assert potential.mean() > gan.potential(5 * y).mean()


def test_images_take_an_autoencoder() -> None:
    discriminator = Autoencoder(
        DCGANDiscriminator(1, 8, 4, out_features=6, norm="none"), DCGANGenerator(6, 1, 8, 4)
    )
    gan = began(generator=DCGANGenerator(4, 1, 8, 4), discriminator=discriminator, latent_dim=4)
    y = torch.rand(4, 1, 8, 8)
    gan.check(y)
    assert gan.potential(y).shape == (4,)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = next(gan.discriminator_losses(torch.rand(4, 1, 8, 8), y, []))
    assert loss.dtype == gan.potential(y).dtype == torch.float32
    loss.backward()
    assert all(p.grad.isfinite().all() for p in discriminator.parameters())


@pytest.mark.parametrize(
    "discriminator, words",
    [
        (MLP(2, 1, [4]), r"an autoencoder, .* 'data', \(2, 2\), to itself, got \(2, 1\)"),
        (MLP(3, 3, [4]), r"an autoencoder, .* 'data', \(2, 2\), to itself, but it fails: mat1"),
    ],
)
def test_a_discriminator_that_is_no_autoencoder_is_refused(discriminator: MLP, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(began(discriminator=discriminator), 1)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"gamma": 0.0}, r"'gamma' should be in \(0, 1\], got 0.0"),
        ({"gamma": 1.5}, r"'gamma' should be in \(0, 1\], got 1.5"),
        ({"lambda_k": 0.0}, "'lambda_k' should be positive and finite, got 0.0"),
        ({"eta": 3}, "'eta' should be 1 or 2, got 3"),
    ],
)
def test_numbers_out_of_their_range_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        began(**options)
