r"""Errors of jsonargparse in one sentence, with the nearest valid name for a misspelt one."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import jsonargparse._typehints as typehints
from jsonargparse import ArgumentParser

from ..files import import_hint
from .message_tree import MessagePart, join_reasons, parse_lines
from .suggestions import (
    described_types,
    known_classes,
    nearest_names,
    option_types,
    suggest_value,
    unknown_option,
)

# How jsonargparse reports a wrong callable, and how it reports any other wrong class.
CALLABLE = r"Type [\w.]*\.Callable\[[^\n]*? expects a function or a callable class: "
CALLABLE_CLASS = re.compile(
    rf"^( *)(?:- )?{CALLABLE}(.*?)\. Got value: Namespace\([^\n]*?class_path='([^']+)'[^\n]*$",
    re.DOTALL | re.MULTILINE,
)
CLASS = r"\1Problem with given class_path '\3':\n\1 \2"
# Where a wrong name was found, and the valid names there.
Candidates = tuple[str, Sequence[str]]
# By a flag that only some commands have, the flag for what users type as a first word.
_OF_FIRST_WORDS = {"--trainer.max_steps": "--config", "--run": "--run", "--ckpt_path": "--model"}
# The largest number of classes that an error lists.
_FEW = 14

_resolve_name = typehints.resolve_class_path_by_name


def _prefer_known(base: Any, name: str) -> str:
    r"""Returns the path of the class that a name means: in the known rooms, or anywhere.

    `MLP` is also a class of torchvision, and `CoulombGAN` also an attribute of this package, which
    would be the path in the config of a run.

    Arguments:
        base: The class, or the type, of which it has to be a subclass.
        name: The name.
    """
    bases = base if isinstance(base, tuple) else described_types(base)
    known = known_classes(bases, name) if bases else []
    return known[0][1] if known else _resolve_name(base, name)


# jsonargparse has no public way to rank classes of one name.
typehints.resolve_class_path_by_name = _prefer_known


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
        if type(ex) is KeyError:
            # jsonargparse does not find the parser of a command in a group of a group, to which it
            # would add a message.
            *_, (frame, _) = traceback.walk_tb(ex.__traceback__)
            message = str(frame.f_locals.get("ex", message))
        sys.exit(f"energy-gans: error: {sentence(message, dict(_known_flags(self)))}")


def sentence(message: str, known: Mapping[str, Any] | None = None) -> str:
    r"""Returns the essence of a message of jsonargparse, with the nearest valid names.

    Arguments:
        message: The message.
        known: The type of each flag that the parser knows.
    """
    known = known or {}
    message = re.sub(r'^Parser key "([^"]+)": ', r"\1: ", message)
    told, text = MessagePart([]), message
    if "\n" in message:
        message = re.sub(CALLABLE, "", CALLABLE_CLASS.sub(CLASS, message))
        lines = [line for line in message.splitlines() if line.strip(" -")]
        told = parse_lines(
            [(len(line) - len(line.lstrip(" ")), line.strip(" -")) for line in lines]
        )
        text = join_reasons(told.reasons or lines[:1])
        given = re.findall(
            r"Given value: (?:NestedArg\(.*val='?)?([\w./+-]+)'?\)?$", message, re.M
        )
        if given and text.startswith("Expected") and "Got value" not in text:
            text += f". Got value: {given[0]}"
        where = ".".join(told.keys) + (f" ({told.cls})" if told.cls else "")
        text = f"{where}: {text}" if where else text
    text = _other_type(_simplify(text, known), told, known)
    if stray := re.search(r"unrecognized arguments: (?!-)(\S+)", text):
        flag = next((flag for own, flag in _OF_FIRST_WORDS.items() if own in known), "--config")
        return f"{text}. Did you mean {flag} {stray[1]}?"
    missing = re.search(r"No module named '([^']+)'$", text)
    if missing and (hint := import_hint(missing[1])):
        return f"{text}{hint}."
    wrong, names = _candidates(text, told, known)
    near = nearest_names(wrong, names)
    listed = "There is no class" in text and 0 < len(names) <= _FEW
    if listed:
        text = f"{text}. Known are {', '.join(sorted(names))}"
    if near:
        return f"{text}. Did you mean {near}?"
    return text if listed else suggest_value(_missing_class(text, told, known))


def _simplify(text: str, known: Mapping[str, Any]) -> str:
    r"""Returns a text on one line, with types and flags in users' notation."""
    text = text.replace(".. Got", ". Got")
    text = re.sub(r"a typing\.Literal\[([^\]]*)\]", r"one of \1", " ".join(text.split()))
    text = re.sub(r"a <class '([aeiou][^']*)'>", r"an \1", text)
    text = re.sub(r"\. Got value: NestedArg\(key='([^']+)'.*", r", which has no option '\1'", text)
    if found := re.fullmatch(r"(the following arguments are required: )(.*)", text):
        keys = [key.split(".") for key in found[2].split(", ")]
        # A key may begin with the command's name.
        ends = [[f"--{'.'.join(key[i:])}" for i in range(len(key))] for key in keys]
        flags = [next((f for f in end if f in known), end[0]) for end in ends]
        given = ". A config gives them: --config coulomb/ring" if "--model" in flags else ""
        return found[1] + ", ".join(flags) + given
    return re.sub(r"<class '([^']+)'>", r"\1", text)


def _candidates(text: str, told: MessagePart, known: Mapping[str, Any]) -> Candidates:
    r"""Returns the name that a text reports as unknown, and the valid names."""
    if found := re.search(r"Subcommand '[^']+' does not accept option '([^']+)'", text):
        last = found[1].rpartition(".")[2]
        return last, [flag.strip("-") for flag in known]
    if found := re.search(r"Option '([^']+)' is not accepted", text):
        if told.cls is not None:
            return unknown_option(told.cls, found[1])
        first = found[1].partition(".")[0]
        return first, [flag.strip("-").partition(".")[0] for flag in known]
    if found := re.search(r"module '([^']+)' has no attribute '([^']+)'", text):
        return _path_candidates(text, told, found[2], vars(sys.modules.get(found[1], object)))
    if found := re.search(r"No module named '([^']+)'", text):
        return _path_candidates(text, told, found[1], sys.modules)
    if found := re.search(r"There is no class '([^']+)'", text):
        return found[1], [name for name, _ in known_classes(_bases(told, known))]
    if found := re.search(r"Group '([^']+)' does not accept option '([^']+)'", text):
        return f"--{found[1]}.{found[2]}", list(known)
    if found := re.search(r"unrecognized arguments:.*? (--[^\s=]+)", text):
        return found[1], list(known)
    if found := re.search(r"invalid choice: '([^']+)' \(choose from (.*)\)", text):
        return found[1], re.findall(r"[\w.-]+", found[2])
    return "", []


def _other_type(text: str, told: MessagePart, known: Mapping[str, Any]) -> str:
    r"""Returns a text that says of what type a class is not, instead of that there is none."""
    found = re.search(r"There is no class '([^']+)'", text)
    bases = _bases(told, known) if found else ()
    paths = [path for _, path in known_classes(name=found[1])] if found else []
    if not bases or not paths:
        return text
    names = " or ".join(dict.fromkeys(base.__name__ for base in bases))
    return text.replace(found[0], f"{paths[0]} is no {names}")


def _missing_class(text: str, told: MessagePart, known: Mapping[str, Any]) -> str:
    r"""Returns a text that asks for a class if an option is none of the base of all classes."""
    key = ".".join(told.keys)
    module, _, name = (told.cls or "").rpartition(".")
    base = getattr(sys.modules.get(module), name, None)
    found = re.search(r"Option '([^']+)' is not accepted", text)
    if not found or base not in described_types(known.get(f"--{key}")):
        return text
    return f"{key}: Option '{found[1]}' needs a class: add --{key} CLASS, or a config with one"


def _bases(told: MessagePart, known: Mapping[str, Any]) -> tuple[type, ...]:
    r"""Returns the classes that a config may describe at the place that a part reports."""
    key = told.keys[-1] if told.keys else ""
    return described_types(option_types(told.cls or "").get(key, known.get(f"--{key}")))


def _path_candidates(
    text: str, told: MessagePart, wrong: str, names: Mapping[str, Any]
) -> Candidates:
    r"""Returns the wrong part of the path of a class and the valid names, or a path for a path.

    Arguments:
        text: The text of the message.
        told: What the message reports.
        wrong: The name that was not found.
        names: The names where it should be.
    """
    given = re.search(r"Got value: ([\w.]+)$", text)
    path = given[1] if given else told.cls or ""
    same = [known for _, known in known_classes(name=path.rpartition(".")[2])]
    # The nearest to a path are paths of the class itself, wherever it is.
    return (same[0], same[:1]) if same else (wrong, [*names])


def _known_flags(parser: ArgumentParser) -> Iterator[tuple[str, Any]]:
    r"""Yields the flags of a parser and of its subcommands, each with its type, if it has one."""
    for action in parser._actions:
        for flag in action.option_strings:
            yield flag, getattr(action, "_typehint", None)
        for inner in action.choices.values() if isinstance(action.choices, dict) else ():
            yield from _known_flags(inner)
