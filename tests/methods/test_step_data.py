r"""Tests for the samples of a step: their order and flips are functions of (seed, step)."""

from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch import Tensor

from energy_gans.cli import main
from energy_gans.data import EmbeddedDigits
from energy_gans.methods import CoulombGAN

from ..processes import free_port, start
from .test_batch_contract import train_as
from .test_contracts import Arguments

FLIPPED = ["--data.init_args.flip=true", "--data.init_args.limit=200", "--data.init_args.repeat=2"]


def read(
    args: list[str], path: Path, rank: int = 0, world_size: int = 1, port: int | None = None
) -> None:
    r"""Trains, possibly as one of several processes, and saves the batches of all steps."""
    batches: dict[int, list[Tensor]] = {}
    step = CoulombGAN.training_step

    def remember(self: CoulombGAN, batch: list[Tensor], batch_idx: int) -> object:
        batches[self.global_step] = [part.clone() for part in batch]
        return step(self, batch, batch_idx)

    with mock.patch.object(CoulombGAN, "training_step", remember):
        if port is None:
            main(args)
        else:
            train_as(rank, world_size, port, args, f"{path}.gradients")
    torch.save(batches, path)


def batch_of(step: int) -> tuple[Tensor, Tensor]:
    r"""Returns the batch of a step of the tiny run with flips, by its seed and its number."""
    data = EmbeddedDigits("8x8", size=8, batch_size=160, limit=200, repeat=2, flip=True)
    data.seed = 3
    data.trainer = SimpleNamespace(global_rank=0, world_size=1, global_step=step, training=True)
    return data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)


def assert_read(batches: dict[int, list[Tensor]], steps: range) -> None:
    assert sorted(batches) == list(steps)
    for number, batch in batches.items():
        assert all(torch.equal(a, b) for a, b in zip(batch, batch_of(number), strict=True))


@pytest.mark.parametrize("updates", [1, 2])
def test_a_step_reads_and_flips_what_its_number_says(
    tiny: Arguments, tmp_path: Path, updates: int
) -> None:
    more = [*FLIPPED, f"--model.init_args.updates_per_step={updates}"]
    read(tiny("--trainer.max_steps=7", *more), tmp_path / "first.pt")
    read(tiny("--trainer.max_steps=10", "--ckpt_path=last", *more), tmp_path / "rest.pt")
    assert_read(torch.load(tmp_path / "first.pt"), range(7))
    assert_read(torch.load(tmp_path / "rest.pt"), range(7, 10))


def test_two_processes_read_and_flip_what_one_does(tiny: Arguments, tmp_path: Path) -> None:
    args = tiny(
        *("--trainer.max_steps=4", "--trainer.devices=2", *FLIPPED),
        "--trainer.strategy=ddp_find_unused_parameters_true",
    )
    paths, port = [tmp_path / "0.pt", tmp_path / "1.pt"], free_port()
    processes = [start(read, args, path, rank, 2, port) for rank, path in enumerate(paths)]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    shares = [torch.load(path) for path in paths]
    whole = {
        number: [torch.stack(parts, 1).flatten(0, 1) for parts in zip(*batches, strict=True)]
        for number, *batches in zip(shares[0], *(share.values() for share in shares), strict=True)
    }
    assert_read(whole, range(4))
