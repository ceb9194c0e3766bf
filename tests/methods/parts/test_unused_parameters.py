r"""Tests for the energy_gans.methods.parts.unused_parameters module."""

import warnings

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from energy_gans.methods import CoulombGAN, EIEGGenerator
from energy_gans.methods.parts.unused_parameters import allow_unused_parameters

from ..harness import model


def trainer(strategy: object, devices: int = 2, **options: object) -> Trainer:
    return Trainer(accelerator="cpu", devices=devices, strategy=strategy, logger=False, **options)


def looks(strategy: object, **options: object) -> bool:
    r"""Returns whether DDP looks for unused parameters while it trains a Coulomb GAN."""
    one = trainer(strategy, **options)
    allow_unused_parameters(one, model(CoulombGAN))
    return one.strategy._ddp_kwargs["find_unused_parameters"]


@pytest.mark.parametrize("strategy", ["auto", "ddp", "ddp_find_unused_parameters_true"])
def test_ddp_looks_for_the_parameters_of_other_networks(strategy: str) -> None:
    assert looks(strategy)


def test_a_strategy_that_was_made_looks_for_them_too() -> None:
    assert looks(DDPStrategy())


def test_one_device_needs_no_strategy() -> None:
    one = trainer("auto", devices=1)
    allow_unused_parameters(one, model(CoulombGAN))
    assert not isinstance(one.strategy, DDPStrategy)


def test_ddp_that_may_not_look_is_refused_for_several_networks_only() -> None:
    strategy = "ddp_find_unused_parameters_false"
    with pytest.raises(
        ValueError,
        match="'trainer.strategy' should be 'ddp' or .*CoulombGAN trains 2 networks in turn",
    ):
        looks(strategy)
    one = trainer(strategy)
    allow_unused_parameters(one, EIEGGenerator(generator=nn.Linear(2, 2), latent_dim=2))
    assert one.strategy._ddp_kwargs["find_unused_parameters"] is False


def test_batch_norm_of_shares_is_said() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    normed = model(CoulombGAN, generator=network)
    with pytest.warns(UserWarning, match="Batch norm sees .*add --trainer.sync_batchnorm true"):
        allow_unused_parameters(trainer("ddp"), normed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        allow_unused_parameters(trainer("ddp", sync_batchnorm=True), normed)
        allow_unused_parameters(trainer("ddp", devices=1), normed)
