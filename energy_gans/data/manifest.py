r"""The manifest of a prepared set, `manifest.json`: see :mod:`.prepared` for what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FORMAT = "energy-gans prepared images"
VERSION = 1

KEYS = ("name", "source", "preprocessing", "classes", "splits")
SPLIT_KEYS = ("count", "shape", "sha256", "labels_sha256", "mean", "std")
AGAIN = "Prepare the set again, or copy it again."


def has_prepared(root: Path) -> bool:
    r"""Returns whether a folder holds the manifest of a prepared set, be it a torn one."""
    path = Path(root) / "manifest.json"
    return path.is_file() and FORMAT.encode() in path.read_bytes()


def read_manifest(root: Path) -> dict[str, Any]:
    r"""Returns the manifest of a prepared set.

    Raises:
        FileNotFoundError: If the folder has none.
        ValueError: If it is torn, is none of a prepared set, or one of another version.
    """
    path = Path(root) / "manifest.json"
    if not path.is_file():
        raise FileNotFoundError(f"{str(root)!r} is no prepared set: it has no manifest.json.")
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is torn: {error}. {AGAIN}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path} is no manifest of a prepared set: 'format' is not {FORMAT!r}.")
    if manifest.get("version") != VERSION:
        raise ValueError(
            f"{path}: 'version' should be {VERSION}, got {manifest.get('version')!r}. "
            "Prepare the set again with this version of energy-gans."
        )
    check_keys(manifest, KEYS, path)
    if not isinstance(manifest["splits"], dict):
        raise ValueError(f"{path}: 'splits' should name the splits. {AGAIN}")
    for name, split in manifest["splits"].items():
        check_keys(split, SPLIT_KEYS, path, f"splits.{name}.")
        shape = split["shape"]
        if not (isinstance(shape, list) and [type(n) for n in shape] == [int] * 4):
            raise ValueError(
                f"{path}: 'splits.{name}.shape' should be (N, C, H, W), got {shape!r}."
            )
    return manifest


def check_keys(found: dict[str, Any], keys: tuple[str, ...], path: Path, prefix: str = "") -> None:
    r"""Raises a `ValueError` that names the first key that a part of a manifest lacks."""
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise ValueError(f"{path} lacks '{prefix}{key}'. {AGAIN}")
