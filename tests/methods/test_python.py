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


STORY = """
import torch
from lightning.pytorch import Trainer, seed_everything
from energy_gans.data import FromDataset
from energy_gans.methods import CoulombGAN
from energy_gans.networks import DCGANDiscriminator, DCGANGenerator

seed_everything(0)
data = FromDataset(images, value_range=(0, 1), batch_size=16)
sizes = {"channels": 3, "size": 32, "width": 4}
model = CoulombGAN(DCGANGenerator(8, **sizes), DCGANDiscriminator(**sizes), latent_dim=8)
Trainer(max_steps=4, accelerator="cpu", default_root_dir=folder).fit(model, data)
x = model.sample(9)
"""


def test_own_images_are_trained_on_and_sampled_in_twelve_lines(tmp_path: Path) -> None:
    assert len([line for line in STORY.splitlines() if line]) <= 12
    made = {"images": torch.rand(40, 3, 32, 32), "folder": tmp_path}
    exec(STORY, made)
    x, losses = made["x"], made["model"].trainer.callback_metrics
    assert x.shape == (9, 3, 32, 32)
    assert x.abs().max() <= 1
    assert losses["val/energy"].isfinite()
