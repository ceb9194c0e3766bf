r"""The tables of a study: mean and standard deviation over seeds, for equal budgets and equal times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...files import write_text
from ..compare import check_alike, columns as columns_of
from ..outputs import comma_separated, markdown
from .plan import Study
from .results import Result, common_seconds, done_of

COLUMNS = ["setting", "method", "budget", "measure", "mean", "std", "seeds", "failed"]


@dataclass(frozen=True)
class Entry:
    r"""Creates a number of the tables: a measure of a method over seeds.

    Arguments:
        setting: The setting.
        method: The method, or `"real"`.
        budget: What the method had, such as `"steps 4000"`.
        measure: The column's heading.
        values: The values of the finished seeds.
        failed: How many seeds failed.
    """

    setting: str
    method: str
    budget: str
    measure: str
    values: Sequence[float]
    failed: int = 0

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        r"""The standard deviation, with one degree of freedom less than values."""
        if len(self.values) < 2 or not all(map(math.isfinite, self.values)):
            return None
        return statistics.stdev(self.values)

    def shown(self) -> str:
        if not self.values:
            return ""
        return f"{self.mean:.4g}" + ("" if self.std is None else f" ± {self.std:.2g}")

    def row(self) -> list[str]:
        r"""Returns the number as a row of the table as CSV."""
        numbers = [f"{self.mean:.8g}", "" if self.std is None else f"{self.std:.8g}"]
        rest = [str(len(self.values)), str(self.failed)]
        return [self.setting, self.method, self.budget, self.measure, *numbers, *rest]


def write_tables(study: Study, results: list[Result], out: Path) -> None:
    r"""Writes table.md and table.csv.

    Raises:
        ValueError: If numbers of one column were measured unlike.
    """
    ((name, value),) = study.budget.items()
    parts, entries = [], []
    for setting in study.settings:
        end = at_end(study, results, setting, f"{name} {value}")
        parts.append(
            f"## {setting}: {budget_words(study)}\n\n{table(study, results, setting, end)}"
        )
        seconds = common_seconds(done_of(results, setting))
        timed = at_time(study, results, setting, seconds) if seconds and study.curves else []
        if timed:
            words = f"after {seconds:.4g} s of training, which all finished cells reached"
            parts.append(f"## {setting}: {words}\n\n{table(study, results, setting, timed)}")
        entries += end + timed
    write_text("\n".join(parts), out / "table.md")
    rows = [entry.row() for entry in entries if entry.values]
    write_text(comma_separated([COLUMNS, *rows]), out / "table.csv")


def budget_words(study: Study) -> str:
    ((name, value),) = study.budget.items()
    return f"{value} updates of the generator" if name == "steps" else f"{value} s"


def at_end(study: Study, results: list[Result], setting: str, budget: str) -> list[Entry]:
    r"""Returns the numbers of the methods of a setting at the end of the budget."""
    entries = []
    runs = {
        str(r.folder): r.left["measures"] for r in done_of(results, setting) if r.left["measures"]
    }
    names = list(dict.fromkeys(name for numbers in runs.values() for name in numbers))
    for name in names:
        check_alike(name, runs)
    measured = [column for name in names for column in columns_of(name, runs)]
    for method in study.methods:
        done = done_of(results, setting, method)
        columns = {
            title: [r.left["last"][name] for r in done if name in r.left["last"]]
            for name, title in study.measures.items()
        }
        for column in measured:
            found = [column.runs[str(r.folder)] for r in done if str(r.folder) in column.runs]
            columns[column.heading] = [value_of(number) for number in found]
        columns["ms/update"] = [r.ms_per_update for r in done]
        failed = failures(results, setting, method)
        entries += [Entry(setting, method, budget, k, v, failed) for k, v in columns.items()]
    floors = {column.heading: value_of(column.real) for column in measured if column.real}
    return entries + [Entry(setting, "real", "", k, [v]) for k, v in floors.items()]


def value_of(number: dict[str, float | None]) -> float:
    r"""Returns the value of a stamped number, in which an infinite one is null."""
    return math.inf if number["value"] is None else number["value"]


def at_time(study: Study, results: list[Result], setting: str, seconds: float) -> list[Entry]:
    r"""Returns the logged numbers of the methods of a setting at a time that all of them reached."""
    entries = []
    for method in study.methods:
        done, failed = done_of(results, setting, method), failures(results, setting, method)
        for name in study.curves:
            values = [value for r in done if (value := r.at(name, seconds)) is not None]
            budget = f"seconds {seconds:.8g}"
            entries.append(Entry(setting, method, budget, name, values, failed))
    return entries


def failures(results: list[Result], setting: str, method: str) -> int:
    r"""Returns how many cells of a method failed in a setting."""
    places = [(r.cell.setting, r.cell.method) for r in results if r.state == "failed"]
    return places.count((setting, method))


def table(study: Study, results: list[Result], setting: str, entries: list[Entry]) -> str:
    r"""Returns a table in Markdown, a row for each method in the order of the file."""
    names = list(dict.fromkeys(entry.measure for entry in entries))
    shown = {(entry.method, entry.measure): entry.shown() for entry in entries}
    rows = [["", *names, "seeds"]]
    for method in study.methods:
        cells = [shown.get((method, name), "") for name in names]
        rows.append([method, *cells, seeds_words(study, results, setting, method)])
    if any(method == "real" for method, _ in shown):
        rows.append(["*real data*", *(shown.get(("real", name), "") for name in names), ""])
    return markdown(rows)


def seeds_words(study: Study, results: list[Result], setting: str, method: str) -> str:
    r"""Returns how many seeds of a method are finished, and how many failed."""
    total = len(study.seeds)
    done, failed = len(done_of(results, setting, method)), failures(results, setting, method)
    words = f"{done} of {total}"
    return f"{words}, failed ({failed} of {total})" if failed else words
