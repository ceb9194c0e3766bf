r"""The command line: training by LightningCLI, and the commands of the workbench."""

from __future__ import annotations

import sys
import traceback
import yaml
from collections.abc import Callable, Sequence
from jsonargparse import Namespace, auto_cli
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.cli import LightningCLI
from pathlib import Path
from typing import Any

# Imported for their names: `class_path: CoulombGAN` is found among the classes that are known.
import energy_gans.callbacks
import energy_gans.data
import energy_gans.networks

from . import __version__
from .callbacks import NonFiniteGuard, StepProgress
from .commands import report, sample
from .commands.checkpoint import AtomicCheckpointIO
from .commands.resume import check_unchanged, find_last
from .methods import GenerativeModule

COMMANDS: dict[str, Callable] = {"sample": sample, "report": report}

USAGE = """\
usage: energy-gans COMMAND [--help] ...

training, each with --config FILE [--config FILE ...] and --KEY VALUE:
  fit        train a model; --ckpt_path last|FILE goes on with a run
  validate   measure a checkpoint on the held-out data
  test       the same, under other names
  predict    draw as many samples as there is held-out data

workbench:
  sample     draw samples from a checkpoint: a picture or an array
  report     picture and measure a finished run

  --version  print the version
"""


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
            save_config_kwargs={"overwrite": True},
            args=list(args),
        )

    def _parse_ckpt_path(self) -> None:
        # Lightning would let the checkpoint's model override the config's without a word.
        config = self.config[self.config.subcommand]
        if config.get("ckpt_path") is None:
            return
        if config.ckpt_path == "last":
            config.ckpt_path = str(find_last(runs_folder(config.trainer)))
        if self.config.subcommand == "fit":
            text = self.parser.dump(self.config, skip_link_targets=False, skip_none=False)
            given = yaml.safe_load(text)["fit"]
            check_unchanged(config.ckpt_path, given["model"], given["data"], given["seed_everything"])

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config_init[self.subcommand].trainer
        callbacks = [NonFiniteGuard()]
        if config.enable_progress_bar is not False:
            callbacks.append(StepProgress())
        self.trainer_defaults["callbacks"] = callbacks
        plugins = config.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        return super().instantiate_trainer(plugins=[*plugins, AtomicCheckpointIO()], **kwargs)


def runs_folder(trainer: Namespace) -> Path:
    r"""Returns the folder in which a trainer's logger puts one folder a run."""
    logger = trainer.logger[0] if isinstance(trainer.logger, list) else trainer.logger
    options = logger.get("init_args", {}) if isinstance(logger, Namespace) else {}
    root = options.get("save_dir") or trainer.default_root_dir or "."
    return Path(root) / (options.get("name") or "lightning_logs")


def main(args: Sequence[str] | None = None) -> None:
    r"""Runs a command.

    Arguments:
        args: The command and its arguments, `sys.argv[1:]` by default. `main(["fit", "--config",
            "configs/demo.yaml"])` is how to train from Python, too.

    Raises:
        SystemExit: If the arguments do not make sense, after one sentence that says why.
    """
    args = list(sys.argv[1:] if args is None else args)
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    if args[0] == "--version":
        print(__version__)
        return
    try:
        if args[0] in COMMANDS:
            auto_cli(COMMANDS[args[0]], args=args[1:], prog=f"energy-gans {args[0]}", as_positional=False)
        else:
            EnergyGansCLI(args)
    except (ValueError, OSError, FloatingPointError) as error:
        # What this package raises is a sentence for the user; anything else is a bug, and shown whole.
        raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        if Path(__file__).parent not in raised_in.parents:
            raise
        sys.exit(f"energy-gans: error: {error}")
