r"""Going on with a run: finding its last checkpoint, and making sure that it is the same run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from ..storage.checkpoint import load_checkpoint
from ..storage.runs import LAST, newest, run_of

MISSING = object()


def find_last(root: Path, version: str | None = None) -> Path:
    r"""Returns the newest `*/checkpoints/last.ckpt` in a folder of runs.

    Arguments:
        root: The folder that holds a run's versions.
        version: The name of the version's folder, if the config gives one.

    Raises:
        FileNotFoundError: If there is none.
    """
    own = None if version is None else root / version / LAST
    found = newest(root.glob(f"*/{LAST}") if own is None else filter(Path.is_file, [own]))
    if found is None:
        raise FileNotFoundError(
            f"'ckpt_path' = 'last' finds no {version or '*'}/{LAST} in {root}: give the path of a "
            "checkpoint."
        )
    return found


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


def runs_folder(trainer: Namespace) -> Path:
    r"""Returns the folder in which a trainer's logger puts one folder a run."""
    options = logger_options(trainer)
    root = options.get("save_dir") or trainer.default_root_dir or "."
    return Path(root) / (options.get("project") or options.get("name") or "lightning_logs")


def given_version(trainer: Namespace) -> str | None:
    r"""Returns the name of the folder that a config gives its run, or `None` if it is numbered."""
    options = logger_options(trainer)
    version = options.get("version")
    if version is None:
        version = options.get("id")
    return f"version_{version}" if isinstance(version, int) else version


def logger_options(trainer: Namespace) -> Mapping[str, Any]:
    r"""Returns the arguments of a trainer's logger, of the first one if there are several."""
    logger = trainer.logger[0] if isinstance(trainer.logger, list) else trainer.logger
    return logger.get("init_args", {}) if isinstance(logger, Namespace) else {}


def own_folder(checkpoint: Path, root: Path, version: str | None = None) -> Path | None:
    r"""Returns the folder of the run that a checkpoint belongs to, if a resumed run goes on there.

    Arguments:
        checkpoint: The path of the checkpoint.
        root: The folder that holds the versions of the run that is started.
        version: The name of its folder, if the config gives one.
    """
    folder = run_of(checkpoint)
    inside = folder.resolve().parent == root.resolve()
    return folder if inside and version in (None, folder.name) else None


def next_command(folder: Path, step: int, stopped: bool, packages: Iterable[str]) -> str:
    r"""Returns what is said at the end of a run: where it is, and what to do with it.

    Arguments:
        folder: The directory of the run.
        step: The number of steps that it made.
        stopped: Whether it was stopped before its end.
        packages: The packages besides this one that its model comes from.
    """
    last = folder / LAST
    if not last.is_file():
        return f"step {step}: {folder}"
    words = ["energy-gans", "sample", "--ckpt_path", str(last)]
    if stopped:
        words[1:2] = ["fit", "--config", str(folder / "config.yaml")]
    elif trust := ",".join(sorted(packages)):
        words += ["--trust", trust]
    return f"step {step}: {folder}\nnext: {shlex.join(words)}"
