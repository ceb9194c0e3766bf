r"""Study files: reading and checking them, and their cells.

The cells are ordered by seed first, so that results of all methods with one seed are available
early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ...checks import Names, check_count, split_names
from ..config_files import current_config, near_config, read_yaml
from ..suggestions import did_you_mean

NAME = re.compile(r"[\w.-]*\w[\w.-]*")
# The folder of the shipped studies among the configs.
STUDIES = "studies"


@dataclass(frozen=True)
class Cell:
    r"""A combination of a setting, a method and a seed: one training run."""

    setting: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.setting}/{self.method}/seed_{self.seed}"


@dataclass(frozen=True)
class Study:
    r"""The content of a study file.

    Arguments:
        settings: The configs of each setting.
        methods: The configs of each method, applied after those of the setting.
        seeds: The seeds of each method's training runs.
        budget: `steps`, the number of the generator's updates, or `seconds`.
        measures: The column for the last value of a logged number, by the number's name.
        evaluate: The flags of `energy-gans evaluate`, which is not run without flags.
        curves: The logged numbers that are drawn.
        samples: The number of samples that are kept of each cell.
    """

    settings: dict[str, list[Path]]
    methods: dict[str, list[Path]]
    seeds: list[int]
    budget: dict[str, int]
    measures: dict[str, str] = field(default_factory=dict)
    evaluate: dict[str, Any] = field(default_factory=dict)
    curves: list[str] = field(default_factory=list)
    samples: int = 2000

    def cells(self) -> list[Cell]:
        r"""Returns all cells, ordered by seed."""
        return [
            Cell(setting, method, seed)
            for seed in self.seeds
            for setting in self.settings
            for method in self.methods
        ]


def find_study(file: str) -> Path:
    r"""Returns the path of a study file, which may be the name of a shipped one."""
    return current_config(Path(file), file, f"{STUDIES}/{file}")


def read_study(path: Path) -> Study:
    r"""Returns the study that a file describes.

    Raises:
        FileNotFoundError: If the file, or a config that it names, is missing.
        ValueError: If a key is unknown or missing, or a value is not accepted.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"'file' should be a study file, and {str(path)!r} is none{near_config(path)}"
        )
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} should hold keys and values, got {content!r}.")
    known = [f.name for f in fields(Study)]
    for key in content:
        _check_known(f"a key of {path}", key, known)
    for key in ("settings", "methods", "seeds", "budget"):
        if not content.get(key):
            raise ValueError(f"{path} should give {key!r}, and it gives none.")
    try:
        for key in ("settings", "methods"):
            content[key] = _config_paths(content[key], key, path.parent)
        _check_values(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        # Such as a name that is too long.
        raise ValueError(f"{path} names a config that can not be read: {error}.") from error
    return Study(**content)


def _config_paths(given: object, key: str, folder: Path) -> dict[str, list[Path]]:
    r"""Returns the paths of the configs of each setting or method, relative to a folder."""
    if not isinstance(given, dict):
        raise ValueError(f"{key!r} should map names to lists of configs, got {given!r}.")
    configs = {}
    for name, files in given.items():
        # Tables and pictures use the name "real" for real data.
        if not NAME.fullmatch(str(name)) or name == "real":
            raise ValueError(
                f"{key!r} should have names of letters, digits, . _ -, other than real, got "
                f"{name!r}."
            )
        files = [files] if isinstance(files, str) else files or []
        if not (isinstance(files, list) and all(isinstance(file, str) for file in files)):
            raise ValueError(f"'{key}.{name}' should be a list of configs, got {files!r}.")
        # A study that was copied names configs beside the shipped one.
        configs[str(name)] = [
            current_config(folder / file, f"{STUDIES}/{file}", file) for file in files
        ]
        for file in configs[str(name)]:
            if not file.is_file():
                raise FileNotFoundError(
                    f"'{key}.{name}' names the config {file}, which is missing."
                )
    return configs


def _check_values(content: dict[str, Any]) -> None:
    r"""Raises a `ValueError` for seeds, a budget or other values that are not accepted."""
    seeds, budget = content["seeds"], content["budget"]
    whole = isinstance(seeds, list) and all(type(s) is int and s >= 0 for s in seeds)
    if not whole or len(set(seeds)) < len(seeds):
        raise ValueError(f"'seeds' should be a list of unlike whole numbers, got {seeds!r}.")
    if not isinstance(budget, dict) or len(budget) != 1 or not {"steps", "seconds"} & {*budget}:
        raise ValueError(f"'budget' should be {{steps: N}} or {{seconds: N}}, got {budget!r}.")
    ((name, value),) = budget.items()
    for key, count in ((f"budget.{name}", value), ("samples", content.get("samples", 1))):
        if type(count) is not int:
            raise ValueError(f"{key!r} should be a whole number, got {count!r}.")
        check_count(key, count)
    _check_columns(content)


def _check_columns(content: dict[str, Any]) -> None:
    r"""Raises a `ValueError` for measures, flags of `evaluate` or curves that are not accepted."""
    for key, kind, words in (
        ("measures", dict, "map logged numbers to columns"),
        ("evaluate", dict, "map the flags of `energy-gans evaluate` to values"),
        ("curves", list, "be a list of logged numbers"),
    ):
        if not isinstance(content.setdefault(key, kind()), kind):
            raise ValueError(f"{key!r} should {words}, got {content[key]!r}.")
    columns = list(content["measures"].values())
    if not all(isinstance(c, str) for c in columns) or len(set(columns)) < len(columns):
        raise ValueError(f"'measures' should name unlike columns, got {columns!r}.")
    for name in ("ckpt_path", "samples", "out"):
        if name in content["evaluate"]:
            raise ValueError(f"'evaluate' should leave out {name!r}, which is set for each cell.")


def _check_known(what: str, name: object, known: Iterable[str]) -> None:
    r"""Raises a `ValueError` unless a name is known, with the known names and the closest one."""
    known = list(known)
    if name in known:
        return
    hint = did_you_mean(str(name), known)
    raise ValueError(f"{name!r} is not {what}: there are {', '.join(known)}.{hint}")


def parse_cells(study: Study, only: str | None, methods: Names | None) -> list[Cell]:
    r"""Returns the cells that this process runs.

    Arguments:
        study: The study.
        only: `"k/n"` for the k-th of n shares, counted from 1; all if `None`.
        methods: The names of methods, separated by commas or in a list; all if `None`.

    Raises:
        ValueError: If the share or a method does not exist.
    """
    names = list(study.methods) if methods is None else split_names("methods", methods)
    for name in names:
        _check_known("a method of this study", name, study.methods)
    cells = [cell for cell in study.cells() if cell.method in names]
    if only is None:
        return cells
    found = re.fullmatch(r"(\d+)/(\d+)", only)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"'only' should be k/n with k from 1 to n, such as 2/8, got {only!r}.")
    return cells[int(found[1]) - 1 :: int(found[2])]
