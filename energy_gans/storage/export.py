r"""Exported models: a folder with `config.json` and `model.safetensors`, written and read.

`config.json` names the class of the model and its arguments, the data, the seed and the step, and
holds the SHA-256 of `model.safetensors`. That file holds the weights of the moving average, if
there is one, in place of those that it averages; the other weights of the model; and, of methods
whose potential is that of a minibatch, the minibatch. It holds no optimizers.

A folder is read like a checkpoint: :func:`read_export` returns the same keys as a checkpoint has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import safetensors.torch
import torch
from torch import Tensor

from ..files import atomic_write, write_text
from ..methods import GenerativeModule
from ..methods.parts.finite import non_finite
from ..tensor_files import load_safetensors
from .construction import construction_of
from .rebuild import check_size

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT = 1
# What Lightning writes into checkpoints of models that the command line made.
INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
# The largest size of a config.json, in bytes.
_LARGEST = 2**24
# The keys of a config.json, and their types.
_TYPES: dict[str, tuple[type, ...]] = {
    "format_version": (int,),
    "model": (dict,),
    "data": (dict, type(None)),
    "seed": (int,),
    "step": (int, type(None)),
    "conditions": (dict,),
    "weights": (dict,),
}
_PYTHON = {"layers", "objects"}
_CHARGES = ("charges.real", "charges.generated")


def is_export(path: str | os.PathLike) -> bool:
    r"""Returns whether a path is that of an exported model's weights."""
    return Path(path).suffix == Path(WEIGHTS).suffix


def takes_half(weight: Tensor) -> bool:
    r"""Returns whether a tensor is a matrix, a filter or samples, of float32 numbers."""
    return weight.dtype == torch.float32 and weight.dim() >= 2


def exported_weights(model: GenerativeModule, half: bool = False) -> dict[str, Tensor]:
    r"""Returns the tensors that samples and the potential depend on, by name, on the CPU.

    Where there is a moving average, its weights have the names of those that it averages.

    Arguments:
        model: The model.
        half: Whether matrices, filters and stored samples are float16 numbers.

    Raises:
        ValueError: If a network saves something that is no tensor.
    """
    state = model.state_dict(keep_vars=True)
    if model.averaged is not None:
        source = model.ema_source.state_dict(keep_vars=True)
        averaged = model.averaged.module.state_dict()
        replaced = {id(tensor): averaged[name] for name, tensor in source.items()}
        state = {
            name: replaced.get(id(tensor), tensor)
            for name, tensor in state.items()
            if not name.startswith("averaged.")
        }
    charges = model.carried_state().get("charges", ())
    state |= dict(zip(_CHARGES, charges, strict=False))
    if half:
        state = {
            name: t.half() if isinstance(t, Tensor) and takes_half(t) else t
            for name, t in state.items()
        }
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"{name!r} of the model should be a tensor to be exported, got "
                f"{type(value).__name__}."
            )
    if (name := non_finite(state)) is not None:
        raise ValueError(
            f"The model can not be exported, as its training diverged: {name!r} is not finite."
        )
    # Tensors that share memory can not be written.
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def checkpoint_of(model: GenerativeModule) -> dict[str, Any]:
    r"""Returns what a checkpoint would say of a model that is in memory, under its keys."""
    trainer = model._trainer
    data = None if trainer is None else trainer.datamodule
    return {
        "hyper_parameters": dict(model.hparams),
        "construction": model.construction,
        "datamodule_hyper_parameters": {} if data is None else dict(data.hparams),
        "seed": model.seed,
        "vocabulary": model.vocabulary,
        "global_step": None if trainer is None else trainer.global_step,
    }


def write_export(
    folder: Path,
    model: GenerativeModule,
    checkpoint: Mapping[str, Any],
    origin: dict[str, Any],
    half: bool = False,
) -> dict[str, Any]:
    r"""Writes `config.json` and `model.safetensors`, and returns the contents of the former.

    Arguments:
        folder: The folder, which exists.
        model: The model.
        checkpoint: What a checkpoint says of the model, under its keys.
        origin: Where the model comes from: versions, and the SHA-256 of its checkpoint.
        half: Whether matrices, filters and stored samples are written as float16 numbers.

    Returns:
        The contents of `config.json`.

    Raises:
        OSError: If a file can not be written.
        ValueError: If `config.json` can not hold an argument of the model or of the data.
    """
    made = construction_of(checkpoint)
    model_spec = _spec(made.init_args | {"_class_path": made.class_path}, "model")
    # A model that was made in Python.
    model_spec |= {k: v for k, v in made._asdict().items() if k in _PYTHON and v}
    weights = safetensors.torch.save(exported_weights(model, half), metadata={"format": "pt"})
    with atomic_write(folder / WEIGHTS) as file:
        file.write(weights)
    config = {
        "format_version": FORMAT,
        "model": model_spec,
        "data": _spec(checkpoint.get("datamodule_hyper_parameters", {}), "data"),
        "seed": checkpoint["seed"],
        "step": checkpoint.get("global_step"),
        "conditions": checkpoint.get("conditions", {}),
        "weights": {"sha256": load_safetensors("out", folder / WEIGHTS)[1]},
        "origin": origin,
    }
    if checkpoint.get("vocabulary"):
        config["vocabulary"] = checkpoint["vocabulary"]
    write_text(json.dumps(config, indent=2, allow_nan=False) + "\n", folder / CONFIG)
    return config


def _spec(options: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    r"""Returns the description of an object from a checkpoint's arguments, or `None`.

    Raises:
        ValueError: If JSON can not hold an argument.
    """
    class_path = options.get("_class_path")
    if class_path is None:
        return None
    init_args = {k: v for k, v in options.items() if k not in ("_class_path", "_instantiator")}
    for name, value in init_args.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"'{key}.{name}' should be numbers, text, lists or null for config.json, got "
                f"{value!r:.100}."
            ) from error
    return {"class_path": class_path, "init_args": init_args}


def read_config(path: str | os.PathLike, argument: str = "ckpt_path") -> dict[str, Any]:
    r"""Returns the contents of a `config.json`.

    Arguments:
        path: The path of the file.
        argument: The name of the user's argument that gave the folder, for errors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or too large, or a newer version wrote it.
    """
    path = Path(path)
    said = f"{argument!r} = {str(path.parent)!r}"
    if not path.is_file():
        raise FileNotFoundError(
            f"{said} holds no {CONFIG}, which says of which model {WEIGHTS} are the weights."
        )
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{said} can not be read: {CONFIG} has more than {_LARGEST} bytes.")
    try:
        config = json.loads(path.read_bytes())
        version = config["format_version"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise ValueError(
            f"{said} can not be read: {CONFIG} is damaged, or `energy-gans export` did not write "
            "it."
        ) from error
    if isinstance(version, int) and version > FORMAT:
        raise ValueError(
            f"{said} was written by a newer version of energy-gans: the format of {CONFIG} is "
            f"{version}, and this version reads up to {FORMAT}."
        )
    for key, types in _TYPES.items():
        if key not in config or not isinstance(config[key], types):
            raise ValueError(f"{said} can not be read: {CONFIG} holds no valid {key!r}.")
    check_size(config, str(path))
    for key in ("model", "data"):
        if config[key] is not None and not isinstance(config[key].get("class_path"), str):
            raise ValueError(f"{said} can not be read: {key!r} in {CONFIG} names no class.")
    return config


def read_export(path: str | os.PathLike, argument: str = "ckpt_path") -> dict[str, Any]:
    r"""Returns an exported model under the keys of a checkpoint, with tensors on the CPU.

    Arguments:
        path: The path of `model.safetensors`; `config.json` is beside it.
        argument: The name of the user's argument that gave the folder, for errors.

    Raises:
        FileNotFoundError: If one of the two files is missing.
        ValueError: If one of them is damaged, or they do not belong together.
    """
    path = Path(path)
    config = read_config(path.with_name(CONFIG), argument)
    state, digest = load_safetensors(argument, path)
    if config["weights"].get("sha256") != digest:
        raise ValueError(
            f"{argument!r} = {str(path)!r} is damaged, or not of the model in {CONFIG}: the "
            "SHA-256 there is another."
        )
    charges = [state.pop(name) for name in _CHARGES if name in state]
    return {
        "state_dict": state,
        **_model_options(config["model"]),
        "datamodule_hyper_parameters": _options(config["data"] or {}),
        "seed": config["seed"],
        "global_step": config["step"],
        "conditions": config["conditions"],
        "vocabulary": str(config.get("vocabulary", "")),
        "origin": config.get("origin", {}),
        # Lightning reads it before it loads weights.
        "pytorch-lightning_version": lightning.__version__,
    } | ({"charges": charges} if charges else {})


def _model_options(spec: Mapping[str, Any]) -> dict[str, Any]:
    r"""Returns the description of a model under the keys of a checkpoint.

    A model with layers that are compared, or with objects that are given, when it is loaded was
    made in Python.
    """
    if not _PYTHON & spec.keys():
        return {"hyper_parameters": _options(spec)}
    return {"hyper_parameters": {}, "construction": {key: {} for key in _PYTHON} | dict(spec)}


def _options(spec: Mapping[str, Any]) -> dict[str, Any]:
    r"""Returns a description as a checkpoint holds it."""
    options = spec.get("init_args")
    options = options if isinstance(options, dict) else {}
    return {"_class_path": spec.get("class_path"), "_instantiator": INSTANTIATOR} | options
