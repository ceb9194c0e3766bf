r"""Tests for the batch contract: the number of processes changes a run by rounding only."""

import csv
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor

from energy_gans.cli import main
from energy_gans.methods import GenerativeModule
from energy_gans.methods.bases.stepped import SteppedModule

from ..processes import free_port, start
from .test_contracts import IMAGES, TEXT, Arguments, last, of, other_methods


def trained(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    r"""Returns the parameters that an optimizer's step updates."""
    return [p for g in optimizer.param_groups for p in g["params"] if p.grad is not None]


def train_as(
    rank: int, world_size: int, port: int, args: list[str], gradients: str, queue: object = None
) -> None:
    r"""Trains as one of several processes. The first saves the gradients of its first step."""
    torch.set_num_threads(1)
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(world_size),
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
    }
    found: list[Tensor] = []

    def look(self: SteppedModule, optimizer: torch.optim.Optimizer) -> None:
        if self.global_step == 0 and rank == 0:
            found.extend(p.grad.clone() for p in trained(optimizer))
            torch.save(found, gradients)

    with mock.patch.object(SteppedModule, "on_before_optimizer_step", look):
        main(args)


def assert_close(one: list[Tensor], two: list[Tensor], rtol: float = 1e-5) -> None:
    r"""Asserts that tensors are equal up to rounding, their own or, where they should be zero and
    are nothing but rounding, that of the largest."""
    largest = max(a.double().norm() for a in one)
    for a, b in zip(one, two, strict=True):
        a, b = a.double(), b.double()
        assert (a - b).norm() <= rtol * (a.norm() + 0.01 * largest)


def measured(folder: Path) -> dict[str, float]:
    r"""Returns the last measures of a validation, and the last losses, that a run logged."""
    with (folder / "version_0" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    logged = [(k, v) for row in rows for k, v in row.items() if v]
    return {k: float(v) for k, v in logged if k.startswith(("val/", "train/loss"))}


def assert_processes_do_not_matter(
    arguments: Callable[..., list[str]], folder: Path, rtol: float = 1e-5
) -> dict[str, Tensor]:
    r"""Asserts that two processes give the same run as one. Returns the weights of the one."""
    names = {1: "1_processes", 2: "2_processes"}
    for world_size, name in names.items():
        args = arguments(f"--trainer.devices={world_size}", points=True, name=name)
        run_as(world_size, args, folder / f"{name}.pt")
    one, two = (torch.load(folder / f"{name}.pt") for name in names.values())
    assert_close(one, two, rtol)
    one, two = (measured(folder / name) for name in names.values())
    assert one and two == pytest.approx(one, rel=1e-3, abs=1e-6)
    one, two = (last(folder / name)["state_dict"] for name in names.values())
    assert_close([one[name] for name in one], [two[name] for name in one], rtol)
    return one


SHORT = ["--trainer.max_steps=8", "--data.init_args.batch_size=64"]

# The methods whose loss, or whose chains, take a minibatch as a whole.
WHOLE = (
    "baselines.MMDGAN",
    "EIEGGAN",
    "EIEGGenerator",
    "FieldGenerator",
    "GGCN",
    "InpaintingGGCN",
    "NGramGenerator",
)


def uneven(method: str) -> list[str]:
    r"""Returns the arguments of ten steps, in float64, of two updates with minibatches in three
    parts, of which each of two processes has an odd number of samples where there are two steps
    of the discriminator."""
    accumulate = 1 if method in WHOLE else 3
    options = {
        "trainer.precision": "64-true",
        "trainer.max_steps": 10,
        "data.init_args.batch_size": 168 if accumulate == 3 else 56,
        "model.init_args.updates_per_step": 2,
        "model.init_args.accumulate": accumulate,
    }
    if method in ("GCN", "GGCN"):
        options["model.init_args.buffer_size"] = 168
    return [f"--{name}={value}" for name, value in options.items()]


@pytest.mark.parametrize(
    "options, rtol",
    [
        (SHORT, 1e-5),
        (uneven("CoulombGAN"), 1e-10),
        ([*TEXT, "--trainer.max_steps=8", "--trainer.precision=64-true"], 1e-10),
    ],
    ids=["float32", "float64", "text"],
)
def test_two_processes_with_half_the_batch_are_one_with_the_whole(
    tiny: Arguments, tmp_path: Path, options: list[str], rtol: float
) -> None:
    assert_processes_do_not_matter(partial(tiny, *options), tmp_path, rtol)


def test_two_processes_that_are_resumed_are_one_that_ran_through(
    tiny: Arguments, tmp_path: Path
) -> None:
    options = [*SHORT, "--trainer.val_check_interval=3"]
    main(tiny(*options, points=True, name="one"))
    for more in (["--trainer.max_steps=5"], ["--ckpt_path=last"]):
        args = tiny(*options, "--trainer.devices=2", *more, points=True, name="two")
        run_as(2, args, tmp_path / "two.pt")
    one, two = (last(tmp_path / name)["state_dict"] for name in ("one", "two"))
    assert_close([one[name] for name in one], [two[name] for name in one])
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["version_0"]
    rows: list[list[str]] = []
    for name in ("one", "two"):
        with (tmp_path / name / "version_0/metrics.csv").open() as file:
            rows.append([(row["epoch"], row["step"]) for row in csv.DictReader(file)])
    assert rows[0] == rows[1]


@other_methods
def test_two_processes_of_another_method_are_one(
    tiny: Arguments, tmp_path: Path, method: str
) -> None:
    weights = assert_processes_do_not_matter(
        partial(tiny, *of(method), *uneven(method)), tmp_path, 1e-10
    )
    # At its bound, BEGAN's balance would not depend on the processes.
    assert 0 < weights.get("k", 0.5) < 1


COVERAGE = "--trainer.callbacks+=energy_gans.callbacks.MixtureCoverage"


RESPONSE = [
    "--trainer.callbacks+=energy_gans.callbacks.ResponseCurve",
    "--trainer.callbacks.filters=descriptor.features.0",
]


@pytest.mark.parametrize(
    "world_size, options, names",
    [
        # 1,703 held-out points are four batches, which three processes can not share evenly.
        (
            3,
            ["--data.init_args.samples=1703", COVERAGE],
            {
                "val/energy",
                "val/energy_distance",
                "val/modes",
                "val/share",
                "val/kl",
                "val/spread",
            },
        ),
        (
            2,
            ["--data.init_args.samples=1703", "--trainer.limit_val_batches=0.8", *of("VAPO")],
            {"val/energy_distance"},
        ),
        # One batch of images, of which a second process gets none.
        (2, [*IMAGES, *of("InpaintingGGCN"), *RESPONSE], {"val/energy_distance", "val/response"}),
    ],
    ids=["points", "flow", "images"],
)
def test_what_a_validation_measures_does_not_depend_on_the_number_of_processes(
    tiny: Arguments, tmp_path: Path, world_size: int, options: list[str], names: set[str]
) -> None:
    main(tiny("--trainer.max_steps=2", "--trainer.limit_val_batches=0", *options, points=True))
    last = ["--ckpt_path", str(tmp_path / "tiny/version_0/checkpoints/last.ckpt")]
    main(["validate", *tiny(*options, points=True, name="one")[1:], *last])
    devices = f"--trainer.devices={world_size}"
    args = ["validate", *tiny(*options, devices, points=True, name="several")[1:], *last]
    run_as(world_size, args, tmp_path / "none.pt")
    one, several = (measured(tmp_path / name) for name in ("one", "several"))
    assert one.keys() == names
    assert several == pytest.approx(one, rel=1e-6)


@other_methods
def test_no_gradient_is_nothing_but_rounding(tiny: Arguments, method: str) -> None:
    largest: dict[Tensor, float] = {}

    def look(self: SteppedModule, optimizer: torch.optim.Optimizer) -> None:
        for p in trained(optimizer):
            largest[p] = max(largest.get(p, 0.0), p.grad.abs().max().item())

    step = GenerativeModule.training_step

    def double(self: GenerativeModule, batch: list, batch_idx: int) -> dict[str, Tensor]:
        y, label = batch
        return step(self, (y.double(), label), batch_idx)

    with (
        mock.patch.object(SteppedModule, "on_before_optimizer_step", look),
        mock.patch.object(GenerativeModule, "training_step", double),
    ):
        args = ["--trainer.precision=64-true", "--trainer.limit_val_batches=0", *of(method)]
        main(tiny("--trainer.max_steps=3", *args, points=True))
    # In float64, rounding errors are below 1e-15 of the terms that cancel.
    assert min(largest.values()) > 1e-9 * max(largest.values())


def run_as(world_size: int, args: list[str], gradients: Path) -> None:
    r"""Runs a training command as several processes, all of which have to succeed."""
    port = free_port()
    processes = [
        start(train_as, rank, world_size, port, args, str(gradients)) for rank in range(world_size)
    ]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * world_size
