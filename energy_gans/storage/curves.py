r"""The curves of what a run logged: its `metrics.csv`, written, resumed and read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from ..files import append_bytes, atomic_write

Curves = dict[str, tuple[list[float], list[float]]]


class MetricsFile(ExperimentWriter):
    r"""Writes the `metrics.csv` and the `hparams.yaml` of a CSVLogger, and goes on with the one of a resumed run.

    A resumed run logs the steps after its checkpoint again: when it logs its first row, the rows that
    a killed process had written of them are dropped, and the file is what the run would have written
    without the interruption. Rows and a header that grows are written whole or not at all.

    Arguments:
        log_dir: The run's directory.
        step: The step that a resumed run goes on from; a new run, without one, removes an older file.
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
            self.metrics_keys = cut(path, self.step)
            self.joined = True
        if self._record_new_keys() or not path.is_file():
            rows = [*read_rows(path), *self.metrics]
            with atomic_write(path) as file:
                file.write(table(rows, self.metrics_keys, header=True))
        else:
            append_bytes(path, table(self.metrics, self.metrics_keys))
        self.metrics = []

    def log_hparams(self, params: dict[str, Any]) -> None:
        self.hparams.update(params)
        path = Path(self.log_dir) / self.NAME_HPARAMS_FILE
        with TemporaryDirectory() as scratch, atomic_write(path) as file:
            copy = Path(scratch) / path.name
            save_hparams_to_yaml(copy, self.hparams)
            file.write(copy.read_bytes())


def cut(path: Path, step: int) -> list[str]:
    r"""Drops the rows of a step and of those after it, and returns the columns that are left.

    Arguments:
        path: The path of a `metrics.csv`, which need not be there.
        step: The number of steps of the checkpoint: it counts from 0, so its last row is of `step - 1`.
    """
    kept = [row for row in read_rows(path) if int(row["step"]) < step]
    columns = sorted({name for row in kept for name, value in row.items() if value})
    if kept:
        with atomic_write(path) as file:
            file.write(table(kept, columns, header=True))
    else:
        path.unlink(missing_ok=True)
    return columns


def read_rows(path: Path) -> list[dict[str, str]]:
    r"""Returns the rows of a `metrics.csv` but for a last one that was not written whole."""
    if not path.is_file():
        return []
    text = path.read_bytes().decode()
    whole = text[: text.rfind("\n") + 1]
    rows = csv.DictReader(io.StringIO(whole, newline=""))
    return [row for row in rows if (row.get("step") or "").isdigit()]


def table(rows: Iterable[Mapping[str, Any]], columns: list[str], header: bool = False) -> bytes:
    r"""Returns rows as they stand in a file, under a header or not."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read_curves(path: Path) -> Curves:
    r"""Returns the steps and the values of every number in a `metrics.csv`; none if it is missing.

    A last row without an end was cut off, by a kill or a full disk, and is left out: its last number
    may be.
    """
    if not path.is_file():
        return {}
    whole, end, _ = path.read_bytes().decode().rpartition("\n")
    return curves_of(list(csv.DictReader(io.StringIO(whole + end, newline=""))))


def curves_of(rows: list[Mapping[str, str]]) -> Curves:
    r"""Returns the curves in the rows of a table whose cells may be empty."""
    curves: Curves = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("epoch", "step") and value:
                steps, values = curves.setdefault(name, ([], []))
                steps.append(float(row["step"]))
                values.append(float(value))
    return curves
