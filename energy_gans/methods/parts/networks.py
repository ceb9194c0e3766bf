r"""How methods handle networks of which they know nothing but that they are modules."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn as nn
from torch import Tensor

from ...tensor_files import load_tensors
from .finite import non_finite

PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")
SPELLINGS = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    r"""Puts a network in evaluation mode for a while."""
    modes = [(m, m.training) for m in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    r"""Keeps gradients out of a network's parameters, not out of its inputs, for a while."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)


@torch.no_grad()
def clip_weights(network: nn.Module, bound: float) -> None:
    r"""Clips all of a network's parameters to :math:`[-c, c]`."""
    for p in network.parameters():
        p.clamp_(-bound, bound)


def load_weights(module: nn.Module, path: str) -> None:
    r"""Loads the weights of a checkpoint, but for moving averages.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, one of other networks, or one with a weight that is not finite.
    """
    checkpoint = load_tensors("initial_weights", path)
    try:
        state = checkpoint["state_dict"]
        missing, _ = module.load_state_dict(state, strict=False)
    except (RuntimeError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"'initial_weights' should be a checkpoint of the same networks, got {path!r}: {error}"
        ) from error
    if (name := non_finite({"state_dict": state})) is not None:
        raise ValueError(
            f"'initial_weights' = {path!r} is of a run that diverged: {name!r} is not finite."
        )
    missing = [name for name in missing if not name.startswith("averaged.")]
    if missing:
        raise ValueError(f"'initial_weights' = {path!r} lacks {missing[0]!r}.")


def check_made_in_python(path: str | os.PathLike) -> None:
    r"""Raises a `ValueError` if a checkpoint says by class paths how its model is made.

    Lightning would call whatever these paths name.
    """
    checkpoint = load_tensors("checkpoint_path", path, verify=False, mmap=True)
    options = checkpoint.get("hyper_parameters")
    if "_instantiator" in (options or {}):
        raise ValueError(
            f"'checkpoint_path' = {str(path)!r} names the classes of its model: load it with "
            "energy_gans.commands.load_model, which makes only those that may be named."
        )


def check_precision(precision: str) -> None:
    r"""Raises a `ValueError` unless potentials and losses can be float32 at least.

    Arguments:
        precision: The trainer's precision, in any of Lightning's spellings.
    """
    if SPELLINGS.get(str(precision), precision) not in PRECISIONS:
        raise ValueError(
            f"'trainer.precision' should be one of {', '.join(PRECISIONS)}, got {precision!r}: weights, "
            "potentials and losses are float32 at least."
        )


def check_label(label: Tensor | None, classes: int | None, n: int) -> None:
    r"""Raises a `ValueError` unless labels are `n` of a model's classes.

    Arguments:
        label: The labels, or `None` where data has none.
        classes: The number of the model's classes, or `None` if it knows no labels.
        n: The number of samples.
    """
    if classes is None:
        raise ValueError(
            "'label' should be left out: the model is unconditional, it has no classes."
        )
    wanted = f"'label' should hold {n} labels from 0 to {classes - 1}, one a sample"
    if label is None or tuple(label.shape) != (n,) or label.is_floating_point():
        given = "none" if label is None else f"{label.dtype} of shape {tuple(label.shape)}"
        raise ValueError(f"{wanted}, got {given}.")
    if n > 0 and not (int(label.min()) >= 0 and int(label.max()) < classes):
        raise ValueError(f"{wanted}, got {int(label.min())} to {int(label.max())}.")


def check_shape(shape: tuple[int, ...], y: Tensor) -> None:
    r"""Raises a `ValueError` unless a model's shape of a sample is that of real ones, :math:`(B, *)`."""
    if tuple(y.shape[1:]) != shape:
        raise ValueError(
            f"'model.init_args.shape' should be that of 'data', {list(y.shape[1:])}, got "
            f"{list(shape)}."
        )


def check_output_shape(check: Callable[[], Tensor], shape: tuple[int, ...], wanted: str) -> None:
    r"""Raises a `ValueError` unless a network runs and gives the shape that is wanted.

    Arguments:
        check: Evaluates the network.
        shape: The shape it should give.
        wanted: The sentence that says so, naming both shapes' config keys.
    """
    try:
        given = tuple(check().shape)
    except (RuntimeError, IndexError) as error:
        raise ValueError(f"{wanted}, but it fails: {str(error).splitlines()[0]}") from error
    if given != shape:
        raise ValueError(f"{wanted}, got {given}.")
