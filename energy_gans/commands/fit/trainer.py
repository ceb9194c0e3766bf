r"""A run's trainer: defaults, settings that follow from others, and callbacks of every run."""

from __future__ import annotations

import platform

import torch
from jsonargparse import Namespace
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.accelerators import AcceleratorRegistry, CPUAccelerator
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.plugins.environments import LightningEnvironment, SLURMEnvironment
from lightning.pytorch.strategies import StrategyRegistry

from ...callbacks import Checkpoints, NonFiniteGuard, SampleWriter, StepProgress
from ..outputs import warn
from ..suggestions import did_you_mean

# `val_check_interval` counts steps of the whole run, and a run starts with training.
TRAINER_DEFAULTS = {"check_val_every_n_epoch": None, "num_sanity_val_steps": 0}


def added_callbacks(trainer: Namespace, command: str) -> list[Callback]:
    r"""Returns the callbacks that every run has unless its config gives one of their kind.

    Arguments:
        trainer: The settings of the trainer.
        command: The training command: `"fit"` shows progress, `"predict"` writes samples.
    """
    given = trainer.callbacks or []
    added: list[Callback] = []
    if not any(isinstance(c, NonFiniteGuard) for c in given):
        added.append(NonFiniteGuard())
    shown = any(isinstance(c, ProgressBar) for c in given)
    if trainer.enable_progress_bar is not False and command == "fit" and not shown:
        added.append(StepProgress())
    if command == "predict":
        added.append(SampleWriter())
    return added


def validate_each_epoch(trainer: Namespace) -> None:
    r"""Makes a run validate in each epoch if `val_check_interval` is a share of one or left out.

    Arguments:
        trainer: The settings of the trainer, which are changed.
    """
    interval = trainer.val_check_interval
    if trainer.check_val_every_n_epoch is None and (interval is None or type(interval) is float):
        trainer.check_val_every_n_epoch = 1


def follow_max_steps(trainer: Namespace) -> None:
    r"""Makes a run that is shorter than an interval validate and log at its end.

    Arguments:
        trainer: The settings of the trainer, which are changed.
    """
    every = ["log_every_n_steps"]
    if trainer.check_val_every_n_epoch is None:
        every.append("val_check_interval")
    for name in every:
        # A share of an epoch is a float.
        if type(trainer[name]) is int and 0 < trainer.max_steps < trainer[name]:
            trainer[name] = trainer.max_steps


def warn_of_emulation(trainer: Trainer) -> None:
    r"""Warns of a run in bfloat16 on a CPU that has no instructions for it.

    Arguments:
        trainer: The trainer, before it runs.
    """
    on_cpu = isinstance(trainer.accelerator, CPUAccelerator)
    if not (on_cpu and trainer.precision in ("bf16-mixed", "bf16-true")):
        return
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    if is_x86 and torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2"):
        warn(
            "This CPU emulates bfloat16, which is many times slower than float32: add "
            "--trainer.precision 32-true."
        )


def check_processes(trainer: Trainer) -> None:
    r"""Raises a `ValueError` unless SLURM or `torchrun` started as many processes as are set.

    Lightning checks this when it starts a distributed run, and not for a single device.
    """
    environment = trainer._accelerator_connector.cluster_environment
    environment.validate_settings(trainer.num_devices, trainer.num_nodes)


def started_by_lightning(trainer: Trainer) -> bool:
    r"""Returns whether the first process of a run started this one."""
    environment = trainer._accelerator_connector.cluster_environment
    return isinstance(environment, LightningEnvironment) and environment.local_rank() > 0


def check_no_other_checkpoint(trainer: Trainer) -> None:
    r"""Raises a `ValueError` if Lightning would resume a checkpoint that nobody named.

    Under SLURM, it resumes the `hpc_ckpt_*.ckpt` that another program left in the trainer's root.
    """
    if any(isinstance(c, Checkpoints) for c in trainer.callbacks) and SLURMEnvironment.detect():
        path = trainer._checkpoint_connector._hpc_resume_path
        if path is not None:
            raise ValueError(
                "'trainer.default_root_dir' should hold no checkpoint of Lightning's requeueing, "
                f"which would be resumed, got {path}: move it, or name it with --ckpt_path."
            )


def suggest_setting(trainer: Namespace) -> str:
    r"""Returns ` Did you mean ...?` for a setting of the trainer that names nothing, or `""`.

    Arguments:
        trainer: The settings, which Lightning refused.
    """
    names = {
        "accelerator": ["auto", "gpu", *AcceleratorRegistry.available_accelerators()],
        "strategy": ["auto", *StrategyRegistry.available_strategies()],
        "profiler": ["simple", "advanced", "pytorch", "xla"],
    }
    wrong = (k for k in names if isinstance(trainer[k], str) and trainer[k] not in names[k])
    return next((did_you_mean(trainer[k], names[k]) for k in wrong), "")
