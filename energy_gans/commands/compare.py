r"""`energy-gans compare`: numbers of many runs in one table, if they may stand in one column."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from ..callbacks.directory import write_text
from .stamps import read_metrics, shown, unlike


def compare(files: list[str], measures: str | None = None, out: str | None = None) -> None:
    r"""Prints a table of what `evaluate` wrote, a row for each file.

    Numbers of unlike protocols are refused: of other extractors, weights, sizes, references.

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
    rows = [["", *(heading(name, runs) for name in names)]]
    rows += [[path, *(cell(numbers, name) for name in names)] for path, numbers in runs.items()]
    rows += [["real", *(real(name, runs) for name in names)]]
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
        difference = unlike(found[0][1], protocol)
        if difference is not None:
            raise ValueError(
                f"{name!r} of {found[0][0]} and {path} can not stand in one column: {difference}. "
                "Evaluate them alike, or leave it out with --measures."
            )


def heading(name: str, runs: dict[str, dict[str, Any]]) -> str:
    r"""Returns a column's heading: the measure, the extractor and the number of samples."""
    protocol = first(name, runs)["protocol"]
    return f"{name} ({protocol['extractor']['name']}, n={protocol['n']})"


def cell(numbers: dict[str, Any], name: str) -> str:
    return shown(numbers[name]) if name in numbers else ""


def real(name: str, runs: dict[str, dict[str, Any]]) -> str:
    r"""Returns what real data gives, if all runs say the same of it."""
    found = [numbers[name]["real"] for numbers in runs.values() if name in numbers]
    return shown(found[0]) if found[0] and all(one == found[0] for one in found) else ""


def first(name: str, runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    r"""Returns the first number of a name."""
    return next(numbers[name] for numbers in runs.values() if name in numbers)


def markdown(rows: list[list[str]]) -> str:
    r"""Returns a table in Markdown."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def comma_separated(rows: list[list[str]]) -> str:
    r"""Returns a table as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
