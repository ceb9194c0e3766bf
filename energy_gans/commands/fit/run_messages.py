r"""What a training command says of its run: what to type next, or where it cannot be written."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
