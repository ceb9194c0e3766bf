r"""The curves of all that a run logged, as a picture that grows with it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from ..plots.curves import curves_picture
from ..plots.figures import write_picture
from .directory import run_directory

Curves = dict[str, tuple[list[float], list[float]]]


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
        r"""Draws what was logged so far, in the first process, while a model trains."""
        if trainer.is_global_zero and trainer.state.fn == "fit" and not trainer.sanity_checking:
            curves = read_curves(self.directory / "metrics.csv")
            if curves:
                write_picture(curves_picture(curves), self.directory / "curves.png")


def read_curves(path: Path) -> Curves:
    r"""Returns the steps and the values of every number in a `metrics.csv`; none if it is missing.

    A last row without an end was cut off, by a kill or a full disk, and is left out: its last number
    may be.
    """
    if not path.is_file():
        return {}
    whole, end, _ = path.read_bytes().decode().rpartition("\n")
    return curves_of(list(csv.DictReader(io.StringIO(whole + end, newline=""))))


def curves_of(rows: list[Mapping[str, str]]) -> Curves:
    r"""Returns the curves in the rows of a table whose cells may be empty."""
    curves: Curves = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("epoch", "step") and value:
                steps, values = curves.setdefault(name, ([], []))
                steps.append(float(row["step"]))
                values.append(float(value))
    return curves
