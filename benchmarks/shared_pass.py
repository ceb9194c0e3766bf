r"""What one pass of the discriminator for both networks would save.

::

    OMP_NUM_THREADS=1 python -m benchmarks.shared_pass

Hand-written steps in bfloat16 of an EIEG GAN and of a Coulomb GAN on images of 32 pixels. In
turns, the networks are updated one after the other, as the methods do. Together, the generated
samples and their discriminator's outputs serve both losses, whose gradients are those of the
weights before the step. For the Coulomb GAN that is the same update; for the EIEG GAN it is
another algorithm.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.functional import (
    climbing_loss,
    kernel_within,
    matching_loss,
    plummer,
    potential,
    potential_loss,
    repulsive_loss,
)
from energy_gans.methods.parts.networks import fixed_parameters
from energy_gans.networks import DCGANDiscriminator, DCGANGenerator

LATENTS = 100
Step = Callable[[], None]


class Pair:
    r"""Two networks with their optimizers, and a batch of noise in place of real images.

    Arguments:
        width: The width of both networks.
        batch: The size of a minibatch.
        options: The arguments of the discriminator.
    """

    def __init__(self, width: int, batch: int, **options: object) -> None:
        torch.manual_seed(0)
        self.g = DCGANGenerator(LATENTS, 1, 32, width).to(memory_format=torch.channels_last)
        d = DCGANDiscriminator(1, 32, width, **options)
        self.d = d.to(memory_format=torch.channels_last)
        self.optimizers = [
            torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=True)
            for n in (self.g, self.d)
        ]
        self.y = torch.rand(batch, 1, 32, 32) * 2 - 1

    def samples(self) -> Tensor:
        return self.g(torch.randn(len(self.y), LATENTS))

    def features(self, a: Tensor) -> Tensor:
        return self.d(a).float()

    def descend(self, network: int, loss: Tensor) -> None:
        self.optimizers[network].zero_grad()
        loss.backward()
        self.optimizers[network].step()

    def descend_together(self, loss_g: Tensor, loss_d: Tensor) -> None:
        for network, loss in ((self.g, loss_g), (self.d, loss_d)):
            network.zero_grad()
            loss.backward(inputs=list(network.parameters()), retain_graph=network is self.g)
        for optimizer in self.optimizers:
            optimizer.step()


def eieg(width: int, batch: int) -> tuple[Step, Step]:
    pair = Pair(width, batch, out_features=16, norm="none", spectral=True)

    def losses(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        fixed = u.detach()
        loss_g = matching_loss(kernel_within(v, plummer), plummer(fixed, v))
        return loss_g, repulsive_loss(kernel_within(u, plummer), kernel_within(v, plummer))

    def in_turns() -> None:
        with torch.no_grad():
            x = pair.samples()
        pair.descend(1, losses(pair.features(pair.y), pair.features(x))[1])
        with fixed_parameters(pair.d):
            with torch.no_grad():
                u = pair.features(pair.y)
            pair.descend(0, losses(u, pair.features(pair.samples()))[0])

    def together() -> None:
        u, v = pair.features(torch.cat([pair.y, pair.samples()])).chunk(2)
        pair.descend_together(*losses(u, v))

    return in_turns, together


def coulomb(width: int, batch: int) -> tuple[Step, Step]:
    pair = Pair(width, batch)

    def discriminator_loss(x: Tensor, d: Tensor) -> Tensor:
        phi = potential(torch.cat([pair.y, x]), pair.y, x, plummer)
        return potential_loss(torch.cat([pair.features(pair.y), d]).flatten(), phi)

    def in_turns() -> None:
        with fixed_parameters(pair.d):
            x = pair.samples()
            pair.descend(0, climbing_loss(pair.features(x)))
        x = x.detach()
        pair.descend(1, discriminator_loss(x, pair.features(x)))

    def together() -> None:
        x = pair.samples()
        d = pair.features(x)
        pair.descend_together(climbing_loss(d), discriminator_loss(x.detach(), d))

    return in_turns, together


def shortest(steps: tuple[Step, Step], repeats: int) -> list[float]:
    r"""Returns the smallest CPU times of two steps, made in turns, in seconds."""
    found = [float("inf")] * 2
    for _ in range(repeats):
        for i, step in enumerate(steps):
            start = time.process_time()
            with torch.autocast("cpu", torch.bfloat16):
                step()
            found[i] = min(found[i], time.process_time() - start)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=40)
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print(markdown_heading(("", "in turns, ms", "together, ms", "ratio")), end="")
    for name, steps in (
        ("EIEG GAN, width 32, batch 64", eieg(32, 64)),
        ("EIEG GAN, width 64, batch 64", eieg(64, 64)),
        ("Coulomb GAN, width 32, batch 128", coulomb(32, 128)),
        ("Coulomb GAN, width 64, batch 64", coulomb(64, 64)),
    ):
        a, b = shortest(steps, args.repeats)
        print(markdown_row([name, f"{a * 1e3:.1f}", f"{b * 1e3:.1f}", f"{a / b:.3f}"]), end="")
