r"""The command line: training by LightningCLI, and the commands of the workbench."""

from __future__ import annotations

import difflib
import itertools
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from jsonargparse import ArgumentParser, Namespace, auto_cli
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from . import __version__
from .callbacks import NonFiniteGuard, SampleWriter, StepProgress
from .callbacks.checkpoints import signal_that_stopped
from .callbacks.claim import claimed
from .callbacks.directory import SaveConfig
from .commands import (
    compare,
    evaluate,
    inpaint,
    interpolate,
    landscape,
    ood,
    prepare,
    report,
    sample,
    synthesize,
)
from .commands.feature_space import picture
from .commands.features import train
from .commands.messages import sentence
from .commands.particles import particles
from .commands.resume import check_unchanged, find_last
from .commands.study import study
from .commands.turns import let_networks_take_turns
from .interruption import interruptible
from .methods import GenerativeModule
from .storage.checkpoint import AtomicCheckpointIO

COMMANDS: dict[str, Callable | dict[str, Any]] = {
    "sample": sample,
    "interpolate": interpolate,
    "synthesize": synthesize,
    "inpaint": inpaint,
    "ood": ood,
    "landscape": landscape,
    "report": report,
    "evaluate": evaluate,
    "compare": compare,
    "study": study,
    "features": {"train": train, "picture": picture},
    "particles": particles,
    "data": {
        "prepare": {
            "_help": "Write a data set as training reads it: decoded, cropped and resized once.",
            "celeba": prepare.celeba,
            "lsun": prepare.lsun,
            "tinyimagenet": prepare.tinyimagenet,
            "folder": prepare.folder,
            "cifar10": prepare.cifar10,
            "cifar100": prepare.cifar100,
            "svhn": prepare.svhn,
        },
        "verify": prepare.verify,
    },
}
TRAINING = ("fit", "validate", "test", "predict")

USAGE = """\
usage: energy-gans COMMAND [--help] ...

training, each with --config FILE [--config FILE ...] and --KEY VALUE:
  fit          train a model; --ckpt_path last|FILE goes on with a run. Ctrl-C or SIGTERM finishes the step,
               saves it and ends with status 130 or 143; a second Ctrl-C ends at once
  validate     measure a checkpoint on the held-out data
  test         the same, under other names
  predict      draw as many samples as there is held-out data, on all devices, and write them

workbench:
  sample       draw samples from a checkpoint: a picture or an array
  interpolate  what a generator makes of latents between two, a row a pair
  synthesize   Langevin chains of an energy, from noise, data or a generator: a film
  inpaint      fill holes of held-out images by an energy's chains, and measure that
  ood          whether an energy tells real images from those of another kind: a table
  landscape    an energy of points in the plane, and how particles move in it: a picture or a film
  report       picture and measure a run
  evaluate     measure a checkpoint's samples, or any program's: fd, is, kid, precision, recall, ...
  compare      what `evaluate` wrote of many runs, in one table: FILE ... [--out table.md]
  study        train methods side by side, with several seeds each, and compare them: FILE
  features     train: a classifier of a data set, for measures in its feature space;
               picture: the feature space of a checkpoint
  particles    free points that follow real samples, without a network: a film, or points in the plane
  data         prepare: write a data set as training reads it; verify: check one

  --version    print the version

A FILE given by --config is code: the classes and functions that it names are run. Read it first. The
files of a run (checkpoints, config.yaml) run no code of others: --trust PACKAGE lets them name its classes.
"""
# What `--help` of a training command opens with.
CODE = (
    "Files given by --config are code: the classes and functions that they name are run. Read those of "
    "others first. The checkpoint of --ckpt_path runs nothing."
)

# What libraries say that no user of this package can act on, or that it says in an error of its own.
NOISE = (
    "infer the batch indices",
    "litlogger",
    "LeafSpec",
    "args parameter is intended",
    "does not have many workers",
    "TPU available",
    "not resumable",
    "recommended to use `self.log",
    "could be decompression bomb",
    "Detected KeyboardInterrupt",
)


class OneSentence(ArgumentParser):
    r"""Creates a parser that says what is wrong in one sentence, not in pages of usage."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:
            super().error(message, ex)
        sys.exit(f"energy-gans: error: {sentence(message)}")


class TrainingParser(OneSentence, LightningArgumentParser):
    r"""Creates the parser of a training command."""


class EnergyGansCLI(LightningCLI):
    r"""LightningCLI with what every run has: a guard, step progress and checkpoints written whole."""

    def __init__(self, args: Sequence[str]) -> None:
        super().__init__(
            GenerativeModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            seed_everything_default=0,
            parser_class=TrainingParser,
            parser_kwargs={"allow_abbrev": False}
            | {name: {"description": CODE} for name in TRAINING},
            save_config_callback=SaveConfig,
            args=list(args),
        )

    def _parse_ckpt_path(self) -> None:
        # Lightning would let the checkpoint's model override the config's without a word.
        config = self.config[self.config.subcommand]
        if config.get("ckpt_path") is None:
            return
        if config.ckpt_path == "last":
            config.ckpt_path = str(find_last(runs_folder(config.trainer)))
        given = yaml.safe_load(
            self.parser.dump(self.config, skip_link_targets=False, skip_none=False)
        )
        given = given[self.config.subcommand]
        seed = given["seed_everything"] if self.config.subcommand == "fit" else None
        check_unchanged(config.ckpt_path, given["model"], given["data"], seed)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config_init[self.subcommand].trainer
        guarded = any(isinstance(c, NonFiniteGuard) for c in config.callbacks or [])
        callbacks = [] if guarded else [NonFiniteGuard()]
        if config.enable_progress_bar is not False and self.subcommand == "fit":
            callbacks.append(StepProgress())
        if self.subcommand == "predict":
            callbacks.append(SampleWriter())
        self.trainer_defaults["callbacks"] = callbacks
        plugins = config.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        trainer = super().instantiate_trainer(plugins=[*plugins, AtomicCheckpointIO()], **kwargs)
        if self.subcommand == "fit":
            let_networks_take_turns(trainer, self.model)
        return trainer

    def _run_subcommand(self, subcommand: str) -> None:
        with claimed(self.trainer):
            super()._run_subcommand(subcommand)


def runs_folder(trainer: Namespace) -> Path:
    r"""Returns the folder in which a trainer's logger puts one folder a run."""
    logger = trainer.logger[0] if isinstance(trainer.logger, list) else trainer.logger
    options = logger.get("init_args", {}) if isinstance(logger, Namespace) else {}
    root = options.get("save_dir") or trainer.default_root_dir or "."
    return Path(root) / (options.get("project") or options.get("name") or "lightning_logs")


def main(args: Sequence[str] | None = None) -> None:
    r"""Runs a command.

    Arguments:
        args: The command and its arguments, `sys.argv[1:]` by default. `main(["fit", "--config",
            "configs/demo.yaml"])` is how to train from Python, too.

    Raises:
        SystemExit: If something is wrong with what was asked for, after one sentence that says what; if
            Ctrl-C or SIGTERM ended it, with the status 130 or 143.
    """
    args = list(sys.argv[1:] if args is None else args)
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    if args[0] == "--version":
        print(__version__)
        return
    quiet()
    try:
        with interruptible():
            run(args)
    except (OSError, MisconfigurationException) as error:
        sys.exit(f"energy-gans: error: {error}")
    except (ValueError, FloatingPointError, ModuleNotFoundError) as error:
        # What this package raises is a sentence for the user; anything else is a bug, shown whole.
        raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        if Path(__file__).parent in raised_in.parents:
            sys.exit(f"energy-gans: error: {error}")
        if "Union subtypes" not in str(error):
            raise
        sys.exit(f"energy-gans: error: {sentence(str(error))}")


def run(args: list[str]) -> None:
    r"""Runs a command that is not about the program itself."""
    if args[0] in COMMANDS:
        args = with_files(args) if args[0] in ("compare", "study") else args
        prog = f"energy-gans {args[0]}"
        auto_cli(
            COMMANDS[args[0]],
            args=args[1:],
            prog=prog,
            as_positional=False,
            parser_class=OneSentence,
        )
    elif args[0] in TRAINING:
        if not torch.cuda.is_available():
            # Else torch looks for a driver at every optimizer step, which costs 0.3 ms each time.
            os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
        trainer = EnergyGansCLI(args).trainer
        if number := signal_that_stopped(trainer):
            sys.exit(128 + number)
    else:
        close = difflib.get_close_matches(args[0], [*TRAINING, *COMMANDS], n=1)
        raise ValueError(
            f"There is no command {args[0]!r}."
            + (f" Did you mean {close[0]!r}?" if close else " `energy-gans --help` lists them.")
        )


def with_files(args: list[str]) -> list[str]:
    r"""Returns arguments with the names that follow the command as its `--files`, or its `--file`."""
    files = list(itertools.takewhile(lambda arg: not arg.startswith("-"), args[1:]))
    given = [f"--files={json.dumps(files)}"] if files else []
    if args[0] == "study" and len(files) == 1:
        given = [f"--file={files[0]}"]
    return [args[0], *given, *args[1 + len(files) :]]


def quiet() -> None:
    r"""Leaves out what libraries say that no user of this package can act on."""
    for words in NOISE:
        warnings.filterwarnings("ignore", message=f".*{words}.*")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).addFilter(lambda r: not any(w in r.getMessage() for w in NOISE))
