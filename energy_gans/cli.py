r"""The command line: training by LightningCLI, and the commands of the workbench.

What a command needs is imported when it is run: help, the version and a wrong name take no time.
"""

from __future__ import annotations

import difflib
import importlib
import itertools
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .interruption import interruptible

# Each command's module among the commands, and its function there.
COMMANDS: dict[str, str | dict[str, Any]] = {
    "sample": "sample:sample",
    "interpolate": "interpolate:interpolate",
    "synthesize": "synthesize:synthesize",
    "inpaint": "inpaint.inpaint:inpaint",
    "ood": "ood.ood:ood",
    "landscape": "landscape:landscape",
    "report": "report:report",
    "evaluate": "evaluate.evaluate:evaluate",
    "compare": "compare:compare",
    "study": "study.study:study",
    "features": {"train": "features.train:train", "picture": "features.picture:picture"},
    "particles": "particles:particles",
    "data": {
        "prepare": {
            "_help": "Write a data set as training reads it: decoded, cropped and resized once.",
            "celeba": "prepare:celeba",
            "lsun": "prepare:lsun",
            "tinyimagenet": "prepare:tinyimagenet",
            "folder": "prepare:folder",
            "cifar10": "prepare:cifar10",
            "cifar100": "prepare:cifar100",
            "svhn": "prepare:svhn",
        },
        "verify": "prepare:verify",
    },
}
TRAINING = ("fit", "validate", "test", "predict")

USAGE = """\
usage: energy-gans COMMAND [--help] ...

training, each with --config FILE [--config FILE ...] and --KEY VALUE, of one of the callbacks
--trainer.callbacks.CLASS.KEY VALUE:
  fit          train a model; --ckpt_path last|RUN|FILE goes on with a run. Ctrl-C or SIGTERM finishes the step,
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
    except (OSError, *misconfiguration()) as error:
        sys.exit(f"energy-gans: error: {error}")
    except (ValueError, FloatingPointError, ModuleNotFoundError) as error:
        # What this package raises is a sentence for the user; anything else is a bug, shown whole.
        raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        if Path(__file__).parent in raised_in.parents:
            sys.exit(f"energy-gans: error: {error}")
        if "Union subtypes" not in str(error):
            raise
        from .commands.messages import sentence

        sys.exit(f"energy-gans: error: {sentence(str(error))}")


def run(args: list[str]) -> None:
    r"""Runs a command that is not about the program itself."""
    if args[0] in COMMANDS:
        run_workbench(with_files(args) if args[0] in ("compare", "study") else args)
    elif args[0] in TRAINING:
        run_training(args)
    else:
        close = difflib.get_close_matches(args[0], [*TRAINING, *COMMANDS], n=1)
        raise ValueError(
            f"There is no command {args[0]!r}."
            + (f" Did you mean {close[0]!r}?" if close else " `energy-gans --help` lists them.")
        )


def run_workbench(args: list[str]) -> None:
    r"""Runs a command of the workbench."""
    from jsonargparse import auto_cli

    from .commands.config_files import check_config_files, resolve_configs
    from .commands.messages import OneSentence

    args = resolve_configs(args)
    check_config_files(args)
    auto_cli(
        loaded(COMMANDS[args[0]]),
        args=args[1:],
        prog=f"energy-gans {args[0]}",
        as_positional=False,
        parser_class=OneSentence,
    )


def run_training(args: list[str]) -> None:
    r"""Runs a training command."""
    import torch

    from .callbacks.checkpoints import signal_that_stopped
    from .commands.config_files import check_config_files, resolve_configs
    from .commands.fit.training import EnergyGansCLI

    args = resolve_configs(args)
    check_config_files(args)
    if not torch.cuda.is_available():
        # Else torch looks for a driver at every optimizer step, which costs 0.3 ms each time.
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    trainer = EnergyGansCLI(args).trainer
    if number := signal_that_stopped(trainer):
        sys.exit(128 + number)


def loaded(entry: str | dict[str, Any]) -> Callable | dict[str, Any]:
    r"""Returns the function of an entry of :data:`COMMANDS`, or those of its subcommands."""
    if isinstance(entry, dict):
        return {k: v if k == "_help" else loaded(v) for k, v in entry.items()}
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(f".commands.{module}", __package__), name)


def misconfiguration() -> tuple[type[Exception], ...]:
    r"""Returns Lightning's error of a wrong setting, once Lightning is there to raise it."""
    module = sys.modules.get("lightning.fabric.utilities.exceptions")
    return () if module is None else (module.MisconfigurationException,)


def with_files(args: list[str]) -> list[str]:
    r"""Returns arguments with the names that follow the command as its `--files`, or its `--file`."""
    files = list(itertools.takewhile(lambda arg: not arg.startswith("-"), args[1:]))
    if args[0] == "study" and len(files) > 1:
        raise ValueError(f"'study' should have one file, got {len(files)}: {', '.join(files)}.")
    given = [f"--files={json.dumps(files)}"] if files else []
    if args[0] == "study" and files:
        given = [f"--file={files[0]}"]
    return [args[0], *given, *args[1 + len(files) :]]


def quiet() -> None:
    r"""Leaves out what libraries say that no user of this package can act on."""
    for words in NOISE:
        warnings.filterwarnings("ignore", message=f".*{words}.*")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).addFilter(lambda r: not any(w in r.getMessage() for w in NOISE))
