r"""Text and progress bars, for terminals and log files."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

# The seconds between two updates of a progress bar, in a terminal and in a log file.
INTERACTIVE_INTERVAL, LOG_INTERVAL = 0.1, 20.0

# The number of items of a list that are printed.
PRINTED = 5


def say(text: str) -> None:
    r"""Prints text, with escapes for characters that the terminal can not encode."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def print_first(what: str, lines: list[str]) -> None:
    r"""Prints the number of lines and the first of them; prints nothing without lines."""
    if lines:
        say(f"{len(lines)} {what}, which the manifest names:")
    for line in lines[:PRINTED]:
        say(f"  {line}")


def is_interactive() -> bool:
    r"""Returns whether stderr is a terminal or a notebook, and not a log file."""
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
    r"""Returns a progress bar on stderr, which is updated only every 20 seconds in a log file.

    Arguments:
        total: The number of units.
        unit: The plural of the unit, such as `images`.
        desc: The description of the work.
        shown: Whether the bar is displayed, for example in the first process only.
        items: The items that the bar yields; `None` if it is not iterated over.
    """
    interactive = is_interactive()
    return tqdm(
        items,
        total=total,
        desc=desc,
        unit=f" {unit}",
        disable=not shown,
        leave=not interactive,
        delay=0.0 if interactive else LOG_INTERVAL,
        mininterval=INTERACTIVE_INTERVAL if interactive else LOG_INTERVAL,
        miniters=1,
    )
