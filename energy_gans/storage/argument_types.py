r"""The types of a class's arguments, and what a description of such an argument stands for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch.nn as nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def argument_types(cls: type) -> dict[str, tuple[Any, bool]]:
    r"""Returns the type of each argument of a class by name, and whether it has a default.

    Arguments that the class passes on to its bases as `**kwargs` are included.
    """
    found: dict[str, tuple[Any, bool]] = {}
    for one in cls.__mro__:
        if "__init__" not in vars(one):
            continue
        # Without `self`.
        parameters = [*inspect.signature(one.__init__).parameters.values()][1:]
        try:
            hints = get_type_hints(one.__init__)
        except (NameError, TypeError):
            # Some types can only be resolved by a type checker.
            hints = {}
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            optional = parameter.default is not parameter.empty
            found.setdefault(parameter.name, (hints.get(parameter.name, Any), optional))
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def union_members(hint: Any) -> list[Any]:
    r"""Returns the members of a union, or a list of the type itself."""
    if get_origin(hint) in (Union, UnionType):
        return [one for part in get_args(hint) for one in union_members(part)]
    return [hint]


def item_type(hints: list[Any]) -> Any:
    r"""Returns the type of the elements of sequences and mappings."""
    held = [part for hint in hints if not _is_callable_type(hint) for part in get_args(hint)]
    held = [part for part in held if part is not Ellipsis]
    # These types are only known at run time.
    return Union[tuple(held)] if held else Any  # noqa: UP007


def _is_callable_type(hint: Any) -> bool:
    r"""Returns whether a type is a callable."""
    return hint is Callable or get_origin(hint) is Callable


def is_class_path_type(hint: Any) -> bool:
    r"""Returns whether a string for an argument of this type can only be a class path."""
    return _is_callable_type(hint) or (isinstance(hint, type) and issubclass(hint, nn.Module))


def _return_types(hint: Any) -> list[Any]:
    r"""Returns the return types of a callable type."""
    return union_members(get_args(hint)[1]) if get_args(hint) else []


def describable_classes(hints: list[Any]) -> tuple[type, ...]:
    r"""Returns the types that are classes whose objects a file can describe."""
    found = [one for one in hints if isinstance(one, type) and one is not Any]
    return tuple(one for one in found if one.__module__ not in ("builtins", "pathlib"))


def made_classes(hints: list[Any]) -> tuple[type, ...]:
    r"""Returns the classes whose objects the callables among some types return."""
    callables = filter(_is_callable_type, hints)
    return tuple(one for c in callables for one in describable_classes(_return_types(c)))


def described_classes(hint: Any) -> tuple[type, ...]:
    r"""Returns the classes whose objects, elements or factories a value of a type describes."""
    hints = union_members(hint)
    elements = union_members(item_type(hints))
    return (*made_classes(hints), *describable_classes(hints), *describable_classes(elements))


def makes_optimizer(hint: Any) -> bool:
    r"""Returns whether a type is a callable that returns an optimizer or a schedule."""
    made = made_classes(union_members(hint))
    return any(issubclass(one, (Optimizer, LRScheduler)) for one in made)


def takes_objects(hint: Any) -> bool:
    r"""Returns whether an argument of a type takes networks or functions."""
    return any(map(is_class_path_type, union_members(hint)))
