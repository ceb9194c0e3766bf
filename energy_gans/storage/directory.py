r"""The directory of a run that is being trained: where it is, and the lock that keeps other runs out."""

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
    r"""Holds the lock of a run's directory, and removes the temporary files that a killed run left there.

    The first process holds it for all processes of the run. A logger that numbers its directories takes
    the next number if a run that started at the same time holds this one, or has just made it.

    Arguments:
        trainer: The trainer, before it runs.

    Raises:
        BlockingIOError: If another run holds it, that names its process.
    """
    logger = trainer.logger
    numbered = isinstance(logger, (CSVLogger, TensorBoardLogger)) and logger._version is None
    version = None if logger is None else logger.version
    # Some draw a name only when they start, as wandb's does.
    named = logger is None or version is not None
    with ExitStack() as stack:
        while trainer.is_global_zero and named:
            folder = own_directory(trainer)
            try:
                stack.enter_context(hold_lock(lock_of(folder, version), repr(str(folder))))
            except BlockingIOError:
                if not numbered:
                    raise
            else:
                if not (numbered and folder.exists()):
                    remove_stale(folder)
                    break
            logger._version = logger.version + 1
        yield


def lock_of(folder: Path, version: str | int | None) -> Path:
    r"""Returns the path of a directory's lock: `version_0.lock` beside it, so that it can be removed whole.

    Arguments:
        folder: The directory.
        version: The logger's version; a directory without one is not a run's alone, and holds the lock.
    """
    return (
        folder.with_name(f"{folder.name}.lock")
        if version not in (None, "")
        else folder / "run.lock"
    )


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
