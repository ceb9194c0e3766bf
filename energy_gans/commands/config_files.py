r"""The configs that a command line names, found and looked at before they are parsed.

A config is a file, or the name of one of the configs that are installed with the package, such as
`coulomb/ring`. jsonargparse reads a config as a text and forgets its name. What is wrong with the
file itself is said here, with its name and the line.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..terminal import is_printing
from .flags import CONFIG_FLAGS, flag_value, flags

CONFIGS = Path("configs")
_PACKAGE = Path(__file__).parents[1]
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
    except RecursionError as error:
        raise ValueError(f"{path} can not be read: its values are nested too deeply.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no YAML: it is no text in UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark, context = error.problem_mark, f" {error.context}" if error.context else ""
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{path}{where} is no YAML: {error.problem}{context}.") from error
    except (yaml.YAMLError, ValueError) as error:
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
                raise FileNotFoundError(f"'{flag}' = {value!r} is {what}{near_config(path)}")
            content = read_yaml(path)
            if not isinstance(content, dict):
                raise ValueError(f"{value} should hold keys and values, got {content!r:.60}.")
        elif value.endswith(ENDINGS) and path.is_file():
            read_yaml(path)


def given_configs(args: Sequence[str]) -> list[Path]:
    r"""Returns the paths of the configs in arguments."""
    given = [value for flag, value in map(flag_value, flags(args)) if flag in CONFIG_FLAGS]
    return [Path(value) for value in given if value is not None and not _is_inline(value)]


def resolve_configs(args: Sequence[str]) -> list[str]:
    r"""Returns arguments in which each config is the path of a file, if there is one."""
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


def shipped_folder() -> Path:
    r"""Returns the folder of the configs that come with the package.

    It is in the package of an installed wheel, and beside the package in a clone.
    """
    inside = _PACKAGE / CONFIGS
    return inside if inside.is_dir() else _PACKAGE.parent / CONFIGS


def find_named(name: str | Path, folder: Path) -> Path | None:
    r"""Returns the config of a name in a folder of configs, or `None` if there is none.

    Arguments:
        name: The name: `coulomb/ring`, `coulomb/ring.yaml` or `configs/coulomb/ring.yaml`. After
            `configs/`, it may be an earlier name.
        folder: The folder, such as that of the shipped configs.
    """
    parts = Path(os.path.normpath(name)).parts
    within = parts[1:] if parts[:1] == (CONFIGS.name,) else parts
    if not within or os.path.isabs(name) or within[0] == os.pardir:
        return None
    for file in _with_endings(Path(*within)):
        if (folder / file).is_file():
            return folder / file
        if within != parts and (new := _renamed_config(folder, file.as_posix())):
            return new
    return None


def current_config(path: Path, *names: str | Path) -> Path:
    r"""Returns the file of a config, and prints where it is unless it is at its path.

    Arguments:
        path: The path, or the name of a config.
        names: The names to look for in folders of configs, by default the path.
    """
    new, sentence = locate_config(path, *names)
    if sentence:
        _print_once(sentence)
    return new


def locate_config(path: Path, *names: str | Path) -> tuple[Path, str]:
    r"""Returns the file of a config: a local one, else a shipped one, else the path.

    The ending `.yaml` may be left out. The file may be in another folder, or have another name: it
    is the new path of a config that has moved, or the config of that name in the local folder
    `configs`, or the one that comes with the package.

    Arguments:
        path: The path, or the name of a config.
        names: The names to look for in folders of configs, by default the path.

    Returns:
        The path of the file, and a sentence that says so if it is in another place.
    """
    for file in _with_endings(path):
        if file.is_file():
            return file, ""
    new = _moved_config(path)
    if new is not None:
        return new, f"{path} is {new} now"
    for folder in (CONFIGS, shipped_folder()):
        for name in names or (path,):
            if new := find_named(name, folder):
                return _short_path(new), f"{path} is {_short_path(new)}"
    return path, ""


def _with_endings(path: Path) -> list[Path]:
    r"""Returns a path, and the path with the ending of configs unless it has one."""
    return [path] if path.suffix in ENDINGS else [path, Path(f"{path}.yaml")]


def _short_path(path: Path) -> Path:
    r"""Returns a path, relative if it is in the current folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _moved_config(path: Path) -> Path | None:
    r"""Returns the new path of a config in a folder `configs`, if such a file exists."""
    full = Path(os.path.abspath(path))
    for folder in full.parents[:2]:
        if folder.name != CONFIGS.name:
            continue
        new = _renamed_config(folder, full.relative_to(folder).as_posix())
        if new is not None:
            return new if path.is_absolute() else Path(os.path.relpath(new))
    return None


def _renamed_config(folder: Path, name: str) -> Path | None:
    r"""Returns the file that has replaced an earlier one in a folder of configs."""
    for earlier, now in RENAMED:
        match = re.fullmatch(earlier, name)
        if match and (new := folder / match.expand(now)).is_file():
            return new
    return None


@cache
def _print_once(sentence: str) -> None:
    r"""Prints a sentence on the command line, once and only in the first process."""
    # The import takes seconds, and most configs are where their path says.
    from lightning.pytorch.utilities import rank_zero_only

    if rank_zero_only.rank == 0 and is_printing():
        sys.stderr.write(f"energy-gans: {sentence}\n")


def _is_inline(value: str) -> bool:
    r"""Returns whether a value of `--config` is YAML itself, not a path."""
    return any(mark in value for mark in ("{", "\n", ": "))


def near_config(path: Path) -> str:
    r"""Returns `; did you mean ...?` with the nearest config, or how to list them.

    The candidates are the files in the same folder, those in the folder `configs`, and the shipped
    configs. They are also found by the names of their folder and themselves: `coulomb_lsun`.
    """
    local = [*sorted(path.parent.glob("*.y*ml")), *sorted(CONFIGS.rglob("*.yaml"))]
    # The first of equal ones is taken: a path for a path, a name for a name.
    parts = (local, _shipped_names()) if path.suffix in ENDINGS else (_shipped_names(), local)
    return _nearest(path, [*parts[0], *parts[1]])


def near_shipped(name: str) -> str:
    r"""Returns `; did you mean ...?` with the nearest shipped config, or how to list them."""
    return _nearest(Path(name), _shipped_names())


def _shipped_names() -> list[Path]:
    r"""Returns the names of all shipped configs."""
    folder = shipped_folder()
    return [file.relative_to(folder).with_suffix("") for file in sorted(folder.rglob("*.yaml"))]


def _nearest(path: Path, files: Sequence[Path]) -> str:
    r"""Returns `; did you mean ...?` with the most similar of some files, or how to list them."""
    file = max(files, key=lambda file: _likeness(path, file), default=path)
    if files and _likeness(path, file) >= 0.6:
        return f"; did you mean {file}?"
    return ": energy-gans configs lists those of the package."


def _likeness(typed: Path, file: Path) -> float:
    r"""Returns the similarity of a path to that of a config in the same or another folder."""
    typed, file = (Path(*p.parts[p.parts[:1] == (CONFIGS.name,) :]) for p in (typed, file))
    if file.parent == typed.parent:
        return _similarity(typed.stem, file.stem)
    long = f"{file.parent.name}_{file.stem}"
    pairs = (
        (typed.stem, file.stem),
        (typed.stem, long),
        (f"{typed.parent.name}_{typed.stem}", long),
    )
    return max(_similarity(*pair) for pair in pairs)


def _similarity(a: str, b: str) -> float:
    r"""Returns the similarity of two names, from 0 to 1."""
    return difflib.SequenceMatcher(None, a, b).ratio()
