r"""The results of cells, read back: states, numbers, and curves over updates and seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...storage.curves import Curves, read_curves
from .cells import read_state
from .configs import updates_of
from .plan import Cell, Study

SECONDS = "time/seconds"
Curve = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Result:
    r"""The state and the outcome of a cell.

    Arguments:
        cell: The cell.
        folder: The folder of the cell.
        state: `"done"`, `"failed"`, `"half"` or `"new"`.
        left: The content of done.json or failed.json.
    """

    cell: Cell
    folder: Path
    state: str
    left: dict[str, Any]

    @cached_property
    def logged(self) -> Curves:
        r"""The numbers that the run logged."""
        return read_curves(self.folder / "run" / "metrics.csv")

    @property
    def ms_per_update(self) -> float:
        r"""The milliseconds of training for each update of the generator."""
        return self.left["ms_per_step"] / updates_of(self.left["config"]["fit"])

    def curve(self, name: str, over: Literal["updates", "seconds"]) -> Curve | None:
        r"""Returns a logged number over the generator's updates or the seconds of training."""
        if name not in self.logged:
            return None
        steps, values = self.logged[name]
        if over == "updates":
            # Logged steps count from 0.
            factor = updates_of(self.left["config"]["fit"])
            return [(step + 1) * factor for step in steps], values
        if SECONDS not in self.logged:
            return None
        at, seconds = self.logged[SECONDS]
        return np.interp(steps, [-1, *at], [0, *seconds]).tolist(), values

    def at(self, name: str, seconds: float) -> float | None:
        r"""Returns a logged number at a time in seconds, by linear interpolation.

        It is `None` if the number was not logged before and after that time.
        """
        curve = self.curve(name, "seconds")
        if curve is None or not curve[0][0] <= seconds <= curve[0][-1]:
            return None
        return float(np.interp(seconds, *curve))


def read_results(study: Study, out: Path) -> list[Result]:
    r"""Returns the results of all cells of a study."""
    return [Result(c, out / str(c), *read_state(out / str(c))) for c in study.cells()]


def finished_cells(
    results: Iterable[Result], setting: str, method: str | None = None
) -> list[Result]:
    r"""Returns the finished cells of a setting, and of a method if one is given."""
    return [
        result
        for result in results
        if result.state == "done"
        and result.cell.setting == setting
        and method in (None, result.cell.method)
    ]


def common_seconds(results: Iterable[Result]) -> float | None:
    r"""Returns the training time in seconds of the cell with the shortest training."""
    last = [result.logged[SECONDS][1][-1] for result in results if SECONDS in result.logged]
    return min(last, default=None)
