r"""Tests for the energy_gans.callbacks.checkpoints module."""

import errno
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch

from energy_gans.callbacks import Checkpoints
from energy_gans.cli import main

context = multiprocessing.get_context("forkserver")


def checkpoint(folder: Path, name: str = "last") -> dict:
    return torch.load(folder / "version_0/checkpoints" / f"{name}.ckpt", weights_only=True)


def train(args: list[str]) -> None:
    torch.set_num_threads(1)
    main(args)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_its_last_step_and_ends_well(
    tiny: Callable, tmp_path: Path, number: signal.Signals
) -> None:
    args = tiny("--trainer.max_steps=1000000", points=True)
    args += ["--trainer.val_check_interval=1000000", "--trainer.limit_val_batches=0"]
    process = context.Process(target=train, args=(args,))
    process.start()
    last = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    deadline = time.monotonic() + 60
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 0
    saved = checkpoint(tmp_path / "tiny")
    assert 3 <= saved["global_step"] < 1_000_000
    assert saved["state_dict"]["averaged.n_averaged"] == saved["global_step"]


def test_the_best_is_the_one_of_the_smallest_measure(tiny: Callable, tmp_path: Path) -> None:
    values = iter([3.0, 1.0, 2.0])

    def log(trainer: object, model: object) -> None:
        model.log("val/energy", torch.tensor(next(values)))

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


def test_a_measure_that_is_not_there_is_named(tiny: Callable) -> None:
    callbacks = "[{class_path: energy_gans.callbacks.Checkpoints, init_args: {monitor: val/fid}}]"
    with pytest.raises(
        SystemExit, match=r"'monitor' should be one of \[.*val/energy.*got 'val/fid'"
    ):
        main(tiny(f"--trainer.callbacks={callbacks}", points=True))


def fill_up(args: list[str], limit: int) -> None:
    r"""Trains on a disk that is full after `limit` bytes a file, from the fourth step on."""
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
    process = context.Process(target=fill_up, args=(args, 2000))
    process.start()
    process.join(60)
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
            SystemExit, match=r"could not be written: .*No space left.*There is none yet"
        ),
    ):
        main(tiny("--trainer.max_steps=3", points=True))
