r"""Tests for the energy_gans.methods.bases.global_batch module: losses of pairs in rows."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed
from torch import Tensor

from energy_gans.methods import EIEGGAN
from energy_gans.methods.baselines import MMDGAN
from energy_gans.methods.bases.feature_gan import FeatureGAN

from ...processes import free_port, start
from ..harness import model

ELASTIC = partial(model, EIEGGAN, out=3)
GAUSSIAN = partial(model, MMDGAN, out=3)
CASES = {
    "elastic": partial(ELASTIC),
    "unstabilized": partial(ELASTIC, stabilizer=0.0, softening="plummer"),
    "real": partial(ELASTIC, stabilizer_scope="real", normalize=True),
    "repulsive": partial(ELASTIC, objective="repulsive"),
    "penalized": partial(ELASTIC, stabilizer=0.0, normalize=True, gradient_penalty=0.5),
    "gaussian": partial(GAUSSIAN, normalize=True, objective="repulsive"),
    "gaussian penalized": partial(GAUSSIAN, gradient_penalty=0.5),
}


def gradients(
    gan: FeatureGAN, x: Tensor, y: Tensor, rank: int = 0, world_size: int = 1
) -> dict[str, Tensor]:
    r"""Returns a process's losses and their gradients by all parameters."""
    gan._trainer = SimpleNamespace(world_size=world_size, global_rank=rank)
    gan.random.manual_seed(0)
    x, y = x[rank::world_size], y[rank::world_size]
    found = {}
    losses = {"d": lambda: gan.discriminator_losses(x, y), "g": lambda: gan.generator_losses(y)}
    for name, loss in losses.items():
        gan.zero_grad()
        (value,) = loss()
        value.backward()
        gradient = [p.grad.flatten() for p in gan.parameters() if p.grad is not None]
        found[name] = torch.cat([value.detach()[None], *gradient])
    found["noted"] = torch.stack(list(gan.noted.values()) or [torch.zeros(())])
    return found


def batch() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    x, y = torch.randn(2, 24, 2, generator=random)
    # Some points coincide, in different processes.
    x[3] = x[0]
    return x, y + 0.5


def run_process(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", address, rank=rank, world_size=2)
    found = {name: gradients(make(), *batch(), rank, 2) for name, make in CASES.items()}
    torch.save(found, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_rows_of_two_processes_are_the_losses_and_gradients_of_one(tmp_path: Path) -> None:
    port = free_port()
    children = [start(run_process, r, port, tmp_path) for r in range(2)]
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, make in CASES.items():
        for part, expected in gradients(make(), *batch()).items():
            # DDP takes this mean of the gradients.
            mean = torch.stack([found[name][part] for found in parts]).mean(0)
            scale = expected.norm()
            assert (mean - expected).norm() <= 1e-5 * scale, (name, part)


def test_a_method_without_a_trainer_is_trained_by_one_process() -> None:
    gan = model(EIEGGAN, out=3)
    assert gan.world_size == 1
    x = torch.randn(4, 2, requires_grad=True)
    points = gan.gather_columns(x)
    assert points.alone and points.every is x
