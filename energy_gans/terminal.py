r"""Text and progress bars, for terminals and log files."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

# The seconds from one drawing to the next, where somebody looks on, and in a log file.
INTERACTIVE_INTERVAL, LOG_INTERVAL = 0.1, 20.0

# The things of a list that are named: a file names all of them.
PRINTED = 5


def say(text: str) -> None:
    r"""Prints text, with an escape for each character that the terminal can not show."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def print_first(what: str, lines: list[str]) -> None:
    r"""Prints how many things there are and the first of them, if there are any."""
    if lines:
        say(f"{len(lines)} {what}, which the manifest names:")
    for line in lines[:PRINTED]:
        say(f"  {line}")


def is_interactive() -> bool:
    r"""Returns whether progress is drawn for a terminal or a notebook, and not into a log file."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return sys.stderr.isatty() or (shell is not None and "IPKernelApp" in shell.config)


def progress_bar(
    total: int,
    unit: str,
    desc: str | None = None,
    shown: bool = True,
    items: Iterable[Any] | None = None,
) -> tqdm:
    r"""Returns a progress bar on stderr: that of a log file says something every 20 seconds only.

    Arguments:
        total: How many there are of what is counted.
        unit: What is counted.
        desc: What is done.
        shown: Whether it is shown at all, such as in the first process only.
        items: What the bar yields, if it is to be iterated over.
    """
    looked_at = is_interactive()
    return tqdm(
        items,
        total=total,
        desc=desc,
        unit=f" {unit}",
        disable=not shown,
        leave=not looked_at,
        delay=0.0 if looked_at else LOG_INTERVAL,
        mininterval=INTERACTIVE_INTERVAL if looked_at else LOG_INTERVAL,
        miniters=1,
    )
