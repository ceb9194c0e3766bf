r"""The cost of a step of a field's generator, against a hand-written loop of the same maths.

::

    python -m benchmarks.field_step

compares `configs/fields/ring.yaml`, and `configs/fields/mnist.yaml` on the digits of scikit-learn
and without its queue, as :mod:`benchmarks.step` does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import torch
import torch.nn as nn
from torch import Tensor

from benchmarks.step import HEADINGS, WARM_UP, compare, fit, shuffled_batches
from energy_gans.commands.outputs import markdown_heading
from energy_gans.data import EmbeddedDigits, Ring
from energy_gans.fields import (
    DriftingField,
    MeanShiftField,
    ParticleField,
    PlummerField,
    SumOfFields,
)
from energy_gans.networks import MLP, DCGANGenerator

DIGITS = ["--data=EmbeddedDigits", "--data.size=32", "--data.batch_size=64"]
DIGITS += ["--model.queue=0", "--trainer.accelerator=cpu"]


def loop(
    g: nn.Module, batches: Iterator[Tensor], field: ParticleField, steps: int, updates: int, z: int
) -> float:
    r"""Returns the time of a step of a plain loop that follows a field, in seconds."""
    average = torch.optim.swa_utils.AveragedModel(
        g, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    optimizer = torch.optim.Adam(g.parameters(), lr=1e-3, betas=(0.5, 0.999), fused=True)
    for step in range(steps):
        if step == WARM_UP:
            start = time.perf_counter()
        for y in next(batches).chunk(updates):
            x = g(torch.randn(len(y), z))
            a, v = x.detach(), torch.zeros_like(x)
            for u in field.velocities(a, y, a, own=True):
                v = v + u / u.square().mean().sqrt()
            loss = (x - (a + v / v.square().mean().sqrt())).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        average.update_parameters(g)
    return (time.perf_counter() - start) / (steps - WARM_UP)


def points(steps: int) -> float:
    data = Ring()
    data.setup()
    batches = shuffled_batches(data.contents("train")[0], 2560, torch.contiguous_format)
    field = SumOfFields([PlummerField(1.0, 0.1), MeanShiftField(0.05)])
    return loop(MLP(2, 2), batches, field, steps, 10, z=2)


def images(steps: int) -> float:
    data = EmbeddedDigits(size=32)
    data.setup()
    batches = shuffled_batches(data.contents("train")[0], 64, torch.channels_last)
    g = DCGANGenerator(32, 1, 32, 32).to(memory_format=torch.channels_last)
    # `fit` has temperatures in units of the mean distance of images, which it measures once.
    y = next(batches).flatten(1)
    distance = torch.cdist(y, y).mean().item()
    field = DriftingField([distance * temperature for temperature in (0.02, 0.05, 0.2)])
    return loop(g, batches, field, steps, 1, z=32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=6)
    args = parser.parse_args()
    n = args.steps
    rows = {
        "10 updates of 256 points in two fields": (
            lambda: fit("configs/fields/ring.yaml", n),
            lambda: points(n),
        ),
        "64 images of 32 px, three temperatures": (
            lambda: fit("configs/fields/mnist.yaml", n, *DIGITS),
            lambda: images(n),
        ),
    }
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print(markdown_heading(HEADINGS), end="")
    for name, (ours, theirs) in rows.items():
        compare(name, args.repeats, ours, theirs)
