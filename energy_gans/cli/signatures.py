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

PACKAGE = Path(__file__).parents[1]
COMMANDS = PACKAGE / "commands"


def first_line(name: str, module: str) -> str:
    r"""Returns the first line of the docstring of a command.

    Arguments:
        name: The name of its function.
        module: Its module among the commands, with dots.
    """
    return (ast.get_docstring(_function(name, module)) or "").partition("\n")[0]


def outline(name: str, module: str, arguments: bool = True) -> Callable:
    r"""Returns a function with a command's signature and docstring that does nothing, for its help.

    Arguments:
        name: The name of its function.
        module: Its module among the commands, with dots.
        arguments: Whether it has the arguments.

    Raises:
        LookupError: If the type of an argument is a class, which has to be imported.
    """
    function = copy.copy(_function(name, module))
    function.body = function.body[:1]
    if not arguments:
        function.args = ast.parse("lambda: 0", mode="eval").body.args
    types = [a.annotation for a in function.args.args if a.annotation]
    names = {n.id for t in types for n in ast.walk(t) if isinstance(n, ast.Name)}
    path = _source(COMMANDS.joinpath(*module.split(".")))
    aliases = [_alias(path, n) for n in sorted(names - {*dir(builtins), "Literal"})]
    code = ast.Module([*ast.parse("from typing import Literal").body, *aliases, function], [])
    # A module of its own: jsonargparse would import the true one to look the function up there.
    made: dict[str, Any] = {"__name__": "outline"}
    exec(compile(code, str(path), "exec", dont_inherit=True), made)
    return made[name]


@cache
def _read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _source(path: Path) -> Path:
    r"""Returns the file of a module or of a package, given its path without an ending."""
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _function(name: str, module: str) -> ast.FunctionDef:
    r"""Returns the definition of a command's function."""
    body = _read(_source(COMMANDS.joinpath(*module.split(".")))).body
    return next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == name)


def _alias(path: Path, name: str) -> ast.Assign:
    r"""Returns the statement `name = Literal[...]` of a file, or of the one it is imported from.

    Raises:
        LookupError: If the name is that of something else.
    """
    for node in _read(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node).startswith(f"{name} = Literal["):
            return node
        imported = isinstance(node, ast.ImportFrom) and node.module and node.level
        if imported and name in (n.name for n in node.names):
            folder = path.parents[node.level - 1]
            return _alias(_source(folder.joinpath(*node.module.split("."))), name)
    raise LookupError(f"{name!r} is no alias of a Literal in {path}.")
