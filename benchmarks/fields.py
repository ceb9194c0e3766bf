r"""The cost of fields: seconds, the largest tensor and peak memory.

::

    python -m benchmarks.fields            # two minutes
    python -m benchmarks.fields --large    # all fields of 100,000 x 100,000 points: an hour

The first table compares the Gaussian mean shift as attention with the same by blocks of a matrix
of pairs, in turns, and the second Sinkhorn's iterations by scalings with the same by logarithms.
The third is about minibatches of images: no tensor may be as large as one of all pairs times all
pixels. The last has a process for each row, whose peak memory is read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.functional import (
    drifting_field,
    gaussian_mean_shift,
    mean_shift,
    mean_shift_field,
    plummer,
    potential_field,
    sinkhorn_field,
    sliced_field,
    transport_fields,
)

from .potential import LargestTensor

REPEATS = 3


def fields(d: int) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    r"""Returns the fields, with bandwidths for standard normal points in `d` dimensions."""
    tau = 0.1 * (2 * d) ** 0.5
    return {
        "sliced, 64 directions": partial(sliced_field, slices=64),
        "Plummer": partial(potential_field, kernel=partial(plummer, epsilon=tau)),
        "Laplace mean shift": partial(mean_shift_field, bandwidth=tau),
        "sharp mean shift": partial(mean_shift_field, bandwidth=tau, kernel="sharp"),
        "drifting": partial(drifting_field, bandwidth=tau),
        "Sinkhorn, 20 iterations": partial(sinkhorn_field, epsilon=tau**2),
    }


def draw(n: int, d: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns points, real and generated samples, each with shape :math:`(n, d)`."""
    random = torch.Generator().manual_seed(0)
    a, y, x = torch.randn(3, n, d, generator=random).unbind()
    return a, y + 0.1, x


def seconds_of(function: Callable, *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def attention_table() -> None:
    r"""Prints the Gaussian mean shift by attention against that by blocks of all pairs."""
    print(
        markdown_heading(["N = M", "D", "pairs, s", "attention, s", "ratio", "difference"]), end=""
    )
    for d in (3, 64):
        a, b, _ = draw(10_000, d)
        forms = [partial(mean_shift, kernel="gaussian"), gaussian_mean_shift]
        times = [[seconds_of(f, a, b, d**0.5) for f in forms] for _ in range(REPEATS)]
        pairs, attention = map(min, zip(*times, strict=True))
        gap = (forms[0](a, b, d**0.5) - forms[1](a, b, d**0.5)).abs().max()
        cells = [10_000, d, f"{pairs:.2f}", f"{attention:.2f}", f"{pairs / attention:.1f}"]
        print(markdown_row([*cells, f"{gap:.0e}"]), end="", flush=True)


def transport_table() -> None:
    r"""Prints Sinkhorn's field by scalings of the plan against that by logarithms alone."""
    print(
        "\n" + markdown_heading(["Sinkhorn, N = M, D", "logarithms, ms", "scalings, ms", "ratio"]),
        end="",
    )
    for n, d in ((512, 2), (256, 1024)):
        field = partial(sinkhorn_field, epsilon=0.01 * d)
        times = []
        for _ in range(REPEATS):
            with mock.patch.object(transport_fields, "_scale", return_value=None):
                logarithms = seconds_of(field, *draw(n, d))
            times.append([logarithms, seconds_of(field, *draw(n, d))])
        old, new = (1000 * min(one) for one in zip(*times, strict=True))
        cells = [f"{n}, {d}", f"{old:.0f}", f"{new:.0f}", f"{new / old:.2f}"]
        print(markdown_row(cells), end="", flush=True)


def image_table() -> None:
    r"""Prints seconds and the largest tensor of fields of minibatches of images."""
    n, d = 1024, 3072
    sets = draw(n, d)
    print(
        "\n" + markdown_heading(["field of 1,024 images of 3,072 pixels", "s", "largest, MB"]),
        end="",
    )
    for name, field in fields(d).items():
        with LargestTensor() as largest:
            field(*sets)
        seconds = min(seconds_of(field, *sets) for _ in range(REPEATS))
        megabytes = largest.bytes / 1e6
        print(markdown_row([name, f"{seconds:.2f}", f"{megabytes:.0f}"]), end="", flush=True)


def large_table(names: list[str], n: int, d: int) -> None:
    r"""Prints seconds and peak memory of fields of many points, each in its own process."""
    print(
        "\n" + markdown_heading([f"field of {n:,} x {n:,} points, D = {d}", "s", "peak, GB"]),
        end="",
    )
    for name in names:
        command = [sys.executable, "-m", "benchmarks.fields", "--one", name, str(n), str(d)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        print(markdown_row([name, *said.split()]), end="", flush=True)


def run_one(name: str, n: int, d: int) -> None:
    r"""Prints the seconds of one field and the peak memory of this process, in GB."""
    seconds = seconds_of(fields(d)[name], *draw(n, d))
    # Linux counts the memory of the parent process in ru_maxrss, but not in VmHWM.
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1e6
    print(f"{seconds:.1f} {peak:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--one", nargs=3)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one[0], *map(int, arguments.one[1:]))
    else:
        print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
        attention_table()
        transport_table()
        image_table()
        names = list(fields(64))
        large_table(names if arguments.large else names[:1], 100_000, 64)
