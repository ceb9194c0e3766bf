r"""Checkpoints as files: written whole or not at all, and read without running what is in them."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from ..files import atomic_write
from ..methods import GenerativeModule


class AtomicCheckpointIO(TorchCheckpointIO):
    r"""Writes a checkpoint whole or not at all.

    A full disk, a kill or a loss of power leaves the previous checkpoint as it was.
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
        path: The path of the checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, holds anything but tensors and plain values, or was not
            written by this package.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"'ckpt_path' should be a checkpoint file, and {str(path)!r} is none."
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
    ) as error:
        reason = str(error).split(". ")[0].splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} can not be read: it is truncated, or no checkpoint. ({reason})"
        ) from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "seed"} <= checkpoint.keys():
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} was not written by energy-gans: it has no 'state_dict' or 'seed'."
        )
    return checkpoint


def load_model(path: str | os.PathLike) -> GenerativeModule:
    r"""Returns the model of a checkpoint, on the CPU, in evaluation mode.

    The model is rebuilt from what the checkpoint says of it: no config is needed.

    Arguments:
        path: The path of the checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint of a method that is known here.
    """
    checkpoint = load_checkpoint(path)
    class_path = checkpoint.get("hyper_parameters", {}).get("_class_path")
    if class_path is None:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} does not say how its model is made: it was trained in "
            "Python, not by the command line. Load it with its class's load_from_checkpoint, and "
            "give that the networks."
        )
    try:
        model = known_method(class_path).load_from_checkpoint(
            path, map_location="cpu", weights_only=True
        )
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"'ckpt_path' = {str(path)!r} holds a {class_path} that can not be rebuilt here: {error}"
        ) from error
    return model.eval()


def known_method(class_path: str) -> type[GenerativeModule]:
    r"""Returns the method of a class path, among those that are imported: a file may not import.

    Raises:
        ValueError: If the class path is not that of an imported method.
    """
    module, _, name = class_path.rpartition(".")
    known = getattr(sys.modules.get(module), name, None)
    if not (isinstance(known, type) and issubclass(known, GenerativeModule)):
        raise ValueError("it is no method of this package, nor of a module that is imported")
    return known
