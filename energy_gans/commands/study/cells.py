r"""One cell of a study: a run of `fit`, `evaluate` and `sample`, each a process with a log.

A folder of a cell holds `run/`, what `fit` leaves behind, `metrics.json`, `samples.npz` and the logs.
`done.json` is written last: a folder without it, or `failed.json`, was left half-way. A lock beside
the folder is held by the process and by what it started: both have to be gone for it to be free.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ...files import remove_stale, write_text
from ...methods.parts.finite import flatten_tree
from ...storage.checkpoint import load_checkpoint
from ...storage.curves import read_curves
from ...storage.stamps import read_metrics, versions
from .configs import PROGRAM, budget_of, changes, code_version, config_digest
from .work import Work

STAGES = ("fit", "evaluate", "sample")
# How a program ends that somebody asked to stop: by the signal itself, or with the status of one.
STOPPED = {code for number in (signal.SIGINT, signal.SIGTERM) for code in (-number, 128 + number)}


class StageError(Exception):
    r"""Creates an error of a stage of a cell, with what its log says last."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


class StoppedError(Exception):
    r"""Creates the sign that somebody else stopped what a cell was running."""


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[IO | None]:
    r"""Yields the lock on a file, or `None` if another process holds it and is not waited for.

    Where the file system has no locks the file is not locked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        lock = file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            lock = None
        except OSError:
            # Then it is the user's to run a study in one process.
            pass
        yield lock


def read_state(folder: Path) -> tuple[str, dict[str, Any]]:
    r"""Returns the state of a cell, `"done"`, `"failed"`, `"half"` or `"new"`, and what it left.

    Raises:
        ValueError: If its file can not be read.
    """
    for state in ("done", "failed"):
        path = folder / f"{state}.json"
        if path.is_file():
            try:
                return state, json.loads(path.read_text())
            except ValueError as error:
                raise ValueError(f"{path} is damaged: remove {folder}.") from error
    return ("half" if folder.exists() else "new"), {}


def check_same(work: Work) -> None:
    r"""Raises a `ValueError` that names what changed since a cell was run."""
    state, left = read_state(work.folder)
    config = work.config()
    if state not in ("done", "failed") or left["digest"] == config_digest(config):
        return
    found = changes(dict(flatten_tree(left["config"], "")), dict(flatten_tree(config, "")))
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    raise ValueError(
        f"The cell {work.folder} was run with another config, then and now: "
        f"{'; '.join(line.lstrip('.') for line in found[:3])}{more}. Choose another --out."
    )


def run_cell(work: Work, retry: bool) -> str:
    r"""Runs a cell unless it is done, failed or run by another process, and returns its state."""
    with locked(work.folder.with_name(f"{work.folder.name}.lock")) as lock:
        if lock is None:
            return "locked"
        state, left = read_state(work.folder)
        if state == "done" or (state == "failed" and not retry):
            return state
        first = first_stage(work, left)
        if first == "fit" and work.folder.exists():
            shutil.rmtree(work.folder)
        remove_stale(work.folder)
        (work.folder / "failed.json").unlink(missing_ok=True)
        work.folder.mkdir(parents=True, exist_ok=True)
        try:
            run_stages(work, STAGES[STAGES.index(first) :], lock)
        except StageError as error:
            write_json(outcome(work, stage=error.stage, message=str(error)), work, "failed")
            return "failed"
        except StoppedError:
            return "stopped"
        write_json(outcome(work, **numbers(work)), work, "done")
        return "done"


def first_stage(work: Work, left: dict[str, Any]) -> str:
    r"""Returns the stage to begin with: what was trained well is not trained again."""
    trained = left.get("stage", "fit") != "fit" and left["config"]["fit"] == work.config()["fit"]
    return left["stage"] if trained else "fit"


def run_stages(work: Work, stages: tuple[str, ...], lock: IO) -> None:
    r"""Runs stages of a cell one after another.

    Raises:
        StageError: If one of them fails.
        StoppedError: If somebody else stopped one.
    """
    for stage, args in work.commands().items():
        if stage not in stages:
            continue
        path = work.folder / f"{stage}.log"
        code = run_program(args, path, lock)
        if code in STOPPED:
            raise StoppedError
        if code != 0:
            lines = path.read_text(errors="replace").strip().splitlines() or ["nothing was said"]
            raise StageError(stage, f"exit code {code}: {lines[-1]}")
        if stage == "fit" and not trained_whole(work):
            raise StoppedError


def run_program(args: list[str], log: Path, lock: IO) -> int:
    r"""Runs a command in a process of its own, and returns its exit code.

    An interruption is handed on once, so that `fit` finishes its step; a second one ends it.

    Arguments:
        args: The command of this package and its arguments.
        log: The file that what it says is written to.
        lock: A lock that it holds, too, as long as it lives.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            [*PROGRAM, *args],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches all of a terminal's group, and would be the second one.
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def trained_whole(work: Work) -> bool:
    r"""Returns whether a run used up its budget: `fit` ends well when it is asked to stop, too."""
    if not work.checkpoint.is_file():
        return False
    checkpoint = load_checkpoint(work.checkpoint)
    if "seconds" in work.study.budget:
        used = checkpoint["callbacks"]["Timer"]["time_elapsed"]["train"]
        return used >= work.study.budget["seconds"]
    return checkpoint["global_step"] == budget_of(work.study, work.fit)["max_steps"]


def numbers(work: Work) -> dict[str, Any]:
    r"""Returns what a finished cell is worth: last values, measures, steps and seconds."""
    checkpoint = load_checkpoint(work.checkpoint)
    path = work.folder / "metrics.json"
    curves = read_curves(work.folder / "run" / "metrics.csv")
    seconds, steps = checkpoint["callbacks"]["TrainingClock"]["seconds"], checkpoint["global_step"]
    return {
        "last": {name: values[-1] for name, (_, values) in curves.items()},
        "measures": read_metrics(str(path)) if path.is_file() else {},
        "steps": steps,
        "seconds": seconds,
        "ms_per_step": 1000 * seconds / steps,
    }


def outcome(work: Work, **more: Any) -> dict[str, Any]:
    r"""Returns what a cell leaves behind: its numbers, or how it failed, with all that decided them."""
    config = work.config()
    commands = {stage: ["energy-gans", *args] for stage, args in work.commands().items()}
    about = {"commands": commands, "versions": versions(), "code": code_version()}
    about |= {"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    return {**more, **about, "digest": config_digest(config), "config": config}


def write_json(content: dict[str, Any], work: Work, state: str) -> None:
    write_text(json.dumps(content, indent=1) + "\n", work.folder / f"{state}.json")
