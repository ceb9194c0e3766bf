r"""Tests for the energy_gans.callbacks.training_clock module."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from lightning.pytorch import Trainer

from energy_gans.callbacks import TrainingClock, training_clock as clock
from energy_gans.cli import main
from energy_gans.methods import CoulombGAN

MODULE = SimpleNamespace(device=torch.device("cpu"))
ADDED = "--trainer.callbacks+=energy_gans.callbacks.TrainingClock"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    r"""Returns a list with the time, which tests set."""
    time = [100.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: time[0])
    return time


def test_the_clock_stands_still_during_validation_and_checkpoints(now: list[float]) -> None:
    watch = TrainingClock()
    now[0] += 7
    watch.on_train_batch_start(None, MODULE)
    now[0] += 2
    watch.on_train_batch_start(None, MODULE)
    now[0] += 1
    watch.on_validation_start(None, MODULE)
    now[0] += 50
    assert watch.state_dict() == {"seconds": 3}
    watch.on_train_batch_start(None, MODULE)
    now[0] += 4
    assert watch.state_dict() == {"seconds": 7}
    now[0] += 50
    watch.on_train_end(None, MODULE)
    assert watch.state_dict() == {"seconds": 7}


def test_a_resumed_clock_goes_on(now: list[float]) -> None:
    watch = TrainingClock()
    watch.load_state_dict({"seconds": 11.0})
    watch.on_train_batch_start(None, MODULE)
    now[0] += 1
    assert watch.state_dict() == {"seconds": 12}


def test_seconds_are_logged_and_survive_resuming(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=12", ADDED, points=True))
    path = tmp_path / "tiny" / "version_0"
    checkpoint = torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)
    seconds = checkpoint["callbacks"]["TrainingClock"]["seconds"]
    main(tiny("--trainer.max_steps=24", "--ckpt_path=last", ADDED, points=True))
    times = logged(path)
    assert times[1] == pytest.approx(seconds)
    assert 0 < times[0] < times[1] < times[2] < times[3]


def test_the_step_after_a_checkpoint_is_counted(
    tiny: Callable, tmp_path: Path, now: list[float]
) -> None:
    step, save = CoulombGAN.training_step, Trainer.save_checkpoint

    def slow_step(self: CoulombGAN, *args: object) -> object:
        now[0] += 10
        return step(self, *args)

    def slow_save(self: Trainer, *args: object, **kwargs: object) -> None:
        save(self, *args, **kwargs)
        now[0] += 1000

    with (
        mock.patch.object(CoulombGAN, "training_step", slow_step),
        mock.patch.object(Trainer, "save_checkpoint", slow_save),
    ):
        main(tiny("--trainer.max_steps=6", ADDED, points=True))
    checkpoint = torch.load(tmp_path / "tiny/version_0/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["callbacks"]["TrainingClock"] == {"seconds": 60}


def logged(run: Path) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(v) for row in csv.DictReader(file) if (v := row["time/seconds"])]
