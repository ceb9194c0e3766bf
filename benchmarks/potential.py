r"""The cost of a potential, against its broadcast form and plain `torch.cdist`.

::

    python -m benchmarks.potential

computes the three forms in turns. It prints the smallest time, the largest tensor, and the error
relative to float64 on data far from the origin. The broadcast form is split into rows of 2 GB, so
that it fits into memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.functional import plummer, potential

REPEATS = 2
LARGEST = 2**31


class LargestTensor(TorchDispatchMode):
    r"""Remembers the size of the largest tensor that an operation returned, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, Tensor):
                self.bytes = max(self.bytes, tensor.untyped_storage().nbytes())
        return result


def broadcast(a: Tensor, b: Tensor) -> Tensor:
    rows = max(1, LARGEST // (4 * b.numel()))
    parts = [(part[:, None] - b[None]).square().sum(-1) for part in a.split(rows)]
    return (torch.cat(parts) + 1).rsqrt()


def cdist(a: Tensor, b: Tensor) -> Tensor:
    return (torch.cdist(a, b).square() + 1).rsqrt()


def seconds_of(form: Callable, a: Tensor, y: Tensor, x: Tensor) -> float:
    start = time.perf_counter()
    potential(a, y, x, form)
    return time.perf_counter() - start


def measure(n: int, d: int) -> None:
    r"""Prints the row of one number of points and dimension."""
    random = torch.Generator().manual_seed(0)
    # Far from the origin, with nearly equal points, like images late in training.
    a, y = (10 + torch.randn(2, n, d, generator=random)).unbind()
    x = a + 1e-3 * torch.randn(n, d, generator=random)
    forms = {"ours": plummer, "cdist": cdist, "broadcast": broadcast}
    if n * n * d > 1024 * 1024 * 3072:
        del forms["broadcast"]
    exact = potential(a.double(), y.double(), x.double(), plummer)
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(REPEATS):
        for name, form in forms.items():
            times[name].append(seconds_of(form, a, y, x))
    cells = []
    for name in ("ours", "cdist", "broadcast"):
        if name not in forms:
            cells += ["-", "-", "-"]
            continue
        with LargestTensor() as largest:
            phi = potential(a, y, x, forms[name])
        error = ((phi - exact).norm() / exact.norm()).item()
        cells += [f"{min(times[name]) * 1e3:.2f}", f"{largest.bytes / 1e6:.1f}", f"{error:.0e}"]
    ratio = f"{min(times['broadcast']) / min(times['ours']):.1f}" if "broadcast" in forms else "-"
    print(markdown_row([n, d, *cells, ratio]), end="", flush=True)


if __name__ == "__main__":
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    heads = [
        f"{form} {unit}"
        for form in ("ours,", "cdist,", "broadcast,")
        for unit in ("ms", "MB", "error")
    ]
    print(markdown_heading(["N = M", "D", *heads, "broadcast / ours"]), end="")
    for n in (128, 1024, 4096):
        for d in (2, 3072):
            measure(n, d)
