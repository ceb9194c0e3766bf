r"""Whether all numbers in a checkpoint are finite.

The check sums each tensor: a sum is finite only if all of its terms are. Summing a tensor takes
about a twentieth of the time of writing it (`python -m benchmarks.finite`). Only if a sum
overflows, each number is checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

# Arguments of a run and the state of callbacks: a bound, or the best score so far, may be
# infinite.
_UNCHECKED = (
    *("hyper_parameters", "datamodule_hyper_parameters", "construction"),
    *("conditions", "callbacks"),
)
_LEARNING_RATES = ("lr", "initial_lr")


def non_finite(checkpoint: Mapping[str, Any]) -> str | None:
    r"""Returns the dotted name of a number that is not finite, or `None` if there is none.

    The check covers weights, moving averages, the states of optimizers and schedules, and all
    other state that a method saves. The options of an optimizer may be infinite, except for its
    learning rates, but not nan.

    Arguments:
        checkpoint: The contents of a checkpoint, or a part of them.
    """
    for key, part in checkpoint.items():
        for name, value in flatten_tree(part, key) if key not in _UNCHECKED else ():
            if _is_non_finite(name, value):
                return name.removeprefix("state_dict.")
    return None


def _is_non_finite(name: str, value: Any) -> bool:
    r"""Returns whether a leaf of a checkpoint holds a forbidden infinity or nan."""
    if isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()):
        return not math.isfinite(abs(value.sum().item())) and not value.isfinite().all()
    if isinstance(value, float):
        is_rate = name.rpartition(".")[2] in _LEARNING_RATES
        return math.isnan(value) or (is_rate and math.isinf(value))
    return False


def flatten_tree(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    r"""Yields the dotted keys and the leaves of nested mappings and lists."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from flatten_tree(value, f"{prefix}.{key}")
    elif isinstance(tree, (list, tuple)):
        for i, value in enumerate(tree):
            yield from flatten_tree(value, f"{prefix}.{i}")
    else:
        yield prefix, tree
