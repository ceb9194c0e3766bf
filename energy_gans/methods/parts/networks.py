r"""Functions of any network: modes, weights, and checks of inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn as nn
from torch import Tensor

from ...tensor_files import BoundedAllocation, load_safetensors, load_tensors
from .finite import non_finite

_PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")
_SPELLINGS = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    r"""Puts a network in evaluation mode within the context."""
    modes = [(m, m.training) for m in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def fixed_parameters(network: nn.Module) -> Iterator[None]:
    r"""Stops gradients to a network's parameters, but not to its inputs, within the context."""
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
    r"""Clips all parameters of a network to :math:`[-c, c]`, in place.

    Arguments:
        network: The network.
        bound: The bound :math:`c`.
    """
    for p in network.parameters():
        p.clamp_(-bound, bound)


def check_module(name: str, network: object) -> None:
    r"""Raises a `ValueError` unless an argument is a network.

    Arguments:
        name: The name of the argument.
        network: Its value.
    """
    if not isinstance(network, nn.Module):
        got = (
            f"the class {network.__name__}, which has to be called"
            if isinstance(network, type)
            else type(network).__name__
        )
        raise ValueError(f"{name!r} should be a network, a torch.nn.Module, got {got}.")


def load_weights(module: nn.Module, path: str, vocabulary: str = "") -> None:
    r"""Loads the weights of a checkpoint. A moving average may be missing from the checkpoint.

    The checkpoint may hold networks that the module lacks.

    Arguments:
        module: The module.
        path: The path of the checkpoint, or of an exported model's `model.safetensors`.
        vocabulary: The vocabulary of the data, `""` if the data are no text. That of a checkpoint
            has to be the same.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of the same networks, or a weight is not finite.
    """
    if path.endswith(".safetensors"):
        checkpoint = {"state_dict": load_safetensors("initial_weights", path)[0]}
    else:
        checkpoint = load_tensors("initial_weights", path)
    try:
        state = checkpoint["state_dict"]
        with BoundedAllocation(state):
            missing, unexpected = module.load_state_dict(state, strict=False)
    except (RuntimeError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"'initial_weights' should be a checkpoint of the same networks, got {path!r}: {error}"
        ) from error
    if "vocabulary" in checkpoint:
        check_vocabulary("initial_weights", checkpoint["vocabulary"], vocabulary)
    if (name := non_finite({"state_dict": state})) is not None:
        raise ValueError(
            f"'initial_weights' = {path!r} is of a run that diverged: {name!r} is not finite."
        )
    missing = [name for name in missing if not name.startswith("averaged.")]
    if missing:
        raise ValueError(
            f"'initial_weights' should be a checkpoint of the same networks, got {path!r}, which "
            f"lacks {missing[0]!r}."
        )
    # A checkpoint may hold more networks, but not other ones of the same name.
    own = {name for name, _ in module.named_children()} - {"averaged"}
    unexpected = [name for name in unexpected if name.partition(".")[0] in own]
    if unexpected:
        raise ValueError(
            f"'initial_weights' should be a checkpoint of the same networks, got {path!r}, which "
            f"holds {unexpected[0]!r} besides."
        )


def check_vocabulary(argument: str, vocabulary: str, own: str) -> None:
    r"""Raises a `ValueError` unless a checkpoint's samples of text have the data's vocabulary.

    Arguments:
        argument: The name of the argument that gives the checkpoint.
        vocabulary: The vocabulary of the checkpoint, `""` if its samples are no text.
        own: The vocabulary of the data.
    """
    if vocabulary == own:
        return
    if not (vocabulary and own):
        known = "text" if vocabulary else "no text"
        raise ValueError(
            f"{argument!r} should be a checkpoint of a model of the same data, got one of {known}."
        )
    pairs = zip(vocabulary.ljust(len(own)), own.ljust(len(vocabulary)), strict=True)
    i, (theirs, ours) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    raise ValueError(
        f"{argument!r} should be a checkpoint of a model of the vocabulary of 'data', got one of "
        f"another text: symbol {i} is {theirs!r} there and {ours!r} in the data. 'characters' of "
        "the data gives the vocabulary."
    )


def check_made_in_python(path: str | os.PathLike) -> None:
    r"""Raises a `ValueError` if a checkpoint stores the class paths of its model.

    Lightning would import and call any such path.

    Arguments:
        path: The path of the checkpoint.
    """
    checkpoint = load_tensors("checkpoint_path", path, verify=False, mmap=True)
    options = checkpoint.get("hyper_parameters")
    if "_instantiator" in (options or {}):
        raise ValueError(
            "'checkpoint_path' should be a checkpoint that was trained in Python, got "
            f"{str(path)!r}, which names the classes of its model: load it with "
            "energy_gans.commands.load_model, which constructs permitted classes only."
        )


def check_precision(precision: str) -> None:
    r"""Raises a `ValueError` if weights, potentials or losses would be less precise than float32.

    Arguments:
        precision: The trainer's precision, in any of Lightning's spellings.
    """
    if _SPELLINGS.get(str(precision), precision) not in _PRECISIONS:
        raise ValueError(
            f"'trainer.precision' should be one of {', '.join(_PRECISIONS)}, got {precision!r}: "
            "weights, potentials and losses are float32 at least."
        )


def check_label(label: Tensor | None, classes: int | None, n: int) -> None:
    r"""Raises a `ValueError` unless labels are `n` of a model's classes.

    Arguments:
        label: The labels, or `None` if the data has no labels.
        classes: The number of classes, or `None` for an unconditional model.
        n: The number of samples.
    """
    if classes is None:
        raise ValueError(
            "'label' should be left out: the model is unconditional, it has no classes."
        )
    message = f"'label' should hold {n} labels from 0 to {classes - 1}, one a sample"
    if not isinstance(label, Tensor):
        raise ValueError(f"{message}, got {'none' if label is None else type(label).__name__}.")
    if tuple(label.shape) != (n,) or label.is_floating_point():
        raise ValueError(f"{message}, got {label.dtype} of shape {tuple(label.shape)}.")
    if n > 0 and not (int(label.min()) >= 0 and int(label.max()) < classes):
        raise ValueError(f"{message}, got {int(label.min())} to {int(label.max())}.")


def check_shape(shape: tuple[int, ...], y: Tensor) -> None:
    r"""Raises a `ValueError` unless a shape is that of a real sample.

    Arguments:
        shape: The shape of a sample.
        y: Real samples, with shape :math:`(B, *)`.
    """
    if tuple(y.shape[1:]) != shape:
        raise ValueError(
            f"'model.init_args.shape' should be that of 'data', {list(y.shape[1:])}, got "
            f"{list(shape)}."
        )


def check_points(name: str, points: Tensor, *shapes: tuple[int, ...]) -> None:
    r"""Raises a `ValueError` unless the argument `name` holds points of one of the shapes.

    Arguments:
        name: The name of the argument.
        points: The points, with shape :math:`(B, *)`.
        shapes: The shapes that a point may have.
    """
    accepted = list(dict.fromkeys(map(tuple, shapes)))
    if tuple(points.shape[1:]) not in accepted:
        known = " or ".join(f"(B, {', '.join(map(str, shape))})" for shape in accepted)
        raise ValueError(f"{name!r} should have shape {known}, got {tuple(points.shape)}.")


def check_output_shape(
    evaluate: Callable[[], Tensor], shape: tuple[int, ...], message: str
) -> None:
    r"""Raises a `ValueError` unless a network runs, and its output has a shape.

    Arguments:
        evaluate: Evaluates the network.
        shape: The shape that the output should have.
        message: The first half of the error sentence, which names the config keys of both shapes.
    """
    try:
        output = tuple(evaluate().shape)
    except (RuntimeError, IndexError) as error:
        raise ValueError(f"{message}, but it fails: {str(error).splitlines()[0]}") from error
    if output != shape:
        raise ValueError(f"{message}, got {output}.")
