r"""The YAML files that a command line names, looked at before they are parsed.

jsonargparse reads a config as a text and forgets its name. What is wrong with the file itself is said
here, with its name and the line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

CONFIGS = Path("configs")
ENDINGS = (".yaml", ".yml")


def read_yaml(path: Path) -> Any:
    r"""Returns what a YAML file holds.

    Raises:
        ValueError: If it is no YAML; that names the file, the line and the column.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no YAML: it is no text in UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark, context = error.problem_mark, f" {error.context}" if error.context else ""
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{path}{where} is no YAML: {error.problem}{context}.") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}.") from error


def check_config_files(args: Sequence[str]) -> None:
    r"""Checks the configs that arguments name: `--config FILE`, and other values that are YAML files.

    Raises:
        FileNotFoundError: If there is no such config; that names the nearest one.
        ValueError: If one is no YAML, or holds no keys.
    """
    for flag, value in map(flag_value, flags(args)):
        if value is None:
            continue
        path = Path(value)
        if flag in ("-c", "--config") and not is_inline(value):
            if not path.is_file():
                what = "a folder" if path.is_dir() else "no file"
                raise FileNotFoundError(f"'{flag}' = {value!r} is {what}{near_config(path)}")
            content = read_yaml(path)
            if not isinstance(content, dict):
                raise ValueError(f"{value} should hold keys and values, got {content!r:.60}.")
        elif value.endswith(ENDINGS) and path.is_file():
            read_yaml(path)


def flags(args: Sequence[str]) -> Iterator[list[str]]:
    r"""Yields each flag with the value that follows it; what is no flag stands alone."""
    i = 0
    while i < len(args):
        bare = args[i].startswith("-") and "=" not in args[i]
        takes = bare and i + 1 < len(args) and not args[i + 1].startswith("--")
        yield list(args[i : i + 1 + takes])
        i += 1 + takes


def flag_value(parts: Sequence[str]) -> tuple[str, str | None]:
    r"""Returns a flag and its value, if it has one, whether `=` or a blank stands between them."""
    flag, equals, value = parts[0].partition("=")
    return flag, value if equals else parts[1] if len(parts) > 1 else None


def is_inline(value: str) -> bool:
    r"""Returns whether a value of `--config` is a config itself, and not the name of a file."""
    return any(mark in value for mark in ("{", "\n", ": "))


def near_config(path: Path) -> str:
    r"""Returns `; did you mean ...?` for a file beside a path, or in `configs`."""
    there = {str(p): p.stem for f in (path.parent, CONFIGS) for p in f.glob("*.y*ml")}
    there |= {str(p): p.stem for p in CONFIGS.rglob("*.yaml")}
    if path.stem in there.values():
        close = [path.stem]
    else:
        close = difflib.get_close_matches(path.stem, there.values(), n=1)
    return (
        f"; did you mean {next(k for k, v in there.items() if v == close[0])}?" if close else "."
    )
