r"""Suggestions for misspelt names: of keys, classes and values.

Names may come from a file of unknown origin, so nothing is imported here: jsonargparse has already
imported the classes that its messages name.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable
from typing import Any

# Modules whose classes users may give by name alone, if they are imported.
ROOMS = (
    *(f"energy_gans.{room}" for room in ("callbacks", "data", "fields", "methods", "networks")),
    *("energy_gans.methods.baselines", "energy_gans.metrics.features"),
    *("lightning.pytorch.callbacks", "lightning.pytorch.loggers"),
    *("torch.nn", "torch.optim", "torch.optim.lr_scheduler"),
)
# The keys of a class in a config.
SPEC = ("class_path", "init_args", "dict_kwargs")


def nearest_names(wrong: str, names: Iterable[str]) -> str:
    r"""Returns the nearest name to a wrong one, or up to four names that begin with it.

    Arguments:
        wrong: The wrong name; leading dashes do not count.
        names: The valid names.

    Returns:
        The names in quotes, with `or` between them; `""` if none is near.
    """
    names = [*dict.fromkeys(names)]
    begun = [name for name in names if wrong and name.startswith(wrong)]
    if begun and len(begun) <= 4:
        return " or ".join(map(repr, begun))
    plain = {name.lstrip("-"): name for name in names}
    lower = {name.lower(): name for name in reversed(plain)}
    wrong = wrong.lstrip("-")
    near = [lower.get(wrong.lower()), *difflib.get_close_matches(wrong, plain, n=1)]
    near += [lower[name] for name in difflib.get_close_matches(wrong.lower(), lower, n=1)]
    return next((repr(plain[name]) for name in near if name), "")


def did_you_mean(wrong: str, names: Iterable[str]) -> str:
    r"""Returns ` Did you mean ...?` with the nearest names, or `""` if none is near."""
    near = nearest_names(wrong, names)
    return f" Did you mean {near}?" if near else ""


def suggest_value(text: str) -> str:
    r"""Returns a message with the nearest of the values that it lists, if it lists any.

    Arguments:
        text: The message, such as `'start' should be one of ('data', 'noise'), got 'nois'.`
    """
    found = re.search(
        r"(?:should be|Expected).*? of (.*?)(?:, got|\. Got value:) (\S+?)\.?$", text
    )
    if not found or "id you mean" in text:
        return text
    names = re.findall(r"[\w.-]+", found[1])
    given = re.findall(r"[\w.-]+", found[2])
    # A number is no misspelt word.
    wrong = next((name for name in given if name not in names and re.search("[A-Za-z]", name)), "")
    near = nearest_names(wrong, names)
    return f"{text.rstrip('.')}. Did you mean {near}?" if near else text


def option_types(class_path: str) -> dict[str, Any]:
    r"""Returns the types of the arguments of a class by name; empty if it is not imported."""
    module, _, name = class_path.rpartition(".")
    cls = getattr(sys.modules.get(module), name, None)
    if not isinstance(cls, type):
        return {}
    # The import takes seconds, but whoever imported the class has paid for it.
    from ..storage.argument_types import argument_types

    return {key: hint for key, (hint, _) in argument_types(cls).items()}


def unknown_option(class_path: str, option: str) -> tuple[str, list[str]]:
    r"""Returns the part of a dotted option that a class does not have, and the valid names.

    Arguments:
        class_path: The path of the class.
        option: The option, such as `chains.step_sise`.
    """
    *groups, last = option.split(".")
    for group in groups:
        types = option_types(class_path)
        if group not in types:
            return group, [*types, *SPEC]
        inner = described_types(types[group])
        class_path = f"{inner[0].__module__}.{inner[0].__qualname__}" if inner else ""
    return last, [*option_types(class_path), *SPEC]


def described_types(hint: Any) -> tuple[type, ...]:
    r"""Returns the classes whose objects a config may describe for a type; all if it is empty."""
    if hint is None:
        return ()
    from ..storage.argument_types import described_classes

    return described_classes(hint)


def known_classes(bases: tuple[type, ...] = (), name: str | None = None) -> list[tuple[str, str]]:
    r"""Returns the name and the path of each class in :data:`ROOMS` that is imported.

    Arguments:
        bases: The classes of which it has to be a subclass of one, but not one itself; any class
            if empty.
        name: Its name; any if `None`.
    """
    rooms = ((room, vars(sys.modules[room])) for room in ROOMS if room in sys.modules)
    return [
        (one, f"{room}.{one}")
        for room, members in rooms
        for one, value in (members.items() if name is None else [(name, members.get(name))])
        if isinstance(value, type) and issubclass(value, bases or object) and value not in bases
    ]
