r"""`energy-gans compare`: numbers of many runs in one table, if they may stand in one column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_text
from ..storage.stamps import View, display, first_difference, read_metrics, views
from .outputs import comma_separated, markdown


def compare(files: list[str], measures: str | None = None, out: str | None = None) -> None:
    r"""Prints one table of what `evaluate` wrote for several runs, a row for each file.

    Numbers of unlike protocols are refused: of other extractors, weights, sizes, references. The
    last row says what real images give. Where that is of fewer images or a smaller reference, a
    measure has a second column, in which the runs' numbers are, too.

    Arguments:
        files: The metrics.json files.
        measures: Which columns, such as fd,is; all by default.
        out: Where to write the table, too: .md or .csv.
    """
    if out is not None and Path(out).suffix not in (".md", ".csv"):
        raise ValueError(f"'out' should end in .md or .csv, got {out!r}.")
    if not files:
        raise ValueError("'files' should name at least one metrics.json, got none.")
    runs = {path: read_metrics(path) for path in files}
    names = list(dict.fromkeys(name for numbers in runs.values() for name in numbers))
    if measures is not None:
        wanted = [name.strip() for name in measures.split(",")]
        if missing := [name for name in wanted if name not in names]:
            raise ValueError(f"'measures' should be of {','.join(names)}, got {missing[0]!r}.")
        names = wanted
    for name in names:
        check_alike(name, runs)
    found = [column for name in names for column in columns(name, runs)]
    rows = [["", *(column.heading for column in found)]]
    rows += [[path, *(cell(column.runs.get(path)) for column in found)] for path in runs]
    rows += [["real", *(cell(column.real) for column in found)]]
    print(markdown(rows), end="")
    if out is not None:
        write_text(
            markdown(rows) if Path(out).suffix == ".md" else comma_separated(rows), Path(out)
        )


def check_alike(name: str, runs: dict[str, dict[str, Any]]) -> None:
    r"""Raises a `ValueError` if numbers of one name have unlike protocols."""
    found = [
        (path, numbers[name]["protocol"]) for path, numbers in runs.items() if name in numbers
    ]
    for path, protocol in found[1:]:
        difference = first_difference(found[0][1], protocol)
        if difference is not None:
            raise ValueError(
                f"{name!r} of {found[0][0]} and {path} can not stand in one column: {difference}. "
                "Evaluate them alike, or leave it out with --measures."
            )


@dataclass(frozen=True)
class Column:
    r"""Creates a column: numbers of one protocol.

    Arguments:
        heading: The measure, the extractor and the number of samples.
        runs: The numbers of the runs that have it, by run.
        real: What real images give, if there is one such number.
    """

    heading: str
    runs: dict[str, dict[str, Any]]
    real: dict[str, Any] | None


def columns(name: str, runs: dict[str, dict[str, Any]]) -> list[Column]:
    r"""Returns the columns of a measure: two where real images have a protocol of their own.

    Arguments:
        name: The measure.
        runs: What :func:`read_metrics` returns, by run. The runs' protocols are alike.
    """
    found = {path: views(name, numbers[name]) for path, numbers in runs.items() if name in numbers}
    columns = []
    for i in range(max(map(len, found.values()))):
        seen = {path: rows[i] for path, rows in found.items() if i < len(rows)}
        first, *others = seen.values()
        if any(first_difference(first.protocol, other.protocol) for other in others):
            continue
        real = first.real if all(other.real == first.real for other in others) else None
        there = {path: view.samples for path, view in seen.items() if view.samples}
        columns.append(Column(heading(first, first=i == 0), there, real))
    return columns


def heading(view: View, first: bool) -> str:
    r"""Returns a column's heading, with the number of reference images in the second one."""
    n, reference_n = view.counts()
    against = "" if first or reference_n is None else f", reference n={reference_n}"
    return f"{view.label} ({view.protocol['extractor']['name']}, n={n}{against})"


def cell(number: dict[str, Any] | None) -> str:
    return "" if number is None else display(number)
