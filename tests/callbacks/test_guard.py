r"""Tests for the energy_gans.callbacks.guard module."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch

from energy_gans.cli import main
from energy_gans.methods import CoulombGAN


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


def test_weights_that_are_not_finite_are_not_saved(tiny: Callable, tmp_path: Path) -> None:
    update = CoulombGAN.update

    def spoil(self: CoulombGAN, y: torch.Tensor, label: torch.Tensor) -> dict:
        losses = update(self, y, label)
        if self.global_step == 5:
            self.generator[0].weight.data[0, 0] = torch.inf
        return losses

    with (
        mock.patch.object(CoulombGAN, "update", spoil),
        pytest.raises(SystemExit, match=r"generator\.0\.weight is not finite after step 6"),
    ):
        main(tiny("--trainer.max_steps=12", points=True))
    path = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    assert torch.load(path, weights_only=True)["global_step"] == 3


def test_a_run_that_ends_between_looks_is_looked_at(tiny: Callable) -> None:
    update = CoulombGAN.update

    def spoil(self: CoulombGAN, y: torch.Tensor, label: torch.Tensor) -> dict:
        return update(self, y, label) | {"loss_g": torch.tensor(torch.inf)}

    with (
        mock.patch.object(CoulombGAN, "update", spoil),
        pytest.raises(SystemExit, match="train/loss_g is inf at step 1"),
    ):
        main(tiny("--trainer.max_steps=2", points=True))
