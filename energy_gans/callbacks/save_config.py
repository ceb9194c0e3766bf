r"""Writing the configuration of a run into its directory."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import WandbLogger

from ..files import write_text
from ..storage.resume import WANDB_ID
from ..storage.training_directory import run_directory


class SaveConfig(SaveConfigCallback):
    r"""Writes the configuration as `config.yaml` into the run's directory when training starts.

    The file describes the whole run, so it leaves out the checkpoint from which the run was
    resumed. The identity of a wandb run is written to a file of its own, so that a resumed run can
    continue it.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.directory = run_directory(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        config = self.config.clone()
        config["ckpt_path"] = None
        write_text(self.parser.dump(config, skip_unset=False), self.directory / "config.yaml")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                write_text(f"{logger.version}\n", self.directory / WANDB_ID)
