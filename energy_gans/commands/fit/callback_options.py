r"""`--trainer.callbacks.NAME.KEY VALUE`: an option of the callback of class NAME.

The callbacks of a run are a list, and jsonargparse applies `--trainer.callbacks.KEY VALUE` to the
last callback given so far. The list is therefore given again, in parts that end with a callback
that has options, and each part is followed by these options. jsonargparse then reads and checks
the values as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml

from ..flags import flag_value, flags
from ..suggestions import nearest_names, option_types

FLAG = "--trainer.callbacks"


class _Option(NamedTuple):
    r"""An option of a callback: `KEY` or `NAME.KEY`, and its value, if any."""

    key: str
    value: str | None

    def args(self) -> list[str]:
        r"""Returns the arguments that set the option of the last callback."""
        return [f"{FLAG}.{self.key}" + ("" if self.value is None else f"={self.value}")]


def place_options(
    args: Sequence[str], read: Callable[[list[str]], list[dict[str, Any]]]
) -> list[str]:
    r"""Returns arguments in which options directly follow their callbacks.

    Arguments:
        args: The arguments of a training command.
        read: A function that returns the run's callbacks (mappings with `class_path` and
            `init_args`) for arguments without options of callbacks.

    Raises:
        ValueError: If an option belongs to none of the callbacks, or to several.
    """
    if {"-h", "--help"} & {*args}:
        return list(args)
    rest, options = _split_options(args)
    if not options:
        return rest
    callbacks = read([arg for arg in rest if not arg.startswith("--print_config")])
    names = _callback_names(callbacks)
    given: dict[int, list[str]] = {}
    for option in options:
        place, key = _find_owner(option.key, callbacks, names)
        given.setdefault(place, []).extend(_Option(key, option.value).args())
    start = 0
    for place in sorted(given):
        rest += [_list_argument(callbacks[start : place + 1], start), *given[place]]
        start = place + 1
    return [*rest, _list_argument(callbacks[start:], start)] if callbacks[start:] else rest


def _split_options(args: Sequence[str]) -> tuple[list[str], list[_Option]]:
    r"""Returns the other arguments, and the options of callbacks.

    An option that follows `--trainer.callbacks+=CLASS` belongs to that callback, and stays there.
    """
    rest: list[str] = []
    options: list[_Option] = []
    added = None
    for parts in flags(args):
        name, value = flag_value(parts)
        key = name.removeprefix(f"{FLAG}.")
        first, _, last = key.partition(".")
        if key == name or first == "help":
            if name in ("-c", "--config", FLAG, f"{FLAG}+"):
                added = _added_class(value) if name.startswith(FLAG) else None
            rest += parts
        elif added and first == added:
            rest += _Option(last, value).args()
        elif added and not first[:1].isupper():
            rest += parts
        else:
            options.append(_Option(key, value))
    return rest, options


def _added_class(value: str | None) -> str | None:
    r"""Returns the class name of the single callback that `--trainer.callbacks+=VALUE` adds."""
    try:
        given = yaml.safe_load(value or "")
    except yaml.YAMLError:
        return None
    given = given[0] if isinstance(given, list) and len(given) == 1 else given
    path = given.get("class_path") if isinstance(given, dict) else given
    return path.rpartition(".")[2] if isinstance(path, str) else None


def _callback_names(callbacks: Sequence[dict[str, Any]]) -> list[str]:
    r"""Returns the class names of callbacks, with `_1`, `_2`, ... where a class occurs twice."""
    names = [one["class_path"].rpartition(".")[2] for one in callbacks]
    return [
        name if names.count(name) == 1 else f"{name}_{names[: i + 1].count(name)}"
        for i, name in enumerate(names)
    ]


def _find_owner(
    option: str, callbacks: Sequence[dict[str, Any]], names: Sequence[str]
) -> tuple[int, str]:
    r"""Returns the index of the callback that an option belongs to, and the option's key.

    Arguments:
        option: `NAME.KEY`, or `KEY` if only one callback has such an option.
        callbacks: The callbacks.
        names: Their names.

    Raises:
        ValueError: If no callback has such an option, or several have.
    """
    if not callbacks:
        raise ValueError(f"'{FLAG}.{option}' is for runs with callbacks: {FLAG}+=CLASS adds one.")
    first, _, last = option.partition(".")
    if first[:1].isupper():
        if first not in names:
            raise ValueError(
                f"'{FLAG}.{option}' should name one of this run's callbacks, "
                f"{', '.join(names)}, or one that {FLAG}+=CLASS adds{_suggestion(first, names)}"
            )
        if not last:
            raise ValueError(
                f"'{FLAG}.{option}' should say which option: {FLAG}.{first}.KEY VALUE."
            )
        return names.index(first), last
    key = option.removeprefix("init_args.").partition(".")[0]
    known = [option_types(one["class_path"]) for one in callbacks]
    found = [i for i, keys in enumerate(known) if key in keys]
    if len(callbacks) == 1 or len(found) == 1:
        return (found or [0])[0], option
    if not found:
        near = _suggestion(key, [k for keys in known for k in keys])
        raise ValueError(
            f"'{FLAG}.{option}' is an option of none of this run's callbacks, "
            f"{', '.join(names)}{near}"
        )
    owners = [names[i] for i in found]
    raise ValueError(
        f"'{FLAG}.{option}' is an option of {' and '.join(owners)}: say which, as in "
        f"{FLAG}.{owners[0]}.{option.removeprefix('init_args.')}."
    )


def _suggestion(wrong: str, names: Sequence[str]) -> str:
    r"""Returns `; did you mean ...?` with the nearest name, or a full stop."""
    near = nearest_names(wrong, names)
    return f"; did you mean {near}?" if near else "."


def _list_argument(callbacks: Sequence[dict[str, Any]], start: int) -> str:
    r"""Returns the argument that starts a list of callbacks, or appends to it."""
    text = yaml.safe_dump(list(callbacks), default_flow_style=True, width=float("inf")).strip()
    return f"{FLAG}{'+' if start else ''}={text}"
