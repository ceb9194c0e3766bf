r"""`energy-gans compare`: measures of several runs in one table, if their protocols are equal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_text
from ..storage.stamps import Comparison, comparisons, first_difference, format_number, read_metrics
from .outputs import comma_separated, markdown_table
from .results import Result


@dataclass(frozen=True, repr=False, eq=False)
class ComparisonTable(Result):
    r"""Measures of several runs in one table.

    Arguments:
        rows: The cells of the table, a row for each file between the headings and real images.
        path: The file that was written, or `None`.
    """

    rows: list[list[str]]
    path: Path | None

    @property
    def table(self) -> str:
        r"""The table in Markdown."""
        return markdown_table(self.rows)

    def __str__(self) -> str:
        return self.table.rstrip("\n")


def compare(
    files: list[str | os.PathLike],
    measures: str | None = None,
    out: str | os.PathLike | None = None,
) -> ComparisonTable:
    r"""Puts what `evaluate` wrote for several runs into one table, a row for each file.

    All numbers in a column have the same protocol: extractor and weights, number of samples and
    reference. Other numbers are refused. The last row holds the measures of real images. If there
    are fewer real images, or a smaller reference for them, a second column holds the measures of
    real images and of the runs' samples under that protocol.

    Arguments:
        files: The metrics.json files.
        measures: The measures, such as fd,is; all by default.
        out: A .md or .csv file for the table.

    Returns:
        The table, and the file that was written.

    Raises:
        ValueError: If an argument is out of its range, or numbers of a column have different
            protocols.
        OSError: If a file can not be read.
    """
    if out is not None and Path(out).suffix not in (".md", ".csv"):
        raise ValueError(f"'out' should end in .md or .csv, got {str(out)!r}.")
    files = [str(path) for path in files]
    if not files:
        raise ValueError("'files' should name at least one metrics.json, got none.")
    runs = {path: read_metrics(path) for path in files}
    names = list(dict.fromkeys(name for numbers in runs.values() for name in numbers))
    if measures is not None:
        chosen = [name.strip() for name in measures.split(",")]
        if missing := [name for name in chosen if name not in names]:
            raise ValueError(f"'measures' should be of {','.join(names)}, got {missing[0]!r}.")
        names = chosen
    for name in names:
        check_same_protocol(name, runs)
    found = [column for name in names for column in columns_of(name, runs)]
    rows = [["", *(column.heading for column in found)]]
    rows += [[path, *(_cell(column.runs.get(path)) for column in found)] for path in runs]
    rows += [["real", *(_cell(column.real) for column in found)]]
    made = ComparisonTable(rows, None if out is None else Path(out))
    if made.path is not None:
        text = made.table if made.path.suffix == ".md" else comma_separated(rows)
        write_text(text, made.path)
    return made


def check_same_protocol(name: str, runs: dict[str, dict[str, Any]]) -> None:
    r"""Raises a `ValueError` if the runs' protocols of a measure differ."""
    found = [
        (path, numbers[name]["protocol"]) for path, numbers in runs.items() if name in numbers
    ]
    for path, protocol in found[1:]:
        difference = first_difference(found[0][1], protocol)
        if difference is not None:
            raise ValueError(
                f"{name!r} of {found[0][0]} and {path} can not stand in one column: {difference}. "
                "Evaluate them with the same settings, or leave the measure out of --measures."
            )


@dataclass(frozen=True)
class _Column:
    r"""A column of the table: numbers of one protocol.

    Arguments:
        heading: The measure, the extractor and the number of samples.
        runs: The stamped numbers, by run.
        real: The number of real images, or `None` if the runs disagree on it.
    """

    heading: str
    runs: dict[str, dict[str, Any]]
    real: dict[str, Any] | None


def columns_of(name: str, runs: dict[str, dict[str, Any]]) -> list[_Column]:
    r"""Returns the columns of a measure: two if the real images have another protocol.

    Arguments:
        name: The measure.
        runs: The stamped numbers of :func:`read_metrics`, by run, with equal protocols.
    """
    found = {
        path: comparisons(name, numbers[name]) for path, numbers in runs.items() if name in numbers
    }
    columns = []
    for i in range(max(map(len, found.values()))):
        seen = {path: rows[i] for path, rows in found.items() if i < len(rows)}
        first, *others = seen.values()
        if any(first_difference(first.protocol, other.protocol) for other in others):
            continue
        real = first.real if all(other.real == first.real for other in others) else None
        there = {path: view.samples for path, view in seen.items() if view.samples}
        columns.append(_Column(_heading(first, first=i == 0), there, real))
    return columns


def _heading(comparison: Comparison, first: bool) -> str:
    r"""Returns a column's heading; the second column gives the number of reference images."""
    n, reference_n = comparison.counts()
    against = "" if first or reference_n is None else f", reference n={reference_n}"
    return f"{comparison.label} ({comparison.protocol['extractor']['name']}, n={n}{against})"


def _cell(number: dict[str, Any] | None) -> str:
    return "" if number is None else format_number(number)
