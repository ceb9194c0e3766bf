r"""What particles start from, what acts on them, and which of their states are shown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from ...data.base import TensorDataModule, to_unit_range
from ...data.batches import StepOrder
from ...functional import keyed_generator, keyed_subset

# The number of real samples in the table's measures and in pictures of the plane.
REFERENCE = 500
# The number of times in a picture.
FRAMES = 9


def first_positions(n: int, shape: tuple[int, ...], seed: int) -> Tensor:
    r"""Returns particles drawn from :math:`N(0, I)`, with shape :math:`(n, *)`.

    Raises:
        ValueError: If the particles do not fit into memory.
    """
    try:
        return torch.randn(n, *shape, generator=keyed_generator(seed, "particles"))
    except (RuntimeError, TypeError) as error:
        # A number beyond int64 is a TypeError.
        raise ValueError(
            f"'particles' should fit into memory, got {n} of shape {tuple(shape)}."
        ) from error


def data_batches(data: TensorDataModule, size: int, steps: int, seed: int) -> Iterator[Tensor]:
    r"""Yields the real samples of each step, a function of the seed and the step.

    Arguments:
        data: The data module.
        size: The number of samples in a step.
        steps: The number of steps.
        seed: The seed of the order.
    """
    made = 0
    order = StepOrder(data.length("train"), size, seed, lambda: made, repeat=data.repeat)
    while made < steps:
        epoch = list(islice(order, steps - made))
        for y, _ in data.loader("train", epoch):
            yield to_unit_range(y)
        made += len(epoch)


def reference_samples(data: TensorDataModule, seed: int) -> Tensor:
    r"""Returns the random training samples to which the table's measures refer."""
    indices = keyed_subset(data.length("train"), REFERENCE, seed, "reference")
    return to_unit_range(next(iter(data.loader("train", [indices])))[0])


def states_to_show(
    x: Tensor, states: Iterator[Tensor], steps: int
) -> Iterator[tuple[int, Tensor]]:
    r"""Yields the step and the particles at the first, the last and quadratically spaced steps.

    Arguments:
        x: The first positions of the particles.
        states: The positions after each step.
        steps: The number of steps.
    """
    times = {round(steps * (i / (FRAMES - 1)) ** 2) for i in range(FRAMES)}
    yield 0, x
    for step, x in enumerate(states, 1):
        if step in times:
            yield step, x
