r"""The job of a cell: its folder, its resolved config and its commands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..fit.fit import value_as_typed
from .configs import budget_of, config_flags, trusted_packages
from .plan import Cell, Study

CLOCK = "energy_gans.callbacks.TrainingClock"


@dataclass(frozen=True)
class Job:
    r"""A cell with everything that determines its results.

    Arguments:
        study: The study.
        cell: The cell.
        fit: The resolved config of the cell's setting and method.
        out: The study's folder.
    """

    study: Study
    cell: Cell
    fit: dict[str, Any]
    out: Path

    @property
    def folder(self) -> Path:
        r"""The cell's folder."""
        return self.out / str(self.cell)

    @property
    def checkpoint(self) -> Path:
        r"""The last checkpoint of the cell's run."""
        return self.folder / "run" / "checkpoints" / "last.ckpt"

    def config(self) -> dict[str, Any]:
        r"""Returns everything that determines the cell's results."""
        trainer = self.fit["trainer"] | budget_of(self.study, self.fit)
        fit = self.fit | {"trainer": trainer, "seed_everything": self.cell.seed}
        config = {"fit": fit, "evaluate": self.study.evaluate, "samples": self.study.samples}
        return json.loads(json.dumps(config))

    def commands(self) -> dict[str, list[str]]:
        r"""Returns the arguments of each stage, in order."""
        folder, ckpt_path = str(self.folder), ["--ckpt_path", str(self.checkpoint)]
        if trust := trusted_packages(self.study, self.cell.setting, self.cell.method):
            ckpt_path += ["--trust", trust]
        commands = {"fit": self.fit_arguments()}
        if self.study.evaluate:
            flags = [
                f for k, v in self.study.evaluate.items() for f in (f"--{k}", value_as_typed(k, v))
            ]
            commands["evaluate"] = ["evaluate", *ckpt_path, *flags]
            commands["evaluate"] += ["--out", f"{folder}/metrics.json"]
        output = ["--out", f"{folder}/samples.npz", "--overwrite", "true"]
        commands["sample"] = ["sample", *ckpt_path, "--n", str(self.study.samples), *output]
        return commands

    def fit_arguments(self) -> list[str]:
        r"""Returns the arguments of `fit`."""
        folder = {"save_dir": str(self.folder.parent), "name": self.folder.name, "version": "run"}
        logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": folder}
        budget = budget_of(self.study, self.fit)
        known = [one["class_path"] for one in self.fit["trainer"].get("callbacks") or []]
        return [
            *("fit", *config_flags(self.study, self.cell.setting, self.cell.method)),
            *("--seed_everything", str(self.cell.seed)),
            *(
                flag
                for k, v in budget.items()
                for flag in (f"--trainer.{k}", value_as_typed(k, v))
            ),
            *("--trainer.logger", json.dumps(logger), "--trainer.enable_progress_bar", "false"),
            *([] if CLOCK in known else [f"--trainer.callbacks+={CLOCK}"]),
        ]
