r"""Tests for the energy_gans.callbacks.metrics_file module."""

import io
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import pytest
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from energy_gans.callbacks.metrics_file import MetricsFile

# What a run logs in six steps: losses at every second, a measure at every third, another from 4 on.
LOGGED = [(step, {"loss": step / 3}) for step in (1, 3, 5)] + [
    (2, {"val": 0.5, "a": 1e-9}),
    (5, {"val": 0.25, "late": float("nan")}),
]
LOGGED.sort(key=lambda row: row[0])


def log(file: ExperimentWriter, rows: Iterable[tuple[int, dict[str, float]]]) -> None:
    for step, values in rows:
        file.log_metrics(values, step)
        file.save()


@pytest.mark.parametrize("step, killed", [(i, j) for j in range(7) for i in range(j + 1)])
def test_a_file_that_goes_on_is_the_one_of_a_run_without_interruption(
    tmp_path: Path, step: int, killed: int
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    log(ExperimentWriter(str(whole)), LOGGED)
    log(MetricsFile(str(parts)), [row for row in LOGGED if row[0] < killed])
    log(MetricsFile(str(parts), step), [row for row in LOGGED if row[0] >= step])
    assert (parts / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_nothing_is_dropped_before_the_first_new_row(tmp_path: Path) -> None:
    log(MetricsFile(str(tmp_path)), LOGGED)
    before = (tmp_path / "metrics.csv").read_bytes()
    MetricsFile(str(tmp_path), 2).save()
    assert (tmp_path / "metrics.csv").read_bytes() == before


def test_a_row_that_was_not_written_whole_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    log(MetricsFile(str(tmp_path)), [(step, {"loss": 0.5}) for step in range(12)])
    whole = path.read_bytes()
    # Step 11 cut to step 1.
    path.write_bytes(whole[: whole.rindex(b"11") + 1])
    log(MetricsFile(str(tmp_path), 11), [(11, {"loss": 0.5})])
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["loss", "other"])
def test_rows_are_written_whole_or_not_at_all(tmp_path: Path, name: str) -> None:
    path = tmp_path / "metrics.csv"
    file = MetricsFile(str(tmp_path))
    log(file, [(0, {"loss": 0.5})])
    before = path.read_bytes()
    if name == "loss":
        fail = mock.patch("energy_gans.files.open", return_value=FullDisk(path), create=True)
    else:
        fail = mock.patch("energy_gans.files.os.replace", side_effect=OSError("full"))
    with fail, pytest.raises(OSError, match="could not be written"):
        log(file, [(1, {name: 0.5})])
    assert path.read_bytes() == before


class FullDisk(io.FileIO):
    r"""Opens a file on a disk that takes four bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "ab")
        self.left = 4

    def write(self, content: bytes) -> int:
        if not self.left:
            raise OSError("full")
        self.left -= super().write(content[: self.left])
        return 4 - self.left
