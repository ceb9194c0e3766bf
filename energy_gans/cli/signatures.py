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
import inspect
import re
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

# The types of the command line by those of Python, which also take live objects. An argument that
# only takes such objects has none.
TYPES = {
    "Checkpoint": "str",
    "Images": "str",
    "RealImages": "LightningDataModule",
    "Output": "str",
    "RunData": None,
}
FOLDER = Path(__file__).parents[1] / "commands"


def first_line(name: str, module: str) -> str:
    r"""Returns the first line of the docstring of a command.

    Arguments:
        name: The name of its function.
        module: Its module among the commands, with dots.
    """
    return (ast.get_docstring(_function(name, module)) or "").partition("\n")[0]


def outline(name: str, module: str, out: str | None = None, arguments: bool = True) -> Callable:
    r"""Returns a function with a command's signature and docstring that does nothing: for help.

    Arguments:
        name: The name of its function.
        module: Its module among the commands, with dots.
        out: As for :func:`for_command_line`.
        arguments: Whether it has the arguments.

    Raises:
        LookupError: If the help depends on other modules: for classes, or for arguments that are
            handed on.
    """
    function = copy.copy(_function(name, module))
    function.body, function.returns = function.body[:1], None
    if not arguments:
        function.args = ast.parse("lambda: 0", mode="eval").body.args
    aliases = [n for n in _read(module).body if _is_literal(n)]
    typed = [_command_line_type(ast.unparse(a.annotation)) for a in function.args.args]
    nodes = [node for text in typed if text for node in ast.walk(ast.parse(text))]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    others = names - {*dir(builtins), "Literal"} - {a.targets[0].id for a in aliases}
    if others or function.args.kwarg:
        raise LookupError(f"The help of {name!r} depends on other modules.")
    code = ast.Module([*ast.parse("from typing import Literal").body, *aliases, function], [])
    # A module of its own: jsonargparse would import the true one to look the function up there.
    made: dict[str, Any] = {"__name__": "outline"}
    # Annotations stay text, as in the module itself.
    flags = __future__.annotations.compiler_flag
    exec(compile(code, module, "exec", flags, dont_inherit=True), made)
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
            annotation = eval(typed, function.__globals__)
            parameters.append(p.replace(annotation=annotation, default=default))
    # A copy: the function itself stays as it is in Python.
    copied = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )
    copied.__doc__, copied.__module__ = function.__doc__, function.__module__
    copied.__annotations__ = {p.name: p.annotation for p in parameters}
    copied.__signature__ = signature.replace(parameters=parameters, return_annotation=None)
    return copied


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
def _read(module: str) -> ast.Module:
    r"""Returns the source of a module among the commands."""
    path = FOLDER.joinpath(*module.split(".")).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _function(name: str, module: str) -> ast.FunctionDef:
    r"""Returns the definition of a command's function."""
    body = _read(module).body
    return next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == name)


def _is_literal(node: ast.stmt) -> bool:
    r"""Returns whether a statement is `Name = Literal[...]`."""
    return isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Literal[")
