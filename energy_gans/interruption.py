r"""Interruption of commands by Ctrl-C or by a signal such as SIGTERM.

An interrupted command removes its unfinished files, prints one sentence, and exits with the status
that shells and schedulers expect: 128 plus the number of the signal, so 130 for Ctrl-C and 143 for
SIGTERM. A command that SLURM interrupts because its time is nearly over asks to be started again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class SignalError(KeyboardInterrupt):
    r"""Raised by a signal that asks a command to stop, as Ctrl-C raises a `KeyboardInterrupt`.

    Arguments:
        number: The number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def signals_as_errors(*numbers: int) -> Iterator[None]:
    r"""Makes signals raise a :class:`SignalError`, unless they are ignored or already handled.

    For example, SIGHUP is ignored under nohup, and stays ignored. Outside of the main thread,
    which alone can handle signals, nothing changes.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise SignalError(number)

    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if signal.getsignal(number) == signal.SIG_DFL:
                handlers[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    r"""Exits with one sentence on Ctrl-C or SIGTERM, after all cleanup in the block has run.

    Raises:
        SystemExit: With the status of the signal.
    """
    try:
        with signals_as_errors(signal.SIGTERM):
            yield
    except (KeyboardInterrupt, InterruptedError, SystemExit) as error:
        number = _signal_of(error)
        if number is None:
            raise
        reason = f" {error}" if isinstance(error, InterruptedError) else ""
        sys.stderr.write(f"energy-gans: interrupted.{reason}\n")
        sys.exit(128 + number)


def requeue_job() -> str:
    r"""Asks SLURM to start the job of this process again, by `scontrol requeue`.

    Returns:
        A sentence on whether SLURM will.
    """
    variables = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
    if all(name in os.environ for name in variables):
        job = "_".join(os.environ[name] for name in variables)
    else:
        job = os.environ.get("SLURM_JOB_ID", "")
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
        failure = done.stderr.strip() or f"status {done.returncode}" if done.returncode else None
    except OSError as error:
        failure = str(error.strerror)
    if failure is None:
        return f"SLURM starts job {job} again."
    return f"SLURM does not start job {job} again, so submit it: scontrol requeue: {failure}"


def _signal_of(error: BaseException | None) -> int | None:
    r"""Returns the number of the signal that caused an error, or `None` if no signal did."""
    # Lightning exits with status 1 after an interrupted training; other statuses come from this
    # package.
    if isinstance(error, SystemExit) and error.code != 1:
        return None
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return getattr(error, "number", signal.SIGINT) if error is not None else None
