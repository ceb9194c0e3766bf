r"""Signatures and docstrings of commands: as the command line has them, and read from the source.

The functions of commands also take live objects, and write nothing by default. The command line
knows only what can be typed, and has names for outputs.

Help is made from the source: importing the functions would import torch, which takes seconds.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import copy
import importlib
import inspect
import re
import types
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T", ast.FunctionDef, ast.ClassDef)

# The types of the command line by those of Python, which also take live objects. An argument that
# only takes such objects has none.
TYPES = {
    "Checkpoint": "str",
    "Images": "str",
    "Names": "str",
    "RealData": "TensorDataModule",
    "Output": "str",
    "RunData": None,
}
# Where the classes are that arguments of these types can name.
ROOMS = {
    "TensorDataModule": "data",
    "FeatureExtractor": "metrics.features",
    "ParticleField": "fields",
}
# Base classes, and classes for objects of Python, which nobody types.
UNTYPED = (
    *("FeatureExtractor", "FeatureMap", "FeaturesOnly", "FromDataset", "FromLoader"),
    *("ImageDataModule", "KernelField", "ParticleField", "TensorDataModule"),
)
FOLDER = Path(__file__).parents[1] / "commands"


def first_line(name: str, module: str) -> str:
    r"""Returns the first line of the docstring of a command.

    Arguments:
        name: The name of its function.
        module: Its module among the commands, with dots.
    """
    return (
        ast.get_docstring(_definition(name, FOLDER.joinpath(*module.split(".")), ast.FunctionDef))
        or ""
    ).partition("\n")[0]


def outline(
    name: str,
    module: str,
    out: str | None = None,
    arguments: bool = True,
    classes: bool = True,
) -> Callable:
    r"""Returns a function with a command's signature and docstring that does nothing: for help.

    In place of classes it has classes of the same names that can not be made, and its docstring
    lists those that this package has.

    Arguments:
        name: The name of its function.
        module: Its module among the commands, with dots.
        out: As for :func:`for_command_line`.
        arguments: Whether it has the arguments.
        classes: Whether arguments may be classes; not if flags are given, whose values are
            checked.

    Raises:
        LookupError: If the help needs another module.
    """
    path = FOLDER.joinpath(*module.split("."))
    function = copy.deepcopy(_definition(name, path, ast.FunctionDef))
    if arguments and function.args.kwarg:
        _write_out_keywords(function, path)
    function.body, function.returns = function.body[:1], None
    if not arguments:
        function.args = ast.parse("lambda: 0", mode="eval").body.args
    # A module of its own: jsonargparse would import the true one to look the function up there.
    made: dict[str, Any] = {"__name__": "outline", "Literal": Literal}
    docstring = function.body[0].value
    for argument in function.args.args:
        typed = _command_line_type(ast.unparse(argument.annotation)) or "None"
        for named in {n.id for n in ast.walk(ast.parse(typed)) if isinstance(n, ast.Name)}:
            if named in ROOMS and classes:
                made[named] = ABCMeta(named, (), {"__init__": abstractmethod(lambda self: None)})
                known = f" Known classes: {', '.join(_classes_in(ROOMS[named]))}."
                docstring.value = _add_to(docstring.value, argument.arg, known)
            elif named not in made and named not in dir(builtins):
                made[named] = eval(_literal(named, path), made)
    # Annotations stay text, as in the module itself.
    flags = __future__.annotations.compiler_flag
    source = ast.fix_missing_locations(ast.Module([function], []))
    exec(compile(source, module, "exec", flags, dont_inherit=True), made)
    return for_command_line(made[name], out)


def for_command_line(function: Callable, out: str | None = None) -> Callable:
    r"""Returns a command's function with the signature that the command line has.

    Arguments:
        function: The function, in whose module annotations are text.
        out: The default of its argument `out`, or `None` if it is the same as in Python.
    """
    signature, parameters = inspect.signature(function), []
    for p in signature.parameters.values():
        if typed := _command_line_type(p.annotation):
            default = out if p.name == "out" and out is not None else p.default
            annotation = eval(typed, function.__globals__, _classes_of_types(typed, function))
            parameters.append(p.replace(annotation=annotation, default=default))
    # A copy: the function itself stays as it is in Python.
    copied = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )
    copied.__doc__, copied.__module__ = function.__doc__, function.__module__
    copied.__annotations__ = {p.name: p.annotation for p in parameters}
    copied.__signature__ = signature.replace(parameters=parameters, return_annotation=None)
    return copied


def _classes_of_types(typed: str, function: Callable) -> dict[str, type]:
    r"""Returns the classes in a type of the command line that a function's module lacks."""
    missing = [name for name in ROOMS if name in typed and name not in function.__globals__]
    package = __name__.partition(".")[0]
    return {n: getattr(importlib.import_module(f"{package}.{ROOMS[n]}"), n) for n in missing}


def _command_line_type(annotation: str) -> str | None:
    r"""Returns the command line's type of an annotation, or `None` if it has none."""
    annotation = annotation.replace(" | os.PathLike", "")
    for name, typed in TYPES.items():
        if re.search(rf"\b{name}\b", annotation):
            if typed is None:
                return None
            annotation = re.sub(rf"\b{name}\b", typed, annotation)
    return annotation


@cache
def _read(path: Path) -> ast.Module:
    r"""Returns the source of a module, by its path without an ending."""
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _definition(name: str, path: Path, kind: type[T]) -> T:
    r"""Returns the definition of a function or class in a module."""
    return next(n for n in _read(path).body if isinstance(n, kind) and n.name == name)


def _source_of(name: str, path: Path) -> Path:
    r"""Returns the module that a module imports a name from.

    Raises:
        LookupError: If it imports no such name from this package.
    """
    for node in _read(path).body:
        names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else ()
        if name in names and node.level:
            folder = path if path.is_dir() else path.parent
            for _ in range(node.level - 1):
                folder = folder.parent
            return folder.joinpath(*(node.module or "").split("."))
    raise LookupError(f"{path} does not say what {name!r} is.")


def _literal(name: str, path: Path) -> str:
    r"""Returns the type `name = Literal[...]` of a module, or of one that it is imported from."""
    for node in _read(path).body:
        value = ast.unparse(node.value) if isinstance(node, ast.Assign) else ""
        if value.startswith("Literal[") and ast.unparse(node.targets[0]) == name:
            return value
    return _literal(name, _source_of(name, path))


def _write_out_keywords(function: ast.FunctionDef, path: Path) -> None:
    r"""Gives a function the fields with defaults of the dataclass that takes its `**kwargs`."""
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
    taker = next(ast.unparse(c.func) for c in calls if any(k.arg is None for k in c.keywords))
    cls = _definition(taker, _source_of(taker, path), ast.ClassDef)
    function.args.kwarg, docstring = None, function.body[0].value
    described = docstring.value[: docstring.value.index("        kwargs:")]
    for field in (n for n in cls.body if isinstance(n, ast.AnnAssign) and n.value):
        typed = ast.unparse(field.annotation)
        typed = typed if typed in dir(builtins) else _literal(typed, _source_of(taker, path))
        annotation = ast.parse(typed, mode="eval").body
        function.args.args.append(ast.arg(field.target.id, annotation))
        function.args.defaults.append(field.value)
        pattern = rf"    {field.target.id}: (?:[^\n]+)(?:\n {{12}}[^\n]+)*\n"
        described += f"    {re.search(pattern, cls.body[0].value.value)[0]}"
    docstring.value = f"{described}    "


def _classes_in(room: str) -> list[str]:
    r"""Returns the names of the classes that a package exports."""
    exported = next(
        ast.literal_eval(node.value)
        for node in _read(FOLDER.parent.joinpath(*room.split("."))).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return [name for name in exported if name[:1].isupper() and name not in UNTYPED]


def _add_to(docstring: str, argument: str, text: str) -> str:
    r"""Returns a docstring with a sentence added to the description of an argument."""
    # The description ends where the next one, or the next section, begins.
    pattern = rf"(\n {{8}}{argument}: (?:[^\n]+)(?:\n {{12}}[^\n]+)*)"
    return re.sub(pattern, lambda found: found[1] + text, docstring, count=1)
