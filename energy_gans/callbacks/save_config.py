r"""The configuration of a run, in the directory of the run."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import WandbLogger

from ..files import write_text
from ..storage.directory import run_directory
from ..storage.resume import WANDB_ID


class SaveConfig(SaveConfigCallback):
    r"""Writes the whole configuration as `config.yaml` into the run's directory when training starts.

    It says nothing of the checkpoint that a run was resumed from: it is the configuration of the whole
    run. The identity of a run of wandb stands beside it, for when the run is resumed.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.directory = run_directory(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        config = self.config.clone()
        config["ckpt_path"] = None
        write_text(self.parser.dump(config, skip_none=False), self.directory / "config.yaml")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                write_text(f"{logger.version}\n", self.directory / WANDB_ID)
