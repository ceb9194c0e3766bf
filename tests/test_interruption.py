r"""Tests for the energy_gans.interruption module."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import energy_gans
from energy_gans.interruption import SignalError, interruptible, requeue_job, signals_as_errors


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    r"""Restores the default signal handlers, because pytest-xdist workers ignore interruptions."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_one_sentence_and_its_status(
    number: signal.Signals, capsys: pytest.CaptureFixture
) -> None:
    cleaned = []
    # The program is interruptible while it starts, and its commands are.
    with pytest.raises(SystemExit) as stop, interruptible(), interruptible():
        try:
            os.kill(os.getpid(), number)
        finally:
            cleaned.append(number)
    assert stop.value.code == 128 + number
    assert cleaned == [number]
    assert capsys.readouterr().err == "energy-gans: interrupted.\n"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_was_cleaned_up_is_said(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop, interruptible():
        try:
            raise SignalError(signal.SIGTERM)
        except KeyboardInterrupt as error:
            raise InterruptedError("Nothing was left behind.") from error
    assert stop.value.code == 143
    assert capsys.readouterr().err == "energy-gans: interrupted. Nothing was left behind.\n"


def test_a_training_that_is_interrupted_ends_with_the_status_of_the_signal() -> None:
    with pytest.raises(SystemExit) as stop, interruptible():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            # As Lightning does.
            sys.exit(1)
    assert stop.value.code == 130


@pytest.mark.parametrize("error", [SystemExit(3), SystemExit("no"), InterruptedError(4, "EINTR")])
def test_other_ends_are_left_as_they_are(
    error: BaseException, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(type(error)) as stop, interruptible():
        raise error
    assert stop.value is error
    assert capsys.readouterr().err == ""


def test_what_is_ignored_or_handled_stays_so() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with signals_as_errors(signal.SIGTERM):
        os.kill(os.getpid(), signal.SIGTERM)
    heard = []
    signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    with signals_as_errors(signal.SIGTERM):
        os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_starts_can_be_interrupted(number: signal.Signals, tmp_path: Path) -> None:
    # A fake module in place of one that takes seconds to import.
    (tmp_path / "torch.py").write_text(
        f"import os, time; os.kill(os.getpid(), {int(number)}); time.sleep(60)"
    )
    paths = [str(tmp_path), str(Path(energy_gans.__file__).parents[1])]
    shown = subprocess.run(
        [sys.executable, "-m", "energy_gans", "sample"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert (shown.returncode, shown.stderr) == (128 + number, "energy-gans: interrupted.\n")


@pytest.mark.parametrize(
    ("array", "scontrol", "said"),
    [
        (False, "true", "SLURM starts job 4711 again."),
        (True, "true", "SLURM starts job 4700_3 again."),
        (False, "echo 'Job is done' >&2; exit 1", "submit it: scontrol requeue: Job is done"),
        (False, "exit 3", "submit it: scontrol requeue: status 3"),
        (False, None, "submit it: scontrol requeue: No such file or directory"),
    ],
)
def test_slurm_is_asked_for_the_job_again(
    array: bool,
    scontrol: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if scontrol is not None:
        (tmp_path / "scontrol").write_text(
            f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{scontrol}\n'
        )
        (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    if array:
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "4700")
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert requeue_job().endswith(said)
    if scontrol is not None:
        asked = (tmp_path / "asked").read_text()
        assert asked == f"requeue {'4700_3' if array else '4711'}\n"
