r"""Differences between a checkpoint and the config of the run that resumes it.

A resumed run takes networks, optimizers (with their learning rates) and schedules from its
checkpoint. A config with others would be ignored silently, and is refused. All other settings
would take effect: the seed, the data and its files, the numbers of the model, the precision and
the moving average. Changes of these are refused, too, and named, unless the user allows changes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn

from ...callbacks.conditions import CONDITIONS
from ...methods.parts.finite import flatten_tree, non_finite
from ...storage.checkpoint import load_checkpoint


def check_unchanged(
    path: str | os.PathLike,
    model: dict[str, Any],
    data: dict[str, Any],
    seed: int | None,
    allow_changes: bool = False,
) -> dict[str, Any]:
    r"""Checks that a config is the one of a checkpoint, except for allowed changes.

    Arguments:
        path: The path of the checkpoint.
        model: The config's model: `class_path` and `init_args`.
        data: The config's data, likewise.
        seed: The config's seed, or `None` to compare only the model, in order to measure it.
        allow_changes: Whether the seed, the data and the arguments of the model may differ, except
            networks, optimizers and schedules.

    Returns:
        The saved conditions of the run, for :func:`check_conditions`.

    Raises:
        ValueError: If there are other changes, or a saved number is not finite.
    """
    checkpoint = load_checkpoint(path)
    saved = checkpoint.get("hyper_parameters", {})
    _check_class(path, saved.get("_class_path"), model["class_path"])
    changes = _differences("model", saved, model)
    classes = _class_arguments(saved) | _class_arguments(model["init_args"])
    fixed = _differences(
        "model",
        {"_class_path": model["class_path"]} | _select(saved, classes),
        model | {"init_args": _select(model["init_args"], classes)},
    )
    if seed is not None:
        changes += _differences("data", checkpoint.get("datamodule_hyper_parameters", {}), data)
        if checkpoint["seed"] != seed:
            changes.append(f"seed_everything was {checkpoint['seed']} and is {seed}")
        _check_finite(path, checkpoint)
    _refuse_or_warn(path, changes, fixed, allow_changes)
    return checkpoint.get(CONDITIONS, {})


def check_conditions(
    path: str | os.PathLike, was: dict[str, Any], now: dict[str, Any], allow_changes: bool = False
) -> None:
    r"""Checks that the conditions of a run did not change, except for allowed changes.

    Arguments:
        path: The path of the checkpoint.
        was: The conditions that :class:`~energy_gans.callbacks.conditions.Conditions` saved; empty
            for older checkpoints.
        now: The conditions of the run that resumes.
        allow_changes: Whether they may differ.

    Raises:
        ValueError: If there are changes that are not allowed; it names them.
    """
    changes = [
        f"{name} was {was[name]} and is {now[name]}"
        for name in was
        if name in now and was[name] != now[name]
    ]
    _refuse_or_warn(path, changes, [], allow_changes)


def _refuse_or_warn(
    path: str | os.PathLike, changes: list[str], fixed: list[str], allow_changes: bool
) -> None:
    r"""Warns of allowed changes, and refuses others.

    Arguments:
        path: The path of the checkpoint.
        changes: A phrase for each change.
        fixed: The changes that cannot be allowed.
        allow_changes: Whether the other changes are allowed.

    Raises:
        ValueError: If there are changes that are not allowed; it names them.
    """
    if not changes:
        return
    if allow_changes and not fixed:
        rank_zero_warn(f"Resumes {str(path)!r} with changes: {_summary(changes)}.")
        return
    flag = ", add --allow_changes true to go on with the change"
    if fixed:
        flag, changes = "", fixed + [change for change in changes if change not in fixed]
    raise ValueError(
        f"'ckpt_path' = {str(path)!r} is of another run: {_summary(changes)}. Use the config.yaml "
        f"in the folder of its run{flag}, or start a new run from its weights with "
        "--model.init_args.initial_weights."
    )


def _summary(changes: list[str]) -> str:
    r"""Returns the first three changes, and how many more there are."""
    more = f" (and {len(changes) - 3} more)" if len(changes) > 3 else ""
    return "; ".join(changes[:3]) + more


def _check_class(path: str | os.PathLike, saved: str | None, given: str) -> None:
    r"""Raises a `ValueError` unless the model of a checkpoint has a class."""
    if saved is None:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} does not say how its model is made: it was trained in "
            "Python, not by the command line."
        )
    if saved != given:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} is a checkpoint of {saved}, not of {given}."
        )


def _check_finite(path: str | os.PathLike, checkpoint: dict[str, Any]) -> None:
    r"""Raises a `ValueError` if a checkpoint holds a number that is not finite."""
    if (name := non_finite(checkpoint)) is not None:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} is of a run that diverged: {name!r} is not finite."
        )


def _class_arguments(arguments: Mapping[str, Any]) -> set[str]:
    r"""Returns the names of arguments given as classes: networks, optimizers, schedules."""
    return {
        name
        for name, value in arguments.items()
        if isinstance(value, Mapping) and "class_path" in value
    }


def _select(arguments: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    r"""Returns the arguments with some names."""
    return {name: value for name, value in arguments.items() if name in names}


def _differences(name: str, saved: dict[str, Any], given: dict[str, Any]) -> list[str]:
    r"""Returns a phrase for each difference between saved hyper-parameters and a config."""
    saved = {key: value for key, value in saved.items() if key != "_instantiator"}
    saved = {"class_path": saved.pop("_class_path", None), "init_args": saved}
    was, now = dict(flatten_tree(saved, name)), dict(flatten_tree(given, name))
    return [
        f"{key} was {was.get(key)!r} and is {now.get(key)!r}"
        for key in sorted(was.keys() | now.keys())
        # `None` equals a missing argument: older checkpoints lack newer arguments.
        if was.get(key) != now.get(key)
    ]
