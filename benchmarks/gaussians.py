r"""The error of a trained potential flow for Gaussian data, whose exact flow is known.

::

    python -m benchmarks.gaussians

trains VAPO on :math:`\mathcal{N}(m, S^2 I)` in several dimensions and prints

- `gradient`: the root mean square of :math:`\|\nabla \Phi - \nabla \Phi^*\|` over the exact
  density, relative to that of :math:`\|\nabla \Phi^*\|`: over all flow times, and at the worst
  time
- `mean`, `variance`: the largest error of a coordinate of the samples against :math:`a(1) m`, in
  standard deviations, and against :math:`V(1)`, relative

The exact potential is :math:`\Phi^*(x) = \langle a' m, x \rangle + \frac{V'}{4 V} \|x - a m\|^2`
with :math:`V = a^2 S^2 + v`.
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor

from energy_gans.callbacks import EMA
from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.data import GaussianMixture
from energy_gans.functional import conditional_moments, homotopy_time, time_rate
from energy_gans.methods import VAPO
from energy_gans.networks import FourierMLP

HEADINGS = (
    *("dimensions", "seed", "gradient", "at the worst time"),
    *("mean", "variance", "NFE", "seconds"),
)
MEAN, SPREAD, SIGMA, SAMPLES = 0.6, 0.5, 0.1, 100_000


def moments(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Returns a coordinate's mean and variance at homotopy times, and their derivatives."""
    a, v = conditional_moments(t, SIGMA, 1.0)
    rate = v**2 / SIGMA**2
    return a * MEAN, a**2 * SPREAD**2 + v, rate * MEAN, rate * (2 * a * SPREAD**2 - 1)


def train(dim: int, steps: int, seed: int) -> VAPO:
    r"""Returns a flow trained on the data's Gaussian."""
    seed_everything(seed, verbose=False)
    network = FourierMLP(dim, [128, 128], frequencies=8, bandwidth=0.03, time_conditioned=True)
    vapo = VAPO(
        descriptor=network,
        shape=[dim],
        sigma=SIGMA,
        data_std=math.hypot(MEAN, SPREAD),
        time_conditioned=True,
        descriptor_optimizer=lambda groups: torch.optim.Adam(groups, lr=2e-3, fused=True),
        descriptor_scheduler=lambda opt: torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps),
    )
    data = GaussianMixture([[MEAN] * dim], SPREAD, batch_size=2048, samples=1_000_000)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        callbacks=[EMA(0.99)],
    )
    trainer.fit(vapo, data)
    return vapo.eval()


def gradient_errors(vapo: VAPO, dim: int, times: int = 41) -> tuple[float, float]:
    r"""Returns the relative errors of the gradient, over all times and at the worst time."""
    field, errors, sizes = vapo.velocity(vapo.sampling_network, None), [], []
    for s in torch.linspace(0, 1, times):
        t = homotopy_time(s, vapo.sharpness)
        mean, variance, dmean, dvariance = moments(t)
        z = variance.sqrt() * torch.randn(20_000, dim)
        exact = time_rate(t, vapo.sharpness) * (dmean + dvariance / (2 * variance) * z)
        found = field(s, mean + z)
        errors.append((found - exact).square().mean())
        sizes.append(exact.square().mean())
    error, size = torch.stack(errors), torch.stack(sizes).mean()
    return (error.mean() / size).sqrt().item(), (error.max() / size).sqrt().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2000)
    args = parser.parse_args()
    mean, variance, _, _ = moments(torch.ones(()))
    print(markdown_heading(HEADINGS), end="")
    for dim in args.dims:
        for seed in args.seeds:
            start = time.perf_counter()
            vapo = train(dim, args.steps, seed)
            seconds = time.perf_counter() - start
            x = vapo.sample(SAMPLES, random=torch.Generator().manual_seed(seed))
            off = (x.mean(0) - mean).abs().max() / variance.sqrt()
            wide = (x.var(0) / variance - 1).abs().max()
            errors = [*gradient_errors(vapo, dim), off, wide]
            cells = [dim, seed, *(f"{100 * e:.1f}%" for e in errors)]
            row = markdown_row([*cells, vapo.evaluations, f"{seconds:.0f}"])
            print(row, end="", flush=True)


if __name__ == "__main__":
    main()
