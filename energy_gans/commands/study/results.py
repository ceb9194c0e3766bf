r"""What finished cells left behind, read back: states, numbers, curves over updates and seconds."""

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
    r"""Creates a view of what a cell left behind.

    Arguments:
        cell: The cell.
        folder: Its folder.
        state: `"done"`, `"failed"`, `"half"` or `"new"`.
        left: The contents of its done.json or failed.json.
    """

    cell: Cell
    folder: Path
    state: str
    left: dict[str, Any]

    @cached_property
    def logged(self) -> Curves:
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
            # A row's step is counted from 0, and is the last one that was made.
            factor = updates_of(self.left["config"]["fit"])
            return [(step + 1) * factor for step in steps], values
        if SECONDS not in self.logged:
            return None
        at, seconds = self.logged[SECONDS]
        return np.interp(steps, [-1, *at], [0, *seconds]).tolist(), values

    def at(self, name: str, seconds: float) -> float | None:
        r"""Returns a logged number at a time, between two of its values on a straight line."""
        curve = self.curve(name, "seconds")
        if curve is None or not curve[0][0] <= seconds <= curve[0][-1]:
            return None
        return float(np.interp(seconds, *curve))


def results_of(study: Study, out: Path) -> list[Result]:
    r"""Returns what each cell of a study left in its folder."""
    return [Result(c, out / str(c), *read_state(out / str(c))) for c in study.cells()]


def done_of(results: Iterable[Result], setting: str, method: str | None = None) -> list[Result]:
    r"""Returns the finished cells of a setting, and of a method if one is given."""
    return [
        result
        for result in results
        if result.state == "done"
        and result.cell.setting == setting
        and method in (None, result.cell.method)
    ]


def common_seconds(results: Iterable[Result]) -> float | None:
    r"""Returns the largest time of training that all cells have a value for."""
    last = [result.logged[SECONDS][1][-1] for result in results if SECONDS in result.logged]
    return min(last, default=None)
