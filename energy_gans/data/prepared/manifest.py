r"""The manifest of a prepared set, `manifest.json`.

A manifest says where the images came from, how they were preprocessed, and, for each split, the
shape and the SHA-256 of its array files. The key `manifest_sha256` is the SHA-256 of all other
keys, as canonical JSON: keys sorted, no spaces, ASCII only. Manifests of older sets lack it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FORMAT = "energy-gans prepared images"
VERSION = 1

SUM_KEY = "manifest_sha256"
# The keys that say what the images and labels of a split mean.
_DESCRIPTION_KEYS = ("name", "preprocessing", "classes")
# The keys that every manifest has, and the types of their values.
_TYPES = {"name": str, "source": dict, "preprocessing": dict, "classes": list, "splits": dict}
_SPLIT_TYPES = {"sha256": str, "labels_sha256": str, "sums_sha256": str}
# The dimensions of the arrays of sets that hold no images.
_DIMENSIONS = {"text": 2}
_SPLIT_KEYS = ("count", "shape", "sha256", "labels_sha256", "mean", "std")
PREPARE_AGAIN = "Prepare the set again, or copy it again."


def is_prepared(root: Path) -> bool:
    r"""Returns whether a folder holds the manifest of a prepared set, complete or cut short.

    Raises:
        OSError: If the folder or the manifest can not be read.
    """
    path = Path(root) / "manifest.json"
    try:
        return path.is_file() and FORMAT.encode() in path.read_bytes()
    except OSError as error:
        raise type(error)(f"{path} can not be read: {error.strerror}.") from error


def read_manifest(root: Path) -> dict[str, Any]:
    r"""Returns the manifest of a prepared set.

    Raises:
        FileNotFoundError: If the folder has none.
        PermissionError: If the manifest can not be read.
        ValueError: If the manifest is incomplete or was edited, belongs to something else than a
            prepared set, or has another version.
    """
    path = Path(root) / "manifest.json"
    try:
        if not path.is_file():
            raise FileNotFoundError(f"{str(root)!r} is no prepared set: it has no manifest.json.")
        manifest = json.loads(path.read_bytes())
    except PermissionError as error:
        raise PermissionError(f"{path} can not be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}. {PREPARE_AGAIN}") from error
    _check_manifest(manifest, path)
    return manifest


def _check_manifest(manifest: Any, path: Path) -> None:
    r"""Raises a `ValueError` unless a value is the unedited manifest of a prepared set."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path} is no manifest of a prepared set: 'format' is not {FORMAT!r}.")
    if manifest.get("version") != VERSION:
        raise ValueError(
            f"{path}: 'version' should be {VERSION}, got {manifest.get('version')!r}. "
            "Prepare the set again with this version of energy-gans."
        )
    _check_keys(manifest, _TYPES, path)
    _check_types(manifest, _TYPES, path)
    for name, split in manifest["splits"].items():
        _check_keys(split, _SPLIT_KEYS, path, f"splits.{name}.")
        _check_types(split, _SPLIT_TYPES, path, f"splits.{name}.")
        shape = split["shape"]
        dimensions = _DIMENSIONS.get(manifest["name"], 4)
        if not (isinstance(shape, list) and [type(n) for n in shape] == [int] * dimensions):
            words = "(N, C, H, W)" if dimensions == 4 else "(N, L)"
            raise ValueError(f"{path}: 'splits.{name}.shape' should be {words}, got {shape!r}.")
    if manifest.get(SUM_KEY, digest := manifest_digest(manifest)) != digest:
        raise ValueError(
            f"{path} was edited or is damaged: its sha256 is not its own {SUM_KEY!r}. "
            f"{PREPARE_AGAIN}"
        )


def manifest_digest(manifest: dict[str, Any]) -> str:
    r"""Returns the SHA-256 of a manifest without its key `manifest_sha256`."""
    covered = {key: value for key, value in manifest.items() if key != SUM_KEY}
    return hashlib.sha256(canonical_json(covered)).hexdigest()


def description(manifest: dict[str, Any]) -> str:
    r"""Returns a manifest's :data:`_DESCRIPTION_KEYS` as JSON, or `""` if no sum protects them."""
    if SUM_KEY not in manifest:
        return ""
    return canonical_json({key: manifest[key] for key in _DESCRIPTION_KEYS}).decode()


def canonical_json(value: Any) -> bytes:
    r"""Returns a value as JSON: keys sorted, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _check_keys(found: dict[str, Any], keys: Iterable[str], path: Path, prefix: str = "") -> None:
    r"""Raises a `ValueError` that names the first key that a manifest, or a part of it, lacks."""
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise ValueError(f"{path} lacks '{prefix}{key}'. {PREPARE_AGAIN}")


def _check_types(
    found: dict[str, Any], types: dict[str, type], path: Path, prefix: str = ""
) -> None:
    r"""Raises a `ValueError` that names the first key whose value has another type."""
    for key, kind in types.items():
        if key in found and not isinstance(found[key], kind):
            raise ValueError(
                f"{path}: '{prefix}{key}' should be a {kind.__name__}, got {found[key]!r:.60}. "
                f"{PREPARE_AGAIN}"
            )
