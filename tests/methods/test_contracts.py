r"""Tests for the three contracts of a training step: steps, randomness, batches."""

import csv
import multiprocessing
import os
import random
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch import Tensor

from energy_gans.callbacks import EMA, Checkpoints
from energy_gans.cli import main
from energy_gans.data import EmbeddedDigits
from energy_gans.methods import CoulombGAN, GenerativeModule
from energy_gans.methods.bases.stepped import SteppedModule

Arguments = Callable[..., list[str]]
context = multiprocessing.get_context("forkserver")

DESCRIPTOR = {
    "descriptor": "energy_gans.networks.MLP",
    "descriptor.in_features": 2,
    "descriptor.out_features": 1,
    "descriptor.hidden_features": [16],
    "shape": [2],
    "chains": {"steps": 5, "step_size": 0.2, "reference_std": 1.0},
}

# Methods that keep the contracts as the Coulomb GAN does, on points but for two: class and options.
# A line more is a method more.
METHODS = {
    "baselines.GAN": {},
    "baselines.WGAN": {"clip": 0.3, "discriminator_steps": 2},
    "baselines.WGANGP": {"discriminator_steps": 2},
    "baselines.BEGAN": {
        "gamma": 1.0,
        "lambda_k": 0.1,
        "discriminator.out_features": 2,
        "generator.hidden_features": [],
    },
    "baselines.MMDGAN": {"discriminator.out_features": 3},
    "EIEGGAN": {"discriminator.out_features": 3},
    "EIEGGenerator": {},
    "GGCN": DESCRIPTOR
    | {
        "gamma": 0.2,
        "buffer_size": 64,
        "restart": 0.2,
        "discriminator_steps": 2,
        "start": "persistent",
    },
    "GCN": DESCRIPTOR | {"gamma": 0.5, "buffer_size": 128, "restart": 0.2},
    "VAPO": {
        "descriptor": "energy_gans.networks.FourierMLP",
        "descriptor.hidden_features": [16],
        "descriptor.frequencies": 4,
        "shape": [2],
        "estimator": "e1",
        "spectral_gap": 0.1,
        "sigma": 0.3,
        "flow": {"solver": "euler", "steps": 3},
    },
    "InpaintingGGCN": {
        "descriptor": "energy_gans.networks.ConvDescriptor",
        "descriptor.channels": 1,
        "descriptor.size": 8,
        "descriptor.widths": [4],
        "descriptor.kernels": [3],
        "descriptor.strides": [2],
        "generator": "energy_gans.networks.ResNetAutoencoder",
        "generator.channels": 1,
        "generator.size": 8,
        "generator.width": 4,
        "shape": [1, 8, 8],
        "chains": {"step_size": 0.2, "bound": 1.0},
        "gamma": 0.2,
        "discriminator_steps": 2,
    },
    "MultigridGCN": {
        "descriptor": "energy_gans.networks.MultigridDescriptors",
        "descriptor.channels": 1,
        "descriptor.grids": [1, 4, 8],
        "descriptor.width": 4,
        "shape": [1, 8, 8],
        "chains": {"steps": 3, "step_size": 0.2, "reference_std": 1.0},
        "gamma": 0.2,
        # In so small a network some units are on one side of their kink for all samples; then their
        # biases, too, add a constant to the potential, and Adam would blow up their rounding.
        "descriptor_optimizer.eps": 0.01,
    },
}
IMAGES = [
    "--data=energy_gans.data.EmbeddedDigits",
    "--data.init_args.digits=8x8",
    "--data.init_args.size=8",
    "--data.init_args.batch_size=64",
]
other_methods = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module", autouse=True)
def preloaded() -> None:
    context.set_forkserver_preload(["energy_gans.commands.fit.training"])


def spawn(function: Callable, *args: object) -> int:
    r"""Returns the exit code of a function in a process of its own."""
    process = context.Process(target=function, args=args)
    process.start()
    process.join(120)
    return process.exitcode


def of(method: str) -> list[str]:
    r"""Returns the arguments that train a method of `METHODS` in place of the Coulomb GAN."""
    options = [f"--model.init_args.{key}={value}" for key, value in METHODS[method].items()]
    # The last of the callbacks is Checkpoints.
    monitor = "--trainer.callbacks.init_args.monitor=val/energy_distance"
    data = IMAGES if method in ("InpaintingGGCN", "MultigridGCN") else []
    return [f"--model=energy_gans.methods.{method}", *options, monitor, *data]


def train(args: list[str], fatal_step: int | None = None) -> None:
    r"""Trains, and dies by SIGKILL amidst a step: one network has moved, another not."""
    torch.set_num_threads(1)
    descend = SteppedModule.descend

    def die(self: SteppedModule, *args: object) -> Tensor:
        loss = descend(self, *args)
        if self.global_step == fatal_step:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    with mock.patch.object(SteppedModule, "descend", die):
        main(args)


def last(folder: Path) -> dict:
    r"""Returns the contents of the newest last checkpoint in a folder of runs."""
    paths = sorted(folder.glob("version_*/checkpoints/last.ckpt"), key=os.path.getmtime)
    return torch.load(paths[-1], weights_only=True)


def assert_same(a: object, b: object) -> None:
    r"""Asserts that nested containers of tensors are equal, bit for bit."""
    if isinstance(a, Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for u, v in zip(a, b, strict=True):
            assert_same(u, v)
    else:
        assert a == b


# The step contract


@pytest.mark.parametrize("steps_of_discriminator, updates", [(1, 1), (3, 1), (2, 2)])
def test_everything_counts_the_same_steps(
    tiny: Arguments, tmp_path: Path, steps_of_discriminator: int, updates: int
) -> None:
    seen: list[int] = []
    saved: list[int] = []
    make_step, save_last = EMA.on_train_batch_end, Checkpoints.save_last

    def watch(self: EMA, trainer: object, *args: object) -> None:
        seen.append(trainer.global_step)
        make_step(self, trainer, *args)

    def watch_saving(self: Checkpoints, trainer: object) -> None:
        saved.append(trainer.global_step)
        save_last(self, trainer)

    with (
        mock.patch.object(EMA, "on_train_batch_end", watch),
        mock.patch.object(Checkpoints, "save_last", watch_saving),
    ):
        main(
            tiny(
                "--trainer.max_steps=12",
                "--data.init_args.batch_size=48",
                f"--model.init_args.discriminator_steps={steps_of_discriminator}",
                f"--model.init_args.updates_per_step={updates}",
                points=True,
            )
        )
    assert seen == list(range(1, 13))
    assert saved == [3, 6, 9, 12]
    checkpoint = last(tmp_path / "tiny")
    assert checkpoint["global_step"] == 12
    assert checkpoint["state_dict"]["averaged.n_averaged"] == 12
    assert checkpoint["lr_schedulers"][0]["last_epoch"] == 12
    for optimizer, count in zip(
        checkpoint["optimizer_states"], (updates, updates * steps_of_discriminator), strict=True
    ):
        assert {int(state["step"]) for state in optimizer["state"].values()} == {12 * count}
    with (tmp_path / "tiny" / "version_0" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss_d"]]
    assert [int(row["step"]) for row in rows] == [2, 5, 8, 11]


# The randomness contract


def assert_outlives(
    kills: list[int], steps: int, arguments: Callable[..., list[str]], folder: Path
) -> None:
    r"""Asserts that a run that is killed at steps ends as the one that is not."""
    assert spawn(train, arguments(name="whole")) == 0
    for i, step in enumerate(kills):
        more = [] if i == 0 else ["--ckpt_path=last"]
        assert spawn(train, arguments(*more, name="killed"), step) == -signal.SIGKILL
    assert spawn(train, arguments("--ckpt_path=last", name="killed")) == 0
    whole, killed = last(folder / "whole"), last(folder / "killed")
    assert whole["global_step"] == killed["global_step"] == steps
    for key in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert_same(whole[key], killed[key])
    tables = [
        (folder / name / "version_0/metrics.csv").read_text() for name in ("whole", "killed")
    ]
    assert tables[0] == tables[1]


def test_a_killed_run_goes_on_as_if_it_had_not_been(tiny: Arguments, tmp_path: Path) -> None:
    assert_outlives(sorted(random.Random(0).sample(range(4, 24), 5)), 24, tiny, tmp_path)


@other_methods
def test_a_killed_run_of_another_method_goes_on(
    tiny: Arguments, tmp_path: Path, method: str
) -> None:
    arguments = partial(tiny, "--trainer.max_steps=8", *of(method), points=True)
    assert_outlives([5], 8, arguments, tmp_path)


def test_another_seed_is_another_run(tiny: Arguments, tmp_path: Path) -> None:
    for seed in (1, 2):
        main(
            tiny("--trainer.max_steps=2", f"--seed_everything={seed}", points=True, name=str(seed))
        )
    one, two = (last(tmp_path / name)["state_dict"] for name in ("1", "2"))
    assert not torch.equal(one["generator.0.weight"], two["generator.0.weight"])


def test_observers_do_not_change_what_is_learned(tiny: Arguments, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=8", points=True, name="watched"))
    main(
        tiny(
            "--trainer.max_steps=8", "--trainer.limit_val_batches=0", points=True, name="unwatched"
        )
    )
    watched, unwatched = (last(tmp_path / name) for name in ("watched", "unwatched"))
    assert_same(watched["state_dict"], unwatched["state_dict"])


# The batch contract


def trained(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    r"""Returns the parameters that an optimizer's step moves."""
    return [p for g in optimizer.param_groups for p in g["params"] if p.grad is not None]


def train_as(
    rank: int, world_size: int, port: int, args: list[str], gradients: str, queue: object = None
) -> None:
    r"""Trains as one of several processes; the first saves the gradients of its first step."""
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


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def assert_close(one: list[Tensor], two: list[Tensor]) -> None:
    r"""Asserts that tensors are equal up to rounding, their own or, where they should be zero and
    are nothing but rounding, that of the largest."""
    largest = max(a.double().norm() for a in one)
    for a, b in zip(one, two, strict=True):
        a, b = a.double(), b.double()
        assert (a - b).norm() <= 1e-5 * a.norm() + 1e-7 * largest


def run_as(world_size: int, args: list[str], gradients: Path) -> None:
    r"""Runs a training command as several processes, all of which have to end well."""
    port = free_port()
    processes = [
        context.Process(target=train_as, args=(rank, world_size, port, args, str(gradients)))
        for rank in range(world_size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * world_size


def measured(folder: Path) -> dict[str, float]:
    r"""Returns the last of each number that a validation of a run logged."""
    with (folder / "version_0" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {k: float(v) for row in rows for k, v in row.items() if k.startswith("val/") and v}


def assert_processes_do_not_matter(
    arguments: Callable[..., list[str]], folder: Path
) -> dict[str, Tensor]:
    r"""Asserts that two processes end as one does; returns the weights of the one."""
    names = {1: "1_processes", 2: "2_processes"}
    for world_size, name in names.items():
        args = arguments(f"--trainer.devices={world_size}", points=True, name=name)
        run_as(world_size, args, folder / f"{name}.pt")
    one, two = (torch.load(folder / f"{name}.pt") for name in names.values())
    assert_close(one, two)
    one, two = (measured(folder / name) for name in names.values())
    assert one and two == pytest.approx(one, rel=1e-3, abs=1e-6)
    one, two = (last(folder / name)["state_dict"] for name in names.values())
    assert_close([one[name] for name in one], [two[name] for name in one])
    return one


SHORT = ["--trainer.max_steps=8", "--data.init_args.batch_size=64"]


@pytest.mark.parametrize("updates", [1, 2])
def test_two_processes_with_half_the_batch_are_one_with_the_whole(
    tiny: Arguments, tmp_path: Path, updates: int
) -> None:
    options = [*SHORT, f"--model.init_args.updates_per_step={updates}"]
    assert_processes_do_not_matter(partial(tiny, *options), tmp_path)


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
    weights = assert_processes_do_not_matter(partial(tiny, *SHORT, *of(method)), tmp_path)
    # A balance that rests at its bound would tell nothing.
    assert 0 < weights.get("k", 0.5) < 1


COVERAGE = "--trainer.callbacks+=energy_gans.callbacks.MixtureCoverage"
RESPONSE = [
    "--trainer.callbacks+=energy_gans.callbacks.ResponseCurve",
    "--trainer.callbacks.filters=descriptor.features.0",
]


@pytest.mark.parametrize(
    "world_size, options, names",
    [
        # 1,703 held-out points are four batches, which three processes do not share evenly.
        (
            3,
            ["--data.init_args.samples=1703", COVERAGE],
            {"val/energy", "val/modes", "val/share", "val/kl", "val/spread"},
        ),
        (
            2,
            ["--data.init_args.samples=1703", "--trainer.limit_val_batches=0.8", *of("VAPO")],
            {"val/energy_distance"},
        ),
        # One batch of images: a second process has none.
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
    # Rounding in float64 is below 1e-15 of what cancels.
    assert min(largest.values()) > 1e-9 * max(largest.values())


# What a step reads: order, flips and few samples, too, are functions of (seed, step)


FLIPPED = ["--data.init_args.flip=true", "--data.init_args.limit=200", "--data.init_args.repeat=2"]


def read(
    args: list[str], path: Path, rank: int = 0, world_size: int = 1, port: int | None = None
) -> None:
    r"""Trains, as one of several processes if there are, and saves the batches of all steps."""
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
    r"""Returns what a step of the tiny run with flips should read, from its seed and its number."""
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
    processes = [
        context.Process(target=read, args=(args, path, rank, 2, port))
        for rank, path in enumerate(paths)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    shares = [torch.load(path) for path in paths]
    whole = {
        number: [torch.stack(parts, 1).flatten(0, 1) for parts in zip(*batches, strict=True)]
        for number, *batches in zip(shares[0], *(share.values() for share in shares), strict=True)
    }
    assert_read(whole, range(4))


# The direct way around the trainer


def test_the_direct_way_is_the_trainers_way(tiny: Arguments, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=6", "--model.init_args.gradient_clip_norm=0.1", name="direct"))
    with mock.patch("energy_gans.methods.bases.stepped.no_hooks_between", lambda trainer: False):
        main(
            tiny("--trainer.max_steps=6", "--model.init_args.gradient_clip_norm=0.1", name="long")
        )
    direct, long = last(tmp_path / "direct"), last(tmp_path / "long")
    assert_same(direct["state_dict"], long["state_dict"])


def test_the_direct_way_is_not_taken_past_a_callback_that_looks_at_gradients(
    tiny: Arguments,
) -> None:
    looked: list[int] = []
    with mock.patch.object(
        EMA, "on_after_backward", lambda self, trainer, model: looked.append(1), create=True
    ):
        main(tiny("--trainer.max_steps=2", points=True))
    assert len(looked) == 4
