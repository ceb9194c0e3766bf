r"""Resuming a run: finding its last checkpoint, and continuing in its directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_info

from .curves import MetricsFile
from .saved_run import LAST, newest, run_of

WANDB_ID = "wandb_id"


def find_last(root: Path, version: str | None = None) -> Path:
    r"""Returns the newest `*/checkpoints/last.ckpt` in a folder of runs.

    Arguments:
        root: The folder of the run's versions.
        version: The name of one version's folder, if the config sets it.

    Raises:
        FileNotFoundError: If there is none.
    """
    own = None if version is None else root / version / LAST
    found = newest(root.glob(f"*/{LAST}") if own is None else filter(Path.is_file, [own]))
    if found is None:
        raise FileNotFoundError(
            f"'ckpt_path' = 'last' finds no {version or '*'}/{LAST} in {root}: give the path of a "
            "checkpoint."
        )
    return found


def runs_folder(trainer: Namespace) -> Path:
    r"""Returns the folder in which a trainer's logger makes a folder for each run."""
    options = _logger_options(trainer)
    root = options.get("save_dir") or trainer.default_root_dir or "."
    return Path(root) / (options.get("project") or options.get("name") or "lightning_logs")


def configured_version(trainer: Namespace) -> str | None:
    r"""Returns the name of the run's folder in a config, or `None` if folders are numbered."""
    options = _logger_options(trainer)
    version = options.get("version")
    if version is None:
        version = options.get("id")
    return f"version_{version}" if isinstance(version, int) else version


def _logger_options(trainer: Namespace) -> Mapping[str, Any]:
    r"""Returns the arguments of a trainer's first logger."""
    logger = trainer.logger[0] if isinstance(trainer.logger, list) else trainer.logger
    return logger.get("init_args", {}) if isinstance(logger, Namespace) else {}


def folder_to_resume(checkpoint: Path, root: Path, version: str | None = None) -> Path | None:
    r"""Returns the folder of a checkpoint's run if a resumed run continues there, or `None`.

    Arguments:
        checkpoint: The path of the checkpoint.
        root: The folder of the versions of the run that is started.
        version: The name of the run's folder, if the config sets it.
    """
    folder = run_of(checkpoint)
    inside = folder.resolve().parent == root.resolve()
    return folder if inside and version in (None, folder.name) else None


def resume_loggers(folder: Path, trainer: Trainer, step: int) -> None:
    r"""Makes the loggers of a resumed run continue in its directory.

    Loggers whose version is set in the config are not changed.

    Arguments:
        folder: The directory of the run.
        trainer: The trainer, before it trains.
        step: The step at which the run continues. Numbers that were logged after it are dropped.
    """
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            _resume_wandb(logger, folder)
        elif isinstance(logger, (CSVLogger, TensorBoardLogger)) and logger._version is None:
            if Path(logger.root_dir).resolve() != folder.parent.resolve():
                continue
            logger._version = folder.name
            if isinstance(logger, TensorBoardLogger):
                logger._kwargs.setdefault("purge_step", step)


def _resume_wandb(logger: WandbLogger, folder: Path) -> None:
    r"""Makes a logger continue the wandb run of a run's directory, if its identity is known.

    The identity is in a file of the directory. Without that file it is the name of the directory,
    if the wandb logger itself named it.
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


def resume_curves(trainer: Trainer, folder: Path | None, step: int) -> None:
    r"""Gives CSVLoggers a :class:`.MetricsFile`, which continues that of a resumed run.

    Arguments:
        trainer: The trainer, before it trains.
        folder: The directory of the resumed run, or `None`.
        step: The step at which the run continues.
    """
    for logger in trainer.loggers:
        if isinstance(logger, CSVLogger) and trainer.is_global_zero:
            same = folder is not None and Path(logger.log_dir).resolve() == folder.resolve()
            logger._experiment = MetricsFile(logger.log_dir, step if same else None)
