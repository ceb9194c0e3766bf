r"""Text for the terminal."""

from __future__ import annotations

import sys

# The things of a list that are named: a file names all of them.
NAMED = 5


def say(text: str) -> None:
    r"""Prints text, with an escape for each character that the terminal can not show."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def show(what: str, lines: list[str]) -> None:
    r"""Prints how many things there are and the first of them, if there are any."""
    if lines:
        say(f"{len(lines)} {what}, which the manifest names:")
    for line in lines[:NAMED]:
        say(f"  {line}")
