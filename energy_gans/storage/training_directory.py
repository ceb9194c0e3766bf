r"""The directory to which a trainer writes: its path, and the lock that keeps other runs out.

:mod:`.saved_run` reads such a directory back.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from ..files import hold_lock, remove_stale


@contextmanager
def lock_directory(trainer: Trainer) -> Iterator[None]:
    r"""Holds the lock of a run's directory, and removes temporary files of a killed run there.

    The first process holds the lock for all processes of the run. A logger that numbers its
    directories takes the next number if another run, started at the same time, holds or has made
    this directory.

    Arguments:
        trainer: The trainer, before it runs.

    Raises:
        BlockingIOError: If another run holds the lock; the message names its process.
    """
    logger = trainer.logger
    numbered = isinstance(logger, (CSVLogger, TensorBoardLogger)) and logger._version is None
    version = None if logger is None else logger.version
    # Some loggers, such as that of wandb, choose the name when they start.
    named = logger is None or version is not None
    with ExitStack() as stack:
        while trainer.is_global_zero and named:
            folder = local_run_directory(trainer)
            try:
                stack.enter_context(hold_lock(_lock_path(folder, version), repr(str(folder))))
            except BlockingIOError:
                if not numbered:
                    raise
            else:
                if not (numbered and folder.exists()):
                    remove_stale(folder)
                    break
            logger._version = logger.version + 1
        yield


def _lock_path(folder: Path, version: str | int | None) -> Path:
    r"""Returns the path of a directory's lock.

    It is `version_0.lock` beside the directory, which can thus be removed as a whole. Without a
    version, several runs share the directory, and the lock is in it.

    Arguments:
        folder: The directory.
        version: The logger's version.
    """
    return (
        folder.with_name(f"{folder.name}.lock")
        if version not in (None, "")
        else folder / "run.lock"
    )


def run_directory(trainer: Trainer) -> Path:
    r"""Returns the directory of a run, the same on all processes; all of them have to call this.

    It is the directory of the first logger, `save_dir/name/version`, or the trainer's root without
    one.
    """
    return trainer.strategy.broadcast(local_run_directory(trainer))


def local_run_directory(trainer: Trainer) -> Path:
    r"""Returns the directory of a run on this process; other processes can have another one."""
    logger = trainer.logger
    if logger is None:
        return Path(trainer.default_root_dir)
    if getattr(logger, "log_dir", None):
        return Path(logger.log_dir)
    return Path(logger.save_dir or ".") / str(logger.name) / str(logger.version)


@contextmanager
def discard_failed_start(trainer: Trainer, step: int = 0) -> Iterator[None]:
    r"""Removes the directory of a new run that fails before its first step.

    Arguments:
        trainer: The trainer, before it runs, inside :func:`lock_directory`.
        step: The step at which the run starts.
    """
    made = trainer.logger is not None and not local_run_directory(trainer).exists()
    try:
        yield
    except BaseException:
        folder = local_run_directory(trainer)
        idle = trainer.global_step <= step and not any(folder.glob("checkpoints/*.ckpt"))
        if trainer.is_global_zero and made and idle:
            shutil.rmtree(folder, ignore_errors=True)
        raise
