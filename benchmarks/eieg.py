r"""The cost of the elastic kernel in a step of an EIEG GAN.

::

    python -m benchmarks.eieg

makes the same updates of the same networks with the EIEG GAN's losses and with means of features
as losses, in turns. It prints the ratio of the median times of one discriminator step and one
generator step on minibatches of 64 images of 32 pixels.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.functional import matching_loss
from energy_gans.functional.pair_rows import SharedPoints
from energy_gans.methods import EIEGGAN
from energy_gans.methods.parts.networks import fixed_parameters
from energy_gans.networks import DCGANDiscriminator, DCGANGenerator

BATCH, WARM_UP = 64, 5
Losses = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]


def gan(features: int, width: int) -> EIEGGAN:
    torch.manual_seed(0)
    return EIEGGAN(
        generator=DCGANGenerator(100, 1, 32, width),
        discriminator=DCGANDiscriminator(1, 32, width, features),
        latent_dim=100,
    ).to(memory_format=torch.channels_last)


def elastic_losses(model: EIEGGAN) -> Losses:
    r"""Returns the discriminator's and the generator's loss of real and generated features."""

    def loss_d(u: Tensor, v: Tensor) -> Tensor:
        pairs, _ = model.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
        return model.separating_loss(u.shape[1], *pairs)

    def loss_g(u: Tensor, v: Tensor) -> Tensor:
        (_, vv, uv), _ = model.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
        return matching_loss(*model.kernels(v.shape[1], vv, uv))

    return loss_d, loss_g


def means() -> Losses:
    r"""Returns the cheapest losses with the same passes through the networks."""
    return lambda u, v: v.mean() - u.mean(), lambda u, v: u.mean() - v.mean()


def stepper(model: EIEGGAN, losses: Losses, y: Tensor) -> Callable[[], float]:
    r"""Returns a function that makes a step and returns its time in seconds."""
    networks = model.discriminator, model.generator
    step_d, step_g = (torch.optim.Adam(n.parameters(), 1e-4, fused=True) for n in networks)
    loss_d, loss_g = losses

    def step() -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                x = model.generator(torch.randn(BATCH, 100))
            u, v = model.features(y), model.features(x)
            step_d.zero_grad()
            loss_d(u, v).backward()
            step_d.step()
            with fixed_parameters(model.discriminator):
                with torch.no_grad():
                    u = model.features(y)
                v = model.features(model.generator(torch.randn(BATCH, 100)))
                step_g.zero_grad()
                loss_g(u, v).backward()
            step_g.step()
        return time.perf_counter() - start

    return step


def compare(features: int, width: int, steps: int) -> tuple[float, float, float]:
    r"""Returns both median times in milliseconds, and the median of the ratios."""
    y = torch.rand(BATCH, 1, 32, 32).mul(2).sub(1).contiguous(memory_format=torch.channels_last)
    ours, bare = gan(features, width), gan(features, width)
    pair = stepper(ours, elastic_losses(ours), y), stepper(bare, means(), y)
    times = [[step() for step in pair] for _ in range(WARM_UP + steps)][WARM_UP:]
    a, b = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    return a, b, statistics.median(s / t for s, t in times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    heading = ["features", "width", "EIEG, ms a step", "bare, ms a step", "ratio"]
    print(markdown_heading(heading), end="")
    for width in (64, 32):
        for features in (2, 16, 32):
            a, b, ratio = compare(features, width, args.steps)
            cells = [features, width, f"{a:.1f}", f"{b:.1f}", f"{ratio:.3f}"]
            print(markdown_row(cells), end="", flush=True)
