r"""Whether every method learns the plane with the defaults of its constructor.

::

    python -m benchmarks.plane

trains each method on eight Gaussians on a circle, with MLPs, `Method(networks, 2)` and a plain
`lightning.Trainer`, and prints the modes that 10,000 samples cover, the share of samples within
three standard deviations, and the KL divergence of the modes' histogram.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

from lightning.pytorch import Trainer, seed_everything
from torch import Generator, nn

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.data import Ring
from energy_gans.methods import (
    EIEGGAN,
    GCN,
    GGCN,
    VAPO,
    CoulombGAN,
    EIEGGenerator,
    FieldGenerator,
    ScatteringGAN,
)
from energy_gans.methods.baselines import BEGAN, GAN, MMDGAN, WGAN, WGANGP
from energy_gans.methods.bases.generative import GenerativeModule
from energy_gans.metrics import ModeCoverage
from energy_gans.networks import MLP

SAMPLES = 10_000
HEADINGS = ("method", "seed", "steps", "seconds", "CPU seconds", "modes", "share", "kl")


def generator() -> nn.Module:
    return MLP(2, 2)


def critic(features: int = 1) -> nn.Module:
    return MLP(2, features, activation=nn.SiLU)


# Each method with its networks, and the number of steps. Methods of features map to 16 of them.
METHODS: dict[str, tuple[Callable[[], GenerativeModule], int]] = {
    "CoulombGAN": (lambda: CoulombGAN(generator(), critic(), latent_dim=2), 3000),
    "EIEGGenerator": (lambda: EIEGGenerator(generator(), latent_dim=2), 3000),
    "FieldGenerator": (lambda: FieldGenerator(generator(), latent_dim=2), 3000),
    "ScatteringGAN": (lambda: ScatteringGAN(generator(), critic(2), latent_dim=2), 3000),
    "EIEGGAN": (lambda: EIEGGAN(generator(), critic(16), latent_dim=2), 3000),
    "GCN": (lambda: GCN(critic(), shape=[2]), 300),
    "GGCN": (lambda: GGCN(generator(), critic(), shape=[2], latent_dim=2), 1000),
    "VAPO": (lambda: VAPO(critic(), shape=[2]), 1500),
    "GAN": (lambda: GAN(generator(), critic(), latent_dim=2), 3000),
    "WGAN": (lambda: WGAN(generator(), critic(), latent_dim=2), 3000),
    "WGANGP": (lambda: WGANGP(generator(), critic(), latent_dim=2), 3000),
    "BEGAN": (lambda: BEGAN(generator(), critic(2), latent_dim=2), 3000),
    "MMDGAN": (lambda: MMDGAN(generator(), critic(16), latent_dim=2), 3000),
}


def train(make: Callable[[], GenerativeModule], steps: int, seed: int) -> GenerativeModule:
    r"""Returns a method trained by a plain trainer."""
    seed_everything(seed, verbose=False)
    model = make()
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(model, Ring())
    return model


def coverage(model: GenerativeModule) -> dict[str, float]:
    r"""Returns the mode coverage of a model's samples."""
    ring = Ring()
    metric = ModeCoverage(ring.means, ring.std, ring.weights)
    metric.update(model.sample(SAMPLES, random=Generator().manual_seed(0)))
    return {name: value.item() for name, value in metric.compute().items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=[*METHODS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, help="The steps of each method, not its own number.")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(markdown_heading(HEADINGS), end="")
    for name in args.methods:
        make, steps = METHODS[name]
        for seed in args.seeds:
            start, cpu = time.perf_counter(), time.process_time()
            model = train(make, args.steps or steps, seed)
            times = (time.perf_counter() - start, time.process_time() - cpu)
            found = coverage(model)
            cells = [name, seed, args.steps or steps, *(f"{t:.0f}" for t in times)]
            cells += [f"{found['modes']:.0f}", f"{found['share']:.2f}", f"{found['kl']:.3f}"]
            print(markdown_row(cells), end="", flush=True)


if __name__ == "__main__":
    main()
