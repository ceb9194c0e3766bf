r"""Tests for training from Python, with networks that are passed as objects."""

from pathlib import Path

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import nn
from torch.testing import assert_close

from energy_gans.callbacks import EMA, Checkpoints
from energy_gans.data import Ring
from energy_gans.methods import CoulombGAN
from energy_gans.networks import MLP


def fit(folder: Path, steps: int, ckpt_path: Path | None = None) -> CoulombGAN:
    seed_everything(0, verbose=False)
    networks = {"generator": MLP(2, 2, [8]), "discriminator": MLP(2, 1, [8], nn.SiLU)}
    gan = CoulombGAN(**networks, latent_dim=2, power=3.0)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        callbacks=[EMA(), Checkpoints(every_n_steps=2)],
    )
    trainer.fit(gan, Ring(batch_size=32, samples=256), ckpt_path=ckpt_path, weights_only=True)
    return gan


def test_a_run_made_in_python_is_resumed_without_unpickling(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", 6)
    fit(tmp_path / "half", 3)
    resumed = fit(tmp_path / "half", 6, tmp_path / "half/checkpoints/last.ckpt")
    for p, q in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(p, q)


def test_a_run_made_in_python_is_loaded_with_its_networks(tmp_path: Path) -> None:
    gan = fit(tmp_path, 2)
    networks = {"generator": MLP(2, 2, [8]), "discriminator": MLP(2, 1, [8], nn.SiLU)}
    loaded = CoulombGAN.load_from_checkpoint(tmp_path / "checkpoints/last.ckpt", **networks)
    assert (loaded.power, loaded.latent_dim) == (3.0, 2)
    assert_close(loaded.state_dict(), gan.state_dict(), rtol=0, atol=0)
