r"""Running one cell of a study: `fit`, `evaluate` and `sample`, each in a process with a log.

The folder of a cell holds `run/` (the directory of the training run), `metrics.json`,
`samples.npz` and the logs. `started.json` is written first, and `done.json` or `failed.json` last:
a folder without these belongs to an unfinished cell, whose run is resumed if it was started with
the same config and code. The lock file beside the folder is held by the process of the study and
by the processes that it starts. It is free once all of them have ended.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ...files import lock, remove_stale, write_text
from ...methods.parts.finite import flatten_tree
from ...storage.checkpoint import load_checkpoint
from ...storage.curves import read_curves
from ...storage.stamps import package_versions, read_metrics
from .configs import PROGRAM, budget_of, code_version, config_digest, list_changes
from .job import Job

STAGES = ("fit", "evaluate", "sample")
# The exit codes of a program that was interrupted: by the signal itself, or with its status.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
STOPPED = {code for number in _SIGNALS for code in (-number, 128 + number)}


class _StageError(Exception):
    r"""Raised when a stage of a cell fails, with the last line of its log."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


class _StoppedError(Exception):
    r"""Raised when a stage was interrupted from outside."""


@contextmanager
def lock_file(path: Path, wait: bool = False) -> Iterator[IO | None]:
    r"""Yields the locked file, or `None` if another process holds the lock and `wait` is false.

    On a file system without locks the file is not locked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        locked = file
        try:
            lock(file.fileno(), wait)
        except BlockingIOError:
            locked = None
        except OSError:
            # Without locks, users run a study in one process.
            pass
        yield locked


def read_state(folder: Path) -> tuple[str, dict[str, Any]]:
    r"""Returns the state of a cell, `"done"`, `"failed"`, `"half"` or `"new"`, and its outcome.

    The outcome is the content of `done.json` or `failed.json`, empty for other states.

    Raises:
        ValueError: If the file can not be read.
    """
    for state in ("done", "failed"):
        path = folder / f"{state}.json"
        if path.is_file():
            try:
                outcome = json.loads(path.read_text())
                whole = outcome.keys() >= {"digest", "config"}
            except (ValueError, AttributeError, RecursionError) as error:
                raise ValueError(f"{path} is damaged: remove {folder}.") from error
            if not (whole and isinstance(outcome["config"], dict)):
                raise ValueError(f"{path} is damaged: remove {folder}.")
            return state, outcome
    return ("half" if folder.exists() else "new"), {}


def check_same(job: Job) -> None:
    r"""Raises a `ValueError` that names the changes of the config since a cell was run."""
    state, left = read_state(job.folder)
    config = job.config()
    if state not in ("done", "failed") or left["digest"] == config_digest(config):
        return
    found = list_changes(dict(flatten_tree(left["config"], "")), dict(flatten_tree(config, "")))
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    raise ValueError(
        f"The cell {job.folder} was run with another config, then and now: "
        f"{'; '.join(line.lstrip('.') for line in found[:3])}{more}. Choose another --out."
    )


def run_cell(job: Job, retry: bool) -> str:
    r"""Runs a cell if it is unfinished and no other process runs it, and returns its state."""
    with lock_file(job.folder.with_name(f"{job.folder.name}.lock")) as lock:
        if lock is None:
            return "locked"
        state, left = read_state(job.folder)
        if state == "done" or (state == "failed" and not retry):
            return state
        first = _first_stage(job, left)
        if first == "fit" and job.folder.exists() and not (state == "half" and _is_start_of(job)):
            shutil.rmtree(job.folder)
        remove_stale(job.folder)
        (job.folder / "failed.json").unlink(missing_ok=True)
        job.folder.mkdir(parents=True, exist_ok=True)
        _write_json(_start(job), job, "started")
        try:
            _run_stages(job, STAGES[STAGES.index(first) :], lock)
        except _StageError as error:
            _write_json(_outcome(job, stage=error.stage, message=str(error)), job, "failed")
            return "failed"
        except _StoppedError:
            return "stopped"
        _write_json(_outcome(job, **_cell_numbers(job)), job, "done")
        return "done"


def _first_stage(job: Job, left: dict[str, Any]) -> str:
    r"""Returns the first stage to run: a cell that failed after `fit` is not trained again."""
    trained = left.get("stage", "fit") != "fit" and left["config"]["fit"] == job.config()["fit"]
    return left["stage"] if trained else "fit"


def _start(job: Job) -> dict[str, str]:
    r"""Returns what has to stay the same for a cell's run to be resumed."""
    return {"fit": config_digest(job.config()["fit"]), "code": code_version()}


def _is_start_of(job: Job) -> bool:
    r"""Returns whether a cell left half way was started as it would be now."""
    path = job.folder / "started.json"
    try:
        return path.is_file() and json.loads(path.read_text()) == _start(job)
    except (ValueError, RecursionError):
        return False


def _run_stages(job: Job, stages: tuple[str, ...], lock: IO) -> None:
    r"""Runs stages of a cell one after another.

    Raises:
        _StageError: If a stage fails.
        _StoppedError: If a stage was interrupted from outside.
    """
    for stage, args in job.commands().items():
        if stage not in stages:
            continue
        if stage == "fit" and job.checkpoint.is_file():
            args = [*args, "--ckpt_path", str(job.checkpoint)]
        path = job.folder / f"{stage}.log"
        code = _run_program(args, path, lock)
        if code in STOPPED:
            raise _StoppedError
        if code != 0:
            lines = path.read_text(errors="replace").strip().splitlines() or ["nothing was said"]
            raise _StageError(stage, f"exit code {code}: {lines[-1]}")
        if stage == "fit" and not _used_budget(job):
            raise _StoppedError


def _run_program(args: list[str], log: Path, lock: IO) -> int:
    r"""Runs a command in a process of its own, and returns its exit code.

    The first interruption is sent on to the command, so that `fit` finishes its step. A second one
    kills it.

    Arguments:
        args: The command of this package and its arguments.
        log: The file for the command's output.
        lock: A locked file, which the command keeps open and so locked until it ends.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: At a second interruption.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            [*PROGRAM, *args],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches all processes of the terminal's group: the command would get it twice.
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Commands of a shell in the background ignore SIGINT.
            process.terminate()
            process.wait()
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _used_budget(job: Job) -> bool:
    r"""Returns whether a run used its whole budget; `fit` can also end early without an error."""
    if not job.checkpoint.is_file():
        return False
    checkpoint = load_checkpoint(job.checkpoint)
    if "seconds" in job.study.budget:
        used = checkpoint["callbacks"]["Timer"]["time_elapsed"]["train"]
        return used >= job.study.budget["seconds"]
    return checkpoint["global_step"] == budget_of(job.study, job.fit)["max_steps"]


def _cell_numbers(job: Job) -> dict[str, Any]:
    r"""Returns the results of a finished cell: last values, measures, steps and seconds."""
    checkpoint = load_checkpoint(job.checkpoint)
    path = job.folder / "metrics.json"
    curves = read_curves(job.folder / "run" / "metrics.csv")
    seconds, steps = checkpoint["callbacks"]["TrainingClock"]["seconds"], checkpoint["global_step"]
    return {
        "last": {name: values[-1] for name, (_, values) in curves.items()},
        "measures": read_metrics(str(path)) if path.is_file() else {},
        "steps": steps,
        "seconds": seconds,
        "ms_per_step": 1000 * seconds / steps,
    }


def _outcome(job: Job, **more: Any) -> dict[str, Any]:
    r"""Returns a cell's outcome: numbers or failure, with config, commands and versions."""
    config = job.config()
    commands = {stage: ["energy-gans", *args] for stage, args in job.commands().items()}
    about = {"commands": commands, "versions": package_versions(), "code": code_version()}
    about |= {"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    return {**more, **about, "digest": config_digest(config), "config": config}


def _write_json(content: dict[str, Any], job: Job, state: str) -> None:
    write_text(json.dumps(content, indent=1) + "\n", job.folder / f"{state}.json")
