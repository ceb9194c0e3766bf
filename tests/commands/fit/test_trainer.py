r"""Tests for the energy_gans.commands.fit.trainer module."""

import warnings

import pytest
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from energy_gans.callbacks import NonFiniteGuard, SampleWriter, StepProgress
from energy_gans.commands.fit.trainer import (
    added_callbacks,
    allow_unused_parameters,
    follow_max_steps,
)
from energy_gans.methods import CoulombGAN, EIEGGenerator

from ...methods.harness import model


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


def settings(**options: object) -> Namespace:
    given = {"callbacks": None, "enable_progress_bar": None, "max_steps": 6}
    given |= {"check_val_every_n_epoch": None, "val_check_interval": 10, "log_every_n_steps": 4}
    return Namespace(**(given | options))


@pytest.mark.parametrize(
    ("options", "validates", "logs"),
    [
        ({}, 6, 4),
        ({"max_steps": 3}, 3, 3),
        ({"max_steps": 10}, 10, 4),
        ({"max_steps": -1}, 10, 4),
        # A share of an epoch, and epochs.
        ({"val_check_interval": 1.0}, 1.0, 4),
        ({"check_val_every_n_epoch": 1}, 10, 4),
    ],
)
def test_a_run_validates_and_logs_once_at_least(
    options: dict[str, object], validates: float, logs: int
) -> None:
    trainer = settings(**options)
    follow_max_steps(trainer)
    assert (trainer.val_check_interval, trainer.log_every_n_steps) == (validates, logs)


@pytest.mark.parametrize(
    ("command", "options", "added"),
    [
        ("fit", {}, [NonFiniteGuard, StepProgress]),
        ("fit", {"enable_progress_bar": False}, [NonFiniteGuard]),
        ("fit", {"callbacks": [NonFiniteGuard()]}, [StepProgress]),
        ("fit", {"callbacks": [StepProgress()]}, [NonFiniteGuard]),
        ("validate", {}, [NonFiniteGuard]),
        ("predict", {}, [NonFiniteGuard, SampleWriter]),
    ],
)
def test_a_run_has_callbacks_that_its_config_leaves_out(
    command: str, options: dict[str, object], added: list[type]
) -> None:
    assert [type(c) for c in added_callbacks(settings(**options), command)] == added
