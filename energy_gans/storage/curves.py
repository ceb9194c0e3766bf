r"""The curves of a run's logged numbers: its `metrics.csv`, written, resumed and read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from ..files import append_bytes, atomic_write

Curves = dict[str, tuple[list[float], list[float]]]


class MetricsFile(ExperimentWriter):
    r"""Writes the `metrics.csv` and the `hparams.yaml` of a CSVLogger, also of a resumed run.

    A resumed run repeats the steps after its checkpoint. When it logs its first row, it drops the
    rows of these steps that a killed process has written. So the file equals that of a run without
    the interruption. Rows, and a header with new columns, are written whole or not at all.

    Arguments:
        log_dir: The run's directory.
        step: The step at which a resumed run continues, or `None` for a new run, which removes an
            older file.
    """

    def __init__(self, log_dir: str, step: int | None = None) -> None:
        self.step = step
        self.joined = step is None
        super().__init__(log_dir)

    def _check_log_dir_exists(self) -> None:
        if self.joined:
            super()._check_log_dir_exists()

    def save(self) -> None:
        if not self.metrics:
            return
        path = Path(self.metrics_file_path)
        if not self.joined:
            self.metrics_keys = _drop_rows_from(path, self.step)
            self.joined = True
        if self._record_new_keys() or not path.is_file():
            rows = [*_read_rows(path), *self.metrics]
            with atomic_write(path) as file:
                file.write(_csv_bytes(rows, self.metrics_keys, header=True))
        else:
            append_bytes(path, _csv_bytes(self.metrics, self.metrics_keys))
        self.metrics = []

    def log_hparams(self, params: dict[str, Any]) -> None:
        self.hparams.update(params)
        path = Path(self.log_dir) / self.NAME_HPARAMS_FILE
        with TemporaryDirectory() as scratch, atomic_write(path) as file:
            copy = Path(scratch) / path.name
            save_hparams_to_yaml(copy, self.hparams)
            file.write(copy.read_bytes())


def _drop_rows_from(path: Path, step: int) -> list[str]:
    r"""Drops the rows from a step on, and returns the columns of the other rows.

    Arguments:
        path: The path of a `metrics.csv`, which may be missing.
        step: The number of steps of the checkpoint. Rows count steps from 0, so the last row that
            is kept is that of `step - 1`.

    Returns:
        The names of the columns.
    """
    kept = [row for row in _read_rows(path) if int(row["step"]) < step]
    columns = sorted({name for row in kept for name, value in row.items() if value})
    if kept:
        with atomic_write(path) as file:
            file.write(_csv_bytes(kept, columns, header=True))
    else:
        path.unlink(missing_ok=True)
    return columns


def _read_rows(path: Path) -> list[dict[str, str]]:
    r"""Returns the rows of a `metrics.csv`, except for an incomplete last row."""
    if not path.is_file():
        return []
    with _explain(path):
        text = path.read_bytes().decode()
        whole = text[: text.rfind("\n") + 1]
        rows = list(csv.DictReader(io.StringIO(whole, newline="")))
    if any(None in row for row in rows):
        raise ValueError(f"{path} is damaged: a row has more values than the table has columns.")
    return [row for row in rows if (row.get("step") or "").isdecimal()]


def _csv_bytes(
    rows: Iterable[Mapping[str, Any]], columns: list[str], header: bool = False
) -> bytes:
    r"""Returns rows as CSV, with or without a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read_curves(path: Path) -> Curves:
    r"""Returns the steps and the values of every number in a `metrics.csv`; none if it is missing.

    A last row without a newline is incomplete, because of a kill or a full disk, and is left out.

    Raises:
        ValueError: If the file is damaged.
    """
    if not path.is_file():
        return {}
    with _explain(path):
        whole, end, _ = path.read_bytes().decode().rpartition("\n")
        return _curves_of(list(csv.DictReader(io.StringIO(whole + end, newline=""))))


@contextmanager
def _explain(path: Path) -> Iterator[None]:
    r"""Turns an error while a `metrics.csv` is parsed into a `ValueError` that names the file."""
    try:
        yield
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ValueError(f"{path} is damaged, and no table of logged numbers: {error}.") from error


def _curves_of(rows: list[Mapping[str, str]]) -> Curves:
    r"""Returns the curves in the rows of a table that has empty cells."""
    curves: Curves = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("epoch", "step") and value:
                steps, values = curves.setdefault(name, ([], []))
                steps.append(float(row["step"]))
                values.append(float(value))
    return curves
