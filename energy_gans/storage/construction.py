r"""What a checkpoint says about the construction of its model, and the objects that a user adds.

The command line stores a whole description in `hyper_parameters`. A model that was made in Python
stores its plain arguments there, and its objects as :mod:`energy_gans.methods.bases.construction`
describes them. Objects without a description are given again when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch.nn as nn

from ..methods.bases.construction import layers_of
from .argument_types import makes_optimizer, takes_objects


class Construction(NamedTuple):
    r"""How a model is made.

    Arguments:
        class_path: The path of the method.
        init_args: Its arguments: plain values, and descriptions of objects.
        layers: For networks that were described when they were passed in Python, the classes of
            their modules.
        objects: The types of the objects without a description, by argument.
        options: The `hyper_parameters` of a model that the command line made, or `None`.
    """

    class_path: str
    init_args: dict[str, Any]
    layers: dict[str, dict[str, str]]
    objects: dict[str, str]
    options: dict[str, Any] | None = None


def construction_of(checkpoint: Mapping[str, Any]) -> Construction | None:
    r"""Returns how the model of a checkpoint is made, or `None` if the checkpoint does not say."""
    options = checkpoint.get("hyper_parameters")
    options = dict(options) if isinstance(options, Mapping) else {}
    class_path = options.pop("_class_path", None)
    options.pop("_instantiator", None)
    if class_path is not None:
        return Construction(class_path, options, {}, {}, checkpoint["hyper_parameters"])
    made = checkpoint.get("construction")
    if not isinstance(made, Mapping):
        return None
    parts = [made.get(key) for key in ("init_args", "layers", "objects")]
    if not all(isinstance(part, dict) for part in parts):
        return None
    init_args, layers, objects = parts
    return Construction(made.get("class_path"), options | init_args, layers, objects)


def check_objects(
    made: Construction, types: Mapping[str, tuple[Any, bool]], given: Mapping[str, Any]
) -> None:
    r"""Raises a `ValueError` unless a user gives the objects that a checkpoint lacks, and no more.

    Arguments:
        made: How the model is made.
        types: The type of each argument of the method, and whether it has a default.
        given: The objects that the user gives, by argument.
    """
    method = made.class_path.rpartition(".")[2]
    for argument, value in given.items():
        hint = types.get(argument, (None, False))[0]
        if argument not in types or makes_optimizer(hint):
            reason = "has no such argument" if argument not in types else "is not trained here"
            raise ValueError(f"{argument!r} should be left out: the loaded {method} {reason}.")
        if not takes_objects(hint):
            raise ValueError(
                f"{argument!r} should be left out, got {value!r}: it is "
                f"{made.init_args.get(argument)!r} in the checkpoint, whose numbers count."
            )
        if not callable(value):
            raise ValueError(
                f"{argument!r} should be an object such as a network, got {value!r:.100}."
            )
        if hint is nn.Module and not isinstance(value, nn.Module):
            raise ValueError(f"{argument!r} should be a torch.nn.Module, got {value!r:.100}.")
    missing = [
        argument
        for argument in made.objects
        if argument not in given and not makes_optimizer(types.get(argument, (None, False))[0])
    ]
    if missing:
        names = " and ".join(f"{argument!r} ({made.objects[argument]})" for argument in missing)
        verb = "was given as an object" if len(missing) == 1 else "were given as objects"
        example = ", ".join(f"{argument}=..." for argument in missing)
        raise ValueError(f"{names} of this checkpoint {verb}: give load(path, {example}).")


def check_layers(made: Construction, model: nn.Module, given: Mapping[str, Any]) -> None:
    r"""Raises a `ValueError` if a network was changed after its construction, which was described.

    Arguments:
        made: How the model is made.
        model: The model that was rebuilt.
        given: The objects that the user gives, by argument.
    """
    for argument, layers in made.layers.items():
        # A model may keep a network under another name than that of the argument.
        named = getattr(model, argument, None)
        parts = [named] if isinstance(named, nn.Module) else model.modules()
        if argument not in given and all(layers_of(part) != layers for part in parts):
            raise ValueError(
                f"{argument!r} of this checkpoint was changed after its construction: give "
                f"load(path, {argument}=...)."
            )
