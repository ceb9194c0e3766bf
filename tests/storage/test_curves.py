r"""Tests for the energy_gans.storage.curves module."""

import errno
import io
import os
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
import torch
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from energy_gans.cli import main
from energy_gans.storage.curves import MetricsFile

# What a run logs in six steps: losses at every second, a measure at every third, another from 4
# on.
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
    r"""A file on a disk that is full after four bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "ab")
        self.left = 4

    def write(self, content: bytes) -> int:
        if not self.left:
            raise OSError("full")
        self.left -= super().write(content[: self.left])
        return 4 - self.left


# What Lightning's class writes, and errors

# What is logged from one save to the next.
SAVED = [
    [{"train/loss": torch.tensor(0.5)}, {"train/loss": 0.25, "epoch": 1}],
    [],
    [{"val/energy": float("nan"), "epoch": 1}, {"train/loss": 1e-30}],
    [{"train/loss": 3.0}],
    [{"a": 1, "z": "text, with a comma"}],
]


def written(writer: ExperimentWriter) -> tuple[bytes, bytes]:
    step = 0
    writer.log_hparams({"rate": 0.1, "sizes": [1, 2], "name": "x"})
    for rows in SAVED:
        for row in rows:
            writer.log_metrics(row, step := step + 1)
        writer.save()
    folder = Path(writer.log_dir)
    return (folder / "metrics.csv").read_bytes(), (folder / "hparams.yaml").read_bytes()


def test_files_are_those_that_lightning_writes(tmp_path: Path) -> None:
    assert written(MetricsFile(str(tmp_path / "a"))) == written(
        ExperimentWriter(str(tmp_path / "b"))
    )
    assert sorted(os.listdir(tmp_path / "a")) == ["hparams.yaml", "metrics.csv"]


@contextmanager
def full(limit: int) -> Iterator[None]:
    r"""Simulates a disk on which files can not exceed a number of bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    "name, said",
    [("a", "Its previous content is unchanged"), ("b", "The previous file is unchanged")],
)
def test_a_full_disk_leaves_the_rows_that_were_there(tmp_path: Path, name: str, said: str) -> None:
    writer = MetricsFile(str(tmp_path))
    writer.log_metrics({"a": 1.0}, 1)
    writer.save()
    path = tmp_path / "metrics.csv"
    before = path.read_bytes()
    for step in range(100):
        writer.log_metrics({name: 1.0}, step)
    with (
        full(len(before)),
        pytest.raises(OSError, match=f"^{path} could not be written: .*too large. {said}"),
    ):
        writer.save()
    assert path.read_bytes() == before


def test_a_run_whose_rows_can_not_be_written_names_the_file(
    tiny: Callable, tmp_path: Path
) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        mock.patch("energy_gans.files.open", side_effect=error, create=True),
        pytest.raises(SystemExit, match="version_0/metrics.csv could not be written: .*No space"),
    ):
        main(
            tiny(
                "--trainer.max_steps=9",
                "--trainer.limit_val_batches=0",
                "--trainer.logger.init_args.flush_logs_every_n_steps=1",
                points=True,
            )
        )
