r"""Whether all numbers that a run would go on with are finite.

A look at a checkpoint's tensors sums each of them: a sum is finite only if all that is summed is, and takes
about a twentieth of the time that writing the tensor takes (`python -m benchmarks.finite`). Finite numbers
can have a sum that overflows; then each of them is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

# How a run is made, and what observers remember: a bound or the best score so far may be infinite.
NOT_STATE = ("hyper_parameters", "datamodule_hyper_parameters", "conditions", "callbacks")
LEARNING_RATES = ("lr", "initial_lr")


def non_finite(checkpoint: Mapping[str, Any]) -> str | None:
    r"""Returns the dotted name of a number in a checkpoint that is not finite, or `None` if all are.

    Weights, averages, the states of optimizers and schedules, and whatever else a method saves are looked
    at. An optimizer's options may be infinite, but for its learning rates; none may be nan.

    Arguments:
        checkpoint: The contents of a checkpoint, or some of them.
    """
    for key, part in checkpoint.items():
        for name, value in flat(part, key) if key not in NOT_STATE else ():
            if is_bad(name, value):
                return name.removeprefix("state_dict.")
    return None


def is_bad(name: str, value: Any) -> bool:
    r"""Returns whether a leaf of a checkpoint holds a number that it should not."""
    if isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()):
        return not math.isfinite(abs(value.sum().item())) and not value.isfinite().all()
    if isinstance(value, float):
        is_rate = name.rpartition(".")[2] in LEARNING_RATES
        return math.isnan(value) or (is_rate and math.isinf(value))
    return False


def flat(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    r"""Yields the leaves of nested mappings and lists with their dotted keys."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from flat(value, f"{prefix}.{key}")
    elif isinstance(tree, (list, tuple)):
        for i, value in enumerate(tree):
            yield from flat(value, f"{prefix}.{i}")
    else:
        yield prefix, tree
