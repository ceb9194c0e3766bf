r"""Tests for the energy_gans.methods.bases.stepped module: the step contract."""

import csv
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from energy_gans.callbacks import EMA, Checkpoints
from energy_gans.cli import main
from energy_gans.methods import CoulombGAN, GenerativeModule
from energy_gans.methods.bases.stepped import SteppedModule

from .. import harness
from ..test_contracts import Arguments, last, of

ARGS = "--model.init_args."
# Options of methods, and the smallest batch for which their losses are not empty.
SMALLEST = {
    ("baselines.MMDGAN", f"{ARGS}objective=repulsive"): 2,
    ("EIEGGAN", f"{ARGS}objective=repulsive", f"{ARGS}updates_per_step=2"): 4,
    ("VAPO", f"{ARGS}spectral_gap=0", f"{ARGS}accumulate=2"): 4,
    ("VAPO", f"{ARGS}estimator=e4"): 2,
    ("VAPO", f"{ARGS}estimator=e4", f"{ARGS}spectral_gap=0"): 1,
    ("baselines.MMDGAN",): 1,
}

# Methods with an update of their own.
UPDATES = ["baselines.BEGAN", "EIEGGAN", "GGCN", "InpaintingGGCN", "MultigridGCN", "VAPO"]


@pytest.mark.parametrize("case", SMALLEST, ids=lambda case: "-".join(case).replace(ARGS, ""))
def test_a_batch_whose_loss_is_empty_is_refused(tiny: Callable, case: tuple[str, ...]) -> None:
    method, *options = case
    largest: dict[Optimizer, float] = {}

    def look(self: SteppedModule, optimizer: Optimizer) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        slopes = [p.grad.abs().max().item() for p in parameters if p.grad is not None]
        largest[optimizer] = max(slopes)

    args = tiny("--trainer.max_steps=1", *of(method), *options, points=True)
    args.append("--trainer.limit_val_batches=0")
    n, name = SMALLEST[case], method.rpartition(".")[2]
    with mock.patch.object(SteppedModule, "on_before_optimizer_step", look):
        main([*args, f"--data.init_args.batch_size={n}"])
        assert min(largest.values()) > 0
        if n == 1:
            return
        message = (
            rf"batch_size' should be at least {n} for {name}, got {n // 2}: the loss of a mini"
        )
        with pytest.raises(SystemExit, match=message):
            main([*args, f"--data.init_args.batch_size={n // 2}"])


def holds_tensor(value: object) -> bool:
    if isinstance(value, (dict, list, tuple)):
        return any(map(holds_tensor, value.values() if isinstance(value, dict) else value))
    return isinstance(value, Tensor) and not isinstance(value, nn.Parameter)


@pytest.mark.parametrize("method", ["CoulombGAN", *UPDATES])
def test_no_attribute_carries_a_tensor_through_an_update(tiny: Callable, method: str) -> None:
    held: set[str] = set()

    def look(self: GenerativeModule) -> None:
        for part in (self, getattr(self, "buffer", None)):
            held.update(n for n, v in getattr(part, "__dict__", {}).items() if holds_tensor(v))

    options = of(method) if method in UPDATES else []
    args = ["--trainer.max_steps=2", "--trainer.limit_val_batches=0", *options]
    with mock.patch.object(GenerativeModule, "on_train_end", look):
        main(tiny(*args, points=True))
    # The samples of a later potential, logged numbers, and the states of the replay buffer.
    assert held - {"_buffers", "_parameters"} <= {"charges", "noted", "states", "filled"}


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


def test_networks_draw_other_numbers_in_each_step_and_in_each_process() -> None:
    drawn = []

    class Drawing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            drawn.append(torch.rand(()).item())
            return self.layer(x)

    for rank in (0, 0, 1):
        with mock.patch.object(CoulombGAN, "global_rank", rank):
            harness.fit(harness.model(CoulombGAN, discriminator=Drawing()), 3)
    # The first number of a run is that of a check before its first step.
    first, again, other = torch.tensor(drawn).view(3, -1)[:, 1:]
    assert torch.equal(first, again)
    assert len(torch.cat([first, other]).unique()) == len(first) + len(other)


def test_nothing_is_logged_every_zero_steps() -> None:
    gan = harness.model(CoulombGAN)
    harness.fit(gan, 2, log_every_n_steps=0)
    assert gan.global_step == 2
    assert not any(name.startswith("train/") for name in gan.trainer.callback_metrics)
