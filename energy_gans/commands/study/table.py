r"""The tables of a study: means and deviations over seeds, at equal budgets and equal times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files import write_text
from ..compare import check_same_protocol, columns_of
from ..outputs import comma_separated, markdown_table
from .plan import Study
from .results import Result, common_seconds, finished_cells

COLUMNS = ["setting", "method", "budget", "measure", "mean", "std", "seeds", "failed"]


@dataclass(frozen=True)
class _Entry:
    r"""A cell of the tables: a measure of a method over seeds.

    Arguments:
        setting: The setting.
        method: The method, or `"real"`.
        budget: The budget of the method, such as `"steps 4000"`.
        measure: The column's heading.
        values: The values of the finished seeds.
        failed: The number of failed seeds.
    """

    setting: str
    method: str
    budget: str
    measure: str
    values: Sequence[float]
    failed: int = 0

    @property
    def mean(self) -> float:
        r"""The mean of the values."""
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        r"""The sample standard deviation, with `n - 1` degrees of freedom."""
        if len(self.values) < 2 or not all(map(math.isfinite, self.values)):
            return None
        return statistics.stdev(self.values)

    def text(self) -> str:
        r"""Returns the mean and the standard deviation as the table in Markdown gives them."""
        if not self.values:
            return ""
        return f"{self.mean:.4g}" + ("" if self.std is None else f" ± {self.std:.2g}")

    def row(self) -> list[str]:
        r"""Returns the row of the CSV table."""
        numbers = [f"{self.mean:.8g}", "" if self.std is None else f"{self.std:.8g}"]
        rest = [str(len(self.values)), str(self.failed)]
        return [self.setting, self.method, self.budget, self.measure, *numbers, *rest]


def write_tables(study: Study, results: list[Result], out: Path) -> None:
    r"""Writes table.md and table.csv.

    Raises:
        ValueError: If the numbers of a column have different protocols.
    """
    ((name, value),) = study.budget.items()
    parts, entries = [], []
    for setting in study.settings:
        end = _entries_at_end(study, results, setting, f"{name} {value}")
        text = _methods_table(study, results, setting, end)
        parts.append(f"## {setting}: {_budget_in_words(study)}\n\n{text}")
        seconds = common_seconds(finished_cells(results, setting))
        timed = (
            _entries_at_time(study, results, setting, seconds) if seconds and study.curves else []
        )
        if timed:
            words = f"after {seconds:.4g} s of training, which all finished cells reached"
            text = _methods_table(study, results, setting, timed)
            parts.append(f"## {setting}: {words}\n\n{text}")
        entries += end + timed
    write_text("\n".join(parts), out / "table.md")
    rows = [entry.row() for entry in entries if entry.values]
    write_text(comma_separated([COLUMNS, *rows]), out / "table.csv")


def _budget_in_words(study: Study) -> str:
    ((name, value),) = study.budget.items()
    return f"{value} updates of the generator" if name == "steps" else f"{value} s"


def _entries_at_end(
    study: Study, results: list[Result], setting: str, budget: str
) -> list[_Entry]:
    r"""Returns the numbers of the methods of a setting at the end of the budget."""
    entries = []
    runs = {
        str(r.folder): r.left["measures"]
        for r in finished_cells(results, setting)
        if r.left["measures"]
    }
    names = list(dict.fromkeys(name for numbers in runs.values() for name in numbers))
    for name in names:
        check_same_protocol(name, runs)
    measured = [column for name in names for column in columns_of(name, runs)]
    for method in study.methods:
        done = finished_cells(results, setting, method)
        columns = {
            title: [r.left["last"][name] for r in done if name in r.left["last"]]
            for name, title in study.measures.items()
        }
        for column in measured:
            found = [column.runs[str(r.folder)] for r in done if str(r.folder) in column.runs]
            columns[column.heading] = [_value_of(number) for number in found]
        columns["ms/update"] = [r.ms_per_update for r in done]
        failed = _count_failures(results, setting, method)
        entries += [_Entry(setting, method, budget, k, v, failed) for k, v in columns.items()]
    floors = {column.heading: _value_of(column.real) for column in measured if column.real}
    entries += [_Entry(setting, "real", "", k, [v]) for k, v in floors.items()]
    return entries + [
        _Entry(setting, f"Markov, {chain}", "", columns_of(name, runs)[0].heading, [value])
        for name in names
        for chain, value in _chains(name, runs).items()
    ]


def _chains(name: str, runs: dict[str, dict[str, Any]]) -> dict[str, float]:
    r"""Returns the measure of each Markov chain, the same for all runs; text alone has some."""
    return next((found[name].get("markov", {}) for found in runs.values() if name in found), {})


def _value_of(number: dict[str, float | None]) -> float:
    r"""Returns the value of a stamped number, in which `None` is infinity."""
    return math.inf if number["value"] is None else number["value"]


def _entries_at_time(
    study: Study, results: list[Result], setting: str, seconds: float
) -> list[_Entry]:
    r"""Returns the logged numbers of a setting's methods at a time that all of them reached."""
    entries = []
    for method in study.methods:
        done, failed = (
            finished_cells(results, setting, method),
            _count_failures(results, setting, method),
        )
        for name in study.curves:
            values = [value for r in done if (value := r.at(name, seconds)) is not None]
            budget = f"seconds {seconds:.8g}"
            entries.append(_Entry(setting, method, budget, name, values, failed))
    return entries


def _count_failures(results: list[Result], setting: str, method: str) -> int:
    r"""Returns the number of failed cells of a method in a setting."""
    places = [(r.cell.setting, r.cell.method) for r in results if r.state == "failed"]
    return places.count((setting, method))


def _methods_table(
    study: Study, results: list[Result], setting: str, entries: list[_Entry]
) -> str:
    r"""Returns a table in Markdown, a row for each method in the order of the file."""
    names = list(dict.fromkeys(entry.measure for entry in entries))
    shown = {(entry.method, entry.measure): entry.text() for entry in entries}
    rows = [["", *names, "seeds"]]
    for method in study.methods:
        cells = [shown.get((method, name), "") for name in names]
        rows.append([method, *cells, _seeds_in_words(study, results, setting, method)])
    if any(method == "real" for method, _ in shown):
        rows.append(["*real data*", *(shown.get(("real", name), "") for name in names), ""])
    for chain in dict.fromkeys(m for m, _ in shown if m not in (*study.methods, "real")):
        rows.append([f"*{chain}*", *(shown.get((chain, name), "") for name in names), ""])
    return markdown_table(rows)


def _seeds_in_words(study: Study, results: list[Result], setting: str, method: str) -> str:
    r"""Returns the numbers of finished and failed seeds of a method, in words."""
    total = len(study.seeds)
    done, failed = (
        len(finished_cells(results, setting, method)),
        _count_failures(results, setting, method),
    )
    words = f"{done} of {total}"
    return f"{words}, failed ({failed} of {total})" if failed else words
