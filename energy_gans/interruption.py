r"""What a command does when it is asked to stop, by Ctrl-C or by a signal such as SIGTERM.

It removes what is half written, says one sentence, and ends with the status that shells and schedulers
expect: 128 plus the number of the signal, 130 for Ctrl-C and 143 for SIGTERM.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class SignalError(KeyboardInterrupt):
    r"""Raised when a signal asks a command to stop, as Ctrl-C raises a `KeyboardInterrupt`.

    Arguments:
        number: The number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def signals_as_errors(*numbers: int) -> Iterator[None]:
    r"""Makes signals raise a :class:`SignalError`, unless they are ignored or handled already.

    Under nohup, for one, SIGHUP is ignored, and stays so. Only a main thread can handle signals.
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
    r"""Ends the process, once it was cleaned up, if Ctrl-C or SIGTERM comes.

    Raises:
        SystemExit: With the status of the signal, after one sentence.
    """
    try:
        with signals_as_errors(signal.SIGTERM):
            yield
    except (KeyboardInterrupt, InterruptedError, SystemExit) as error:
        number = signal_of(error)
        if number is None:
            raise
        reason = f" {error}" if isinstance(error, InterruptedError) else ""
        sys.stderr.write(f"energy-gans: interrupted.{reason}\n")
        sys.exit(128 + number)


def signal_of(error: BaseException | None) -> int | None:
    r"""Returns the number of the signal that an error comes from, or `None`."""
    # Lightning ends an interrupted training with 1; another status was chosen, and said, by this package.
    if isinstance(error, SystemExit) and error.code != 1:
        return None
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return getattr(error, "number", signal.SIGINT) if error is not None else None
