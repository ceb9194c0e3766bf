r"""Text that fits one screen: sections, and lines on arguments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from .class_sources import Argument, first_sentence

# The width of a screen, and of names before their descriptions.
WIDTH = 99
_COLUMN = 34


def section(title: str, lines: Iterable[str]) -> str:
    r"""Returns lines below a title; nothing without lines."""
    lines = list(lines)
    return "\n".join([title, *lines]) if lines else ""


def describe(name: str, about: str, column: int = _COLUMN) -> str:
    r"""Returns a line on a name, with as much of its description as fits.

    Arguments:
        name: The name, or an argument with its type and default.
        about: The description.
        column: The width of the names.
    """
    start = f"  {name:<{column}}  "
    room = max(WIDTH - len(start), 4)
    return (start + textwrap.shorten(about, room, placeholder=" ...")).rstrip()


def describe_argument(argument: Argument, flag: str = "") -> str:
    r"""Returns a line on an argument: its name, type and default, and what it is.

    Arguments:
        argument: The argument.
        flag: What precedes its name, such as `--model.`.
    """
    return describe(f"{flag}{argument}", first_sentence(argument.about), _COLUMN + len(flag))


def wrap(text: str, indent: str = "", ending: str = "") -> list[str]:
    r"""Returns a text on lines that fit the screen; a long word has a line of its own.

    Arguments:
        text: The text.
        indent: What lines begin with.
        ending: What all lines but the last end with, as those of a shell's command do.
    """
    lines = textwrap.wrap(
        text,
        WIDTH - len(ending),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [*(line + ending for line in lines[:-1]), *lines[-1:]]
