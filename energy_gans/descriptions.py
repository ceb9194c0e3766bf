r"""Descriptions of objects as configs write them: a class path, and the arguments in `init_args`.

A checkpoint of a model that was made in Python holds the descriptions of its networks, where their
construction is known: :mod:`energy_gans.storage.rebuild` makes them again.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn as nn


class Described:
    r"""Gives a module its `description`, or `None` if an argument has none.

    Among the bases of a class, this class precedes the module.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls)
        # Past nn.Module's own __setattr__, which only works after its __init__.
        self.__dict__["description"] = _description_of_call(cls, args, kwargs)
        return self


def class_path(cls: type) -> str:
    r"""Returns the path of a class, in the shortest package that exports it."""
    parts = cls.__module__.split(".")
    packages = (".".join(parts[:i]) for i in range(2, len(parts)))
    known = (package for package in packages if package in sys.modules)
    found = (p for p in known if vars(sys.modules[p]).get(cls.__name__) is cls)
    return f"{next(found, cls.__module__)}.{cls.__qualname__}"


def describe(value: Any) -> Any:
    r"""Returns the description of a value, in plain values.

    Arguments:
        value: A plain value, a sequence or a mapping of such values, a dataclass, a class or a
            partial of a class, or a module whose construction is known.

    Raises:
        TypeError: If the value is anything else.
    """
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            # Numbers of numpy are floats too, but not plain.
            return kind(value)
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [describe(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): describe(one) for key, one in value.items()}
    if isinstance(value, type) and "<" not in value.__qualname__:
        return {"class_path": class_path(value)}
    if isinstance(value, partial) and isinstance(value.func, type) and not value.args:
        given = {"init_args": describe(value.keywords)} if value.keywords else {}
        return describe(value.func) | given
    if dataclasses.is_dataclass(value):
        return {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value)}
    found = getattr(value, "description", None)
    if found is None and isinstance(value, nn.Module):
        found = _description_of_torch(value)
    if found is None:
        raise TypeError(f"The construction of a {type(value).__name__} is not known.")
    return found


def _description_of_call(cls: type, args: tuple, kwargs: Mapping[str, Any]) -> dict | None:
    r"""Returns the description of an object by the arguments of its constructor, or `None`."""
    try:
        bound = inspect.signature(cls.__init__).bind(None, *args, **kwargs).arguments
        given = dict([*bound.items()][1:])
        return {"class_path": class_path(cls), "init_args": describe(given)}
    except TypeError:
        return None


def _description_of_torch(module: nn.Module) -> dict | None:
    r"""Returns the description of a layer of torch by its attributes, or `None`.

    A layer that is made by the description has to be printed as this one is.
    """
    cls = type(module)
    if not cls.__module__.startswith("torch.nn.") or module._forward_pre_hooks:
        return None
    try:
        if cls is nn.Sequential:
            numbered = [*module._modules] == [str(i) for i in range(len(module))]
            init_args = {"args": describe([*module])} if numbered else None
        else:
            init_args = _arguments_of_layer(module)
    except (AttributeError, TypeError, ValueError):
        return None
    return None if init_args is None else {"class_path": class_path(cls), "init_args": init_args}


def _arguments_of_layer(module: nn.Module) -> dict[str, Any] | None:
    r"""Returns the arguments of a layer from its attributes of the same names, or `None`."""
    parameters = inspect.signature(type(module).__init__).parameters
    ignored = ("self", "device", "dtype", "bias", "args", "kwargs")
    names = [name for name in parameters if name not in ignored and name[0] != "_"]
    given = {name: describe(getattr(module, name)) for name in names}
    if "bias" in parameters and module.bias is None:
        given["bias"] = False
    with torch.device("meta"):
        same = repr(type(module)(**given)) == repr(module)
    return given if same else None
