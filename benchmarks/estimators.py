r"""The noise of estimators of a variational potential flow's loss, on real images.

::

    python -m benchmarks.estimators --data FashionMNIST --data.root data --data.size 32
    --data.resize true

draws minibatches of 64 points of the homotopy for each estimator of the covariance term, in turns.
It prints the noise of the gradient with respect to the weights: the root of the trace of its
covariance, over the norm of the mean gradient of the least noisy estimator.

- `e1 raw`: the paper's term, without centring
- `e1`: the term less the mean of the other points
- `e2`: eight points for each of eight images
- `e4`: the alignment with the velocity

All of them have the same expectation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jsonargparse import auto_cli
from torch import Tensor

from energy_gans.commands.outputs import markdown_table
from energy_gans.data import ImageDataModule
from energy_gans.data.base import to_unit_range
from energy_gans.functional import (
    alignment,
    conditional_moments,
    conditional_point,
    conditional_velocity,
    covariance,
    homotopy_time,
    innovation,
    time_rate,
)
from energy_gans.networks import WideResNet

BATCH, PARTICLES, SIGMA, SHARPNESS = 64, 8, 0.01, 1e-4


def network(channels: int, size: int) -> WideResNet:
    r"""Returns a small network, away from its initialisation, at which blocks are the identity."""
    torch.manual_seed(0)
    energy = WideResNet(channels, size, width=16, multipliers=(1, 2, 2), blocks=1)
    with torch.no_grad():
        for name, p in energy.named_parameters():
            if name.endswith("original0"):
                p.copy_(p.clamp_min(0.5))
    return energy


def terms(energy: WideResNet, y: Tensor, noise: Tensor, s: Tensor) -> dict[str, Callable]:
    r"""Returns the estimators of half the covariance in flow time, by name."""
    t = homotopy_time(s, SHARPNESS)
    a, v = conditional_moments(t, SIGMA, 1.0)
    rate = time_rate(t, SHARPNESS)
    x = conditional_point(y, noise, a, v)
    gamma = innovation(y, noise, v, SIGMA, 1.0) * rate

    def aligned() -> Tensor:
        u = conditional_velocity(y, noise, v, SIGMA, 1.0) * rate[:, None, None, None]
        points = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(energy(points).sum(), points, create_graph=True)
        return -alignment(slope, u)

    phi = lambda: energy(x)[:, 0]  # noqa: E731
    return {
        "e1 raw": lambda: (phi() * gamma).mean() / 2,
        "e1": lambda: covariance(phi(), gamma) / 2,
        "e2": lambda: covariance(*(p.view(-1, PARTICLES) for p in (phi(), gamma))) / 2,
        "e4": aligned,
    }


def noises(images: Tensor, draws: int) -> dict[str, tuple[Tensor, float]]:
    r"""Returns each estimator's mean gradient and the root of the trace of its covariance."""
    energy, random = network(*images.shape[1:3]), torch.Generator().manual_seed(1)
    first: dict[str, Tensor] = {}
    second: dict[str, float] = {}
    for _ in range(draws):
        index = torch.randint(len(images), (BATCH,), generator=random)
        s, noise = torch.rand(BATCH, generator=random), torch.randn(BATCH, *images.shape[1:])
        for name in ("e1 raw", "e1", "e2", "e4"):
            kept = index[: BATCH // PARTICLES].repeat_interleave(PARTICLES)
            times = s.view(-1, PARTICLES)[:, :1].expand(-1, PARTICLES).flatten()
            y, at = (images[kept], times) if name == "e2" else (images[index], s)
            loss = terms(energy, y, noise, at)[name]()
            g = torch.autograd.grad(loss, list(energy.parameters()), allow_unused=True)
            g = torch.cat([part.flatten() for part in g if part is not None]).double()
            first[name] = first.get(name, 0) + g / draws
            second[name] = second.get(name, 0.0) + g.square().sum().item() / draws
    return {
        name: (mean, max(second[name] - mean.square().sum().item(), 0.0) ** 0.5)
        for name, mean in first.items()
    }


def main(data: ImageDataModule, draws: int = 100) -> None:
    r"""Prints the noise of each estimator.

    Arguments:
        data: The images.
        draws: The number of minibatches.
    """
    data.prepare_data()
    images, _ = data.contents("train")
    images = to_unit_range(images[torch.arange(min(len(images), 10_000))])
    found = noises(images, draws)
    scale = found["e4"][0].norm().item()
    rows = [["estimator", "noise of the gradient over its size"]]
    rows += [[name, f"{noise / scale:.3g}"] for name, (_, noise) in found.items()]
    print(markdown_table(rows), end="")


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
