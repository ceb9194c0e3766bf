r"""What commands write: paths checked before any work is done, warnings and tables."""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path

from ..metrics.statistics import rank_and_world_size


def markdown(rows: list[list[str]]) -> str:
    r"""Returns a table in Markdown."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def comma_separated(rows: list[list[str]]) -> str:
    r"""Returns a table as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def warn(sentence: str) -> None:
    r"""Prints a warning, in the first process."""
    if rank_and_world_size()[0] == 0:
        print(f"energy-gans: warning: {sentence}", file=sys.stderr)


def check_output_and_numbers(out: str, overwrite: bool) -> Path:
    r"""Returns the path of an output, once it is known that it and the numbers beside it can be written.

    Raises:
        FileExistsError: If numbers are there and may not be overwritten.
    """
    path = check_output(out, overwrite)
    beside = path.with_suffix(".json")
    if beside.exists() and not overwrite:
        raise FileExistsError(
            f"{str(beside)!r} exists beside 'out': choose another name, or add --overwrite true."
        )
    return path


def check_output(
    out: str, overwrite: bool, endings: tuple[str, ...] = (".png", ".npz"), argument: str = "out"
) -> Path:
    r"""Returns the path of an output, once it is known that it can be written.

    Arguments:
        out: The path.
        overwrite: Whether the file may exist.
        endings: The endings that it may have.
        argument: The argument that gave the path.

    Raises:
        ValueError: If it has no known ending.
        FileExistsError: If it exists and may not be overwritten.
        PermissionError: If its folder can not be written.
    """
    path = Path(out)
    if path.suffix not in endings:
        raise ValueError(f"{argument!r} should end in {' or '.join(endings)}, got {out!r}.")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{argument!r} = {out!r} exists: choose another name, or add --overwrite true."
        )
    check_writable(path, argument)
    return path


def check_writable(path: Path, argument: str = "out") -> None:
    r"""Makes the folder of an output, before anything is computed for it.

    Arguments:
        path: The path.
        argument: The argument that gave it.

    Raises:
        PermissionError: If its folder can not be made or written.
    """
    name = f"{argument!r} = {str(path)!r}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(f"{name} can not be written: {error}.") from error
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{name} can not be written: {path.parent} is read-only.")
