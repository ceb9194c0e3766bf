r"""Fingerprints of extractors that users write: a SHA-256 of what determines their features.

A fingerprint covers the path and code of the class, the arguments of its constructor, its layers
with their weights and buffers, and the constants and functions of its own module that its code
uses. An argument that is the path of a file is replaced by a hash of the file. Code is hashed as
bytecode, so another version of Python gives another fingerprint.

A fingerprint does not cover code of other modules, nor attributes that are set after construction.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Packages whose classes and functions are identified by their paths, without a hash of their code.
_KNOWN = ("builtins", "energy_gans", "torch")
_PLAIN = (type(None), bool, int, str)
_REPRESENTED = (float, complex, bytes, Path, np.generic, type(...), torch.dtype, torch.device)
_NAMED = (types.BuiltinFunctionType, types.MethodDescriptorType, types.ModuleType, np.ufunc)
_WRAPPERS = (
    *(types.MethodType, staticmethod, classmethod, property),
    *(functools.partial, functools.cached_property, type(functools.cache(len))),
)
_WRAPPED = ("__func__", "__self__", "__wrapped__", "fget", "func", "args", "keywords")


class NoFingerprintError(TypeError):
    r"""Raised when a value is of a type whose behaviour can not be hashed."""


def fingerprint(**values: Any) -> str:
    r"""Returns the SHA-256 of named values.

    Arguments:
        values: Plain values, containers, arrays, tensors, modules, classes and functions.

    Raises:
        NoFingerprintError: If a value is, or contains, anything else.
    """
    return hashlib.sha256(json.dumps(_Describer()(values)).encode()).hexdigest()


def replace_paths(value: Any) -> Any:
    r"""Returns values in which paths of files are replaced by hashes of the files."""
    if isinstance(value, dict):
        return {k: replace_paths(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(replace_paths, value))
    try:
        if isinstance(value, (str, Path)) and Path(value).is_file():
            return ("file", hashlib.sha256(Path(value).read_bytes()).hexdigest())
    except (OSError, ValueError):  # The text is too long for a path, or contains a null byte.
        pass
    return value


class _Describer:
    r"""Describes values by JSON values, which are equal only for equal values."""

    def __init__(self) -> None:
        # Classes and functions may refer to themselves.
        self.seen: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        if type(value) in _PLAIN:
            return value
        if isinstance(value, _REPRESENTED):
            return [_path_of(type(value)), repr(value)]
        if isinstance(value, dict):
            return ["dict", *([self(k), self(v)] for k, v in value.items())]
        if isinstance(value, (list, tuple)):
            return [_path_of(type(value)), *map(self, value)]
        if isinstance(value, (set, frozenset)):
            return ["set", *sorted(json.dumps(self(v)) for v in value)]
        if isinstance(value, (Tensor, np.ndarray)):
            return _array_sha256(value)
        if id(value) in self.seen:
            return ["again", list(self.seen).index(id(value))]
        self.seen[id(value)] = value
        return self.describe_code(value)

    def describe_code(self, value: Any) -> list[Any]:
        r"""Describes a module, a class, an enumeration member, a function or a wrapper of one.

        Returns:
            The description, of plain values.

        Raises:
            NoFingerprintError: If the value is something else.
        """
        if isinstance(value, nn.Module):
            return self.module(value)
        if isinstance(value, type):
            return self.code_of_class(value)
        if isinstance(value, enum.Enum):
            return [self(type(value)), value.name]
        if isinstance(value, types.FunctionType):
            return self.function(value)
        if isinstance(value, _NAMED):
            of = self(getattr(value, "__self__", None))
            return ["name", getattr(value, "__module__", None), value.__name__, of]
        if isinstance(value, _WRAPPERS):
            return [_path_of(type(value)), *(self(getattr(value, k, None)) for k in _WRAPPED)]
        raise NoFingerprintError(f"a {type(value).__name__}")

    def module(self, module: nn.Module) -> list[Any]:
        r"""Describes a module by the classes, settings, weights and buffers of its layers."""
        layers = [[k, self(type(m)), m.extra_repr()] for k, m in module.named_modules()]
        tensors = [*module.named_parameters(), *module.named_buffers()]
        return ["module", layers, [[name, _array_sha256(tensor)] for name, tensor in tensors]]

    def code_of_class(self, cls: type) -> list[Any]:
        r"""Describes a class by its path, and the code and constants of it and its bases."""
        found: list[Any] = [_path_of(cls)]
        for base in cls.__mro__:
            if not _is_known(base):
                own = {k: v for k, v in vars(base).items() if callable(v) or k[:2] != "__"}
                found.append(
                    [_path_of(base), [[k, self.describe_or_type(v)] for k, v in own.items()]]
                )
        return found

    def function(self, function: types.FunctionType) -> list[Any]:
        r"""Describes a function by its path, code, defaults, closure and globals of its module."""
        if _is_known(function):
            return [_path_of(function)]
        values = [function.__defaults__, function.__kwdefaults__]
        values += [cell.cell_contents for cell in function.__closure__ or ()]
        values += [[k, v] for k, v in _module_globals(function).items()]
        return [
            _path_of(function),
            self.code(function.__code__),
            *map(self.describe_or_type, values),
        ]

    def code(self, code: types.CodeType) -> list[Any]:
        r"""Describes bytecode with its constants, including nested functions."""
        constants = [self.code(c) if inspect.iscode(c) else self(c) for c in code.co_consts]
        return [code.co_code.hex(), list(code.co_names), constants]

    def describe_or_type(self, value: Any) -> Any:
        r"""Describes a value, or only its type if the value has no fingerprint."""
        try:
            return self(value)
        except NoFingerprintError:
            return _path_of(type(value))


def _module_globals(function: types.FunctionType) -> dict[str, Any]:
    r"""Returns the globals of its own module that a function's code uses."""
    codes, names = [function.__code__], set()
    while codes:
        code = codes.pop()
        names |= {*code.co_names}
        codes += [c for c in code.co_consts if inspect.iscode(c)]
    there = {k: function.__globals__[k] for k in sorted(names) if k in function.__globals__}
    code = (type, types.FunctionType, *_NAMED)
    return {
        k: v
        for k, v in there.items()
        if not isinstance(v, code) or getattr(v, "__module__", None) == function.__module__
    }


def _is_known(value: type | types.FunctionType) -> bool:
    r"""Returns whether a class or a function belongs to a package whose code is not hashed."""
    return str(value.__module__).partition(".")[0] in _KNOWN


def _path_of(value: type | types.FunctionType) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _array_sha256(value: Tensor | np.ndarray) -> list[Any]:
    r"""Returns the type, the shape and the SHA-256 of the elements of a tensor or an array.

    Raises:
        NoFingerprintError: If the elements have no bytes that could be hashed.
    """
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise NoFingerprintError("a tensor that is sparse, quantized or empty of data")
        kind, elements = str(value.dtype), value.detach().cpu().contiguous().reshape(-1)
        data = elements.view(torch.uint8).numpy().tobytes()
    else:
        if value.dtype.hasobject:
            raise NoFingerprintError("an array of objects")
        kind, data = value.dtype.str, value.tobytes()
    return [kind, list(value.shape), hashlib.sha256(data).hexdigest()]
