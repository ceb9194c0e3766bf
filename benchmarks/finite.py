r"""The cost of checking a checkpoint for non-finite numbers, relative to writing it.

::

    python -m benchmarks.finite

checks and writes checkpoints with the state of Adam, in turns: one with a few large tensors and
one with many small ones. It prints the ratio of the smallest times.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from energy_gans.methods.parts.finite import non_finite
from energy_gans.storage import AtomicCheckpointIO

REPEATS = 7
SIZES = {"40 tensors of 1 million": (40, 1_000_000), "2,000 tensors of 500": (2000, 500)}


def seconds_of(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(name: str, count: int, size: int, folder: Path) -> None:
    r"""Prints the times for a checkpoint of `count` weights of a size."""
    weights = {str(i): torch.randn(size) for i in range(count)}
    moments = {i: {"exp_avg": w * 0, "exp_avg_sq": w**2} for i, w in enumerate(weights.values())}
    checkpoint = {"state_dict": weights, "optimizer_states": [{"state": moments}]}
    writer = AtomicCheckpointIO()
    forms = {
        "look": lambda: non_finite(checkpoint),
        "write": lambda: writer.save_checkpoint(checkpoint, folder / "last.ckpt"),
    }
    times = {form: [] for form in forms}
    for _ in range(REPEATS):
        for form, function in forms.items():
            times[form].append(seconds_of(function))
    look, write = (min(times[form]) for form in forms)
    print(f"{name}: {look * 1e3:.1f} ms, writing {write * 1e3:.1f} ms, ratio {look / write:.3f}")


def main() -> None:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, (count, size) in SIZES.items():
            measure(name, count, size, Path(folder))


if __name__ == "__main__":
    main()
