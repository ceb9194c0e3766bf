r"""The cost of a step of VAPO, against a hand-written loop of the same double backward pass.

::

    python -m benchmarks.vapo

runs `energy-gans fit` on `configs/vapo/digits.yaml` and the loop in turns and prints the ratio of
the smallest times per step. `--compiled` adds the same with a compiled gradient of the potential.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.step import HEADINGS, WARM_UP, compare, fit, shuffled_batches
from energy_gans.commands.outputs import markdown_heading
from energy_gans.data import EmbeddedDigits
from energy_gans.networks import WideResNet

CONFIG = "configs/vapo/digits.yaml"
PLAIN = ["--model.init_args.data_std=null", "--model.init_args.sharpness=null"]
LENGTH = math.log1p(1e4)


def loop(batches: Iterator[Tensor], steps: int) -> float:
    r"""Returns the time of a step of a plain loop, in seconds."""
    network = WideResNet(1, 32, 16, (1, 2, 4, 8, 8), 1, time_conditioned=True)
    network = network.to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999), use_buffers=True
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-4, fused=True)
    for step in range(steps):
        if step == WARM_UP:
            start = time.perf_counter()
        y = next(batches)
        s, noise = torch.rand(len(y)), torch.randn_like(y)
        # With sharpness sigma^2 / omega^2 the variance is even in its logarithm.
        v = torch.exp(-s * LENGTH)[:, None, None, None]
        x = ((1 - v) * y + v.sqrt() * noise).requires_grad_()
        (slope,) = torch.autograd.grad(network(x, time=s).sum(), x, create_graph=True)
        u = LENGTH * (v * y - v.sqrt() / 2 * noise)
        loss = (slope.square() / 2 - slope * u).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(network)
    return (time.perf_counter() - start) / (steps - WARM_UP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compiled", action="store_true", help="measure that, too")
    args = parser.parse_args()
    data = EmbeddedDigits("28x28", size=32)
    data.setup()
    images = data.contents("train")[0]
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print(markdown_heading(HEADINGS), end="")
    cases = {"eager": []} | (
        {"compiled": ["--model.init_args.compile_gradient=true"]} if args.compiled else {}
    )
    for name, more in cases.items():
        compare(
            name,
            args.repeats,
            lambda more=more: fit(CONFIG, args.steps, *PLAIN, *more),
            lambda: loop(shuffled_batches(images, 64, torch.channels_last), args.steps),
        )


if __name__ == "__main__":
    main()
