r"""The functions of a model that ONNX files hold: its sampler, its potential, and a flow's field.

The inputs of the sampler are the random numbers that `sample` draws, so that the file holds the
same function of the same numbers: the latents of a generator; the start and the noise of Langevin
chains; the start of a flow. Chains and flows are unrolled, and their gradients are a part of the
graph. A flow needs a solver with steps of equal size, because others choose their steps while they
run.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ...methods import GenerativeModule
from ...methods.bases.capabilities import clip_images
from ...methods.parts.networks import evaluation_mode

# The functions that draw, and how a card names what they draw.
_KINDS = {
    "randn": "standard normal numbers",
    "rand": "uniform numbers in [0, 1)",
    "randint": "whole numbers from 0 to below {}",
}
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


class _Draws(TorchFunctionMode):
    r"""Records the random numbers that a function draws, or gives it those numbers.

    Arguments:
        given: The numbers to give, in the order in which they are drawn; drawn if `None`.

    Attributes:
        drawn: The name of the function that draws, its first argument, and what it returned.
    """

    def __init__(self, given: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.given = given
        self.drawn: list[tuple[str, Any, Tensor]] = []

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("generator") is None or func.__name__ not in _KINDS:
            return func(*args, **kwargs)
        x = func(*args, **kwargs) if self.given is None else self.given[len(self.drawn)]
        self.drawn.append((func.__name__, args[0], x))
        return x


def sampler_graph(model: GenerativeModule) -> Graph:
    r"""Returns the graph of samples as a function of the random numbers that they depend on.

    Raises:
        NotExportableError: If a flow's solver chooses its steps, or there are too many steps.
    """
    _check_steps(model)
    network = model.sampling_network

    def generate(n: int, label: Tensor | None) -> Tensor:
        with torch.no_grad(), evaluation_mode(network):
            return clip_images(model.generate(network, n, torch.Generator(), label))

    def record(n: int) -> list[list[tuple[str, Any, Tensor]]]:
        with _Draws() as draws:
            generate(n, None if model.classes is None else torch.zeros(n, dtype=torch.long))
        first, *rest = draws.drawn
        # Noise of the same shape is one input, with one more dimension.
        same = itertools.groupby(rest, key=lambda drawn: (drawn[0], drawn[2].shape[1:]))
        return [[first], *(list(group) for _, group in same)]

    groups = record(3)
    names = ["start" if model.latent_network is None else "latents"]
    noises = len(groups) - 1
    names += ["noise"] if noises == 1 else [f"noise_{i + 1}" for i in range(noises)]
    label = [] if model.classes is None else ["label"]

    def inputs(n: int) -> dict[str, Tensor]:
        drawn = [[x for _, _, x in group] for group in record(n)]
        found = dict(zip(names, [drawn[0][0], *map(torch.stack, drawn[1:])], strict=True))
        return found | {name: torch.arange(n) % model.classes for name in label}

    def function(*given: Tensor) -> Tensor:
        draws = [given[0], *(x for stack in given[1 : len(names)] for x in stack.unbind())]
        with _Draws(draws):
            return generate(given[0].shape[0], given[-1] if label else None)

    batch = dict.fromkeys(names, 1) | {names[0]: 0} | dict.fromkeys(label, 0)
    about = [_describe(name, group) for name, group in zip(names, groups, strict=True)]
    about += [f"`label`, a class from 0 to {model.classes - 1}, (B)" for _ in label]
    text = f"samples of the shape {_shape('B', *model.sample_shape)} as a function of "
    draws = {name: _draw(group) for name, group in zip(names, groups, strict=True)}
    return Graph(function, inputs, batch, "samples", text + ", ".join(about), draws)


def _check_steps(model: GenerativeModule) -> None:
    r"""Raises a `NotExportableError` if the steps of a model's samples can not be unrolled."""
    steps = 0
    if model.dynamics == "flow":
        if not model.flow.is_fixed:
            raise NotExportableError(
                f"the solver {model.flow.solver!r} chooses its steps while it runs; field.onnx is "
                "the field for any solver"
            )
        steps = model.flow.steps
    elif model.dynamics == "chains":
        steps = model.chains.steps if model.sample_steps is None else model.sample_steps
    if steps > _STEPS:
        raise NotExportableError(f"it has {steps} steps, and at most {_STEPS} are unrolled")


def _draw(group: list[tuple[str, Any, Tensor]]) -> tuple[str, int | None]:
    r"""Returns what draws an input of the sampler."""
    kind, first, _ = group[0]
    return kind, first if kind == "randint" else None


def _describe(name: str, group: list[tuple[str, Any, Tensor]]) -> str:
    r"""Returns the description of an input of the sampler."""
    kind, first, x = group[0]
    number = [len(group)] if name.startswith("noise") else []
    return f"`{name}`, {_KINDS[kind].format(first)}, {_shape(*number, 'B', *x.shape[1:])}"


def _shape(*sizes: int | str) -> str:
    r"""Returns a shape as text."""
    return f"({', '.join(map(str, sizes))})"


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

    shape = _shape("B", *model.sample_shape)
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
        found |= {"label": torch.arange(n) % model.classes} if labelled else {}
        return found | ({"time": torch.rand(n, generator=random)} if timed else {})

    def positional(x: Tensor, *more: Tensor) -> Tensor:
        with torch.no_grad():
            return function(x, more[0] if labelled else None, more[-1] if timed else None)

    about = [f"points `x`, {_shape('B', *shape)}"]
    about += [f"`label`, a class from 0 to {model.classes - 1}, (B)"] if labelled else []
    about += ["`time` in [0, 1], (B)"] if timed else []
    return Graph(positional, inputs, dict.fromkeys(inputs(1), 0), output, text + ", ".join(about))


def graphs_of(model: GenerativeModule) -> dict[str, Callable[[GenerativeModule], Graph]]:
    r"""Returns the functions that make the graphs of a model, by the name of the file."""
    found = {"sampler.onnx": sampler_graph}
    if model.supports("potential_at"):
        found["potential.onnx"] = potential_graph
    if model.dynamics == "flow":
        found["field.onnx"] = field_graph
    return found
