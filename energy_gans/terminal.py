r"""Text and progress bars, for terminals and log files.

Commands are also Python functions. Only the command line prints: it opens the context
:func:`printing`, outside of which :func:`say` is silent. Progress bars are drawn by the command
line and in notebooks.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm.auto import tqdm

_PRINTING: ContextVar[bool] = ContextVar("printing", default=False)

# The seconds between two updates of a progress bar, in a terminal and in a log file.
INTERACTIVE_INTERVAL, LOG_INTERVAL = 0.1, 20.0

# The number of items of a list that are printed.
PRINTED = 5

# What libraries say that no user can act on, or that this package says in its own errors.
NOISE = (
    "infer the batch indices",
    "litlogger",
    "LeafSpec",
    "args parameter is intended",
    "does not have many workers",
    "TPU available",
    "not resumable",
    "recommended to use `self.log",
    "could be decompression bomb",
    "Detected KeyboardInterrupt",
)


@contextmanager
def printing() -> Iterator[None]:
    r"""Makes :func:`say` print and :func:`progress_bar` draw within the context."""
    token = _PRINTING.set(True)
    try:
        yield
    finally:
        _PRINTING.reset(token)


def is_printing() -> bool:
    r"""Returns whether the command line runs, which prints; Python functions do not."""
    return _PRINTING.get()


def say(text: str) -> None:
    r"""Prints text, with escapes for characters that the terminal can not encode.

    It prints nothing outside of :func:`printing`.
    """
    if is_printing():
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def first_lines(what: str, lines: list[str]) -> list[str]:
    r"""Returns the number of lines in words, and the first of them; nothing without lines."""
    heading = [f"{len(lines)} {what}, which the manifest names:"] if lines else []
    return heading + [f"  {line}" for line in lines[:PRINTED]]


def is_notebook() -> bool:
    r"""Returns whether the process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def is_interactive() -> bool:
    r"""Returns whether stderr is a terminal or a notebook, and not a log file."""
    return sys.stderr.isatty() or is_notebook()


def draws_bars() -> bool:
    r"""Returns whether progress bars are drawn: by the command line, and in notebooks."""
    return is_printing() or is_notebook()


def progress_bar(
    total: int | None,
    unit: str,
    desc: str | None = None,
    shown: bool = True,
    items: Iterable[Any] | None = None,
) -> tqdm:
    r"""Returns a progress bar on stderr, which is updated only every 20 seconds in a log file.

    Arguments:
        total: The number of units, or `None` if it is not known.
        unit: The plural of the unit, such as `images`.
        desc: The description of the work.
        shown: Whether the bar is displayed, for example in the first process only, where bars are
            drawn at all.
        items: The items that the bar yields; `None` if it is not iterated over.
    """
    from tqdm.auto import tqdm

    interactive = is_interactive()
    return tqdm(
        items,
        total=total,
        desc=desc,
        unit=f" {unit}",
        disable=not (shown and draws_bars()),
        leave=not interactive,
        delay=0.0 if interactive else LOG_INTERVAL,
        mininterval=INTERACTIVE_INTERVAL if interactive else LOG_INTERVAL,
        miniters=1,
    )


def ignore_noise() -> None:
    r"""Leaves out what libraries say that no user of this package can act on."""
    for words in NOISE:
        warnings.filterwarnings("ignore", message=f".*{words}.*")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).addFilter(lambda r: not any(w in r.getMessage() for w in NOISE))
