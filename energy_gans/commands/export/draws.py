r"""The random numbers that a function draws, as inputs of its graph.

One input holds what is drawn first. Others, whose names start with `noise`, hold what is drawn
later. Noise of one shape is one input, with the number of draws as its first dimension.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# The functions that draw, and how a card names what they draw.
_KINDS = {
    "randn": "standard normal numbers",
    "rand": "uniform numbers in [0, 1)",
    "randint": "whole numbers from 0 to below {}",
}


class RandomNumbers(NamedTuple):
    r"""Random numbers that a function drew.

    Arguments:
        kind: The name of the function that draws them.
        below: Its first argument, which is the upper bound of whole numbers.
        x: The numbers.
    """

    kind: str
    below: Any
    x: Tensor


class Draws(TorchFunctionMode):
    r"""Records the random numbers that a function draws, or gives it those numbers.

    Arguments:
        given: The numbers to give, in the order in which they are drawn; drawn if `None`.

    Attributes:
        drawn: What was drawn.
    """

    def __init__(self, given: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.given = given
        self.drawn: list[RandomNumbers] = []

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("generator") is None or func.__name__ not in _KINDS:
            return func(*args, **kwargs)
        x = func(*args, **kwargs) if self.given is None else self.given[len(self.drawn)]
        self.drawn.append(RandomNumbers(func.__name__, args[0], x))
        return x


def record_draws(function: Callable[[], Any], first: str) -> dict[str, list[RandomNumbers]]:
    r"""Returns what a function draws, by the name of the input that holds it.

    Arguments:
        function: The function.
        first: The name of the input for what is drawn first.
    """
    with Draws() as draws:
        function()
    rest = itertools.groupby(draws.drawn[1:], key=lambda draw: (draw.kind, draw.x.shape[1:]))
    noises = [list(group) for _, group in rest]
    names = ["noise"] if len(noises) == 1 else [f"noise_{i + 1}" for i in range(len(noises))]
    start = {first: draws.drawn[:1]} if draws.drawn else {}
    return start | dict(zip(names, noises, strict=True))


def batch_dimension(name: str) -> int:
    r"""Returns the dimension of an input of random numbers that is the batch."""
    return int(name.startswith("noise"))


def stack_draws(groups: dict[str, list[RandomNumbers]]) -> dict[str, Tensor]:
    r"""Returns the inputs that hold what was drawn."""
    return {
        name: torch.stack([draw.x for draw in group]) if batch_dimension(name) else group[0].x
        for name, group in groups.items()
    }


def unstack_draws(inputs: Iterable[tuple[str, Tensor]]) -> list[Tensor]:
    r"""Returns what is drawn, in order, from the names and the values of inputs."""
    found = []
    for name, x in inputs:
        found += x.unbind() if batch_dimension(name) else [x]
    return found


def describe_draws(name: str, group: Sequence[RandomNumbers]) -> str:
    r"""Returns the description of an input of random numbers."""
    kind, below, x = group[0]
    number = [len(group)] if batch_dimension(name) else []
    return f"`{name}`, {_KINDS[kind].format(below)}, {shape_text(*number, 'B', *x.shape[1:])}"


def shape_text(*sizes: int | str) -> str:
    r"""Returns a shape as text."""
    return f"({', '.join(map(str, sizes))})"
