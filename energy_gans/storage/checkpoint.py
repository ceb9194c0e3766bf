r"""Checkpoints as files: written whole or not at all, and read without running code.

Folders of exported models (:mod:`.export`) are read by the same functions.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from ..checks import Names
from ..files import atomic_write
from ..methods import GenerativeModule
from ..methods.parts.finite import non_finite
from ..tensor_files import BoundedAllocation, load_tensors
from .argument_types import argument_types
from .construction import check_layers, check_objects, construction_of
from .export import is_export, read_export
from .rebuild import Rebuilder, check_size
from .saved_run import find_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    r"""Writes checkpoints whole or not at all.

    A full disk, a kill or a loss of power leaves the previous checkpoint unchanged.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None
    ) -> None:
        with atomic_write(path) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: str | os.PathLike, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return load_checkpoint(path)


def load_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    r"""Returns the contents of a checkpoint, with tensors on the CPU.

    Arguments:
        path: The path of the checkpoint, the folder of a run, then its last one, or the folder of
            an exported model.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or not a checkpoint of this package, if it holds
            anything but tensors and plain values or too many of them, or if a weight is not
            finite.
    """
    path = find_checkpoint(path)
    checkpoint = read_export(path) if is_export(path) else load_tensors("ckpt_path", path)
    if not isinstance(checkpoint, dict) or not {"state_dict", "seed"} <= checkpoint.keys():
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} was not written by energy-gans: it has no 'state_dict' "
            "or 'seed'."
        )
    check_size(checkpoint, str(path))
    tensors = {key: checkpoint[key] for key in ("state_dict", "charges") if key in checkpoint}
    if (name := non_finite(tensors)) is not None:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} is of a run that diverged: {name!r} is not finite."
        )
    return checkpoint


def step_of(path: str | os.PathLike) -> int:
    r"""Returns the step of a checkpoint, without reading its tensors.

    Arguments:
        path: The file of the checkpoint.

    Raises:
        ValueError: If the file is no checkpoint.
    """
    checkpoint = load_tensors("ckpt_path", path, verify=False, mmap=True)
    step = checkpoint.get("global_step") if isinstance(checkpoint, dict) else None
    if not isinstance(step, int):
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} was not written by energy-gans: it has no 'global_step'."
        )
    return step


def load_model(
    path: str | os.PathLike, trust: Names = "", **objects: nn.Module | Callable
) -> GenerativeModule:
    r"""Returns the model of a checkpoint, on the CPU, in evaluation mode.

    The checkpoint describes the model, so no config is needed. The description may only name
    classes of this package and of torch, see :mod:`energy_gans.storage.rebuild`.

    Arguments:
        path: The path of the checkpoint, the folder of a run, then its last one, or the folder of
            an exported model.
        trust: Other packages whose classes the checkpoint may name, separated by commas or in a
            list. Their code is run.
        objects: The networks and functions that the model was made of in Python, by argument,
            where the checkpoint does not describe them. Networks take on the weights of the
            checkpoint. Objects are also accepted in place of those that the checkpoint describes,
            whose classes are then not looked up.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint, its model can not be rebuilt, or an object is
            missing, not needed, or does not fit the weights.

    Example::

        model = load_model("runs/mine", generator=MyGenerator(), discriminator=MyCritic())
    """
    path = find_checkpoint(path)
    rebuilder, checkpoint = Rebuilder(trust), load_checkpoint(path)
    made = construction_of(checkpoint)
    if made is None:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} does not say how its model is made: an earlier version "
            "wrote it in Python. Load it with its class's load_from_checkpoint, and give that the "
            "networks."
        )
    with _explain(path, made.class_path):
        method = rebuilder.resolve(made.class_path, GenerativeModule, "model.class_path")
    check_objects(made, argument_types(method), objects)
    spec = {
        "class_path": made.class_path,
        "init_args": {k: v for k, v in made.init_args.items() if k not in objects},
    }
    state = checkpoint["state_dict"]
    with _explain(path, made.class_path), BoundedAllocation(state):
        model = rebuilder.factory(spec, GenerativeModule, "model")(**objects)
    with _explain(path, made.class_path), BoundedAllocation(state):
        # Extractors make the network that their part of the state describes.
        model.on_load_checkpoint(checkpoint)
        _load_state(model, state)
    check_layers(made, model, objects)
    if made.options:
        model.hparams.update(made.options)
        model.construction = None
    return model.to(memory_format=model.memory_format).eval()


@contextmanager
def _explain(path: Path, class_path: str) -> Iterator[None]:
    r"""Turns an error while a model is rebuilt into a `ValueError` that names the checkpoint."""
    try:
        yield
    except Exception as error:
        # Damaged files can raise any error.
        reason = textwrap.shorten(str(error), 500, placeholder=" ...")
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} holds a {class_path} that can not be rebuilt here: "
            f"{reason.rstrip('.')}."
        ) from error


def _load_state(model: GenerativeModule, state: Mapping[str, Tensor]) -> None:
    r"""Loads weights into a model.

    Raises:
        ValueError: If the names or the shapes of the weights are not the model's.
    """
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        # The error of torch names every weight that does not fit, a line each.
        raise ValueError(_first_misfit(model.state_dict(), state) or str(error)) from error


def _first_misfit(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str | None:
    r"""Returns why the first weight that does not fit a model does not, or `None`."""
    if missing := sorted(own.keys() - state.keys()):
        return f"the file lacks the weight {missing[0]!r}."
    if extra := sorted(state.keys() - own.keys()):
        return f"the model has no weight {extra[0]!r}, which the file holds."
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            return (
                f"the weight {name!r} should have shape {tuple(tensor.shape)}, got "
                f"{tuple(state[name].shape)}."
            )
    return None
