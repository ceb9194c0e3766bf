r"""How a model that was made in Python says in a checkpoint how it is made.

A checkpoint may hold plain values only. Of the arguments of a method, `hparams` keeps the plain
ones, and :func:`construction` describes the objects: networks whose construction is known are
described as in a config, and all others are named, to be given again when the model is loaded.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

import torch.nn as nn

from ...descriptions import class_path, describe
from ..parts.networks import check_made_in_python


def is_plain(value: Any) -> bool:
    r"""Returns whether a value consists of numbers, strings, sequences and mappings only."""
    if isinstance(value, Mapping):
        return all(map(is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def construction(method: type, objects: Mapping[str, Any]) -> dict[str, Any]:
    r"""Returns how a model is made, apart from its plain arguments, in plain values.

    Arguments:
        method: The class of the model.
        objects: The arguments of its constructor that are no plain values, by name.

    Returns:
        The `class_path` of the method; in `init_args` the descriptions of objects whose
        construction is known, and in `layers` the classes of their modules; in `objects` the
        types of all others.
    """
    described, layers, unknown = {}, {}, {}
    for name, value in objects.items():
        try:
            described[name] = describe(value)
            if isinstance(value, nn.Module):
                layers[name] = layers_of(value)
        except TypeError:
            named = value if hasattr(value, "__qualname__") else type(value)
            unknown[name] = f"{named.__module__}.{named.__qualname__}"
    return {
        "class_path": class_path(method),
        "init_args": described,
        "layers": layers,
        "objects": unknown,
    }


def layers_of(module: nn.Module) -> dict[str, str]:
    r"""Returns the names of the classes of a module and all its parts, by their paths in it."""
    return {name: type(part).__name__ for name, part in module.named_modules()}


class ConstructionMixin:
    r"""Gives a :class:`GenerativeModule` hyper-parameters of plain values, and loads it."""

    def drop_live_hyperparameters(self) -> dict[str, Any] | None:
        r"""Drops objects that were passed in Python from `hparams`, and describes them.

        A checkpoint that held the objects could be read only by unpickling code.

        Returns:
            The description (:func:`construction`), or `None` if the command line made the model.
        """
        if "_instantiator" in self.hparams:
            return None
        objects = {name: value for name, value in self.hparams.items() if not is_plain(value)}
        for name in objects:
            del self.hparams[name]
        # Loggers read the copy that Lightning has made of them.
        self._hparams_initial = copy.deepcopy(self.hparams)
        return construction(type(self), objects)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | os.PathLike, **kwargs: Any) -> Any:
        r"""Returns the model of a checkpoint that was trained in Python.

        Arguments:
            checkpoint_path: The path of the checkpoint.
            kwargs: The networks, and the other arguments of Lightning's method.

        Raises:
            ValueError: If the command line wrote it, or an argument of the constructor is missing:
                see :func:`energy_gans.commands.load_model`.
        """
        check_made_in_python(checkpoint_path)
        try:
            return super().load_from_checkpoint(checkpoint_path, **{"weights_only": True} | kwargs)
        except TypeError as error:
            if "missing" not in str(error):
                raise
            raise ValueError(
                f"'kwargs' should hold the networks of a {cls.__name__}, which Lightning does not "
                f"store: {str(error).partition('() ')[2]}. energy_gans.load makes networks of "
                "this package and of torch itself."
            ) from error
