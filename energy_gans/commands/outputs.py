r"""What commands write: tables, warnings, and checks of output paths before any computation."""

from __future__ import annotations

import csv
import io
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from ..metrics.statistics import rank_and_world_size
from ..terminal import is_printing

# The path of an output, or `None` to write nothing: the default of Python functions. The defaults
# of the command line are in :data:`energy_gans.commands.OUTPUTS`.
Output = str | os.PathLike | None
PACKAGE = str(Path(__file__).parents[1])


def markdown_table(rows: Iterable[Iterable[object]]) -> str:
    r"""Returns a table in Markdown, whose first row is the heading."""
    heading, *others = rows
    return markdown_heading(heading) + "".join(map(markdown_row, others))


def markdown_heading(cells: Iterable[object]) -> str:
    r"""Returns the heading of a table in Markdown, for rows that are printed one at a time."""
    cells = list(cells)
    return f"{markdown_row(cells)}|{'---|' * len(cells)}\n"


def markdown_row(cells: Iterable[object]) -> str:
    r"""Returns one row of a table in Markdown."""
    return f"| {' | '.join(map(str, cells))} |\n"


def comma_separated(rows: list[list[str]]) -> str:
    r"""Returns a table as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def warn(sentence: str) -> None:
    r"""Warns in the first process: the command line prints, and functions warn their caller."""
    if rank_and_world_size()[0] > 0:
        return
    if is_printing():
        sys.stderr.write(f"energy-gans: warning: {sentence}\n")
        return
    frame, level = sys._getframe(), 1
    while frame.f_code.co_filename.startswith(PACKAGE) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, stacklevel=level)


def check_output_and_numbers(out: Output, overwrite: bool) -> Path | None:
    r"""Returns the path of an output after checking that it and its `.json` file can be written.

    Raises:
        FileExistsError: If the `.json` file exists and may not be overwritten.
    """
    path = check_output(out, overwrite)
    if path is None:
        return None
    numbers = path.with_suffix(".json")
    if numbers.exists() and not overwrite:
        raise FileExistsError(
            f"{str(numbers)!r} exists beside 'out': choose another name, or add --overwrite true."
        )
    return path


def check_output(
    out: Output,
    overwrite: bool,
    endings: tuple[str, ...] | None = (".png", ".npz"),
    argument: str = "out",
) -> Path | None:
    r"""Returns the path of an output after checking that it can be written.

    Arguments:
        out: The path, or `None` to write nothing.
        overwrite: Whether the file may exist.
        endings: The accepted endings, or `None` for any.
        argument: The name of the argument in errors.

    Raises:
        ValueError: If the path has another ending, or is a folder.
        FileExistsError: If the file exists and may not be overwritten.
        PermissionError: If its folder can not be written.
    """
    if out is None:
        return None
    path, given = Path(out), str(out)
    if path.is_dir():
        raise ValueError(f"{argument!r} should be a file, got the folder {given!r}.")
    if endings is not None and path.suffix not in endings:
        raise ValueError(f"{argument!r} should end in {' or '.join(endings)}, got {given!r}.")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{argument!r} = {given!r} exists: choose another name, or add --overwrite true."
        )
    check_writable(path, argument)
    return path


def check_writable(path: Path, argument: str = "out") -> None:
    r"""Makes the folder of an output and checks that it can be written.

    Arguments:
        path: The path of the output.
        argument: The name of the argument in errors.

    Raises:
        PermissionError: If the folder can not be made or written.
    """
    name = f"{argument!r} = {str(path)!r}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(f"{name} can not be written: {error}.") from error
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{name} can not be written: {path.parent} is read-only.")
