r"""Tests for the energy_gans.callbacks.checkpoints module."""

import contextlib
import errno
import os
import resource
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from lightning.pytorch import Trainer

from energy_gans.callbacks import Checkpoints
from energy_gans.callbacks.checkpoints import _check_same_checkpoint
from energy_gans.cli import main
from energy_gans.methods.bases.stepped import SteppedModule

from ..processes import start


def checkpoint(folder: Path, name: str = "last") -> dict:
    return torch.load(folder / "version_0/checkpoints" / f"{name}.ckpt", weights_only=True)


def train(args: list[str]) -> None:
    torch.set_num_threads(1)
    main(args)


def train_until_asked(args: list[str], long_step: int | None = None) -> None:
    r"""Trains without end, as a program that Ctrl-C reaches, and for an hour in some step."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    descend = SteppedModule.descend

    def wait(self: SteppedModule, *rest: object) -> torch.Tensor:
        if self.global_step == long_step:
            (Path(args[-1]) / "waiting").touch()
            time.sleep(3600)
        return descend(self, *rest)

    with mock.patch.object(SteppedModule, "descend", wait):
        train(args[:-1])


@contextlib.contextmanager
def running(args: list[str], folder: Path, *rest: int | None) -> Iterator[BaseProcess]:
    r"""Trains in a process of its own, which has to end within two minutes after the body."""
    args = [*args, "--trainer.val_check_interval=1000000", "--trainer.limit_val_batches=0"]
    process = start(train_until_asked, [*args, str(folder)], *rest)
    yield process
    process.join(120)


def await_file(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_its_last_step_and_ends_with_the_status_of_the_signal(
    tiny: Callable, tmp_path: Path, number: signal.Signals
) -> None:
    with running(tiny("--trainer.max_steps=1000000", points=True), tmp_path) as process:
        await_file(tmp_path / "tiny/version_0/checkpoints/last.ckpt")
        os.kill(process.pid, number)
    assert process.exitcode == 128 + number
    saved = checkpoint(tmp_path / "tiny")
    assert 3 <= saved["global_step"] < 1_000_000
    assert saved["state_dict"]["averaged.n_averaged"] == saved["global_step"]


def test_a_second_interruption_ends_a_run_at_once(tiny: Callable, tmp_path: Path) -> None:
    with running(tiny("--trainer.max_steps=1000000", points=True), tmp_path, 4) as process:
        await_file(tmp_path / "waiting")
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            os.kill(process.pid, number)
            # Signals that come together are one.
            time.sleep(0.2)
    assert process.exitcode == 128 + signal.SIGINT
    assert checkpoint(tmp_path / "tiny")["global_step"] == 3


def test_the_best_is_the_one_of_the_smallest_measure(tiny: Callable, tmp_path: Path) -> None:
    values = iter([3.0, 1.0, 2.0])

    def log(trainer: object, model: object) -> None:
        model.log("val/energy_distance", torch.tensor(next(values)))

    with mock.patch(
        "energy_gans.methods.CoulombGAN.validation_step",
        lambda self, batch, i: log(None, self) if i == 0 else None,
    ):
        main(
            tiny(
                "--trainer.max_steps=9",
                "--trainer.val_check_interval=3",
                "--trainer.limit_val_batches=1",
                points=True,
            )
        )
    assert checkpoint(tmp_path / "tiny", "best")["global_step"] == 6


class Killed(BaseException):
    r"""Raised where a kill would end a run."""


def killing(name: str, when: str, step: int) -> object:
    r"""Ends a run before or after it writes a checkpoint, or at the start of a validation."""
    save, validate = Trainer.save_checkpoint, Checkpoints.on_validation_start

    def die(trainer: Trainer, *moment: str) -> None:
        if (*moment, trainer.global_step) == (name, when, step):
            raise Killed

    def watch_saving(self: Trainer, path: Path, **kwargs: object) -> None:
        die(self, path.stem, "before")
        save(self, path, **kwargs)
        die(self, path.stem, "after")

    def watch_validation(self: Checkpoints, trainer: Trainer, *args: object) -> None:
        die(trainer, "validation", "before")
        validate(self, trainer, *args)

    patches = {"save_checkpoint": watch_saving} if name != "validation" else {}
    owner = Trainer if patches else Checkpoints
    return mock.patch.multiple(owner, **(patches or {"on_validation_start": watch_validation}))


def test_a_validation_and_its_best_checkpoint_survive_a_kill(
    tiny: Callable, tmp_path: Path
) -> None:
    # The measure grows: every validation has a new best.
    args = ["--trainer.max_steps=12", "--trainer.val_check_interval=3"]
    args += ["--trainer.callbacks.monitor=val/energy", "--trainer.callbacks.mode=max"]
    main(tiny(*args, points=True, name="whole"))
    kills = [
        ("validation", "before", 6),
        ("best", "after", 6),
        ("last", "before", 6),
        ("last", "after", 6),
        ("last", "before", 12),
    ]
    for i, kill in enumerate(kills):
        resumed = ["--ckpt_path=last"] if i else []
        with killing(*kill), pytest.raises(Killed):
            main(tiny(*args, *resumed, points=True, name="killed"))
    main(tiny(*args, "--ckpt_path=last", points=True, name="killed"))
    whole, killed = tmp_path / "whole/version_0", tmp_path / "killed/version_0"
    assert (killed / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    for name in ("best", "last"):
        a, b = (checkpoint(folder.parent, name) for folder in (whole, killed))
        assert a["global_step"] == b["global_step"]
        assert a["callbacks"]["Checkpoints"] == b["callbacks"]["Checkpoints"]
        for key, value in a["state_dict"].items():
            assert torch.equal(value, b["state_dict"][key])


def test_a_run_that_is_asked_to_stop_goes_on_as_if_it_had_not_been(
    tiny: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    args = ["--trainer.max_steps=14", "--trainer.min_steps=13", "--trainer.callbacks.mode=max"]
    main(tiny(*args, points=True, name="whole"))
    # Nothing is logged after step 5, and step 6 is validated.
    stops = [0, 5, 6]

    def stop(self: Checkpoints, trainer: Trainer, *args: object) -> None:
        if stops and trainer.global_step == stops[0]:
            os.kill(os.getpid(), signal.SIGTERM)

    command = tiny(*args, points=True, name="stopped")
    with (
        mock.patch.object(Checkpoints, "on_train_epoch_start", stop),
        mock.patch.object(Checkpoints, "on_train_batch_end", stop),
    ):
        while stops:
            with pytest.raises(SystemExit, match="143"):
                main(command)
            said = capsys.readouterr().out.splitlines()[-1]
            assert said.startswith("next: energy-gans fit ")
            command = shlex.split(said)[2:]
            assert checkpoint(tmp_path / "stopped")["global_step"] == stops.pop(0)
    main(command)
    whole, stopped = tmp_path / "whole/version_0", tmp_path / "stopped/version_0"
    assert (stopped / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    for name in ("best", "last"):
        a, b = (checkpoint(folder.parent, name) for folder in (whole, stopped))
        assert all(torch.equal(v, b["state_dict"][k]) for k, v in a["state_dict"].items())
    assert [p.name for p in stopped.parent.iterdir()] == ["version_0"]


@pytest.mark.parametrize("found", ["a.ckpt", "b.ckpt"])
def test_processes_that_found_other_checkpoints_are_stopped(found: str) -> None:
    # As the second process sees it: the first one found a.ckpt.
    strategy = SimpleNamespace(broadcast=lambda path: "a.ckpt")
    strategy.reduce_boolean_decision = lambda same, all: same
    trainer = SimpleNamespace(strategy=strategy, ckpt_path=found)
    refusal = pytest.raises(ValueError, match="in all processes, got 'a.ckpt' in the first")
    with refusal if found == "b.ckpt" else nullcontext():
        _check_same_checkpoint(trainer)


def test_the_best_of_one_measure_is_not_that_of_another() -> None:
    state = Checkpoints(monitor="val/energy").state_dict() | {"best": 2.0}
    for monitor, best in (("val/energy", 2.0), ("val/fd_2k", None)):
        resumed = Checkpoints(monitor=monitor)
        resumed.load_state_dict(state)
        assert resumed.best == best
    resumed.load_state_dict({"best": 3.0})
    assert resumed.best == 3.0


def test_a_measure_that_is_not_there_is_named(tiny: Callable) -> None:
    callbacks = "[{class_path: energy_gans.callbacks.Checkpoints, init_args: {monitor: val/fid}}]"
    with pytest.raises(
        SystemExit, match=r"'monitor' should be one of \[.*val/energy.*got 'val/fid'"
    ):
        main(tiny(f"--trainer.callbacks={callbacks}", points=True))


def fill_up(args: list[str], limit: int) -> None:
    r"""Trains on a disk on which files can not exceed `limit` bytes from the fourth step on."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    save_last = Checkpoints.save_last

    def save(self: Checkpoints, trainer: object) -> None:
        if trainer.global_step > 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        save_last(self, trainer)

    with mock.patch.object(Checkpoints, "save_last", save):
        train(args)


def test_a_full_disk_leaves_the_previous_checkpoint(tiny: Callable, tmp_path: Path) -> None:
    args = tiny("--trainer.max_steps=12", "--trainer.limit_val_batches=0", points=True)
    process = start(fill_up, args, 2000)
    process.join(120)
    assert process.exitcode == 1
    folder = tmp_path / "tiny/version_0/checkpoints"
    assert [p.name for p in folder.iterdir()] == ["last.ckpt"]
    assert checkpoint(tmp_path / "tiny")["global_step"] == 3


def test_a_failed_write_says_what_is_left(tiny: Callable, tmp_path: Path) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        mock.patch("energy_gans.storage.checkpoint.torch.save", fail),
        pytest.raises(
            SystemExit, match=r"could not be written: .*No space left.*No file was written"
        ),
    ):
        main(tiny("--trainer.max_steps=3", points=True))


def test_a_value_that_is_not_finite_is_never_the_best(tmp_path: Path) -> None:
    callback, saved = Checkpoints(monitor="fd"), []
    callback.directory = tmp_path
    for value in (torch.nan, 3.0, torch.nan, 1.0, 2.0):
        trainer = SimpleNamespace(
            state=SimpleNamespace(fn="fit"),
            sanity_checking=False,
            callback_metrics={"fd": value},
            save_checkpoint=lambda path, weights_only, value=value: saved.append(value),
        )
        callback.on_validation_end(trainer, None)
    assert saved == [3.0, 1.0] and callback.best == 1.0
    callback.load_state_dict(callback.state_dict() | {"best": torch.nan})
    assert callback.best is None
