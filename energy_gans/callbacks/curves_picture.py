r"""A picture of the curves of a run's logged numbers, updated while a model trains."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from ..plots.curves import curves_picture
from ..plots.figures import write_picture
from ..storage.curves import read_curves
from ..storage.training_directory import run_directory


class CurvesPicture(Callback):
    r"""Writes `curves.png` beside the `metrics.csv` of a CSVLogger, after every validation."""

    def __init__(self) -> None:
        self.directory = Path()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.directory = run_directory(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.draw(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.draw(trainer)

    def draw(self, trainer: Trainer) -> None:
        r"""Draws the logged numbers, in the first process, while a model trains."""
        if trainer.is_global_zero and trainer.state.fn == "fit" and not trainer.sanity_checking:
            curves = read_curves(self.directory / "metrics.csv")
            if curves:
                write_picture(curves_picture(curves), self.directory / "curves.png")
