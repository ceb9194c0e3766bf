r"""What commands share about models: loading by capability, classes, trajectories and samples."""

from __future__ import annotations

import sys
from types import ModuleType

import torch
from torch import Tensor

from .. import methods
from ..data.base import TensorDataModule, to_unit_range
from ..data.batches import EVALUATION_BATCH
from ..functional import keyed_subset
from ..functional.langevin import Field
from ..methods import GenerativeModule
from ..methods.bases.capabilities import Frame
from ..storage.checkpoint import load_model
from ..storage.saved_run import run_data, run_of
from .outputs import markdown_heading, markdown_row

# What a model is said to have if it supports a member.
_NAMES = {
    "potential_at": "potential",
    "trajectory": "chains",
    "fill": "chains",
    "features": "feature space",
}
# The columns of time and speed in a table of a trajectory, by the model's dynamics.
_HEADINGS = {"chains": ("step", "score"), "flow": ("time", "speed")}


def load_supporting(ckpt_path: str, member: str, trust: str = "") -> GenerativeModule:
    r"""Returns the model of a checkpoint, with weights that require no gradients.

    Arguments:
        ckpt_path: The checkpoint.
        member: The optional member that the model has to support, such as `"trajectory"`.
        trust: The packages besides this one whose classes the checkpoint may name.

    Raises:
        ValueError: If the model does not support the member.
    """
    model = load_model(ckpt_path, trust)
    if model.supports(member):
        return model.requires_grad_(False)
    classes = {**_exported_models(methods), **_exported_models(methods.baselines)}
    known = [name for name, cls in classes.items() if cls.supports(member)]
    raise ValueError(
        f"'ckpt_path' = {ckpt_path!r} holds a {type(model).__name__}, which has no "
        f"{_NAMES[member]}: it should be of {' or '.join(known)}."
    )


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


def load_data(ckpt_path: str, trust: str = "") -> TensorDataModule:
    r"""Returns the data of the run that a checkpoint belongs to."""
    data = run_data(run_of(ckpt_path), trust)
    data.prepare_data()
    return data


def potential_field(
    model: GenerativeModule, label: int | None = None, time: float | None = None
) -> Field:
    r"""Returns a model's potential as a function of points, from :math:`(B, *)` to :math:`(B)`.

    Arguments:
        model: The model.
        label: The class of all points, or `None`.
        time: The time in [0, 1] of all points, for a potential that depends on time; 1 if `None`.
    """
    return lambda a: model.potential_at(a, label, time)


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


def follow_trajectory(
    model: GenerativeModule,
    x: Tensor,
    frames: int | list[int],
    labels: Tensor | None,
    random: torch.Generator,
) -> list[Frame]:
    r"""Returns the states of a trajectory, and prints the mean potential and speed of each state.

    Arguments:
        model: The model, which supports `trajectory`.
        x: The starting points, with shape :math:`(n, *)`.
        frames: The number of states after the first one, or the steps of chains that are kept.
        labels: The classes of the samples, with shape :math:`(n)`, or `None`.
        random: The generator of the chains' noise.

    Raises:
        ValueError: If states are not finite.
    """
    time, speed = _HEADINGS[model.dynamics]
    print(markdown_heading([time, "potential", speed]), end="")
    states = []
    for frame in model.trajectory(x, frames, labels, random):
        if not frame.x.isfinite().all():
            raise ValueError(
                "The chains are not finite any more: the training went wrong, or there are too "
                "many 'steps' without bounds."
            )
        at = frame.time if isinstance(frame.time, int) else f"{frame.time:.3g}"
        means = [f"{values.mean():.4g}" for values in (frame.potential, frame.speed)]
        print(markdown_row([at, *means]), end="")
        states.append(frame)
    if model.dynamics == "flow":
        print(f"{model.evaluations} evaluations of the field by {model.flow.solver}")
    return states


def held_out_samples(data: TensorDataModule, n: int, seed: int) -> tuple[Tensor, Tensor]:
    r"""Returns `n` random held-out samples, images in [-1, 1], and their labels."""
    order = keyed_subset(data.length("val"), n, seed, "features")
    y, label = zip(*data.loader("val", order.split(EVALUATION_BATCH)), strict=True)
    return to_unit_range(torch.cat(y)), torch.cat(label)


def draw_samples(
    model: GenerativeModule, n: int, seed: int, batch_size: int = 500
) -> torch.Tensor:
    r"""Returns `n` samples drawn in batches, with shape :math:`(n, *)`.

    Arguments:
        model: The model.
        n: The number of samples.
        seed: The seed of the latents.
        batch_size: The number of samples in a batch.
    """
    random = torch.Generator(model.device).manual_seed(seed)
    sizes = [min(batch_size, n - i) for i in range(0, n, batch_size)]
    return torch.cat([model.sample(size, random=random).cpu() for size in sizes])
