r"""Tests for the energy_gans.commands.study.cells module."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from energy_gans import files
from energy_gans.commands.study import cells
from energy_gans.commands.study.cells import lock_file, read_state, run_cell
from energy_gans.commands.study.configs import resolved_config
from energy_gans.commands.study.job import Job
from energy_gans.commands.study.plan import Cell, read_study
from energy_gans.files import _PART

from .conftest import Workshop


@pytest.fixture
def job(workshop: Workshop) -> Job:
    return make(workshop)


def make(workshop: Workshop) -> Job:
    study = read_study(workshop.file)
    fit = resolved_config(study, "ring", "one", workshop.out / "configs")
    return Job(study, Cell("ring", "one", 1), fit, workshop.out)


def stages(workshop: Workshop) -> list[str]:
    ran, workshop.ran = [stage for stage, _ in workshop.ran], []
    return ran


def test_a_finished_cell_says_what_decided_it_and_is_not_run_again(
    workshop: Workshop, job: Job
) -> None:
    assert run_cell(job, retry=True) == "done"
    assert stages(workshop) == ["fit", "sample"]
    done = json.loads((job.folder / "done.json").read_text())
    assert done["last"]["val/modes"] == 11.0
    assert (done["steps"], done["seconds"], done["ms_per_step"]) == (10, 5.0, 500.0)
    assert done["config"]["fit"]["seed_everything"] == 1
    assert done["commands"]["fit"][:2] == ["energy-gans", "fit"]
    assert "torch" in done["versions"]
    assert run_cell(job, retry=True) == "done"
    assert stages(workshop) == []
    assert not list(workshop.out.rglob("*.part"))


def test_a_cell_left_half_way_is_run_from_its_start(workshop: Workshop, job: Job) -> None:
    (job.folder / "run").mkdir(parents=True)
    (job.folder / "run" / "old").write_text("")
    assert read_state(job.folder)[0] == "half"
    assert run_cell(job, retry=False) == "done"
    assert not (job.folder / "run" / "old").exists()


@pytest.mark.parametrize("changed", [False, True])
def test_a_run_that_was_stopped_is_resumed_unless_its_config_has_changed(
    workshop: Workshop, job: Job, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    def stop(stage: str, cell: str) -> int:
        workshop.fit(job.folder, job.fit_arguments())
        return 143

    workshop.before = stop
    assert run_cell(job, retry=False) == "stopped"
    assert job.checkpoint.is_file()
    given: list[list[str]] = []

    def run(args: list[str], log: Path, lock: object) -> int:
        given.append(args)
        return 143

    monkeypatch.setattr(cells, "_run_program", run)
    if changed:
        workshop.write("one.yaml", {"model": {"init_args": {"power": 9.0}}})
    again = make(workshop)
    assert run_cell(again, retry=False) == "stopped"
    resumed = ["--ckpt_path", str(job.checkpoint)]
    assert given == [again.fit_arguments() + ([] if changed else resumed)]
    assert job.checkpoint.is_file() == (not changed)


def test_a_failed_cell_is_run_again_only_when_asked_to(workshop: Workshop, job: Job) -> None:
    workshop.before = lambda stage, cell: 1
    assert run_cell(job, retry=False) == "failed"
    left = read_state(job.folder)[1]
    assert (left["stage"], left["message"]) == ("fit", "exit code 1: the last line")
    workshop.before = lambda stage, cell: None
    assert run_cell(job, retry=False) == "failed"
    assert stages(workshop) == ["fit"]
    assert run_cell(job, retry=True) == "done"
    assert stages(workshop) == ["fit", "sample"]
    assert not (job.folder / "failed.json").exists()


def test_what_was_trained_well_is_not_trained_again(workshop: Workshop, job: Job) -> None:
    workshop.before = lambda stage, cell: 3 if stage == "sample" else None
    assert run_cell(job, retry=False) == "failed"
    workshop.before = lambda stage, cell: None
    stages(workshop)
    workshop.change(samples=7)
    assert run_cell(make(workshop), retry=True) == "done"
    assert stages(workshop) == ["sample"]
    (job.folder / "done.json").unlink()
    workshop.before = lambda stage, cell: 3 if stage == "sample" else None
    run_cell(make(workshop), retry=False)
    workshop.before = lambda stage, cell: None
    stages(workshop)
    workshop.change(budget={"steps": 40})
    assert run_cell(make(workshop), retry=True) == "done"
    assert stages(workshop) == ["fit", "sample"]


def test_a_changed_config_is_refused_by_its_keys(workshop: Workshop, job: Job) -> None:
    run_cell(job, retry=False)
    cells.check_same(make(workshop))
    workshop.write("one.yaml", {"model": {"init_args": {"power": 9.0}}})
    with pytest.raises(ValueError, match=r"fit.model.init_args.power is 1.0 and 9.0. Choose"):
        cells.check_same(make(workshop))


@pytest.mark.parametrize("code", [-signal.SIGINT, -signal.SIGTERM, 130, 138, 143])
def test_what_others_stop_is_neither_done_nor_failed(
    workshop: Workshop, job: Job, code: int
) -> None:
    workshop.before = lambda stage, cell: code
    assert run_cell(job, retry=False) == "stopped"
    assert read_state(job.folder)[0] == "half"


def test_a_run_that_was_asked_to_stop_early_is_not_done(workshop: Workshop, job: Job) -> None:
    def short(stage: str, cell: str) -> int:
        workshop.fit(job.folder, job.fit_arguments())
        path = job.checkpoint
        torch.save(torch.load(path) | {"global_step": 4}, path)
        return 0

    workshop.before = short
    assert run_cell(job, retry=False) == "stopped"
    assert stages(workshop) == ["fit"]


def test_locks_are_released_by_a_kill_of_all_that_hold_them(workshop: Workshop, job: Job) -> None:
    path = job.folder.with_name(f"{job.folder.name}.lock")
    path.parent.mkdir(parents=True)
    script = (
        "import fcntl, subprocess, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX);"
        "p = subprocess.Popen(['sleep', '60'], pass_fds=(f.fileno(),)); print(p.pid, flush=True);"
        "p.wait()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        child = int(holder.stdout.readline())
        assert run_cell(job, retry=False) == "locked"
        holder.kill()
        holder.wait()
        # What it started still writes into the cell.
        assert run_cell(job, retry=False) == "locked"
        os.kill(child, signal.SIGKILL)
    for _ in range(100):
        if run_cell(job, retry=False) == "done":
            break
        time.sleep(0.02)
    assert read_state(job.folder)[0] == "done"


def test_a_cell_runs_where_there_are_no_locks(
    workshop: Workshop, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", none)
    assert run_cell(job, retry=False) == "done"


def test_what_killed_programs_left_in_a_cell_is_removed(workshop: Workshop, job: Job) -> None:
    workshop.before = lambda stage, cell: 3 if stage == "sample" else None
    run_cell(job, retry=False)
    stale = job.folder / f"samples.npz.{'0' * 32}{_PART}"
    stale.write_bytes(b"half")
    workshop.before = lambda stage, cell: None
    assert run_cell(job, retry=True) == "done"
    assert not stale.exists()


def test_only_one_holds_a_lock(tmp_path: Path) -> None:
    with lock_file(tmp_path / "a") as first, lock_file(tmp_path / "a") as second:
        assert first is not None
        assert second is None
    with lock_file(tmp_path / "a") as again:
        assert again is not None


def test_programs_hold_the_lock_in_a_session_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os, subprocess; print(os.getsid(0) == os.getpid());"
        "print(subprocess.Popen(['sleep', '60'], close_fds=False).pid)"
    )
    monkeypatch.setattr(cells, "PROGRAM", [sys.executable, "-c", script])
    with lock_file(tmp_path / "a.lock") as lock:
        assert cells._run_program(["fit"], tmp_path / "log", lock) == 0
    own_session, sleeper = (tmp_path / "log").read_text().split()
    with lock_file(tmp_path / "a.lock") as lock:
        assert lock is None
    os.kill(int(sleeper), signal.SIGKILL)
    assert own_session == "True"


def test_an_interruption_is_handed_on_once_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import signal, sys, time; seen = [];"
        "signal.signal(signal.SIGTERM, lambda *a: seen.append(1));"
        "print('ready', flush=True); [time.sleep(0.05) for _ in iter(lambda: len(seen), 1)];"
        "time.sleep(0.1); print(len(seen), 'and a whole step', flush=True)"
    )
    monkeypatch.setattr(cells, "PROGRAM", [sys.executable, "-c", script])
    log = tmp_path / "fit.log"
    # Processes that share out the tests ignore interruptions.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        while not (log.exists() and "ready" in log.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with lock_file(tmp_path / "a.lock") as lock, pytest.raises(KeyboardInterrupt):
        cells._run_program(["fit"], log, lock)
    thread.join()
    signal.signal(signal.SIGINT, usual)
    assert log.read_text().splitlines() == ["ready", "1 and a whole step"]


def test_a_damaged_file_is_named(job: Job) -> None:
    job.folder.mkdir(parents=True)
    (job.folder / "done.json").write_text("{")
    with pytest.raises(ValueError, match="done.json is damaged"):
        read_state(job.folder)


def test_flags_are_as_a_command_line_has_them(workshop: Workshop) -> None:
    workshop.change(evaluate={"n": 50, "measures": "fd,is", "extractor.path": "a.pt"})
    commands = make(workshop).commands()
    assert list(commands) == ["fit", "evaluate", "sample"]
    flags = commands["evaluate"][3:9]
    assert flags == ["--n", "50", "--measures", "fd,is", "--extractor.path", "a.pt"]
    fit = commands["fit"]
    assert fit[fit.index("--trainer.max_time") + 1] == "null"
    assert fit[fit.index("--trainer.max_steps") + 1] == "10"
    assert fit[-1] == "--trainer.callbacks+=energy_gans.callbacks.TrainingClock"
