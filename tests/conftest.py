r"""Fixtures that several test modules share."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

TINY = """
seed_everything: 3
model:
  class_path: energy_gans.methods.CoulombGAN
  init_args:
    latent_dim: 4
    generator:
      class_path: energy_gans.networks.DCGANGenerator
      init_args: {latent_dim: 4, channels: 1, size: 8, width: 4}
    discriminator:
      class_path: energy_gans.networks.DCGANDiscriminator
      init_args: {channels: 1, size: 8, width: 4, norm: all}
    generator_optimizer:
      class_path: torch.optim.Adam
      init_args: {lr: 1.0e-3, betas: [0.5, 0.999], weight_decay: 1.0e-4}
    discriminator_optimizer:
      class_path: torch.optim.Adam
      init_args: {lr: 2.0e-3, betas: [0.5, 0.999]}
    generator_scheduler:
      class_path: torch.optim.lr_scheduler.ExponentialLR
      init_args: {gamma: 0.99}
    epsilon_decay: 0.99
    epsilon_min: 0.1
    noise_std: 0.1
data:
  class_path: energy_gans.data.EmbeddedDigits
  init_args: {digits: 8x8, size: 8, batch_size: 160}
trainer:
  max_steps: 24
  accelerator: cpu
  enable_progress_bar: false
  enable_model_summary: false
  log_every_n_steps: 3
  val_check_interval: 6
  check_val_every_n_epoch: null
  num_sanity_val_steps: 0
  callbacks:
    - class_path: energy_gans.callbacks.EMA
      init_args: {decay: 0.9}
    - class_path: energy_gans.callbacks.Checkpoints
      init_args: {every_n_steps: 3}
"""

POINTS = """
model:
  init_args:
    latent_dim: 2
    generator:
      class_path: energy_gans.networks.MLP
      init_args: {in_features: 2, out_features: 2, hidden_features: [16]}
    discriminator:
      class_path: energy_gans.networks.MLP
      init_args: {in_features: 2, out_features: 1, hidden_features: [16]}
data:
  class_path: energy_gans.data.Ring
  init_args: {batch_size: 64, samples: 1024}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., list[str]]:
    r"""Returns the arguments of a `fit` on tiny images, or points, into a temporary folder."""

    def arguments(*more: str, points: bool = False, name: str = "tiny") -> list[str]:
        config = tmp_path / "tiny.yaml"
        config.write_text(TINY)
        logger = {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": str(tmp_path), "name": name},
        }
        overlay = {"trainer": {"logger": logger}}
        if points:
            overlay = yaml.safe_load(POINTS) | overlay
        (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
        return ["fit", "--config", str(config), "--config", str(tmp_path / "overlay.yaml"), *more]

    return arguments
