r"""Messages of jsonargparse as trees.

A message is a tree: a key, the class made from its value, a key of that class, and so on, with one
branch for each type that the value may have. The deepest branch is reported: there the class was
found, and only one of its arguments was wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Lines without information for a user.
SKIPPED = (
    "Does not validate",
    "Subtypes:",
    "Given value",
    "Expected a <class 'NoneType'>",
    "Subclass types expect one of",
    "a class path (str)",
    "a dict with",
)
# An option that a group of a class's arguments does not have.
GROUP = r"Option '\1.\2' is not accepted"

OUTSIDE = "The options beside 'class_path' should be inside 'init_args'"


class MessagePart(NamedTuple):
    r"""What a part of a message reports: the reasons, the keys, the class and the depth."""

    reasons: list[str]
    keys: tuple[str, ...] = ()
    cls: str | None = None
    depth: int = 0


def parse_lines(lines: list[tuple[int, str]]) -> MessagePart:
    r"""Returns the deepest part of lines, which come with their indentation."""
    found = [MessagePart([])]
    for text, inner in _split_entries(lines):
        key = re.fullmatch(r'Parser key "([^"]+)":', text)
        cls = re.fullmatch(r"Problem with given class_path '([^']+)':", text)
        if text == "Errors:" or text.startswith(SKIPPED):
            found.append(parse_lines(inner))
        elif key or cls:
            told = parse_lines(inner)
            keys = (key[1], *told.keys) if key else told.keys
            name = told.cls or (cls[1] if cls else None)
            found.append(MessagePart(told.reasons, keys, name, told.depth + 2))
        else:
            found.append(_parse_line(text))
    told = [one for one in found if one.reasons] or found
    told = [one for one in told if one.depth == max(each.depth for each in told)]
    return told[0]._replace(reasons=[*dict.fromkeys(r for one in told for r in one.reasons)])


def _split_entries(lines: list[tuple[int, str]]) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    r"""Yields the least indented lines, each with the lines below it."""
    least = min((indent for indent, _ in lines), default=0)
    starts = [i for i, (indent, _) in enumerate(lines) if indent == least]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):
        yield lines[start][1], lines[start + 1 : end]


def _parse_line(text: str) -> MessagePart:
    r"""Returns the part of one line; a missing file or class matters less than a wrong type."""
    if text.startswith("Expected a path but"):
        return MessagePart([text], depth=-2)
    if name := re.fullmatch(r"Expected a dot import path string: (.*)", text):
        depth = 1 if name[1][:1].isupper() else -1
        return MessagePart([f"There is no class {name[1]!r}"], depth=depth)
    if base := re.fullmatch(r"Not a valid subclass of (.*)", text):
        return MessagePart([f"Expected class_path and init_args of a {base[1]}"], depth=-1)
    # A group of a class's arguments.
    text = re.sub(r"^unrecognized arguments: --([\w.]+)=.*", r"Option '\1' is not accepted", text)
    # jsonargparse takes `class_path` beside other keys for an option, too.
    text = text.replace("Option 'class_path' is not accepted", OUTSIDE)
    text = re.sub(r"^Group '(.+)' does not accept option '(.+)'", GROUP, text)
    return MessagePart([text])


def join_reasons(reasons: Sequence[str]) -> str:
    r"""Returns one reason for several; expected types are alternatives."""
    if all(reason.startswith("Expected ") for reason in reasons):
        return "Expected " + " or ".join(r.removeprefix("Expected ") for r in reasons)
    return "; ".join(reasons)
