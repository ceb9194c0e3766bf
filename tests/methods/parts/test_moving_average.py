r"""Tests for the energy_gans.methods.parts.moving_average module."""

import pytest
import torch
from torch import nn

from energy_gans.methods import CoulombGAN
from energy_gans.methods.parts.moving_average import MovingAverage, match_average

from ..harness import model


def spoilt(gan: CoulombGAN) -> CoulombGAN:
    r"""Returns a method whose weights differ from those of all checkpoints."""
    for p in gan.parameters():
        p.data.fill_(7.0)
    return gan


@pytest.mark.parametrize("decay", [0.25, 0.999])
def test_updates_follow_the_formula(decay: float) -> None:
    network = nn.BatchNorm1d(1).double()
    average = MovingAverage(network, decay)
    expected = None
    for n in range(1, 9):
        network.weight.data.fill_(n**2)
        network.running_mean.fill_(-(n**2))
        network.num_batches_tracked.fill_(n)
        average.update_parameters(network)
        beta = min(decay, (n - 1) / (n + 8))
        expected = n**2 if n == 1 else beta * expected + (1 - beta) * n**2
        assert average.module.weight.item() == pytest.approx(expected)
        assert average.module.running_mean.item() == pytest.approx(-expected)
        assert average.module.num_batches_tracked == n
    assert not any(p.requires_grad for p in average.parameters())


def test_an_average_that_a_checkpoint_lacks_starts_from_its_weights() -> None:
    state, gan = model(CoulombGAN).state_dict(), spoilt(model(CoulombGAN))
    gan.average(0.5)
    match_average(gan, state, trains=True)
    gan.load_state_dict(state)
    assert gan.averaged.n_averaged == 0
    assert gan.averaged.decay == 0.5
    for name, p in gan.averaged.module.named_parameters():
        assert torch.equal(p, state[f"generator.{name}"])


def test_an_average_that_no_callback_updates_is_dropped_in_training_only() -> None:
    trained = model(CoulombGAN)
    trained.average(0.5)
    spoilt(trained.averaged.module)
    for trains in (True, False):
        state, gan = trained.state_dict(), model(CoulombGAN)
        match_average(gan, state, trains)
        gan.load_state_dict(state)
        assert (gan.averaged is None) == trains
        assert bool((gan.sampling_network[0].weight == 7).all()) != trains


@pytest.mark.parametrize("last", [False, True])
def test_an_average_is_stored_as_the_model_stores_images(last: bool) -> None:
    networks = {"generator": nn.Conv2d(3, 4, 3), "discriminator": nn.Flatten(), "latent_dim": 2}
    trained = CoulombGAN(**networks)
    trained.average(0.5)
    gan = CoulombGAN(**networks, channels_last=last)
    match_average(gan, trained.state_dict(), trains=False)
    weight = gan.averaged.module.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == last
    assert torch.equal(weight, trained.generator.weight) and gan.averaged.decay == 0
