r"""The papers' large configs on one GPU: time, speed and memory of a step, for `benchmarks.gpu`.

Images are random, so that nothing is downloaded.
"""

from __future__ import annotations

import gc
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from energy_gans.cli import main as energy_gans
from energy_gans.commands.outputs import markdown_row
from energy_gans.data import ImageDataModule
from energy_gans.data.base import Samples

ROOT = Path(__file__).parents[1]
WARM_UP, STEPS, CHECKED = 10, 200, 10
# In the order in which they run: the slowest one takes the time that the others leave. Networks
# and batch of coulomb/celeba are those of coulomb/lsun.
CONFIGS = (
    *("coulomb/lsun", "eieg/celeba", "gcn/lsun", "ggcn/celeba"),
    *("multigrid/celeba", "inpainting/celeba", "vapo/cifar10"),
)
PRECISIONS = ("fp32", "TF32", "bf16", "compiled")
COMPILED = ("gcn", "ggcn", "multigrid", "inpainting", "vapo")
measured: list[tuple[int, float]] = []


class RandomImages(ImageDataModule):
    r"""Random images in memory, in place of a set that has to be downloaded.

    Arguments:
        size: The width and height of the images, in pixels.
        n: The number of images.
        kwargs: The arguments of :class:`ImageDataModule`.
    """

    def __init__(self, size: int, n: int = 4096, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.n = size, n

    @property
    def shape(self) -> tuple[int, ...]:
        return 3, self.size, self.size

    def load(self, split: str) -> Samples:
        random = torch.Generator().manual_seed(len(split))
        y = torch.randint(256, (self.n, *self.shape), generator=random, dtype=torch.uint8)
        return y, torch.arange(self.n) % 10


class Stopwatch(Callback):
    r"""Measures the mean time of a step after the first few, and stops at the end of its time.

    Arguments:
        seconds: The time that a run may take.
    """

    def __init__(self, seconds: float) -> None:
        self.end = time.perf_counter() + seconds
        self.started: float | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        step = trainer.global_step
        warm_up = min(WARM_UP, trainer.max_steps // 2)
        if step != warm_up and step % CHECKED and step != trainer.max_steps:
            return
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if step == warm_up:
            self.started = now
        elif step > warm_up and (step == trainer.max_steps or now > self.end):
            measured.append((step, (now - self.started) / (step - warm_up)))
            trainer.should_stop = True


@dataclass(frozen=True)
class Row:
    r"""A row of the table: what was measured, or why nothing was."""

    config: str
    precision: str
    batch: int
    steps: int = 0
    seconds: float = 0.0
    memory: float = 0.0
    reason: str = ""

    def cells(self) -> list[str]:
        r"""Returns the cells of the row."""
        named = [self.config, self.precision, str(self.batch)]
        if self.reason:
            return [*named, self.reason, "", "", ""]
        rate = self.batch / self.seconds
        numbers = f"{self.seconds * 1e3:.1f}", f"{rate:.1f}", f"{self.memory:.2f}"
        return [*named, str(self.steps), *numbers]


def overlay(config: dict[str, Any], precision: str, steps: int, seconds: float) -> dict[str, Any]:
    r"""Returns what replaces a config's data and trainer, so that it runs without any files."""
    found = config["data"]["init_args"]
    kept = {k: found[k] for k in ("size", "batch_size", "flip") if k in found}
    # All of a few random images are read, however many images of its set a config reads.
    kept |= {"n": max(4096, found["batch_size"]), "limit": None}
    averages = [c for c in config["trainer"]["callbacks"] if c["class_path"].endswith("EMA")]
    own = "benchmarks.gpu_configs."
    stopwatch = {"class_path": own + "Stopwatch", "init_args": {"seconds": seconds}}
    trainer = {
        "max_steps": steps,
        "devices": 1,
        "precision": "bf16-mixed" if precision == "bf16" else "32-true",
        "limit_val_batches": 0,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "callbacks": [*averages, stopwatch],
    }
    model = {"init_args": {"compile_gradient": True}} if precision == "compiled" else {}
    data = {"class_path": own + "RandomImages", "init_args": kept}
    return {"data": data, "trainer": trainer} | ({"model": model} if model else {})


def run(
    config: str, precision: str, steps: int, seconds: float, accelerator: str, more: Sequence[str]
) -> Row:
    r"""Trains a config and returns its row of the table.

    Arguments:
        config: The name of the config.
        precision: One of `PRECISIONS`.
        steps: The number of steps.
        seconds: The time after which the run stops early.
        accelerator: The trainer's accelerator.
        more: More arguments of `energy-gans fit`.
    """
    path = ROOT / f"configs/{config}.yaml"
    settings = yaml.safe_load(path.read_text())
    change = overlay(settings, precision, steps, seconds)
    batch = settings["data"]["init_args"]["batch_size"]
    given = [a.split("=")[1] for a in more if a.startswith("--data.init_args.batch_size=")]
    row = {"config": config, "precision": precision, "batch": int(given[-1]) if given else batch}
    on_gpu = accelerator == "gpu"
    measured.clear()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "overlay.yaml"
        file.write_text(yaml.safe_dump(change))
        where = [f"--trainer.accelerator={accelerator}", "--trainer.logger.save_dir", folder]
        try:
            with tf32(precision in ("TF32", "compiled")), bounded(seconds + 5):
                energy_gans(["fit", "--config", str(path), "--config", str(file), *where, *more])
        except (SystemExit, Exception) as error:
            if not measured:
                return Row(**row, reason=f"failed: {' '.join(str(error).split())[:120]}")
        finally:
            gc.collect()
    memory = torch.cuda.max_memory_allocated() / 1e9 if on_gpu else 0.0
    return Row(**row, steps=measured[-1][0], seconds=measured[-1][1], memory=memory)


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    r"""Raises a `TimeoutError` if its block takes longer, for example to compile a network."""

    def stop(*args: object) -> None:
        raise TimeoutError(f"too few steps in {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    r"""Allows or forbids TF32 in matrix products and convolutions within its block."""
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = allowed
    try:
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value


def cases(configs: Sequence[str] = CONFIGS) -> list[tuple[str, str]]:
    r"""Returns the configs with the precisions they run in; what is compiled comes last."""
    every = [
        (config, precision)
        for config in configs
        for precision in PRECISIONS
        if precision != "compiled" or config.split("/")[0] in COMPILED
    ]
    return sorted(every, key=lambda case: (case[1] == "compiled", configs.index(case[0])))


def measure(
    seconds: float,
    steps: int = STEPS,
    accelerator: str = "gpu",
    configs: Sequence[str] = CONFIGS,
    more: Sequence[str] = (),
) -> list[Row]:
    r"""Returns the rows of the table. Each run has an equal share of the time that is left."""
    end, rows = time.perf_counter() + seconds, []
    todo = cases(configs)
    for i, (config, precision) in enumerate(todo):
        share = (end - time.perf_counter()) / (len(todo) - i)
        if share <= 0:
            row = Row(config, precision, 0, reason="no time was left")
        else:
            row = run(config, precision, steps, share, accelerator, more)
        rows.append(row)
        print(markdown_row(row.cells()), end="", flush=True)
    return sorted(rows, key=lambda row: configs.index(row.config))
