r"""The directory of a run: where all that it leaves behind stands side by side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_info

from ..files import atomic_write
from .metrics_file import MetricsFile

WANDB_ID = "wandb_id"


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


def go_on_in(folder: Path, trainer: Trainer, step: int) -> None:
    r"""Makes the loggers of a run that is resumed go on in its directory.

    Loggers whose version is given in the config are left as they are.

    Arguments:
        folder: The directory of the run.
        trainer: The trainer, before it trains.
        step: The step that the run goes on from: what was logged after it is dropped.
    """
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            resume_wandb(logger, folder)
        elif isinstance(logger, (CSVLogger, TensorBoardLogger)) and logger._version is None:
            if Path(logger.root_dir).resolve() != folder.parent.resolve():
                continue
            logger._version = folder.name
            if isinstance(logger, TensorBoardLogger):
                logger._kwargs.setdefault("purge_step", step)


def resume_wandb(logger: WandbLogger, folder: Path) -> None:
    r"""Makes a logger go on with the run of wandb that a run's directory names, if it names one.

    The directory of a run that wandb alone logs has its name from there.
    """
    if logger._id is not None:
        return
    path, own = folder / WANDB_ID, Path(logger.save_dir or ".") / str(logger.name)
    if path.is_file():
        logger._id = logger._wandb_init["id"] = path.read_text().strip()
    elif own.resolve() == folder.parent.resolve():
        logger._id = logger._wandb_init["id"] = folder.name
    else:
        rank_zero_info(f"{path} is not there: wandb logs the rest of the run as a new one.")


def keep_curves(trainer: Trainer, folder: Path | None, step: int) -> None:
    r"""Gives the CSVLoggers of a run their `metrics.csv`: that of a resumed run goes on.

    Arguments:
        trainer: The trainer, before it trains.
        folder: The directory of the run that is resumed, or `None`.
        step: The step that it goes on from.
    """
    for logger in trainer.loggers:
        if isinstance(logger, CSVLogger) and trainer.is_global_zero:
            same = folder is not None and Path(logger.log_dir).resolve() == folder.resolve()
            logger._experiment = MetricsFile(logger.log_dir, step if same else None)


@contextmanager
def discard_failed_start(trainer: Trainer, step: int = 0) -> Iterator[None]:
    r"""Removes the directory that a run makes, if it fails before its first step.

    Arguments:
        trainer: The trainer, before it runs. The directory is its own: see :mod:`.claim`.
        step: The step that it starts from.
    """
    made = trainer.logger is not None and not own_directory(trainer).exists()
    try:
        yield
    except BaseException:
        folder = own_directory(trainer)
        idle = trainer.global_step <= step and not any(folder.glob("checkpoints/*.ckpt"))
        if trainer.is_global_zero and made and idle:
            shutil.rmtree(folder, ignore_errors=True)
        raise
