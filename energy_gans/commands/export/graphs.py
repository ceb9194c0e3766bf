r"""The functions of a model that ONNX files hold.

They are its sampler, its potential, a flow's field, and what fills holes. Random numbers are
inputs, so that the file holds the same function of the same numbers: the latents of a generator;
the start and the noise of Langevin chains; the start of a flow. Chains and flows are unrolled, and
their gradients are a part of the graph. A flow needs a solver with steps of equal size, because
others choose their steps while they run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...methods import GenerativeModule
from ...methods.bases.capabilities import clip_images
from ...methods.parts.networks import evaluation_mode
from .draws import (
    Draws,
    RandomNumbers,
    batch_dimension,
    describe_draws,
    record_draws,
    shape_text,
    stack_draws,
    unstack_draws,
)

# The largest number of steps of chains and flows that are unrolled.
_STEPS = 200


class NotExportableError(ValueError):
    r"""Raised if a function of a model can not be an ONNX file, with the reason as its message."""


@dataclass(frozen=True)
class Graph:
    r"""A function that is exported.

    Arguments:
        function: The function.
        inputs: Returns the inputs of a batch size, by name.
        batch: The dimension that is the batch, of each input; `None` for none.
        output: The name of the output.
        text: A description of inputs and output.
        draws: What draws each random input, `randn`, `rand` or `randint`, and for `randint` the
            number below which its whole numbers are, by the input's name.
    """

    function: Callable[..., Tensor]
    inputs: Callable[[int], dict[str, Tensor]]
    batch: dict[str, int | None]
    output: str
    text: str
    draws: dict[str, tuple[str, int | None]] = field(default_factory=dict)


def sampler_graph(model: GenerativeModule) -> Graph:
    r"""Returns the graph of samples as a function of the random numbers that they depend on.

    Raises:
        NotExportableError: If a flow's solver chooses its steps, or there are too many steps.
    """
    _check_sampler(model)
    network = model.sampling_network

    def generate(n: int, label: Tensor | None = None) -> Tensor:
        with torch.no_grad(), evaluation_mode(network):
            return clip_images(model.generate(network, n, torch.Generator(), label))

    first = "start" if model.latent_network is None else "latents"
    text = f"samples of the shape {shape_text('B', *model.sample_shape)} as a function of "
    about = _label_texts(model)
    return _graph_of_draws(generate, lambda n: _labels(model, n), first, "samples", text, about)


def fill_graph(model: GenerativeModule) -> Graph:
    r"""Returns the graph of images with filled holes, by the default number of steps.

    Raises:
        NotExportableError: If there are too many steps.
    """
    _check_steps(model.fill_steps)
    shape = model.sample_shape

    def given(n: int) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(n)
        y = 2 * torch.rand(n, *shape, generator=random) - 1
        known = (torch.rand(n, 1, *shape[1:], generator=random) < 0.5).float()
        return {"y": y, "known": known} | _labels(model, n)

    def fill(n: int, *inputs: Tensor) -> Tensor:
        return model.fill(*inputs, random=torch.Generator())

    text = f"images with filled holes, {shape_text('B', *shape)}, as a function of "
    about = [f"`y`, images in [-1, 1], {shape_text('B', *shape)}"]
    masks = "masks that are 1 where a pixel is known"
    about += [f"`known`, {masks}, {shape_text('B', 1, *shape[1:])}"]
    about += _label_texts(model)
    return _graph_of_draws(fill, given, "start", "filled", text, about)


def _labels(model: GenerativeModule, n: int) -> dict[str, Tensor]:
    r"""Returns classes with shape :math:`(n)` as an input, or no input if there are none."""
    return {} if model.classes is None else {"label": torch.arange(n) % model.classes}


def _label_texts(model: GenerativeModule) -> list[str]:
    r"""Returns the description of the classes, or none."""
    classes = model.classes
    return [] if classes is None else [f"`label`, a class from 0 to {classes - 1}, (B)"]


def _graph_of_draws(
    function: Callable[..., Tensor],
    given: Callable[[int], dict[str, Tensor]],
    first: str,
    output: str,
    text: str,
    about: list[str],
) -> Graph:
    r"""Returns the graph of a function that draws: the random numbers are its first inputs.

    Arguments:
        function: The function of a batch size and of other inputs.
        given: Returns the other inputs of a batch size, by name.
        first: The name of the random input that is drawn first; the others are noise.
        output: The name of the output.
        text: A description of the output.
        about: Descriptions of the other inputs.
    """

    def record(n: int) -> dict[str, list[RandomNumbers]]:
        others = given(n).values()
        return record_draws(lambda: function(n, *others), first)

    groups = record(3)

    def positional(*values: Tensor) -> Tensor:
        with Draws(unstack_draws(zip(groups, values, strict=False))):
            return function(values[0].shape[0], *values[len(groups) :])

    batch = {name: batch_dimension(name) for name in groups} | dict.fromkeys(given(1), 0)
    about = [*(describe_draws(name, group) for name, group in groups.items()), *about]
    draws = {
        name: (draw.kind, draw.below if draw.kind == "randint" else None)
        for name, (draw, *_) in groups.items()
    }
    return Graph(
        positional,
        lambda n: stack_draws(record(n)) | given(n),
        batch,
        output,
        text + ", ".join(about),
        draws,
    )


def _check_sampler(model: GenerativeModule) -> None:
    r"""Raises a `NotExportableError` if the steps of a model's samples can not be unrolled."""
    if model.dynamics == "flow":
        if not model.flow.is_fixed:
            raise NotExportableError(
                f"the solver {model.flow.solver!r} chooses its steps while it runs; field.onnx is "
                "the field for any solver"
            )
        _check_steps(model.flow.steps)
    elif model.dynamics == "chains":
        _check_steps(model.chains.steps if model.sample_steps is None else model.sample_steps)


def _check_steps(steps: int) -> None:
    r"""Raises a `NotExportableError` if there are too many steps."""
    if steps > _STEPS:
        raise NotExportableError(f"it has {steps} steps, and at most {_STEPS} are unrolled")


def potential_graph(model: GenerativeModule) -> Graph:
    r"""Returns the graph of the potential.

    Raises:
        NotExportableError: If the field of the model has no potential.
    """
    text = "the potential, (B), high where real data is, as a function of "
    try:
        function = model.potential_function()
    except ValueError as error:
        raise NotExportableError(str(error).rstrip(".")) from error
    return _pointwise(model, function, model.potential_needs_label, "potential", text)


def field_graph(model: GenerativeModule) -> Graph:
    r"""Returns the graph of the field along which samples flow."""
    network = model.sampling_network

    def velocity(x: Tensor, label: Tensor | None, time: Tensor | None) -> Tensor:
        with evaluation_mode(network):
            return model.velocity(network, label)(x.new_zeros(()) if time is None else time, x)

    shape = shape_text("B", *model.sample_shape)
    text = f"the velocity of the flow, {shape}, as a function of "
    return _pointwise(model, velocity, model.classes is not None, "field", text)


def _pointwise(
    model: GenerativeModule,
    function: Callable[[Tensor, Tensor | None, Tensor | None], Tensor],
    labelled: bool,
    output: str,
    text: str,
) -> Graph:
    r"""Returns the graph of a function of points, and of their labels and times."""
    shape, timed = model.sample_shape, model.time_conditioned

    def inputs(n: int) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(n)
        found = {"x": torch.randn(n, *shape, generator=random)}
        found |= _labels(model, n) if labelled else {}
        return found | ({"time": torch.rand(n, generator=random)} if timed else {})

    def positional(x: Tensor, *more: Tensor) -> Tensor:
        with torch.no_grad():
            return function(x, more[0] if labelled else None, more[-1] if timed else None)

    about = [f"points `x`, {shape_text('B', *shape)}"]
    about += _label_texts(model) if labelled else []
    about += ["`time` in [0, 1], (B)"] if timed else []
    return Graph(positional, inputs, dict.fromkeys(inputs(1), 0), output, text + ", ".join(about))


def graphs_of(model: GenerativeModule) -> dict[str, Callable[[GenerativeModule], Graph]]:
    r"""Returns the functions that make the graphs of a model, by the name of the file."""
    found = {"sampler.onnx": sampler_graph}
    if model.supports("potential_at"):
        found["potential.onnx"] = potential_graph
    if model.dynamics == "flow":
        found["field.onnx"] = field_graph
    if model.supports("fill") and len(model.sample_shape) == 3:
        found["fill.onnx"] = fill_graph
    return found
