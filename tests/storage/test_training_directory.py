r"""Tests for the energy_gans.storage.training_directory module."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from energy_gans.callbacks import Checkpoints
from energy_gans.cli import main
from energy_gans.files import _PART, hold_lock
from energy_gans.storage.training_directory import lock_directory

SHORT = ("--trainer.max_steps=1", "--trainer.limit_val_batches=0")
NUMBER = "--trainer.logger.init_args.version=0"


def test_a_run_keeps_others_out_of_its_directory_until_it_ends(
    tiny: Callable, tmp_path: Path
) -> None:
    lock, refused = tmp_path / "tiny/version_0.lock", []

    def try_to_train(self: Checkpoints, trainer: object) -> None:
        with pytest.raises(SystemExit) as stop:
            main(tiny(*SHORT, NUMBER, points=True))
        refused.append(str(stop.value))

    with mock.patch.object(Checkpoints, "save_last", try_to_train):
        main(tiny(*SHORT, points=True))
    folder = str(tmp_path / "tiny/version_0")
    sentence = f"energy-gans: error: {folder!r} is in use by process {os.getpid()} on "
    assert refused and all(said.startswith(sentence) for said in refused)
    assert not lock.exists()
    main(tiny(*SHORT, NUMBER, points=True))


def test_a_numbered_run_takes_the_next_directory(tiny: Callable, tmp_path: Path) -> None:
    with hold_lock(tmp_path / "tiny/version_0.lock", "another run"):
        main(tiny(*SHORT, points=True))
    assert sorted(os.listdir(tmp_path / "tiny")) == ["version_1"]


def test_what_a_killed_run_left_is_removed_when_its_directory_is_used_again(
    tiny: Callable, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny/version_0"
    name = f"last.ckpt.{'0' * 32}{_PART}"
    stale = [folder / name, folder / "checkpoints" / name]
    others = [tmp_path / "tiny/version_1/checkpoints" / name, folder / f"notes{_PART}"]
    for path in (*stale, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    (tmp_path / "tiny/version_0.lock").write_text("process 1 on a host")
    main(tiny(*SHORT, NUMBER, points=True))
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in others)
    assert (folder / "checkpoints/last.ckpt").exists()


def test_a_trial_run_of_one_step_takes_a_lock_too(
    tiny: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    args = tiny("--trainer.fast_dev_run=true", points=True)
    with (
        hold_lock(Path("run.lock"), "another run"),
        pytest.raises(SystemExit, match="'.' is in use"),
    ):
        main(args)
    main(args)
    assert not Path("run.lock").exists()


def test_without_a_logger_the_lock_is_in_the_folder(tiny: Callable, tmp_path: Path) -> None:
    options = ["--trainer.logger=false", f"--trainer.default_root_dir={tmp_path / 'here'}"]
    with (
        hold_lock(tmp_path / "here/run.lock", "another run"),
        pytest.raises(SystemExit, match=f"'{tmp_path}/here' is in use by"),
    ):
        main(tiny(*SHORT, *options, points=True))


def test_only_the_first_process_takes_the_lock(tmp_path: Path) -> None:
    trainers = [
        SimpleNamespace(logger=None, is_global_zero=first, default_root_dir=str(tmp_path))
        for first in (True, False)
    ]
    with (
        lock_directory(trainers[0]),
        lock_directory(trainers[1]),
        pytest.raises(BlockingIOError),
        lock_directory(trainers[0]),
    ):
        pass
