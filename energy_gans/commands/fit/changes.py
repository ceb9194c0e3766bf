r"""What changed between a checkpoint and the config that goes on with it.

A resumed run goes on with the networks, the optimizers, and so the learning rates, and the schedules of its
checkpoint: a config that says otherwise would be ignored without a word, and is refused. All else would take
effect: the seed, the data and the model's numbers, the files that the data is read from, the precision and the
moving average. What of that changed is named, and the run goes on if that is allowed.
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
    r"""Checks that a config is that of a checkpoint, up to changes that are allowed.

    Arguments:
        path: The path of the checkpoint.
        model: The config's model: `class_path` and `init_args`.
        data: The config's data, likewise.
        seed: The config's seed, or `None` if only the model has to be the same: to measure it.
        allow_changes: Whether the seed, the data and the model's numbers may be others: all of its
            arguments but networks, optimizers and schedules.

    Returns:
        What the run depends on besides, for :func:`check_conditions`.

    Raises:
        ValueError: That names what changed, or a number that is not finite.
    """
    checkpoint = load_checkpoint(path)
    saved = checkpoint.get("hyper_parameters", {})
    check_class(path, saved.get("_class_path"), model["class_path"])
    changes = differences("model", saved, model)
    classes = names_of_classes(saved) | names_of_classes(model["init_args"])
    fixed = differences(
        "model",
        {"_class_path": model["class_path"]} | subset(saved, classes),
        model | {"init_args": subset(model["init_args"], classes)},
    )
    if seed is not None:
        changes += differences("data", checkpoint.get("datamodule_hyper_parameters", {}), data)
        if checkpoint["seed"] != seed:
            changes.append(f"seed_everything was {checkpoint['seed']} and is {seed}")
        check_finite(path, checkpoint)
    refuse_or_warn(path, changes, fixed, allow_changes)
    return checkpoint.get(CONDITIONS, {})


def check_conditions(
    path: str | os.PathLike, was: dict[str, Any], now: dict[str, Any], allow_changes: bool = False
) -> None:
    r"""Checks that a resumed run depends on what it depended on, up to changes that are allowed.

    Arguments:
        path: The path of the checkpoint.
        was: What :class:`~energy_gans.callbacks.conditions.Conditions` saved; older checkpoints lack it.
        now: What it finds.
        allow_changes: Whether all of it may be other.

    Raises:
        ValueError: That names what changed.
    """
    changes = [
        f"{name} was {was[name]} and is {now[name]}"
        for name in was
        if name in now and was[name] != now[name]
    ]
    refuse_or_warn(path, changes, [], allow_changes)


def refuse_or_warn(
    path: str | os.PathLike, changes: list[str], fixed: list[str], allow_changes: bool
) -> None:
    r"""Warns of changes that are allowed, and refuses others.

    Arguments:
        path: The path of the checkpoint.
        changes: What changed, a phrase each.
        fixed: Those of the changes that can not be allowed.
        allow_changes: Whether the others are allowed.

    Raises:
        ValueError: That names what changed.
    """
    if not changes:
        return
    if allow_changes and not fixed:
        rank_zero_warn(f"Goes on from {str(path)!r} with changes: {summary(changes)}.")
        return
    flag = ", add --allow_changes true to go on with the change"
    if fixed:
        flag, changes = "", fixed + [change for change in changes if change not in fixed]
    raise ValueError(
        f"'ckpt_path' = {str(path)!r} is of another run: {summary(changes)}. Use the config.yaml that "
        f"stands beside the checkpoints{flag}, or start a new run from its weights with "
        "--model.init_args.initial_weights."
    )


def summary(changes: list[str]) -> str:
    r"""Returns the first three changes, and the number of the others."""
    more = f" (and {len(changes) - 3} more)" if len(changes) > 3 else ""
    return "; ".join(changes[:3]) + more


def check_class(path: str | os.PathLike, saved: str | None, given: str) -> None:
    r"""Raises a `ValueError` unless a checkpoint is of a model of the class that is given."""
    if saved is None:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} does not say how its model is made: it was trained in "
            "Python, not by the command line."
        )
    if saved != given:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} is a checkpoint of {saved}, not of {given}."
        )


def check_finite(path: str | os.PathLike, checkpoint: dict[str, Any]) -> None:
    r"""Raises a `ValueError` if a run would go on with a number that is not finite."""
    if (name := non_finite(checkpoint)) is not None:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} is of a run that diverged: {name!r} is not finite."
        )


def names_of_classes(arguments: Mapping[str, Any]) -> set[str]:
    r"""Returns the names of arguments that are described as classes: networks, optimizers, schedules."""
    return {
        name
        for name, value in arguments.items()
        if isinstance(value, Mapping) and "class_path" in value
    }


def subset(arguments: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    r"""Returns the arguments of some names."""
    return {name: value for name, value in arguments.items() if name in names}


def differences(name: str, saved: dict[str, Any], given: dict[str, Any]) -> list[str]:
    r"""Returns what differs between saved hyper-parameters and a config, a phrase each."""
    saved = {key: value for key, value in saved.items() if key != "_instantiator"}
    saved = {"class_path": saved.pop("_class_path", None), "init_args": saved}
    was, now = dict(flatten_tree(saved, name)), dict(flatten_tree(given, name))
    return [
        f"{key} was {was.get(key)!r} and is {now.get(key)!r}"
        for key in sorted(was.keys() | now.keys())
        # An argument that is none may as well not be there, as in checkpoints older than it.
        if was.get(key) != now.get(key)
    ]
