r"""The CPU time of a training step with and without memory that the process keeps.

::

    OMP_NUM_THREADS=1 python -m benchmarks.allocator

runs `energy-gans fit` on each config in processes of their own, in turns with and without
:func:`energy_gans.allocator.keep_freed_memory`, and prints means: CPU time, page faults of a step,
and the peak of memory. How often glibc gives memory back depends on where the last blocks happen
to lie, so runs differ. Images are read from `data/`,
and the classifier of `fields/fashion_mnist` from `fashion_mnist.pt`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from lightning.pytorch import Callback, LightningModule, Trainer

from energy_gans.cli import main
from energy_gans.commands.outputs import markdown_heading, markdown_row

CONFIGS = ("fields/fashion_mnist", "coulomb/fashion_mnist", "eieg/fashion_mnist")
HEADINGS = ("config", "kept, ms", "given back, ms", "ratio", "faults", "MB")
WARM_UP = 5
found: list[dict[str, float]] = []


class Meter(Callback):
    r"""Measures CPU time and page faults of a step after the first few."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        if trainer.global_step == WARM_UP:
            self.start, self.faults = time.process_time(), usage.ru_minflt
        elif trainer.global_step == trainer.max_steps:
            n = trainer.max_steps - WARM_UP
            found.append(
                {
                    "ms": (time.process_time() - self.start) / n * 1e3,
                    "faults": (usage.ru_minflt - self.faults) / n,
                    "mb": usage.ru_maxrss / 1e3,
                }
            )


def measure(config: str, steps: int) -> dict[str, float]:
    r"""Trains a config on the command line and returns what a step costs."""
    options = ["trainer.limit_val_batches", "0", "trainer.accelerator", "cpu"]
    options += ["trainer.precision", "32-true", "trainer.max_steps", str(steps)]
    with tempfile.TemporaryDirectory() as folder:
        options += ["trainer.logger.save_dir", folder]
        options += ["trainer.callbacks+", "benchmarks.allocator.Meter"]
        flags = [f"--{word}" if i % 2 == 0 else word for i, word in enumerate(options)]
        with contextlib.redirect_stdout(sys.stderr):
            main(["fit", "--config", config, *flags])
    return found.pop()


def run(config: str, steps: int, kept: bool) -> dict[str, float]:
    r"""Returns what a step costs in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.allocator", "--steps", str(steps)]
    # A setting of the user leaves all others as they are; this one is the default.
    own = {} if kept else {"GLIBC_TUNABLES": "glibc.malloc.perturb=0"}
    done = subprocess.run(
        [*command, "--measure", config],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **own},
    )
    return json.loads(done.stdout.splitlines()[-1])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=35)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--only", help="one config")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(config: str, steps: int, repeats: int) -> None:
    r"""Prints a row of the table."""
    pairs = [(run(config, steps, True), run(config, steps, False)) for _ in range(repeats)]
    kept, given_back = (
        {name: statistics.mean(turn[name] for turn in turns) for name in turns[0]}
        for turns in zip(*pairs, strict=True)
    )
    cells = [f"`{config}`", f"{kept['ms']:.1f}", f"{given_back['ms']:.1f}"]
    cells.append(f"{kept['ms'] / given_back['ms']:.3f}")
    cells += [f"{kept[k]:,.0f}, {given_back[k]:,.0f}" for k in ("faults", "mb")]
    print(markdown_row(cells), end="", flush=True)


if __name__ == "__main__":
    # The trainer imports this file by name, and the meter writes into that module.
    import benchmarks.allocator as module

    args = arguments()
    if args.measure:
        print(json.dumps(module.measure(args.measure, args.steps)))
    else:
        print(markdown_heading(HEADINGS), end="")
        for one in [args.only] if args.only else CONFIGS:
            compare(one, args.steps, args.repeats)
