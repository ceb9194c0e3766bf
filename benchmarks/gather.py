r"""The cost of sharing a minibatch among processes: gathered samples, and losses of all pairs.

::

    python -m benchmarks.gather steps
    python -m benchmarks.gather pairs

`steps` trains a Coulomb GAN on images of 32 pixels with 1, 2 and 4 processes and one global batch.
It prints the bytes of samples that a process receives in a step, counted and by the formula
:math:`2 (W - 1) / W \cdot B D \cdot 4`, the bytes of the gradients, and the median shares of a
step in which samples are gathered, and in which processes wait for the slowest one.

`pairs` computes the loss of an EIEG GAN's discriminator from features, forward and backward, as
the whole of all pairs in each process, and in rows. It prints the median CPU times of a process,
collective operations included, the bytes that the backward pass keeps, and the relative difference
of the gradients. CPU times depend little on what else runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from unittest import mock

import torch
import torch.distributed
import torch.multiprocessing
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.data.base import TensorDataModule
from energy_gans.functional.pair_rows import SharedPoints
from energy_gans.methods import EIEGGAN, CoulombGAN
from energy_gans.methods.bases.global_batch import GlobalBatchMixin
from energy_gans.networks import DCGANDiscriminator, DCGANGenerator

SIZE = 32


class Noise(TensorDataModule):
    r"""Images of noise, of which only the size matters."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, SIZE, SIZE)

    def load(self, split: str) -> tuple[Tensor, Tensor]:
        n = 4 * self.batch_size
        return torch.rand(n, *self.shape) * 2 - 1, torch.zeros(n, dtype=torch.long)


class Clock:
    r"""Times steps and what is gathered in them, and counts what is received."""

    def __init__(self) -> None:
        self.gather = GlobalBatchMixin.gather
        self.steps: list[float] = []
        self.waiting: list[float] = []
        self.moving: list[float] = []
        self.received = 0

    def timed_gather(self, model: CoulombGAN, x: Tensor) -> Tensor:
        if model.world_size == 1:
            return self.gather(model, x)
        start = time.perf_counter()
        torch.distributed.barrier()
        moved = time.perf_counter()
        every = self.gather(model, x)
        self.waiting.append(moved - start)
        self.moving.append(time.perf_counter() - moved)
        self.received += every.nbytes - x.nbytes
        return every

    def step(self, step: Callable[..., object], *args: object) -> object:
        start = time.perf_counter()
        result = step(*args)
        self.steps.append(time.perf_counter() - start)
        return result

    def row(self) -> list[float]:
        r"""Returns the median seconds of a step, and of what it waits and gathers, and bytes."""
        a_step = len(self.moving) / len(self.steps)
        parts = [a_step * statistics.median(part or [0.0]) for part in (self.waiting, self.moving)]
        return [statistics.median(self.steps), *parts, self.received / len(self.steps)]


def train(rank: int, world_size: int, batch: int, width: int, steps: int) -> list[float]:
    r"""Trains as one of several processes, and returns a row of numbers for a step."""
    seed_everything(0, verbose=False)
    model = CoulombGAN(
        generator=DCGANGenerator(32, 1, SIZE, width),
        discriminator=DCGANDiscriminator(1, SIZE, width),
        latent_dim=32,
    )
    clock, update = Clock(), CoulombGAN.training_step
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    strategy = "ddp_find_unused_parameters_true" if world_size > 1 else "auto"
    trainer = Trainer(
        max_steps=steps,
        limit_val_batches=0,
        accelerator="cpu",
        devices=world_size,
        strategy=strategy,
        enable_model_summary=False,
        **options,
    )
    with (
        mock.patch.object(CoulombGAN, "training_step", lambda *args: clock.step(update, *args)),
        mock.patch.object(CoulombGAN, "gather", lambda *args: clock.timed_gather(*args)),
    ):
        trainer.fit(model, Noise(batch_size=batch))
    return [*clock.row(), 4 * sum(p.numel() for p in model.parameters())]


def eieg(rank: int, world_size: int) -> EIEGGAN:
    r"""Returns an EIEG GAN whose discriminator maps features to themselves."""
    gan = EIEGGAN(
        generator=torch.nn.Identity(), discriminator=torch.nn.Identity(), latent_dim=1, power=3.0
    )
    gan._trainer = SimpleNamespace(world_size=world_size, global_rank=rank)
    return gan


def whole_loss(gan: EIEGGAN, u: Tensor, v: Tensor) -> Tensor:
    r"""Returns the loss of all pairs, which this process computes as a whole."""
    u, v = gan.gather_attached(u), gan.gather_attached(v)
    pairs, _ = gan.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
    with mock.patch.object(GlobalBatchMixin, "largest", lambda self, x: x):
        return gan.separating_loss(u.shape[1], *pairs)


def row_loss(gan: EIEGGAN, u: Tensor, v: Tensor) -> Tensor:
    r"""Returns the loss of the pairs in this process's rows."""
    pairs, _ = gan.pair_distances(gan.gather_columns(u), gan.gather_columns(v))
    return gan.separating_loss(u.shape[1], *pairs)


def kept_bytes(loss: Callable[[], Tensor]) -> int:
    r"""Returns the bytes of all tensors that the graph of a loss keeps."""
    kept: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return x

    with saved_tensors_hooks(pack, lambda x: x):
        value = loss()
    del value
    return sum(kept.values())


def compare_pairs(rank: int, world_size: int, batch: int, dim: int, repeats: int) -> list[float]:
    r"""Returns times, bytes and the difference of gradients of both ways to compute a loss."""
    gan = eieg(rank, world_size)
    random = torch.Generator().manual_seed(0)
    every = torch.randn(2, batch, dim, generator=random)
    own = every.unflatten(1, (world_size, -1))[:, rank].clone().requires_grad_()
    ways = [partial(way, gan, *own) for way in (whole_loss, row_loss)]
    found: list[list[float]] = [[], []]
    gradients = []
    for i in range(repeats + 1):
        for seconds, way in zip(found, ways, strict=True):
            torch.distributed.barrier()
            start = time.process_time()
            (gradient,) = torch.autograd.grad(way(), own)
            seconds += [time.process_time() - start] if i else []
            gradients = [*gradients[-1:], gradient]
    off = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    return [*map(statistics.median, found), *map(kept_bytes, ways), off.item()]


def run_process(
    rank: int, world_size: int, port: int, task: Callable[..., list[float]], queue: object
) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(world_size)}
    if task.func is compare_pairs:
        torch.distributed.init_process_group("gloo", rank=rank, world_size=world_size)
    numbers = task(rank, world_size)
    if rank == 0:
        queue.put(numbers)


def in_processes(world_size: int, port: int, task: Callable[..., list[float]]) -> list[float]:
    r"""Runs a function in several processes, and returns what the first one measured."""
    queue = torch.multiprocessing.get_context("spawn").SimpleQueue()
    torch.multiprocessing.spawn(run_process, (world_size, port, task, queue), world_size)
    return queue.get()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["steps", "pairs"])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--batches", type=int, nargs="+")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--port", type=int, default=29533)
    args = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}\n")
    (print_steps if args.what == "steps" else print_pairs)(args)


def print_steps(args: argparse.Namespace) -> None:
    headings = ("B", "W", "ms/step", "received, MB/step", "formula, MB", "gradients, MB")
    print(markdown_heading([*headings, "gathering", "waiting"]), end="")
    for batch in args.batches or [128, 512]:
        for n in args.processes:
            task = partial(train, batch=batch, width=args.width, steps=args.repeats)
            step, waiting, moving, received, gradients = in_processes(n, args.port, task)
            formula = 2 * (n - 1) / n * batch * SIZE**2 * 4
            sizes = [f"{x / 1e6:.3f}" for x in (received, formula, gradients)]
            shares = [f"{100 * x / step:.1f}%" for x in (moving, waiting)]
            print(
                markdown_row([batch, n, f"{1000 * step:.1f}", *sizes, *shares]), end="", flush=True
            )


def print_pairs(args: argparse.Namespace) -> None:
    headings = (
        "B",
        "W",
        "whole, CPU ms",
        "rows, CPU ms",
        "ratio",
        "whole, MB",
        "rows, MB",
        "ratio",
        "off by",
    )
    print(markdown_heading(headings), end="")
    for batch in args.batches or [64, 256, 1024, 2048]:
        for n in args.processes:
            task = partial(compare_pairs, batch=batch, dim=args.dim, repeats=args.repeats)
            whole, rows, whole_bytes, row_bytes, off = in_processes(n, args.port, task)
            times = [f"{1000 * whole:.2f}", f"{1000 * rows:.2f}", f"{rows / whole:.2f}"]
            sizes = [f"{whole_bytes / 1e6:.2f}", f"{row_bytes / 1e6:.2f}"]
            ratio = f"{row_bytes / whole_bytes:.2f}"
            print(
                markdown_row([batch, n, *times, *sizes, ratio, f"{off:.0e}"]), end="", flush=True
            )


if __name__ == "__main__":
    main()
