r"""What commands share about models: loading by capability, their classes and samples."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from .. import methods
from ..checks import Names
from ..data.prepared.reader import file_digest
from ..functional.langevin import Field
from ..methods import GenerativeModule
from ..metrics.features.fingerprint import fingerprint
from ..storage.checkpoint import load_model
from ..storage.saved_run import find_checkpoint

# A model: a checkpoint, the folder of a run, or in Python the model itself.
Checkpoint = str | os.PathLike | GenerativeModule
# What a model is said to have if it supports a member.
_NAMES = {
    "potential_at": "potential",
    "trajectory": "chains",
    "fill": "chains",
    "features": "feature space",
}


def find_model(ckpt_path: Checkpoint) -> Path | GenerativeModule:
    r"""Returns the path of a checkpoint, as :func:`find_checkpoint` does, or a live model."""
    return ckpt_path if isinstance(ckpt_path, GenerativeModule) else find_checkpoint(ckpt_path)


def open_model(ckpt_path: Checkpoint, trust: Names = "") -> GenerativeModule:
    r"""Returns the model of a checkpoint, or a live model as it is.

    Arguments:
        ckpt_path: The checkpoint, or the model.
        trust: The packages besides this one whose classes the checkpoint may name.
    """
    if isinstance(ckpt_path, GenerativeModule):
        return ckpt_path
    return load_model(ckpt_path, trust)


def load_supporting(ckpt_path: Checkpoint, member: str, trust: Names = "") -> GenerativeModule:
    r"""Returns a live model, or that of a checkpoint, whose weights then require no gradients.

    Arguments:
        ckpt_path: The checkpoint, or the model.
        member: The optional member that the model has to support, such as `"trajectory"`.
        trust: The packages besides this one whose classes the checkpoint may name.

    Raises:
        ValueError: If the model does not support the member.
    """
    model = open_model(ckpt_path, trust)
    if model.supports(member):
        return model if model is ckpt_path else model.requires_grad_(False)
    classes = {**_exported_models(methods), **_exported_models(methods.baselines)}
    known = [name for name, cls in classes.items() if cls.supports(member)]
    raise ValueError(
        f"{argument_of(ckpt_path)} holds a {type(model).__name__}, which has no {_NAMES[member]}: "
        f"it should be of {' or '.join(known)}."
    )


def argument_of(ckpt_path: Checkpoint) -> str:
    r"""Returns the argument as sentences name it, with its value if that is a path."""
    is_live = isinstance(ckpt_path, GenerativeModule)
    return "'ckpt_path'" if is_live else f"'ckpt_path' = {str(ckpt_path)!r}"


def model_origin(ckpt_path: Path | GenerativeModule) -> dict[str, str]:
    r"""Returns where samples come from, for a stamp: a checkpoint, or the class of a live model.

    Either has a SHA-256: of the checkpoint's file, or of the names and values of the model's
    weights.
    """
    if isinstance(ckpt_path, GenerativeModule):
        weights = fingerprint(**ckpt_path.state_dict())
        return {"model": type(ckpt_path).__name__, "sha256": weights}
    return {"checkpoint": str(ckpt_path), "sha256": file_digest(ckpt_path)}


def check_method(class_path: str) -> None:
    r"""Raises a `ValueError` if a config's model is a base class instead of a method.

    Arguments:
        class_path: The path of the model's class, which is imported.
    """
    module, _, name = class_path.rpartition(".")
    bases = f"{methods.__name__}.bases."
    if not getattr(sys.modules.get(module), name, object).__module__.startswith(bases):
        return
    classes = _exported_models(methods)
    known = [name for name, cls in classes.items() if not cls.__module__.startswith(bases)]
    raise ValueError(
        f"'model' = {class_path!r} is a base class: it should be a method, such as "
        f"{', '.join(known[:-1])} or {known[-1]}."
    )


def _exported_models(package: ModuleType) -> dict[str, type[GenerativeModule]]:
    r"""Returns the classes of models that a package exports, by name."""
    found = {name: getattr(package, name) for name in package.__all__}
    return {
        name: cls
        for name, cls in found.items()
        if isinstance(cls, type) and issubclass(cls, GenerativeModule)
    }


def potential_field(
    model: GenerativeModule, label: int | None = None, time: float | None = None
) -> Field:
    r"""Returns a model's potential as a function of points, from :math:`(B, *)` to :math:`(B)`.

    Arguments:
        model: The model.
        label: The class of all points, or `None`.
        time: The time in [0, 1] of all points, for a potential that depends on time; 1 if `None`.
    """
    function = model.potential_function()
    return lambda a: function(a, label, time)


def class_labels(
    label: int | None,
    model: GenerativeModule,
    n: int,
    random: torch.Generator,
    own: Tensor | None = None,
) -> Tensor | None:
    r"""Returns a class for each sample, with shape :math:`(n)`, or `None` without classes.

    Arguments:
        label: The class of all samples; `own`, or random classes, if `None`.
        model: The model.
        n: The number of samples.
        random: The generator that draws random classes.
        own: The classes of real samples, with shape :math:`(n)`.

    Raises:
        ValueError: If `label` is no class of the model.
    """
    if label is None:
        if model.classes is None:
            return None
        if own is not None:
            return own
        return torch.randint(model.classes, (n,), generator=random, device=random.device)
    if model.classes is None:
        raise ValueError(
            f"'label' should be left out: this {type(model).__name__} has no classes, got {label}."
        )
    if not 0 <= label < model.classes:
        raise ValueError(f"'label' should be from 0 to {model.classes - 1}, got {label}.")
    return torch.full((n,), label, device=model.device)


def draw_samples(
    model: GenerativeModule,
    n: int,
    seed: int,
    batch_size: int = 500,
    label: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    r"""Returns `n` samples drawn in batches, with shape :math:`(n, *)`, and their classes.

    The classes have shape :math:`(n)`, or are `None` for models without classes. Both are on the
    CPU.

    Arguments:
        model: The model.
        n: The number of samples.
        seed: The seed of the latents and of random classes.
        batch_size: The number of samples in a batch.
        label: The class of all samples, or `None` for random classes.

    Raises:
        ValueError: If `label` is no class of the model.
    """
    random = torch.Generator(model.device).manual_seed(seed)
    parts = []
    for size in [min(batch_size, n - i) for i in range(0, n, batch_size)]:
        labels = class_labels(label, model, size, random)
        parts.append((model.sample(size, labels, random).cpu(), labels))
    x = torch.cat([part for part, _ in parts])
    classes = [labels.cpu() for _, labels in parts if labels is not None]
    return x, torch.cat(classes) if classes else None
