r"""Rebuilding models and data modules from descriptions in files, without running other code.

Checkpoints and run folders describe objects by class paths, such as `class_path: torch.nn.ReLU`.
The author of a file chooses these names, so a name is only imported if

- it is in a package of :data:`PACKAGES`, or in one that the user trusts;
- it is a class that is defined in such a package, not a function or an imported name;
- it is a subclass of the type of the argument: a module for a network, and so on.

The same rules hold for nested descriptions. A plain string is taken for a class path only if the
argument's type is a module or a callable. Paths of files are only accepted by classes that the
user trusts. Files of weights of feature extractors are not opened, as the checkpoint brings the
weights. A config that a user passes by `--config` is not read here: such a config is code.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_origin

import torch.nn as nn

from ..checks import Names, split_names
from ..files import import_hint
from .argument_types import (
    argument_types,
    describable_classes,
    is_class_path_type,
    item_type,
    made_classes,
    makes_optimizer,
    union_members,
)

# The packages whose classes a file may name.
PACKAGES = (
    "energy_gans.data",
    "energy_gans.fields",
    "energy_gans.methods",
    "energy_gans.metrics.features",
    "energy_gans.networks",
    "torch.nn",
    "torch.optim",
)
# This package also exports the classes of methods, which are defined in one of those packages.
TOP = "energy_gans"
SPEC = {"class_path", "init_args", "dict_kwargs"}
# The largest number of values in a file; with YAML's aliases a few lines can expand to billions.
VALUES = 10**6


class Rebuilder:
    r"""Rebuilds objects from their description in a file.

    Arguments:
        trust: Packages besides :data:`PACKAGES` whose classes may be named, separated by commas
            or in a list.

    Raises:
        ValueError: If `trust` holds anything but names of packages.
    """

    def __init__(self, trust: Names = "") -> None:
        self.trusted = split_names("trust", trust)
        for name in self.trusted:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(
                    f"'trust' should name packages, with commas between them, got {name!r}."
                )

    def instance(self, spec: Any, base: type | tuple[type, ...], key: str) -> Any:
        r"""Returns the object that a file describes.

        Arguments:
            spec: The description: `class_path`, and the arguments in `init_args`.
            base: The class or classes of which it has to be a subclass.
            key: The name of the description in errors.

        Raises:
            ValueError: If the description names a class that is not accepted.
        """
        return self.factory(spec, base, key)()

    def factory(self, spec: Any, base: type | tuple[type, ...], key: str) -> partial:
        r"""Returns the class of a description as a partial with its arguments.

        Arguments:
            spec: The description, a mapping with `class_path` and perhaps `init_args`.
            base: The class, or the classes, that it has to be derived from.
            key: The key of the description, for errors.

        Raises:
            ValueError: If the description names no such class, or one that is not trusted.
        """
        if not isinstance(spec, Mapping) or not {"class_path"} <= spec.keys() <= SPEC:
            raise ValueError(f"{key!r} should hold class_path and init_args, got {spec!r:.100}.")
        cls = self.resolve(spec["class_path"], base, f"{key}.class_path")
        known, given = argument_types(cls), {}
        for part in ("init_args", "dict_kwargs"):
            for name, value in (spec.get(part) or {}).items():
                hint, optional = known.get(name, (Any, False))
                if optional and makes_optimizer(hint):
                    # Rebuilt models are not trained, so they need no optimizer and no schedule.
                    continue
                if name in getattr(cls, "files_of_weights", ()):
                    value = None
                if isinstance(value, str) and Path in union_members(hint):
                    self.check_trusted(cls, f"{key}.{name}", value, "a file to be opened")
                    value = value if str in union_members(hint) else Path(value)
                given[name] = self._value(value, hint, f"{key}.{name}")
        # A Sequential takes its modules as `*args`.
        positional = given.pop("args", ()) if issubclass(cls, nn.Sequential) else ()
        return partial(cls, *positional, **given)

    def resolve(self, class_path: Any, base: type | tuple[type, ...], key: str) -> type:
        r"""Returns the class that a path names.

        Raises:
            ValueError: If the class is not accepted.
        """
        module, _, name = str(class_path).rpartition(".")
        accepted = module == TOP or is_within(module, (*PACKAGES, *self.trusted))
        if not isinstance(class_path, str) or not accepted:
            self.refuse(module, key, class_path, "not one of this package's classes or of torch's")
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError as error:
            raise ValueError(
                f"{key!r} = {class_path!r} can not be imported: {error}{import_hint(module)}."
            ) from error
        if not (isinstance(found, type) and issubclass(found, base)):
            bases = base if isinstance(base, tuple) else (base,)
            names = " or ".join(one.__name__ for one in bases)
            raise ValueError(f"{key!r} should name a class that is a {names}, got {class_path!r}.")
        if not is_within(found.__module__, PACKAGES):
            self.check_trusted(found, key, class_path, "defined outside this package and torch")
        return found

    def check_trusted(self, cls: type, key: str, value: Any, what: str) -> None:
        r"""Raises a `ValueError` unless a class lies in a package that the user trusts."""
        if not is_within(cls.__module__, self.trusted):
            self.refuse(cls.__module__, key, value, what)

    def refuse(self, module: str, key: str, value: Any, what: str) -> NoReturn:
        r"""Raises a `ValueError` that says which package would have to be trusted."""
        package = module.partition(".")[0] or "PACKAGE"
        raise ValueError(
            f"{key!r} = {value!r} is {what}, and a file of unknown origin may ask for nothing "
            f"else. If you trust it, add --trust {package}, or trust={package!r} in Python."
        )

    def _value(self, value: Any, hint: Any, key: str) -> Any:
        r"""Returns the value of an argument from its description, according to its type."""
        hints = union_members(hint)
        if isinstance(value, Mapping) and "class_path" in value:
            return self._object(value, hints, key)
        if isinstance(value, str) and str not in hints and any(map(is_class_path_type, hints)):
            return self._object({"class_path": value}, hints, key)
        if isinstance(value, Mapping):
            record = next(filter(dataclasses.is_dataclass, hints), None)
            if record is not None:
                spec = {"class_path": f"{record.__module__}.{record.__name__}", "init_args": value}
                return self.instance(spec, record, key)
            item = item_type(hints)
            return {k: self._value(one, item, f"{key}.{k}") for k, one in value.items()}
        if isinstance(value, (list, tuple)):
            item = item_type(hints)
            parts = [self._value(one, item, f"{key}.{i}") for i, one in enumerate(value)]
            return tuple(parts) if any(get_origin(one) is tuple for one in hints) else parts
        return value

    def _object(self, spec: Mapping[str, Any], hints: list[Any], key: str) -> Any:
        r"""Returns the object of a description, or its factory if the type is a callable."""
        made = made_classes(hints)
        factory = self.factory(spec, (*made, *describable_classes(hints)) or nn.Module, key)
        return factory if made and issubclass(factory.func, made) else factory()


def is_within(module: str, packages: Iterable[str]) -> bool:
    r"""Returns whether a module is one of some packages, or is in one of them."""
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def check_size(config: Any, key: str) -> None:
    r"""Raises a `ValueError` if nested values in a file are too many to be visited."""
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
    r"""Returns the packages of the class paths in a config, except for :data:`PACKAGES`.

    Arguments:
        config: The config, or a part of one: nested mappings, lists and plain values.
    """
    if isinstance(config, Mapping):
        path = config.get("class_path")
        module = path.rpartition(".")[0] if isinstance(path, str) else ""
        beyond = module and module != TOP and not is_within(path, PACKAGES)
        own = {path.partition(".")[0]} if beyond else set()
        return own.union(*map(packages_beyond, config.values()))
    if isinstance(config, (list, tuple)):
        return set().union(*map(packages_beyond, config))
    return set()
