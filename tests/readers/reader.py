r"""A reader of files, and how nested values are read and written."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml

from energy_gans.data.prepared.manifest import SUM_KEY, manifest_digest


@dataclass(frozen=True)
class Reader:
    r"""A reader of files.

    Arguments:
        write: Writes valid files to an empty folder.
        read: Reads them.
        files: The names of the files that are damaged.
        archives: Those of `files` that are zip archives, whose members are damaged, too.
        trees: Those of `files` that hold nested values: how they are read and written.
    """

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    files: tuple[str, ...]
    archives: tuple[str, ...] = ()
    trees: Mapping[str, tuple[Callable, Callable]] = field(default_factory=dict)


# Nested values


def load_json(path: Path) -> Any:
    return json.loads(path.read_text())


def save_json(tree: Any, path: Path) -> None:
    path.write_text(json.dumps(tree))


def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def save_yaml(tree: Any, path: Path) -> None:
    path.write_text(yaml.safe_dump(tree))


def load_torch(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def save_manifest(tree: Any, path: Path) -> None:
    r"""Writes a manifest with the check sum of its changed contents."""
    if isinstance(tree, dict) and SUM_KEY in tree:
        tree = tree | {SUM_KEY: manifest_digest(tree)}
    save_json(tree, path)


JSON, YAML, TORCH = (load_json, save_json), (load_yaml, save_yaml), (load_torch, torch.save)
