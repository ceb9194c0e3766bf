r"""The YAML files that a command line names, looked at before they are parsed.

jsonargparse reads a config as a text and forgets its name. What is wrong with the file itself is
said here, with its name and the line.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CONFIGS = Path("configs")
CONFIG_FLAGS = ("-c", "--config")
ENDINGS = (".yaml", ".yml")
# Earlier names in `configs`, and where those files are now.
RENAMED = (
    (r"few_gcn_(\d+)\.yaml", r"gcn/few_images_\1.yaml"),
    (r"(coulomb|eieg|gcn|ggcn|inpainting|multigrid|vapo)_(\w+\.yaml)", r"\1/\2"),
    (r"(trainer|eieg|gcn|vapo)/(\w+\.yaml)", r"overlays/\1/\2"),
)


def read_yaml(path: Path) -> Any:
    r"""Returns the contents of a YAML file.

    Raises:
        ValueError: If it is no YAML; the error names the file, the line and the column.
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
    r"""Checks the YAML files in arguments: `--config FILE`, and other values.

    Raises:
        FileNotFoundError: If there is no such config; the error names the nearest one.
        ValueError: If one is no YAML, or holds no keys.
    """
    for flag, value in map(flag_value, flags(args)):
        if value is None:
            continue
        path = Path(value)
        if flag in CONFIG_FLAGS and not _is_inline(value):
            if not path.is_file():
                what = "a folder" if path.is_dir() else "no file"
                raise FileNotFoundError(f"'{flag}' = {value!r} is {what}{_near_config(path)}")
            content = read_yaml(path)
            if not isinstance(content, dict):
                raise ValueError(f"{value} should hold keys and values, got {content!r:.60}.")
        elif value.endswith(ENDINGS) and path.is_file():
            read_yaml(path)


def resolve_configs(args: Sequence[str]) -> list[str]:
    r"""Returns arguments with the new paths of configs that have moved."""
    resolved = []
    for parts in flags(args):
        flag, value = flag_value(parts)
        if flag in CONFIG_FLAGS and value is not None and not _is_inline(value):
            path = Path(value)
            new = current_config(path)
            if new != path:
                parts = [f"{flag}={new}"] if len(parts) == 1 else [flag, str(new)]
        resolved += parts
    return resolved


def current_config(path: Path) -> Path:
    r"""Returns the new path of a shipped config that has moved, and prints it; else the path.

    A file that exists under the earlier path is the user's own, and is used.
    """
    new = None if path.is_file() else _moved_config(path)
    if new is None:
        return path
    _print_moved(path, new)
    return new


def _moved_config(path: Path) -> Path | None:
    r"""Returns the new path of a config in a folder `configs`, if such a file exists."""
    full = Path(os.path.abspath(path))
    for folder in full.parents[:2]:
        if folder.name != CONFIGS.name:
            continue
        name = full.relative_to(folder).as_posix()
        for earlier, now in RENAMED:
            match = re.fullmatch(earlier, name)
            if match and (new := folder / match.expand(now)).is_file():
                return new if path.is_absolute() else Path(os.path.relpath(new))
    return None


@cache
def _print_moved(path: Path, new: Path) -> None:
    r"""Prints the new path of a config, once and only in the first process."""
    # The import takes seconds, and most configs have not moved.
    from lightning.pytorch.utilities import rank_zero_only

    if rank_zero_only.rank == 0:
        print(f"energy-gans: {path} is {new} now", file=sys.stderr)


def flags(args: Sequence[str]) -> Iterator[list[str]]:
    r"""Yields each flag with the value that follows it, and each other argument alone."""
    i = 0
    while i < len(args):
        bare = args[i].startswith("-") and "=" not in args[i]
        takes = bare and i + 1 < len(args) and not args[i + 1].startswith("--")
        yield list(args[i : i + 1 + takes])
        i += 1 + takes


def flag_value(parts: Sequence[str]) -> tuple[str, str | None]:
    r"""Returns a flag and its value, if any, separated by `=` or by a blank."""
    flag, equals, value = parts[0].partition("=")
    return flag, value if equals else parts[1] if len(parts) > 1 else None


def _is_inline(value: str) -> bool:
    r"""Returns whether a value of `--config` is YAML itself, not a path."""
    return any(mark in value for mark in ("{", "\n", ": "))


def _near_config(path: Path) -> str:
    r"""Returns `; did you mean ...?` with the nearest file in the same folder or in `configs`.

    A file in another folder is also found by the names of its folder and itself: `coulomb_lsun`.
    """
    scored = [(_similarity(path.stem, f.stem), f) for f in sorted(path.parent.glob("*.y*ml"))]
    for file in sorted(CONFIGS.rglob("*.yaml")):
        if file.parent != path.parent:
            long = f"{file.parent.name}_{file.stem}"
            pairs = (
                (path.stem, file.stem),
                (path.stem, long),
                (f"{path.parent.name}_{path.stem}", long),
            )
            scored.append((max(_similarity(*pair) for pair in pairs), file))
    score, file = max(scored, key=lambda pair: pair[0], default=(0.0, path))
    return f"; did you mean {file}?" if score >= 0.6 else "."


def _similarity(a: str, b: str) -> float:
    r"""Returns the similarity of two names, from 0 to 1."""
    return difflib.SequenceMatcher(None, a, b).ratio()
