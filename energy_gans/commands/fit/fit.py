r"""`fit` as a function: what the command line trains, from Python, with the run as its result."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from ...callbacks.checkpoints import signal_that_stopped
from ...methods import GenerativeModule
from ...plots.curves import curves_picture
from ...storage import packages_beyond
from ...storage.checkpoint import load_model
from ...storage.curves import Curves, read_curves
from ...storage.saved_run import LAST
from ...storage.training_directory import run_directory
from ...terminal import ignore_noise, is_printing
from ..errors import sentence_of
from ..results import Result
from .start import start_training
from .training import EnergyGansCLI

# Errors that say what is wrong by themselves.
_KEPT = (OSError, MemoryError, ValueError, FloatingPointError, ModuleNotFoundError)
_LOGGERS = ("lightning.pytorch", "lightning.fabric")


@dataclass(frozen=True, repr=False, eq=False)
class Run(Result):
    r"""A run that has ended.

    Arguments:
        folder: Its folder, with config.yaml, metrics.csv, checkpoints and samples.
        step: The number of steps that it has made.
        model: The trained model, in evaluation mode: that of the last checkpoint, on the CPU; or
            the trained object itself if the run writes no checkpoints.
        curves: The steps and the values of all logged numbers, by name; empty without a CSVLogger.
        metrics: The last values of the numbers that Lightning collected, by name.
    """

    folder: Path
    step: int
    model: GenerativeModule
    curves: Curves
    metrics: dict[str, float]

    @cached_property
    def picture(self) -> Image.Image | None:
        r"""The curves, or `None` without any."""
        return curves_picture(self.curves) if self.curves else None

    def __str__(self) -> str:
        return f"step {self.step}: {self.folder}"


def fit(
    config: str | os.PathLike | Sequence[str | os.PathLike] = (),
    overrides: Mapping[str, Any] | None = None,
    ckpt_path: str | os.PathLike | None = None,
) -> Run:
    r"""Trains a model as `energy-gans fit --config CONFIG --KEY VALUE` does.

    For example, `fit("coulomb/ring", {"trainer.max_steps": 100, "model.epsilon": 0.3})`. Nothing
    is printed, and a progress bar is drawn only in a notebook.

    Arguments:
        config: The config, by path or by the name of one that comes with the package, or several,
            of which later ones take precedence.
        overrides: The values of other keys, by dotted key, as plain values.
        ckpt_path: The checkpoint, or the folder of a run, that is resumed, or `"last"` for the
            config's most recent run.

    Returns:
        The run: its model, on the CPU, its folder and its step.

    Raises:
        ValueError: If something is wrong with the config or another argument, with the sentence of
            the command line.
        FileNotFoundError: If there is no such config or checkpoint.
        KeyboardInterrupt: If Ctrl-C or SIGTERM stopped the run, after its step was saved.
    """
    configs = [config] if isinstance(config, (str, os.PathLike)) else config
    args = ["fit", *(f"--config={os.fspath(path)}" for path in configs)]
    args += [f"--{key}={value_as_typed(key, value)}" for key, value in (overrides or {}).items()]
    args += [] if ckpt_path is None else [f"--ckpt_path={os.fspath(ckpt_path)}"]
    with _silence(), _errors_instead_of_exits():
        started = start_training(args)
    run = _run_of(started)
    if signal_that_stopped(started.trainer):
        raise KeyboardInterrupt(
            f"The run stopped after step {run.step}: fit with ckpt_path={str(run.folder)!r} "
            "continues it."
        )
    return run


def value_as_typed(key: str, value: Any) -> str:
    r"""Returns a value as it is typed on a command line.

    Arguments:
        key: The key of the value, for errors.
        value: The value: text, a path, a number, a boolean, `None`, or lists and dicts of these.

    Raises:
        ValueError: If it is anything else.
    """
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    try:
        return json.dumps(value, default=os.fspath)
    except TypeError as error:
        raise ValueError(
            f"{key!r} should have a plain value, as in a config, got a {type(value).__name__}."
        ) from error


def _run_of(started: EnergyGansCLI) -> Run:
    r"""Returns the result of a training that has ended."""
    trainer, folder = started.trainer, run_directory(started.trainer)
    # A config is code: its packages were imported for the training.
    trust = ",".join(sorted(packages_beyond(started.config_dump["model"])))
    saved = (folder / LAST).is_file()
    model = load_model(folder, trust) if saved else started.model.eval()
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return Run(folder, trainer.global_step, model, read_curves(folder / "metrics.csv"), metrics)


@contextmanager
def _silence() -> Iterator[None]:
    r"""Hides the messages of Lightning, but no warnings, unless the command line runs."""
    loggers = [] if is_printing() else [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        ignore_noise()
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _errors_instead_of_exits() -> Iterator[None]:
    r"""Turns what ends the command line into errors with its sentences.

    Raises:
        ValueError: Instead of an exit after a sentence, and of errors of other packages that the
            command line explains.
        KeyboardInterrupt: Instead of an exit after a second Ctrl-C.
    """
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stop
        said = str(stop.code).removeprefix("energy-gans: error: ")
        raise ValueError(
            said if isinstance(stop.code, str) else "The arguments ask for text instead of a run."
        ) from stop
    except Exception as error:
        said = sentence_of(error)
        if said is None or (isinstance(error, _KEPT) and said == str(error)):
            raise
        raise ValueError(said) from error
