r"""Tests for the energy_gans.callbacks.non_finite_guard module."""

import os
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from energy_gans.callbacks import DivergenceGuard, NonFiniteGuard
from energy_gans.cli import main
from energy_gans.methods import GCN, CoulombGAN
from energy_gans.networks import MLP

from ..methods.test_contracts import of
from ..processes import free_port, start


@pytest.mark.parametrize("bad_step", [4, 7])
def test_a_loss_that_is_not_finite_is_named_and_not_saved(
    tiny: Callable, tmp_path: Path, bad_step: int
) -> None:
    update = CoulombGAN.update

    def spoil(self: CoulombGAN, y: torch.Tensor, label: torch.Tensor) -> dict:
        losses = update(self, y, label)
        if self.global_step == bad_step - 1:
            losses["loss_d"] = torch.tensor(torch.nan)
        return losses

    with (
        mock.patch.object(CoulombGAN, "update", spoil),
        pytest.raises(SystemExit, match=f"train/loss_d is nan at step {bad_step}: stopped"),
    ):
        main(tiny("--trainer.max_steps=12", points=True))
    folder = tmp_path / "tiny/version_0/checkpoints"
    saved = torch.load(folder / "last.ckpt", weights_only=True)
    assert saved["global_step"] == (bad_step - 1) // 3 * 3


def weight(model: CoulombGAN) -> torch.Tensor:
    return model.generator[0].weight.data


def average(model: CoulombGAN) -> torch.Tensor:
    return model.averaged.module[0].weight


def moment(model: CoulombGAN) -> torch.Tensor:
    # With an infinite second moment Adam's steps are zero, and no loss tells.
    optimizer = model.optimizer_list()[1]
    return optimizer.state[model.discriminator[0].weight]["exp_avg_sq"]


# What is spoilt in the sixth step, and its name in the checkpoint that would hold it.
SPOILT = {
    r"generator\.0\.weight": weight,
    r"averaged\.module\.0\.weight": average,
    r"optimizer_states\.1\.state\.0\.exp_avg_sq": moment,
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_not_finite_is_named_and_not_saved(
    tiny: Callable, tmp_path: Path, name: str
) -> None:
    update = CoulombGAN.update

    def spoil(self: CoulombGAN, y: torch.Tensor, label: torch.Tensor) -> dict:
        losses = update(self, y, label)
        if self.global_step == 5:
            SPOILT[name](self)[0, 0] = torch.inf
        return losses

    path = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    message = f"{name} is not finite after step 6: stopped without saving, the last .* is good: "
    with (
        mock.patch.object(CoulombGAN, "update", spoil),
        pytest.raises(SystemExit, match=f"{message}{path}"),
    ):
        main(tiny("--trainer.max_steps=12", points=True))
    assert torch.load(path, weights_only=True)["global_step"] == 3
    assert not list(path.parent.glob("best.ckpt"))


def test_chains_that_are_not_finite_are_not_saved(tiny: Callable, tmp_path: Path) -> None:
    update = GCN.update

    def spoil(self: GCN, y: torch.Tensor, label: torch.Tensor) -> dict:
        losses = update(self, y, label)
        if self.global_step == 5:
            self.buffer.states["x"][0, 0, 0] = torch.nan
        return losses

    with (
        mock.patch.object(GCN, "update", spoil),
        pytest.raises(SystemExit, match=r"buffer\.x is not finite after step 6: stopped without"),
    ):
        main(tiny("--trainer.max_steps=12", *of("GCN"), points=True))
    path = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    assert torch.load(path, weights_only=True)["global_step"] == 3


def test_where_no_checkpoint_was_written_yet_none_is_called_good(
    tiny: Callable, tmp_path: Path
) -> None:
    update = CoulombGAN.update

    def spoil(self: CoulombGAN, y: torch.Tensor, label: torch.Tensor) -> dict:
        return update(self, y, label) | {"loss_g": torch.tensor(torch.nan)}

    main(tiny("--trainer.max_steps=3", points=True))
    first = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    ends = {(): "no checkpoint was written before it", ("--ckpt_path=last",): f"is good: {first}"}
    for more, end in ends.items():
        with (
            mock.patch.object(CoulombGAN, "update", spoil),
            pytest.raises(
                SystemExit, match=rf"is nan at step {1 + 3 * len(more)}: stopped, and .*{end}\."
            ),
        ):
            main(tiny(*more, "--trainer.max_steps=9", points=True, name="tiny" if more else "new"))


def train_as(rank: int, port: int, args: list[str]) -> None:
    r"""Trains as one of two processes; only the second one has an infinite average."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0"}
    step = CoulombGAN.training_step

    def spoil(self: CoulombGAN, batch: tuple, batch_idx: int) -> dict:
        if rank == 1 and self.global_step == 5:
            average(self)[0, 0] = torch.inf
        return step(self, batch, batch_idx)

    with mock.patch.object(CoulombGAN, "training_step", spoil):
        try:
            main(args)
        except SystemExit as stop:
            found = (r"A number of another process", r"averaged\.module\.0\.weight")[rank]
            message = f"{found} is not finite after step 6: stopped without saving"
            sys.exit(0 if re.search(message, str(stop.code)) else str(stop.code))


def test_processes_stop_together(tiny: Callable) -> None:
    args = tiny("--trainer.max_steps=12", "--trainer.limit_val_batches=0", points=True)
    args += ["--trainer.devices=2", "--trainer.strategy=ddp_find_unused_parameters_true"]
    port = free_port()
    processes = [start(train_as, rank, port, args) for rank in range(2)]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]


@pytest.mark.parametrize("guard", [NonFiniteGuard(every_n_steps=2), DivergenceGuard()])
def test_a_loss_of_another_process_stops_this_one(guard: NonFiniteGuard, tmp_path: Path) -> None:
    asked: list[bool] = []

    def reduce(found: bool, all: bool) -> bool:
        asked.append(found)
        return True

    trainer = SimpleNamespace(
        global_step=7,
        logger=None,
        default_root_dir=tmp_path,
        ckpt_path=None,
        strategy=SimpleNamespace(reduce_boolean_decision=reduce, broadcast=lambda path: path),
    )
    losses = {"train/loss_g": torch.tensor(1.0)}
    with pytest.raises(
        FloatingPointError, match="term of another process .* at step 7.*: stopped"
    ):
        for _ in range(2):
            guard.on_train_batch_end(trainer, None, losses)
    assert asked == [False]


def test_a_run_that_ends_between_looks_is_looked_at(tiny: Callable) -> None:
    update = CoulombGAN.update

    def spoil(self: CoulombGAN, y: torch.Tensor, label: torch.Tensor) -> dict:
        return update(self, y, label) | {"loss_g": torch.tensor(torch.inf)}

    with (
        mock.patch.object(CoulombGAN, "update", spoil),
        pytest.raises(SystemExit, match="train/loss_g is inf at step 1"),
    ):
        main(tiny("--trainer.max_steps=2", points=True))


@pytest.mark.parametrize("guards", [[], [NonFiniteGuard()]], ids=["alone", "with a guard"])
def test_a_model_in_a_plain_trainer_warns_once_of_a_loss_that_is_not_finite(
    guards: list[NonFiniteGuard],
) -> None:
    model = CoulombGAN(MLP(2, 2, [8]), MLP(2, 1, [8]), latent_dim=2)
    nan = {"loss_d": torch.tensor(torch.nan), "loss_g": torch.tensor(1.0)}
    trainer = Trainer(
        max_steps=4,
        accelerator="cpu",
        log_every_n_steps=2,
        callbacks=guards,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    stopped = pytest.raises(FloatingPointError) if guards else nullcontext()
    with (
        mock.patch.object(CoulombGAN, "update", lambda *args: nan | {}),
        warnings.catch_warnings(record=True) as seen,
        stopped,
    ):
        warnings.simplefilter("always")
        trainer.fit(model, DataLoader(torch.randn(64, 2), 16))
    found = [str(w.message) for w in seen if "NonFiniteGuard" in str(w.message)]
    said = "'train/loss_d' is nan at step 2, and training goes on: energy_gans.callbacks.NonFini"
    assert len(found) == (not guards) and all(text.startswith(said) for text in found)
