r"""`--trainer.callbacks.NAME.KEY VALUE`: an option of one of a run's callbacks, by the name of its class.

A run's callbacks are a list, and jsonargparse gives `--trainer.callbacks.KEY VALUE` to the last of what
was given so far. So the list is given again, cut behind each callback that has options, which then stand
right behind it: values are read, and wrong ones refused, as anywhere else.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml

from ..config_files import flag_value, flags
from ..messages import options_of

FLAG = "--trainer.callbacks"


class Option(NamedTuple):
    r"""Creates an option of a callback: `KEY` or `NAME.KEY`, and its value, if it has one."""

    key: str
    value: str | None

    def args(self) -> list[str]:
        r"""Returns the option as jsonargparse reads it, right behind its callback."""
        return [f"{FLAG}.{self.key}" + ("" if self.value is None else f"={self.value}")]


def place_options(
    args: Sequence[str], read: Callable[[list[str]], list[dict[str, Any]]]
) -> list[str]:
    r"""Returns arguments in which the options of callbacks stand right behind their callbacks.

    Arguments:
        args: The arguments of a training command.
        read: Returns the run's callbacks, `class_path` and `init_args` each, for arguments without
            options of callbacks.

    Raises:
        ValueError: If an option is of none of the callbacks, or of several.
    """
    if {"-h", "--help"} & {*args}:
        return list(args)
    rest, options = split_options(args)
    if not options:
        return rest
    callbacks = read([arg for arg in rest if not arg.startswith("--print_config")])
    names = names_of(callbacks)
    given: dict[int, list[str]] = {}
    for option in options:
        place, key = owner(option.key, callbacks, names)
        given.setdefault(place, []).extend(Option(key, option.value).args())
    start = 0
    for place in sorted(given):
        rest += [listed(callbacks[start : place + 1], start), *given[place]]
        start = place + 1
    return [*rest, listed(callbacks[start:], start)] if callbacks[start:] else rest


def split_options(args: Sequence[str]) -> tuple[list[str], list[Option]]:
    r"""Returns the arguments without the options of callbacks, and these.

    One that follows `--trainer.callbacks+=CLASS` is of that callback, and stays where it is.
    """
    rest: list[str] = []
    options: list[Option] = []
    added = None
    for parts in flags(args):
        name, value = flag_value(parts)
        key = name.removeprefix(f"{FLAG}.")
        first, _, last = key.partition(".")
        if key == name or first == "help":
            if name in ("-c", "--config", FLAG, f"{FLAG}+"):
                added = class_added(value) if name.startswith(FLAG) else None
            rest += parts
        elif added and first == added:
            rest += Option(last, value).args()
        elif added and not first[:1].isupper():
            rest += parts
        else:
            options.append(Option(key, value))
    return rest, options


def class_added(value: str | None) -> str | None:
    r"""Returns the name of the class that `--trainer.callbacks+=VALUE` adds, if it is a single one."""
    try:
        given = yaml.safe_load(value or "")
    except yaml.YAMLError:
        return None
    given = given[0] if isinstance(given, list) and len(given) == 1 else given
    path = given.get("class_path") if isinstance(given, dict) else given
    return path.rpartition(".")[2] if isinstance(path, str) else None


def names_of(callbacks: Sequence[dict[str, Any]]) -> list[str]:
    r"""Returns the names of callbacks: those of their classes, with `_1`, `_2` if there are several."""
    names = [one["class_path"].rpartition(".")[2] for one in callbacks]
    return [
        name if names.count(name) == 1 else f"{name}_{names[: i + 1].count(name)}"
        for i, name in enumerate(names)
    ]


def owner(
    option: str, callbacks: Sequence[dict[str, Any]], names: Sequence[str]
) -> tuple[int, str]:
    r"""Returns the place of the callback that an option is of, and its key there.

    Arguments:
        option: `NAME.KEY`, or `KEY` if one callback only has such an option.
        callbacks: The callbacks.
        names: Their names.
    """
    if not callbacks:
        raise ValueError(f"'{FLAG}.{option}' is for runs with callbacks: {FLAG}+=CLASS adds one.")
    first, _, last = option.partition(".")
    if first[:1].isupper():
        if first not in names:
            raise ValueError(
                f"'{FLAG}.{option}' should name one of this run's callbacks, {', '.join(names)}, or one "
                f"that {FLAG}+=CLASS adds{hint(first, names)}"
            )
        if not last:
            raise ValueError(
                f"'{FLAG}.{option}' should say which option: {FLAG}.{first}.KEY VALUE."
            )
        return names.index(first), last
    key = option.removeprefix("init_args.").partition(".")[0]
    known = [options_of(one["class_path"]) for one in callbacks]
    found = [i for i, keys in enumerate(known) if key in keys]
    if len(callbacks) == 1 or len(found) == 1:
        return (found or [0])[0], option
    if not found:
        near = hint(key, [k for keys in known for k in keys])
        raise ValueError(
            f"'{FLAG}.{option}' is an option of none of this run's callbacks, {', '.join(names)}{near}"
        )
    owners = [names[i] for i in found]
    raise ValueError(
        f"'{FLAG}.{option}' is an option of {' and '.join(owners)}: say which, as in "
        f"{FLAG}.{owners[0]}.{option.removeprefix('init_args.')}."
    )


def hint(wrong: str, names: Sequence[str]) -> str:
    r"""Returns the end of a sentence on a wrong name: the nearest right one, if there is one."""
    close = difflib.get_close_matches(wrong, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


def listed(callbacks: Sequence[dict[str, Any]], start: int) -> str:
    r"""Returns the argument that begins a list with some callbacks, or adds them to it."""
    text = yaml.safe_dump(list(callbacks), default_flow_style=True, width=float("inf")).strip()
    return f"{FLAG}{'+' if start else ''}={text}"
