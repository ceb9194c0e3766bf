r"""The first positions of particles, and the real samples that act on them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, repeat
from typing import Literal

import torch
from torch import Tensor

from ...checks import check_count
from ...data.base import TensorDataModule
from ...data.batches import StepOrder
from ...functional import keyed_generator, keyed_subset

# The number of real samples in the table's measures and in pictures of the plane.
REFERENCE = 500

Start = Literal["normal", "uniform"]


def first_positions(n: int, shape: tuple[int, ...], seed: int, start: Start = "normal") -> Tensor:
    r"""Returns particles drawn from :math:`N(0, I)` or evenly in [-1, 1], of shape :math:`(n, *)`.

    Raises:
        ValueError: If `start` is unknown, or the particles do not fit into memory.
    """
    if start not in ("normal", "uniform"):
        raise ValueError(f"'start' should be 'normal' or 'uniform', got {start!r}.")
    random = keyed_generator(seed, "particles")
    try:
        if start == "normal":
            return torch.randn(n, *shape, generator=random)
        return torch.rand(n, *shape, generator=random).mul_(2).sub_(1)
    except (RuntimeError, TypeError) as error:
        # A number beyond int64 is a TypeError.
        raise ValueError(
            f"'particles' should fit into memory, got {n} of shape {tuple(shape)}."
        ) from error


def check_batch(data: TensorDataModule, size: int | None) -> None:
    r"""Raises a `ValueError` unless there are two training samples and enough for a batch."""
    if size is not None:
        check_count("data_batch", size)
    length = data.length("train")
    if length < 2:
        raise ValueError(f"'data' should hold at least 2 training samples, got {length}.")
    if size is not None and size > length * data.repeat:
        raise ValueError(
            "'data_batch' should be at most the number of training samples, "
            f"{length * data.repeat}, got {size}."
        )


def data_batches(
    data: TensorDataModule, size: int | None, steps: int, seed: int
) -> Iterator[Tensor]:
    r"""Yields the real samples of each step, a function of the seed and the step.

    Arguments:
        data: The data module.
        size: The number of samples in a step, or `None` for the whole training set.
        steps: The number of steps.
        seed: The seed of the order.
    """
    if size is None:
        yield from repeat(_samples(data, torch.arange(data.length("train"))), steps)
        return
    made = 0
    order = StepOrder(data.length("train"), size, seed, lambda: made, repeat=data.repeat)
    while made < steps:
        epoch = list(islice(order, steps - made))
        for y, _ in data.loader("train", epoch):
            yield data.to_samples(y)
        made += len(epoch)


def reference_samples(data: TensorDataModule, seed: int) -> Tensor:
    r"""Returns the random training samples to which the table's measures refer."""
    return _samples(data, keyed_subset(data.length("train"), REFERENCE, seed, "reference"))


def _samples(data: TensorDataModule, indices: Tensor) -> Tensor:
    r"""Returns training samples by index, with shape :math:`(N, *)`."""
    return data.to_samples(next(iter(data.loader("train", [indices])))[0])
