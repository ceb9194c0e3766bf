r"""Checkpoints of a run: the last one, the best one, and one at an interruption."""

from __future__ import annotations

import math
import shutil
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_info

from ..checks import check_count
from ..files import atomic_write
from ..interruption import requeue_job
from ..storage.checkpoint import load_checkpoint
from ..storage.saved_run import LAST
from ..storage.training_directory import run_directory
from .training_clock import TrainingClock

BEST = Path("checkpoints/best.ckpt")


class Checkpoints(Checkpoint):
    r"""Writes `checkpoints/last.ckpt` and `checkpoints/best.ckpt` in the run's directory.

    The last checkpoint is written every few steps, at the end, and when a signal stops the run.
    After Ctrl-C or SIGTERM, training finishes the current step, writes a checkpoint and ends. A
    second Ctrl-C ends training at once. `fit` then ends with the exit status of the signal, 130 or
    143.

    Under SLURM, the signal that announces the end of the job's time (`#SBATCH
    --signal=SIGUSR1@90`) stops a run in the same way, with status 138, and the first process asks
    SLURM to start the job again. This takes the place of Lightning's own requeueing, which would
    write another checkpoint in the middle of a step. A `SLURMEnvironment(auto_requeue=False)`
    turns it off, and sets another signal by `requeue_signal`.

    The last checkpoint is written after its step is complete, with logged losses and a validation
    if one is due. So a run that is killed at any time and resumed logs the same rows and validates
    at the same steps as a run without interruption.

    Arguments:
        every_n_steps: The number of steps between two last checkpoints.
        monitor: The measure, logged during validation, of the best checkpoint; `None` for no best
            checkpoint. All methods log the energy distance.
        mode: Whether the best value is the smallest or the largest.

    Attributes:
        asked_to_stop: The number of the signal that this process received, or 0.
        stopped_by: The number of the signal that stopped the run, or 0.

    Raises:
        ValueError: If `every_n_steps` is not positive.
    """

    def __init__(
        self,
        every_n_steps: int = 1000,
        monitor: str | None = "val/energy_distance",
        mode: Literal["min", "max"] = "min",
    ) -> None:
        check_count("every_n_steps", every_n_steps)
        self.every_n_steps, self.monitor, self.mode = every_n_steps, monitor, mode
        self.directory = Path("checkpoints")
        self.best: float | None = None
        self.saved_step = -1
        self.asked_to_stop = self.stopped_by = 0
        self.handlers: dict[int, Any] = {}
        self.slurm: SLURMEnvironment | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.directory = run_directory(trainer) / "checkpoints"
        environment = trainer._accelerator_connector.cluster_environment
        if stage == "fit" and isinstance(environment, SLURMEnvironment):
            # Lightning installs its own handler after this hook if it is to requeue.
            self.slurm = environment if environment.auto_requeue else None
            environment.auto_requeue = False

    def save_last(self, trainer: Trainer) -> None:
        r"""Writes the last checkpoint, unless that of this step exists already."""
        if self.saved_step != trainer.global_step:
            trainer.save_checkpoint(self.directory / LAST.name, weights_only=False)
            self.saved_step = trainer.global_step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.ckpt_path is not None:
            _check_same_checkpoint(trainer)
            if trainer.is_global_zero:
                self.adopt(Path(trainer.ckpt_path), trainer.global_step)
            trainer.strategy.barrier()
            self.saved_step = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            requeueing = [] if self.slurm is None else [self.slurm.requeue_signal]
            for number in (signal.SIGINT, signal.SIGTERM, *requeueing):
                self.handlers[number] = signal.signal(number, self.ask_to_stop)

    def adopt(self, path: Path, step: int) -> None:
        r"""Copies the checkpoint from which the run was resumed, and an earlier best one.

        Arguments:
            path: The path of the checkpoint.
            step: The step of the checkpoint.
        """
        last, best = self.directory / LAST.name, self.directory / BEST.name
        if last.exists() and last.samefile(path):
            return
        if last.exists():
            rank_zero_info(f"The run goes on from step {step}, and {path} replaces {last}.")
        _copy_file(path, last)
        earlier = path.with_name(BEST.name)
        if best.exists() or not earlier.is_file():
            return
        if load_checkpoint(earlier)["global_step"] <= step:
            _copy_file(earlier, best)

    def ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        r"""Notes a signal to stop after the current step; a second Ctrl-C stops at once.

        Raises:
            KeyboardInterrupt: At a second Ctrl-C.
        """
        if self.asked_to_stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked_to_stop = self.asked_to_stop or number

    def signal_to_stop(self, trainer: Trainer) -> int:
        r"""Returns the number of the signal that any process of the run received, or 0."""
        if trainer.world_size > 1:
            number = torch.tensor(self.asked_to_stop, device=trainer.strategy.root_device)
            self.asked_to_stop = int(trainer.strategy.reduce(number, reduce_op="max"))
        return self.asked_to_stop

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        stop = self.signal_to_stop(trainer)
        due = trainer.global_step > 0 and trainer.global_step % self.every_n_steps == 0
        if stop or due:
            self.save_last(trainer)
            for clock in trainer.callbacks:
                if isinstance(clock, TrainingClock):
                    # Writing the checkpoint stopped the clock, and the step begins now.
                    clock.on_train_batch_start(trainer, pl_module)
        if stop:
            rank_zero_info(
                f"Stopped after step {trainer.global_step}: {self.directory / 'last.ckpt'}"
            )
            trainer.should_stop, self.stopped_by = True, stop
            # A signal also stops a run before its minimal number of steps.
            trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking or self.monitor is None:
            return
        if self.monitor not in trainer.callback_metrics:
            raise ValueError(
                f"'monitor' should be one of {sorted(trainer.callback_metrics)}, "
                f"got {self.monitor!r}."
            )
        value = float(trainer.callback_metrics[self.monitor])
        sign = 1 if self.mode == "min" else -1
        if not math.isfinite(value):
            return
        if self.best is None or sign * value < sign * self.best:
            self.best = value
            trainer.save_checkpoint(self.directory / BEST.name, weights_only=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save_last(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        for number, handler in self.handlers.items():
            # Lightning has put the handlers from before the run back, and its own are in ours.
            if signal.getsignal(number) == self.ask_to_stop:
                signal.signal(number, handler)
        self.handlers.clear()
        if self.slurm is None:
            return
        self.slurm.auto_requeue = True
        if self.stopped_by == self.slurm.requeue_signal and trainer.is_global_zero:
            # SLURM ends a job that it requeues within seconds.
            for logger in trainer.loggers:
                logger.save()
            rank_zero_info(requeue_job())

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "monitor": self.monitor, "mode": self.mode}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # The best value of one measure can not be compared with values of another.
        monitor = state_dict.get("monitor", self.monitor), state_dict.get("mode", self.mode)
        best = state_dict["best"] if monitor == (self.monitor, self.mode) else None
        # Earlier versions kept a first value that was not finite.
        self.best = best if best is None or math.isfinite(best) else None


def signal_that_stopped(trainer: Trainer) -> int:
    r"""Returns the number of the signal that stopped a run before its end, or 0.

    It is always 0 in processes that the first process has started. If one of them ended with
    another exit status than 0, Lightning would kill the first process, which may still be writing.
    """
    if trainer.local_rank != 0:
        return 0
    return max((c.stopped_by for c in trainer.callbacks if isinstance(c, Checkpoints)), default=0)


def _check_same_checkpoint(trainer: Trainer) -> None:
    r"""Raises a `ValueError` in all processes unless all of them resume the same checkpoint."""
    path = trainer.strategy.broadcast(str(trainer.ckpt_path))
    if not trainer.strategy.reduce_boolean_decision(path == str(trainer.ckpt_path), all=True):
        raise ValueError(
            f"'ckpt_path' should be one checkpoint in all processes, got {path!r} in the first "
            "and another in some: another run was saved in the meantime, so give the path."
        )


def _copy_file(source: Path, target: Path) -> None:
    r"""Copies a file, whole or not at all."""
    with source.open("rb") as file, atomic_write(target) as copied:
        shutil.copyfileobj(file, copied)
