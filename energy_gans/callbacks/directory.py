r"""The directory of a run: where all that it leaves behind stands side by side."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from ..files import atomic_write


def run_directory(trainer: Trainer) -> Path:
    r"""Returns the directory of a run, the same on all processes: every one of them has to ask.

    It is the first logger's own, `save_dir/name/version`; without a logger, the trainer's root.
    """
    return trainer.strategy.broadcast(own_directory(trainer))


def own_directory(trainer: Trainer) -> Path:
    r"""Returns the directory of a run as this process sees it; the first one's is that of all."""
    logger = trainer.logger
    if logger is None:
        return Path(trainer.default_root_dir)
    if getattr(logger, "log_dir", None):
        return Path(logger.log_dir)
    return Path(logger.save_dir or ".") / str(logger.name) / str(logger.version)


def write_text(text: str, path: Path) -> None:
    r"""Writes a text, in UTF-8, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


class SaveConfig(SaveConfigCallback):
    r"""Writes the whole configuration as `config.yaml` into the run's directory."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        directory = run_directory(trainer)
        if trainer.is_global_zero and stage == "fit":
            write_text(self.parser.dump(self.config, skip_none=False), directory / "config.yaml")
