r"""Starts LightningCLI: to run a training command, or to print the config it would run with."""

from __future__ import annotations

import contextlib
import io
import os
import sys

import torch

from ...callbacks.checkpoints import signal_that_stopped
from ..config_files import check_config_files, resolve_configs
from ..flags import configs_first
from .help import TRAINER_FLAG
from .logger_names import expand_loggers
from .training import EnergyGansCLI


def start_training(args: list[str]) -> EnergyGansCLI:
    r"""Runs a training command, and returns LightningCLI with its trainer and its model.

    Arguments:
        args: The name of the command, and its arguments.

    Returns:
        LightningCLI after the run.

    Raises:
        FileNotFoundError: If there is no file of a name that `--config` gives.
        ValueError: If such a file is no config, or another argument is wrong.
    """
    args = _prepare(args)
    if not torch.cuda.is_available():
        # Otherwise torch looks for a driver at every optimizer step, for 0.3 ms each time.
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    return EnergyGansCLI(args)


def run_training(args: list[str]) -> int:
    r"""Runs a training command.

    Arguments:
        args: The name of the command, and its arguments.

    Returns:
        The number of the signal that stopped the command, or 0.
    """
    return signal_that_stopped(start_training(args).trainer)


def _prepare(args: list[str]) -> list[str]:
    r"""Returns arguments as LightningCLI takes them: paths of configs, and classes of loggers."""
    args = configs_first(resolve_configs(args))
    check_config_files(args)
    if TRAINER_FLAG in args:
        return [args[0], "--help"]
    return expand_loggers(args)


def printed_config(flags: list[str]) -> str:
    r"""Returns the whole config that `fit` would run with, as YAML.

    Modules are imported from the current folder, too, as in a process of `fit`.

    Arguments:
        flags: The arguments of `fit`.

    Raises:
        ValueError: If there is no such config, with the message of `fit`.
    """
    flags = _prepare(flags)
    text = io.StringIO()
    sys.path.insert(0, os.getcwd())
    try:
        with contextlib.redirect_stdout(text):
            EnergyGansCLI(["fit", *flags, "--print_config"])
    except SystemExit as stop:
        if stop.code:
            raise ValueError(str(stop.code).removeprefix("energy-gans: error: ")) from stop
    finally:
        sys.path.remove(os.getcwd())
    return text.getvalue()
