r"""The training commands: LightningCLI, and what every run has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import SUPPRESS, Namespace
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from ...callbacks.checkpoints import signal_that_stopped
from ...callbacks.conditions import Conditions
from ...callbacks.save_config import SaveConfig
from ...methods import GenerativeModule
from ...methods.parts.networks import check_precision
from ...methods.parts.unused_parameters import allow_unused_parameters
from ...storage import AtomicCheckpointIO, find_checkpoint, packages_beyond, step_of
from ...storage.export import is_export, read_export
from ...storage.resume import (
    configured_version,
    find_last,
    folder_to_resume,
    resume_curves,
    resume_loggers,
    runs_folder,
)
from ...storage.training_directory import discard_failed_start, local_run_directory, lock_directory
from ...terminal import draws_bars, is_printing, say
from ..messages import OneSentence
from ..models import check_method
from .callback_options import place_options
from .changes import check_conditions, check_unchanged
from .help import CODE
from .logger_names import check_loggers
from .run_messages import (
    end_with_parent,
    explain_lost_process,
    explain_write_errors,
    next_command,
)
from .trainer import (
    TRAINER_DEFAULTS,
    added_callbacks,
    check_no_other_checkpoint,
    check_processes,
    follow_max_steps,
    started_by_lightning,
    suggest_setting,
    validate_each_epoch,
    warn_of_emulation,
)


class TrainingParser(OneSentence, LightningArgumentParser):
    r"""Creates the parser of a training command."""

    def dump(self, *args: Any, **kwargs: Any) -> str:
        r"""Returns a config as text, without validating it again.

        Arguments:
            args: The arguments of jsonargparse's `ArgumentParser.dump`.
            kwargs: Its keyword arguments, of which `skip_validation` is true by default.
        """
        # Lightning knows this argument by its earlier name.
        if "skip_none" in kwargs:
            kwargs["skip_unset"] = kwargs.pop("skip_none")
        # Parsing has validated it, and once more would be a quarter of the time of a short run.
        return super().dump(*args, **{"skip_validation": True} | kwargs)


class EnergyGansCLI(LightningCLI):
    r"""LightningCLI with what every run has: a guard, step progress and checkpoints written whole.

    Attributes:
        folder: The directory of the run that is resumed, if it goes on there.
        step: The step that the run starts from.
    """

    folder: Path | None = None
    step = 0
    allow_changes = False

    def __init__(self, args: Sequence[str]) -> None:
        self.asked = args[0]
        self.conditions, self.saved_conditions = Conditions(), {}
        super().__init__(
            GenerativeModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            trainer_defaults=dict(TRAINER_DEFAULTS),
            seed_everything_default=0,
            parser_class=TrainingParser,
            parser_kwargs={"prog": "energy-gans", "allow_abbrev": False}
            | {args[0]: {"description": CODE}},
            save_config_callback=SaveConfig,
            args=list(args),
        )

    def subcommands(self) -> dict[str, set[str]]:
        # The parsers of those that are not run cost as much as all the rest of reading a config.
        return {self.asked: super().subcommands()[self.asked]}

    def parse_arguments(self, parser: LightningArgumentParser, args: list[str]) -> None:
        def read(args: list[str]) -> list[dict[str, Any]]:
            config = parser.parse_args(args)
            given = yaml.safe_load(parser.dump(config))[config.subcommand]["trainer"]["callbacks"]
            return given if isinstance(given, list) else [given] if given else []

        super().parse_arguments(parser, place_options(args, read))

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--allow_changes",
            type=bool,
            default=SUPPRESS,
            help="With a checkpoint: go on although the seed, the data and its files, the "
            "precision, the moving average or numbers of the model are others than the "
            "checkpoint's. Networks, optimizers and schedules are always those of the checkpoint, "
            "and have to be the config's.",
        )

    def _parse_ckpt_path(self) -> None:
        # Lightning would let the checkpoint's model override the config's without a word.
        config = self.config[self.config.subcommand]
        # It is about this start, and not kept in config.yaml.
        self.allow_changes = config.pop("allow_changes", False)
        if config.get("ckpt_path") is None:
            if self.config.subcommand != "fit":
                raise ValueError(
                    f"`energy-gans {self.config.subcommand}` needs a trained model: add "
                    "--ckpt_path with a checkpoint, or with `last` for the newest one of the "
                    "config's runs."
                )
            return
        root, version = runs_folder(config.trainer), configured_version(config.trainer)
        is_last = config.ckpt_path == "last"
        path = find_last(root, version) if is_last else find_checkpoint(config.ckpt_path)
        if is_export(path) and self.config.subcommand == "fit":
            raise ValueError(
                f"'ckpt_path' = {config.ckpt_path!r} is an exported model, which holds no "
                "optimizer: start a new run from its weights with --model.initial_weights "
                f"{config.ckpt_path}."
            )
        config.ckpt_path = str(path)
        given = yaml.safe_load(
            self.parser.dump(self.config, skip_link_targets=False, skip_unset=False)
        )
        given = given[self.config.subcommand]
        seed = given["seed_everything"] if self.config.subcommand == "fit" else None
        self.saved_conditions = check_unchanged(
            config.ckpt_path, given["model"], given["data"], seed, self.allow_changes
        )
        if self.config.subcommand == "fit":
            self.folder, self.step = folder_to_resume(path, root, version), step_of(path)

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        for name in ("model", "data", "trainer"):
            if not isinstance(config[name], Namespace):
                raise ValueError(f"{name!r} should hold keys and values, got {config[name]!r}.")
        check_method(config.model.class_path)
        check_loggers(config.trainer)

    def after_instantiate_classes(self) -> None:
        path = self.config[self.subcommand].ckpt_path
        # One process looks: others could come before it has downloaded the data.
        if path is not None and self.subcommand == "fit" and self.trainer.is_global_zero:
            self.datamodule.prepare_data()
            found = self.conditions.collect(self.trainer, self.datamodule)
            check_conditions(path, self.saved_conditions, found, self.allow_changes)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config_init[self.subcommand].trainer
        check_precision(config.precision or "32-true")
        if config.enable_progress_bar is None and not draws_bars():
            config.enable_progress_bar = False
        if config.enable_model_summary is None and not is_printing():
            config.enable_model_summary = False
        validate_each_epoch(config)
        follow_max_steps(config)
        added = added_callbacks(config, self.subcommand)
        self.trainer_defaults["callbacks"] = [self.conditions, *added]
        plugins = config.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        try:
            trainer = super().instantiate_trainer(
                plugins=[*plugins, AtomicCheckpointIO()], **kwargs
            )
            check_processes(trainer)
        except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
            said, near = " ".join(str(error).split()), suggest_setting(config)
            said = f"{said.rstrip('.')}.{near}" if near else said
            raise ValueError(f"'trainer' can not be made: {said}") from error
        warn_of_emulation(trainer)
        if self.subcommand == "fit":
            # Before other processes start, the error is raised once.
            allow_unused_parameters(trainer, self.model)
        if self.folder is not None:
            resume_loggers(self.folder, trainer, self.step)
        return trainer

    def _set_seed(self) -> None:
        seed = self.config[self.subcommand].seed_everything
        if not 0 <= seed < 2**32:
            raise ValueError(f"'seed_everything' should be from 0 to 2**32 - 1, got {seed}.")
        super()._set_seed()

    def _run_subcommand(self, subcommand: str) -> None:
        root = runs_folder(self.config[subcommand].trainer)
        start = discard_failed_start(self.trainer, self.step)
        if started_by_lightning(self.trainer):
            end_with_parent()
        with (
            explain_lost_process(),
            explain_write_errors(root),
            lock_directory(self.trainer),
            start,
        ):
            if subcommand == "fit":
                resume_curves(self.trainer, self.folder, self.step)
            super()._run_subcommand(subcommand)

    def before_fit(self) -> None:
        r"""Checks the checkpoints, and gives the model the initial weights of a new run."""
        if self.config.fit.ckpt_path is not None:
            return
        check_no_other_checkpoint(self.trainer)
        weights = self.model.initial_weights
        if weights is not None and (Path(weights).is_dir() or not Path(weights).exists()):
            path = find_checkpoint(weights, "initial_weights")
            if is_export(path):
                # It compares the check sum.
                read_export(path, "initial_weights")
            self.model.initial_weights = str(path)

    def after_fit(self) -> None:
        r"""Says where the run is and how to go on."""
        trainer = self.trainer
        if trainer.is_global_zero:
            folder, packages = (
                local_run_directory(trainer),
                packages_beyond(self.config_dump["model"]),
            )
            stopped = signal_that_stopped(trainer) != 0
            say(next_command(folder, trainer.global_step, stopped, packages))
