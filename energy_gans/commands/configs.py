r"""`energy-gans configs`: the configs that come with the package, listed and copied."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from ..files import atomic_write
from .config_files import ENDINGS, find_named, near_shipped, read_yaml, shipped_folder

# Folders whose configs are no runs, and how these are used. Parts of studies are deeper.
_KINDS = {
    "overlays": "overlays: --config NAME after that of a run",
    "studies": "studies: energy-gans study NAME",
    "sweeps": "sweeps: energy-gans configs copy NAME, then wandb sweep FILE",
    "cluster": "jobs of a cluster: energy-gans configs copy NAME",
}


class ShippedConfig(NamedTuple):
    r"""A config that comes with the package.

    Arguments:
        name: Its name for `--config`, `energy-gans study` and `energy-gans configs copy`.
        method: The name of the method's class; empty unless the config is a whole run.
        data: The name of the data's class, likewise.
        line: A sentence on it, with which the file begins.
    """

    name: str
    method: str
    data: str
    line: str

    @property
    def group(self) -> str:
        r"""The method, or what other configs are for."""
        return _KINDS.get(self.name.partition("/")[0], self.method)


class ConfigList(tuple[ShippedConfig, ...]):
    r"""The shipped configs, by method and data; as a text, a line for each."""

    __slots__ = ()

    def __str__(self) -> str:
        names, data = (max((len(config[i]) for config in self), default=0) for i in (0, 2))
        parts = []
        for group, configs in groupby(self, key=lambda config: config.group):
            lines = [f"  {c.name:<{names}}  {c.data:<{data}}  {c.line}" for c in configs]
            parts.append("\n".join([group, *lines]))
        return "\n\n".join(parts)


def list() -> ConfigList:
    r"""Lists the configs that come with the package, by method and data.

    `energy-gans configs` alone does the same. Parts of studies are left out.

    Returns:
        The configs.
    """
    order = [*_KINDS]

    def rank(config: ShippedConfig) -> tuple[int, str, str, str]:
        kind = config.name.partition("/")[0]
        return order.index(kind) + 1 if kind in order else 0, *config[1:3], config.name

    return ConfigList(sorted(_read_shipped(), key=rank))


def copy(name: str, out: str | None = None, overwrite: bool = False) -> Path:
    r"""Writes a copy of a config that comes with the package, to be edited.

    Arguments:
        name: The config, such as coulomb/ring.
        out: The path of the copy; the name of the file, in the current folder, by default.
        overwrite: Whether `out` may exist.

    Returns:
        The path of the copy.

    Raises:
        FileNotFoundError: If there is no such config; the error names the nearest one.
    """
    # It imports torch.
    from .outputs import check_output

    source = find_named(name, shipped_folder())
    if source is None:
        raise FileNotFoundError(f"'name' = {name!r} is no shipped config{near_shipped(name)}")
    endings = ENDINGS if source.suffix in ENDINGS else (source.suffix,)
    path = check_output(out or source.name, overwrite, endings)
    with atomic_write(path) as file:
        file.write(source.read_bytes())
    # A script stays one.
    shutil.copymode(source, path)
    return path


def _read_shipped() -> Iterator[ShippedConfig]:
    r"""Yields the shipped configs, except for parts of studies."""
    folder = shipped_folder()
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder)
        if path.is_dir() or (file.parts[0] == "studies" and len(file.parts) > 2):
            continue
        is_yaml = path.suffix in ENDINGS
        content = read_yaml(path) if is_yaml else {}
        yield ShippedConfig(
            (file.with_suffix("") if is_yaml else file).as_posix(),
            _class_name(content.get("model")),
            _class_name(content.get("data")),
            _first_sentence(path),
        )


def _class_name(part: dict[str, Any] | None) -> str:
    r"""Returns the name of the class that a part of a config gives, or an empty text."""
    return (part or {}).get("class_path", "").rpartition(".")[2]


def _first_sentence(path: Path) -> str:
    r"""Returns the first sentence of a file's comments, if it ends on its line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = next((line[2:] for line in lines if line.startswith("# ")), "")
    return re.sub(r"\. .*", ".", comment)
