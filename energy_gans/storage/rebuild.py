r"""Models and data modules rebuilt from what a file says of them, without running what the file names.

Checkpoints and run folders describe objects by class paths: `class_path: torch.nn.ReLU`. Whoever made
the file chose these names, so a name is looked up only if all of this holds:

- it lies in a package of :data:`PACKAGES`, or in one that the user trusts;
- it is a class, defined in such a package, and not a function that merely stands there;
- it is a subclass of what the argument's type asks for: a module for a network, and so on.

This holds at any depth. A plain string is looked up only where the type asks for a module or for a
function. Arguments that are paths of files are refused in the same way. A config that a user passes by
`--config` is not read here: it is code.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

import torch.nn as nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

# Where a file may name classes.
PACKAGES = (
    "energy_gans.data",
    "energy_gans.methods",
    "energy_gans.networks",
    "torch.nn",
    "torch.optim",
)
SPEC = {"class_path", "init_args", "dict_kwargs"}
# More values than any file of a run holds: aliases let a few lines of YAML stand for billions.
VALUES = 10**6


class Rebuilder:
    r"""Creates what rebuilds objects from their description in a file.

    Arguments:
        trust: The packages besides :data:`PACKAGES` whose classes may be named, with commas between.

    Raises:
        ValueError: If `trust` holds something that is no name of a package.
    """

    def __init__(self, trust: str = "") -> None:
        self.trusted = [name.strip() for name in trust.split(",") if name.strip()]
        for name in self.trusted:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(
                    f"'trust' should name packages, with commas between them, got {name!r}."
                )

    def instance(self, spec: Any, base: type | tuple[type, ...], key: str) -> Any:
        r"""Returns the object that a file describes.

        Arguments:
            spec: The description: `class_path`, and its arguments in `init_args`.
            base: What its class has to be a subclass of.
            key: The name of the description in errors.

        Raises:
            ValueError: If it names a class that may not be named.
        """
        return self.factory(spec, base, key)()

    def factory(self, spec: Any, base: type | tuple[type, ...], key: str) -> partial:
        r"""Returns the class that a file describes, with the arguments that it gives."""
        if not isinstance(spec, Mapping) or not {"class_path"} <= spec.keys() <= SPEC:
            raise ValueError(f"{key!r} should hold class_path and init_args, got {spec!r:.100}.")
        cls = self.resolve(spec["class_path"], base, f"{key}.class_path")
        known, given = arguments(cls), {}
        for part in ("init_args", "dict_kwargs"):
            for name, value in (spec.get(part) or {}).items():
                hint, optional = known.get(name, (Any, False))
                if optional and trains(hint):
                    # What is rebuilt is not trained: no optimizer and no schedule are made.
                    continue
                if isinstance(value, str) and Path in members(hint):
                    self.check_trusted(cls, f"{key}.{name}", value, "a file to be opened")
                    value = value if str in members(hint) else Path(value)
                given[name] = self.value(value, hint, f"{key}.{name}")
        return partial(cls, **given)

    def resolve(self, class_path: Any, base: type | tuple[type, ...], key: str) -> type:
        r"""Returns the class that a path names.

        Raises:
            ValueError: If it is none that may be named.
        """
        module, _, name = str(class_path).rpartition(".")
        if not isinstance(class_path, str) or not within(module, (*PACKAGES, *self.trusted)):
            self.refuse(module, key, class_path, "not one of this package's classes or of torch's")
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError as error:
            raise ValueError(f"{key!r} = {class_path!r} can not be imported: {error}.") from error
        if not (isinstance(found, type) and issubclass(found, base)):
            bases = base if isinstance(base, tuple) else (base,)
            names = " or ".join(one.__name__ for one in bases)
            raise ValueError(f"{key!r} should name a class that is a {names}, got {class_path!r}.")
        if not within(found.__module__, PACKAGES):
            self.check_trusted(found, key, class_path, "defined outside this package and torch")
        return found

    def check_trusted(self, cls: type, key: str, value: Any, what: str) -> None:
        r"""Raises a `ValueError` unless a class lies in a package that the user trusts."""
        if not within(cls.__module__, self.trusted):
            self.refuse(cls.__module__, key, value, what)

    def refuse(self, module: str, key: str, value: Any, what: str) -> NoReturn:
        r"""Raises a `ValueError` that says which package would have to be trusted."""
        package = module.partition(".")[0] or "PACKAGE"
        raise ValueError(
            f"{key!r} = {value!r} is {what}, and a file of unknown origin may ask for nothing else. If "
            f"you trust it, add --trust {package}, or trust={package!r} in Python."
        )

    def value(self, value: Any, hint: Any, key: str) -> Any:
        r"""Returns what an argument of a type is given."""
        hints = members(hint)
        if isinstance(value, Mapping) and "class_path" in value:
            return self.described(value, hints, key)
        if isinstance(value, str) and str not in hints and any(map(is_named, hints)):
            return self.described({"class_path": value}, hints, key)
        if isinstance(value, Mapping):
            record = next(filter(dataclasses.is_dataclass, hints), None)
            if record is not None:
                spec = {"class_path": f"{record.__module__}.{record.__name__}", "init_args": value}
                return self.instance(spec, record, key)
            return {k: self.value(one, items(hints), f"{key}.{k}") for k, one in value.items()}
        if isinstance(value, (list, tuple)):
            parts = [self.value(one, items(hints), f"{key}.{i}") for i, one in enumerate(value)]
            return tuple(parts) if any(get_origin(one) is tuple for one in hints) else parts
        return value

    def described(self, spec: Mapping[str, Any], hints: list[Any], key: str) -> Any:
        r"""Returns the object that an argument is described as, or what makes it, as the type asks."""
        made = tuple(
            one for hint in hints if is_callable(hint) for one in classes_of(returned(hint))
        )
        factory = self.factory(spec, (*made, *classes_of(hints)) or nn.Module, key)
        return factory if made and issubclass(factory.func, made) else factory()


def within(module: str, packages: Iterable[str]) -> bool:
    r"""Returns whether a module is one of some packages, or lies in one."""
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def arguments(cls: type) -> dict[str, tuple[Any, bool]]:
    r"""Returns the types of a class's arguments by name, and whether they have a default.

    Those that it hands on to its bases as keywords are among them.
    """
    found: dict[str, tuple[Any, bool]] = {}
    for one in cls.__mro__:
        if "__init__" not in vars(one):
            continue
        parameters = inspect.signature(one.__init__).parameters.values()
        try:
            hints = get_type_hints(one.__init__)
        except (NameError, TypeError):
            # Types that only a checker of types can see.
            hints = {}
        for parameter in parameters:
            optional = parameter.default is not parameter.empty
            found.setdefault(parameter.name, (hints.get(parameter.name, Any), optional))
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def members(hint: Any) -> list[Any]:
    r"""Returns the types that a union is of, or a type alone."""
    if get_origin(hint) in (Union, UnionType):
        return [one for part in get_args(hint) for one in members(part)]
    return [hint]


def items(hints: list[Any]) -> Any:
    r"""Returns the type of what sequences and mappings of some types hold."""
    held = [part for hint in hints if not is_callable(hint) for part in get_args(hint)]
    held = [part for part in held if part is not Ellipsis]
    # A union of types that are known at run time only.
    return Union[tuple(held)] if held else Any  # noqa: UP007


def is_callable(hint: Any) -> bool:
    r"""Returns whether a type is that of functions."""
    return hint is Callable or get_origin(hint) is Callable


def is_named(hint: Any) -> bool:
    r"""Returns whether a text for an argument of a type can only be a class path."""
    return is_callable(hint) or (isinstance(hint, type) and issubclass(hint, nn.Module))


def returned(hint: Any) -> list[Any]:
    r"""Returns the types that functions of a type return."""
    return members(get_args(hint)[1]) if get_args(hint) else []


def classes_of(hints: list[Any]) -> tuple[type, ...]:
    r"""Returns those of some types that are classes of objects which a file can describe."""
    found = [one for one in hints if isinstance(one, type) and one is not Any]
    return tuple(one for one in found if one.__module__ not in ("builtins", "pathlib"))


def trains(hint: Any) -> bool:
    r"""Returns whether a type is that of functions which return optimizers or schedules."""
    made = [
        one for part in members(hint) if is_callable(part) for one in classes_of(returned(part))
    ]
    return any(issubclass(one, (Optimizer, LRScheduler)) for one in made)


def check_size(config: Any, key: str) -> None:
    r"""Raises a `ValueError` if a nest of values in a file is too large to be walked through."""
    pending, count = [config], 0
    while pending:
        one = pending.pop()
        parts = [*one.values()] if isinstance(one, Mapping) else one
        if isinstance(parts, (list, tuple)):
            count += len(parts)
            pending += parts
        if count > VALUES:
            raise ValueError(f"{key!r} should hold at most {VALUES} values, and holds more.")


def packages_beyond(config: Any) -> set[str]:
    r"""Returns the packages besides :data:`PACKAGES` of the class paths in a config."""
    if isinstance(config, Mapping):
        path = config.get("class_path")
        beyond = isinstance(path, str) and "." in path and not within(path, PACKAGES)
        own = {path.partition(".")[0]} if beyond else set()
        return own.union(*map(packages_beyond, config.values()))
    if isinstance(config, (list, tuple)):
        return set().union(*map(packages_beyond, config))
    return set()
