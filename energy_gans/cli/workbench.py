r"""The commands of the workbench: how they are listed, and how one is run.

Each is named in :data:`energy_gans.commands.COMMANDS`, and nowhere else. The arguments of its
function are its flags, and the docstring is its help.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from ..commands import COMMANDS, OUTPUTS, Tree, function_of
from ..terminal import say
from .signatures import first_line, for_command_line, outline

HELP = {"-h", "--help"}


def help_lines(tree: Tree = COMMANDS) -> Iterator[tuple[str, str]]:
    r"""Yields each command of a tree, with the names of its groups, and what it does."""
    for name, entry in tree.items():
        if isinstance(entry, dict):
            yield from ((f"{name} {inner}", text) for inner, text in help_lines(entry))
        elif name != "_help":
            yield name, first_line(name, entry)


def run_workbench(args: list[str]) -> None:
    r"""Runs a command of the workbench, and prints what it returns.

    Arguments:
        args: The name of the command, and its arguments.

    Raises:
        FileNotFoundError: If there is no file of a name that `--config` gives.
        ValueError: If such a file is no config.
    """
    from jsonargparse import auto_cli

    from ..commands.config_files import check_config_files, resolve_configs
    from ..commands.flags import complete_switches, configs_first, models_as_checkpoints
    from ..commands.messages import OneSentence

    if args[0] in ("compare", "study"):
        args = _with_files(args)
    if args[0] in ("configs", "explain"):
        args = _with_name(args)
    args = complete_switches(configs_first(resolve_configs(models_as_checkpoints(args))))
    check_config_files(args)
    result = auto_cli(
        _components(args),
        args=args[1:],
        prog=f"energy-gans {args[0]}",
        as_positional=False,
        parser_class=OneSentence,
    )
    if result is not None:
        say(str(result))


def _components(args: list[str]) -> Any:
    r"""Returns a command's function, or a group's functions by name; for help only their outlines.

    Arguments:
        args: The name of the command, and its arguments.
    """
    entry = COMMANDS[args[0]]
    if HELP & {*args}:
        # Values of flags are read before the help is printed.
        given = any(arg.startswith("-") and arg not in HELP for arg in args)

        def find(name: str, path: str, module: str) -> Callable:
            # Of other commands of the same group the help has the first line only.
            return outline(name, module, OUTPUTS.get(path), name in args, classes=not given)

        with contextlib.suppress(LookupError):
            return _functions(args[0], args[0], entry, find)
    return _functions(args[0], args[0], entry, _command_line_function)


def _command_line_function(name: str, path: str, module: str) -> Callable:
    r"""Returns the function of a command, with the signature that the command line has."""
    return for_command_line(function_of(name, module), OUTPUTS.get(path))


def _with_files(args: list[str]) -> list[str]:
    r"""Returns arguments with the names that follow the command as its `--files`, or its `--file`.

    Raises:
        ValueError: If `study` gets several.
    """
    files = list(itertools.takewhile(lambda arg: not arg.startswith("-"), args[1:]))
    if args[0] == "study" and len(files) > 1:
        raise ValueError(f"'study' should have one file, got {len(files)}: {', '.join(files)}.")
    given = [f"--files={json.dumps(files)}"] if files else []
    if args[0] == "study" and files:
        given = [f"--file={files[0]}"]
    return [args[0], *given, *args[1 + len(files) :]]


def _with_name(args: list[str]) -> list[str]:
    r"""Returns arguments with `--name` for a name; those of `configs` with `list` if none."""
    if args == ["configs"]:
        return [*args, "list"]
    i = 1 if args[0] == "explain" else 2
    if args[i - 1] in ("copy", "explain") and len(args) > i and not args[i].startswith("-"):
        return [*args[:i], f"--name={args[i]}", *args[i + 1 :]]
    return args


def _functions(
    name: str, path: str, entry: str | Tree, find: Callable[[str, str, str], Callable]
) -> Any:
    r"""Returns an entry with what `find` returns for each command's name, path and module.

    Arguments:
        name: The name of the command or group.
        path: Its name with those of its groups, such as `"features train"`.
        entry: The module of a command, or the commands of a group.
        find: A function of the name, the path and the module.
    """
    if isinstance(entry, str):
        return find(name, path, entry)
    return {
        k: v if k == "_help" else _functions(k, f"{path} {k}", v, find) for k, v in entry.items()
    }
