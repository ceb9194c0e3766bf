r"""Tests for the energy_gans.commands.fit.trainer module."""

import pytest
from jsonargparse import Namespace

from energy_gans.callbacks import NonFiniteGuard, SampleWriter, StepProgress
from energy_gans.commands.fit.trainer import (
    added_callbacks,
    follow_max_steps,
)


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
