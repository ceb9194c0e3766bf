r"""Signatures and docstrings of commands, read from their source.

Importing the functions would import torch, which takes seconds.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "commands"


def first_line(name: str, module: str) -> str:
    r"""Returns the first line of the docstring of a command.

    Arguments:
        name: The name of its function.
        module: Its module among the commands, with dots.
    """
    return (ast.get_docstring(_function(name, module)) or "").partition("\n")[0]


def outline(name: str, module: str, arguments: bool = True) -> Callable:
    r"""Returns a function with a command's signature and docstring that does nothing: for help.

    Arguments:
        name: The name of its function.
        module: Its module among the commands, with dots.
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
    types = [a.annotation for a in function.args.args if a.annotation]
    names = {n.id for t in types for n in ast.walk(t) if isinstance(n, ast.Name)}
    others = names - {*dir(builtins), "Literal"} - {a.targets[0].id for a in aliases}
    if others or function.args.kwarg:
        raise LookupError(f"The help of {name!r} depends on other modules.")
    code = ast.Module([*ast.parse("from typing import Literal").body, *aliases, function], [])
    # A module of its own: jsonargparse would import the true one to look the function up there.
    made: dict[str, Any] = {"__name__": "outline"}
    exec(compile(code, module, "exec", dont_inherit=True), made)
    return made[name]


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
