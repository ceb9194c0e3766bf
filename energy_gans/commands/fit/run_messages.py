r"""What a training command says of its run: what to type next, or why it ended."""

from __future__ import annotations

import os
import re
import shlex
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed

from ...storage.saved_run import LAST


def next_command(folder: Path, step: int, stopped: bool, packages: Iterable[str]) -> str:
    r"""Returns the message at the end of a run: its folder and the next command.

    Arguments:
        folder: The directory of the run.
        step: The number of steps that it made.
        stopped: Whether it was stopped before its end.
        packages: The other packages that its model comes from.
    """
    last = folder / LAST
    if not last.is_file():
        return f"step {step}: {folder}"
    words = ["energy-gans", "sample", "--ckpt_path", str(last)]
    if stopped:
        words[1:2] = ["fit", "--config", str(folder / "config.yaml")]
    elif trust := ",".join(sorted(packages)):
        words += ["--trust", trust]
    return f"step {step}: {folder}\nnext: {shlex.join(words)}"


# How gloo and NCCL say that another process has ended, or no longer answers.
_LOST = re.compile(
    r"Connection (?:reset|closed|refused)[\w ]*|Broken pipe|remote process exited|Timed out[\w ]*"
)
GO_ON = (
    "Once all have ended, the same command with --ckpt_path last goes on from the last checkpoint."
)


@contextmanager
def explain_lost_process() -> Iterator[None]:
    r"""Explains errors of collective operations: another process of the run has ended.

    Raises:
        ConnectionError: Instead of the original error.
    """
    try:
        yield
    except RuntimeError as error:
        collective = isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
        reason = _LOST.search(str(error))
        if not collective or reason is None:
            raise
        raise ConnectionError(
            f"Another process of this run was lost, and this one ends, too ({reason[0]}). {GO_ON}"
        ) from error


def end_with_parent(seconds: float = 1.0) -> None:
    r"""Ends this process once the process that started it has ended, in the middle of a step.

    Lightning's first process ends the processes that it started if one of them fails, and nobody
    would end them if it is killed itself.

    Arguments:
        seconds: The time between two looks at the parent.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(seconds)
        sys.stderr.write(
            f"energy-gans: error: The first process of this run was lost, and this one ends, too. "
            f"{GO_ON}\n"
        )
        sys.stderr.flush()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def explain_write_errors(root: Path) -> Iterator[None]:
    r"""Explains errors of the system in code of loggers: the run could not be written.

    The functions of this package that write files explain such errors themselves.

    Arguments:
        root: The folder of the run.

    Raises:
        OSError: Instead of the original error; it names the options that set the folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        raise OSError(
            f"The run could not be written to {root}, which 'trainer.logger' or "
            f"'trainer.default_root_dir' names: {error.strerror}: {error.filename!r}."
        ) from error
