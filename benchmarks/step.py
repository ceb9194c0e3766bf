r"""The cost of a training step, against a hand-written loop of the same networks and losses.

::

    python -m benchmarks.step

runs `energy-gans fit` and the loop in turns and prints the ratio of the smallest times per step,
because other work on the machine can only add to a time. Both make the same updates in the same
precision and keep the same moving average.

- `points`: `configs/coulomb/ring.yaml`, and the same with one update in a step
- `images`: `configs/coulomb/digits.yaml` on images of 28 pixels
- `plain`: `configs/coulomb/digits.yaml` in bfloat16, channels last, with fused Adam, against the
  loop in float32, contiguous and with unfused Adam; also with the DCGAN paper's width and batch 64
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from energy_gans.cli import main
from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.data import EmbeddedDigits, Ring
from energy_gans.functional import plummer, potential
from energy_gans.networks import MLP, DCGANDiscriminator, DCGANGenerator

WARM_UP = 10
HEADINGS = ("", "fit, ms a step", "loop, ms a step", "ratio")
found: list[float] = []


class Stopwatch(Callback):
    r"""Measures the mean time of a step after the first few."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        if trainer.global_step == WARM_UP:
            self.start = time.perf_counter()
        elif trainer.global_step == trainer.max_steps:
            found.append((time.perf_counter() - self.start) / (trainer.max_steps - WARM_UP))


def fit(config: str, steps: int, *more: str) -> float:
    r"""Returns the time of a step of `energy-gans fit`, in seconds."""
    callbacks = yaml.safe_load(Path(config).read_text())["trainer"]["callbacks"]
    kept = [c for c in callbacks if c["class_path"].endswith("EMA")]
    kept.append({"class_path": "benchmarks.step.Stopwatch"})
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "callbacks": kept,
            "max_steps": steps,
            "limit_val_batches": 0,
            "enable_checkpointing": False,
            "enable_model_summary": False,
            "logger.init_args.save_dir": folder,
        }
        args = [
            f"--trainer.{k}={v if isinstance(v, str) else json.dumps(v)}"
            for k, v in options.items()
        ]
        main(["fit", "--config", config, *args, *more])
    return found.pop()


def loop(
    networks: tuple[nn.Module, nn.Module],
    batches: Iterator[Tensor],
    steps: int,
    updates: int,
    kernel: Callable,
    z: int,
    scale: float = 1.0,
    bf16: bool = False,
    fused: bool = True,
) -> float:
    r"""Returns the time of a step of a plain loop, in seconds."""
    g, d = networks
    average = torch.optim.swa_utils.AveragedModel(
        g, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True
    )
    adam = partial(torch.optim.Adam, betas=(0.5, 0.999), fused=fused)
    optimizer_g, optimizer_d = adam(g.parameters(), lr=1e-3), adam(d.parameters(), lr=5e-3)
    for step in range(steps):
        if step == WARM_UP:
            start = time.perf_counter()
        for y in next(batches).chunk(updates):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                d.requires_grad_(False)
                x = g(torch.randn(len(y), z))
                loss_g = -0.5 * d(x).float().mean()
                optimizer_g.zero_grad()
                loss_g.backward()
                d.requires_grad_(True)
                x = x.detach()
                phi = potential(torch.cat([y, x]), y, x, kernel)
                a = torch.cat([d(y), d(x)]).flatten().float()
                loss_d = 0.5 * (a - scale * phi).square().mean()
                optimizer_d.zero_grad()
                loss_d.backward()
            optimizer_g.step()
            optimizer_d.step()
        average.update_parameters(g)
    return (time.perf_counter() - start) / (steps - WARM_UP)


def shuffled_batches(y: Tensor, size: int, memory_format: torch.memory_format) -> Iterator[Tensor]:
    r"""Yields batches of a set in a new order every epoch, with images in [-1, 1]."""
    while True:
        for i in torch.randperm(len(y)).split(size)[:-1]:
            batch = y[i]
            if batch.dtype == torch.uint8:
                batch = (batch.float() / 127.5 - 1).contiguous(memory_format=memory_format)
            yield batch


def points(steps: int, updates: int) -> float:
    data = Ring()
    data.setup()
    networks = MLP(2, 2), MLP(2, 1, activation=nn.SiLU)
    batches = shuffled_batches(data.contents("train")[0], 128 * updates, torch.contiguous_format)
    kernel = partial(plummer, power=3.0, epsilon=0.2)
    return loop(networks, batches, steps, updates, kernel, z=2)


def images(steps: int, size: int, width: int, batch: int, fast: bool) -> float:
    data = EmbeddedDigits(size=size)
    data.setup()
    layout = torch.channels_last if fast else torch.contiguous_format
    networks = DCGANGenerator(32, 1, size, width), DCGANDiscriminator(1, size, width)
    networks = tuple(network.to(memory_format=layout) for network in networks)
    batches = shuffled_batches(data.contents("train")[0], batch, layout)
    return loop(networks, batches, steps, 1, plummer, z=32, scale=10.0, bf16=fast, fused=fast)


def compare(
    name: str, repeats: int, ours: Callable[[], float], theirs: Callable[[], float]
) -> None:
    r"""Prints the smallest times of two functions, called in turns, and their ratio."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(repeats):
        times["ours"].append(ours())
        times["theirs"].append(theirs())
    a, b = min(times["ours"]), min(times["theirs"])
    cells = [name, f"{a * 1e3:.2f}", f"{b * 1e3:.2f}", f"{a / b:.3f}"]
    print(markdown_row(cells), end="", flush=True)


def arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--steps", type=int, default=60, help="steps of images; points make 5 times as many"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=["points", "images", "plain"])
    return parser.parse_args()


if __name__ == "__main__":
    # `main` imports this file by name, and the stopwatch writes into that module.
    import benchmarks.step as module

    args = arguments()
    ring, digits = "configs/coulomb/ring.yaml", "configs/coulomb/digits.yaml"
    few, many = args.steps, 5 * args.steps
    one = ["--model.init_args.updates_per_step=1", "--data.init_args.batch_size=128"]
    pair = ("generator", "discriminator")
    small = ["--data.init_args.size=28"]
    small += [f"--model.init_args.{network}.init_args.size=28" for network in pair]
    wide = ["--data.init_args.batch_size=64"]
    wide += [f"--model.init_args.{network}.init_args.width=64" for network in pair]
    rows = {
        "points": [
            ("points, 10 updates", lambda: module.fit(ring, many), lambda: points(many, 10)),
            (
                "points, 1 update",
                lambda: module.fit(ring, 4 * many, *one),
                lambda: points(4 * many, 1),
            ),
        ],
        "images": [
            (
                "28 px, batch 128",
                lambda: module.fit(digits, few, *small),
                lambda: images(few, 28, 32, 128, fast=True),
            )
        ],
        "plain": [
            (
                "28 px, batch 128; plain loop",
                lambda: module.fit(digits, few, *small),
                lambda: images(few, 28, 32, 128, fast=False),
            ),
            (
                "32 px, batch 64, width 64; plain loop",
                lambda: module.fit(digits, few, *wide),
                lambda: images(few, 32, 64, 64, fast=False),
            ),
        ],
    }
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print(markdown_heading(HEADINGS), end="")
    for group, cases in rows.items():
        if args.only in (None, group):
            for name, ours, theirs in cases:
                compare(name, args.repeats, ours, theirs)
