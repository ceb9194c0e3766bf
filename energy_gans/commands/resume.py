r"""Going on with a run: finding its last checkpoint, and making sure that it is the same run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..storage.checkpoint import load_checkpoint

MISSING = object()


def find_last(root: Path) -> Path:
    r"""Returns the newest `*/checkpoints/last.ckpt` in a folder of runs.

    Arguments:
        root: The folder that holds a run's versions.

    Raises:
        FileNotFoundError: If there is none.
    """
    found = sorted(root.glob("*/checkpoints/last.ckpt"), key=os.path.getmtime)
    if not found:
        raise FileNotFoundError(
            f"'ckpt_path' = 'last' finds no */checkpoints/last.ckpt in {root}: give the path of a checkpoint."
        )
    return found[-1]


def check_unchanged(
    path: str | os.PathLike, model: dict[str, Any], data: dict[str, Any], seed: int | None
) -> None:
    r"""Raises a `ValueError` that names what changed between a checkpoint and a config.

    A resumed run goes on with the optimizers, and so with the learning rates, of the checkpoint: a
    config that says otherwise would be ignored without a word.

    Arguments:
        path: The path of the checkpoint.
        model: The config's model: `class_path` and `init_args`.
        data: The config's data, likewise.
        seed: The config's seed, or `None` if only the model has to be the same: to measure it.
    """
    checkpoint = load_checkpoint(path)
    changes = differences("model", checkpoint.get("hyper_parameters", {}), model)
    if seed is not None:
        changes += differences("data", checkpoint.get("datamodule_hyper_parameters", {}), data)
        if checkpoint["seed"] != seed:
            changes.append(f"seed_everything was {checkpoint['seed']} and is {seed}")
    if changes:
        more = f" (and {len(changes) - 3} more)" if len(changes) > 3 else ""
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} is of another run: {'; '.join(changes[:3])}{more}. Use the "
            "config.yaml that stands beside the checkpoints, or start a new run from its weights "
            "with --model.init_args.initial_weights."
        )


def differences(name: str, saved: dict[str, Any], given: dict[str, Any]) -> list[str]:
    r"""Returns what differs between saved hyper-parameters and a config, a phrase each."""
    saved = {key: value for key, value in saved.items() if key != "_instantiator"}
    saved = {"class_path": saved.pop("_class_path", None), "init_args": saved}
    was, now = dict(flat(saved, name)), dict(flat(given, name))
    return [
        f"{key} was {was.get(key)!r} and is {now.get(key)!r}"
        for key in sorted(was.keys() | now.keys())
        if was.get(key, MISSING) != now.get(key, MISSING)
    ]


def flat(config: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    r"""Yields the leaves of nested mappings and lists with their dotted keys."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from flat(value, f"{prefix}.{key}")
    elif isinstance(config, (list, tuple)):
        for i, value in enumerate(config):
            yield from flat(value, f"{prefix}.{i}")
    else:
        yield prefix, config
