r"""Errors of jsonargparse in one sentence.

A message of jsonargparse is a tree: a key, the class made from its value, a key of that class, and
so on, with one branch for each type that the value may have. The deepest branch is reported: there
the class was found, and only one of its arguments was wrong.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from jsonargparse import ArgumentParser

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
# Modules whose classes users may give by name alone, if they are imported.
ROOMS = (
    *(f"energy_gans.{room}" for room in ("callbacks", "data", "methods", "networks")),
    *("energy_gans.methods.baselines", "energy_gans.metrics.features"),
    *("lightning.pytorch.callbacks", "lightning.pytorch.loggers", "torch.nn", "torch.optim"),
)
# How jsonargparse reports a wrong callable, and how it reports any other wrong class.
CALLABLE = r"Type typing\.Callable\[[^\n]*? expects a function or a callable class: "
CALLABLE_CLASS = re.compile(
    rf"^( *)(?:- )?{CALLABLE}(.*?)\. Got value: Namespace\(class_path='([^']+)'[^\n]*$",
    re.DOTALL | re.MULTILINE,
)
CLASS = r"\1Problem with given class_path '\3':\n\1 \2"


class OneSentence(ArgumentParser):
    r"""A parser that reports errors in one sentence, and refuses abbreviated flags.

    The meaning of an abbreviation could change with every new flag.

    Arguments:
        kwargs: The arguments of jsonargparse's `ArgumentParser`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:
            super().error(message, ex)
        sys.exit(f"energy-gans: error: {sentence(message, [*_known_flags(self)])}")


class _Part(NamedTuple):
    r"""What a part of a message reports: the reasons, the keys, the class and the depth."""

    reasons: list[str]
    keys: tuple[str, ...] = ()
    cls: str | None = None
    depth: int = 0


def sentence(message: str, known: Sequence[str] = ()) -> str:
    r"""Returns the essence of a message of jsonargparse, with the nearest valid names.

    Arguments:
        message: The message.
        known: The flags that the parser knows.
    """
    message = re.sub(r'^Parser key "([^"]+)": ', r"\1: ", message)
    cls, text = None, message
    if "\n" in message:
        message = re.sub(CALLABLE, "", CALLABLE_CLASS.sub(CLASS, message))
        lines = [line for line in message.splitlines() if line.strip(" -")]
        told = _parse_lines(
            [(len(line) - len(line.lstrip(" ")), line.strip(" -")) for line in lines]
        )
        cls, text = told.cls, _join_reasons(told.reasons or lines[:1])
        given = re.findall(
            r"Given value: (?:NestedArg\(.*val='?)?([\w./+-]+)'?\)?$", message, re.M
        )
        if given and text.startswith("Expected") and "Got value" not in text:
            text += f". Got value: {given[0]}"
        where = ".".join(told.keys) + (f" ({cls})" if cls else "")
        text = f"{where}: {text}" if where else text
    text = _simplify(text, known)
    near = _nearest_names(*_candidates(text, cls, known))
    return text + (f". Did you mean {near}?" if near else "")


def _nearest_names(wrong: str, names: Sequence[str]) -> str:
    r"""Returns the nearest name to a wrong one, or up to four names that begin with it."""
    begun = [*dict.fromkeys(name for name in names if wrong and name.startswith(wrong))]
    if len(begun) > 4 or not begun:
        begun = difflib.get_close_matches(wrong, names, n=1)
    return " or ".join(map(repr, begun))


def _parse_lines(lines: list[tuple[int, str]]) -> _Part:
    r"""Returns the deepest part of lines, which come with their indentation."""
    found = [_Part([])]
    for text, inner in _split_entries(lines):
        key = re.fullmatch(r'Parser key "([^"]+)":', text)
        cls = re.fullmatch(r"Problem with given class_path '([^']+)':", text)
        if text == "Errors:" or text.startswith(SKIPPED):
            found.append(_parse_lines(inner))
        elif key or cls:
            told = _parse_lines(inner)
            keys = (key[1], *told.keys) if key else told.keys
            name = told.cls or (cls[1] if cls else None)
            found.append(_Part(told.reasons, keys, name, told.depth + 2))
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


def _parse_line(text: str) -> _Part:
    r"""Returns the part of one line; a missing file or class matters less than a wrong type."""
    if text.startswith("Expected a path but"):
        return _Part([text], depth=-2)
    if name := re.fullmatch(r"Expected a dot import path string: (.*)", text):
        return _Part([f"There is no class {name[1]!r}"], depth=1 if name[1][:1].isupper() else -1)
    if base := re.fullmatch(r"Not a valid subclass of (.*)", text):
        return _Part([f"Expected class_path and init_args of a {base[1]}"], depth=-1)
    return _Part([text])


def _join_reasons(reasons: Sequence[str]) -> str:
    r"""Returns one reason for several; expected types are alternatives."""
    if all(reason.startswith("Expected ") for reason in reasons):
        return "Expected " + " or ".join(r.removeprefix("Expected ") for r in reasons)
    return "; ".join(reasons)


def _simplify(text: str, known: Sequence[str]) -> str:
    r"""Returns a text on one line, with types and flags in users' notation."""
    text = text.replace(".. Got", ". Got")
    text = re.sub(r"a typing\.Literal\[([^\]]*)\]", r"one of \1", " ".join(text.split()))
    text = re.sub(r"a <class '([aeiou][^']*)'>", r"an \1", text)
    if found := re.fullmatch(r"(the following arguments are required: )(.*)", text):
        keys = [key.split(".") for key in found[2].split(", ")]
        # A key may begin with the command's name.
        ends = [[f"--{'.'.join(key[i:])}" for i in range(len(key))] for key in keys]
        flags = [next((f for f in end if f in known), end[0]) for end in ends]
        return found[1] + ", ".join(flags)
    return re.sub(r"<class '([^']+)'>", r"\1", text)


def _candidates(text: str, cls: str | None, known: Sequence[str]) -> tuple[str, list[str]]:
    r"""Returns the name that a text reports as unknown, and the valid names.

    A message may quote a file of unknown origin, so nothing in it is imported here: jsonargparse
    has already imported the classes that it reports.
    """
    if found := re.search(r"Option '([^']+)' is not accepted", text):
        if cls is None:
            first = found[1].partition(".")[0]
            return first, [flag.strip("-").partition(".")[0] for flag in known]
        return found[1].rpartition(".")[2], options_of(cls)
    if found := re.search(r"module '([^']+)' has no attribute '([^']+)'", text):
        return found[2], list(getattr(sys.modules.get(found[1]), "__dict__", ()))
    if found := re.search(r"There is no class '([^']+)'", text):
        return found[1], [n for room in ROOMS for n in vars(sys.modules.get(room, object))]
    if found := re.search(r"Group '([^']+)' does not accept option '([^']+)'", text):
        return f"--{found[1]}.{found[2]}", list(known)
    if found := re.search(r"unrecognized arguments:.*? (--[^\s=]+)", text):
        return found[1], list(known)
    if found := re.search(r"invalid choice: '([^']+)' \(choose from (.*)\)", text):
        return found[1], re.findall(r"[\w.-]+", found[2])
    return "", []


def options_of(class_path: str) -> list[str]:
    r"""Returns the arguments of a class and of its bases, if it is imported."""
    module, _, name = class_path.rpartition(".")
    bases = getattr(getattr(sys.modules.get(module), name, None), "__mro__", ())
    return [key for base in bases for key in inspect.signature(base.__init__).parameters]


def _known_flags(parser: ArgumentParser) -> Iterator[str]:
    r"""Yields the flags of a parser and of its subcommands."""
    for action in parser._actions:
        yield from action.option_strings
        for inner in action.choices.values() if isinstance(action.choices, dict) else ():
            yield from _known_flags(inner)
