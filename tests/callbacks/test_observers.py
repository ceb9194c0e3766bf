r"""Tests for the callbacks that look on: ema, samples, coverage, progress."""

import csv
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
import yaml
from PIL import Image

from energy_gans.callbacks import EMA, SamplePictures
from energy_gans.callbacks.sample_pictures import samples_picture
from energy_gans.cli import main
from energy_gans.fields import DriftingField, PlummerField
from energy_gans.methods import FieldGenerator
from energy_gans.networks import MLP

PICTURES = (
    "{class_path: energy_gans.callbacks.SamplePictures, init_args: {every_n_steps: 2, n: 9}}"
)
COVERAGE = "{class_path: energy_gans.callbacks.MixtureCoverage, init_args: {n: 500}}"


@pytest.mark.parametrize("points", [True, False])
def test_pictures_are_written_in_the_run_directory(
    tiny: Callable, tmp_path: Path, points: bool
) -> None:
    main(tiny("--trainer.max_steps=4", f"--trainer.callbacks=[{PICTURES}]", points=points))
    pictures = sorted((tmp_path / "tiny/version_0/samples").iterdir())
    assert [p.name for p in pictures] == ["step_00000002.png", "step_00000004.png"]
    one, two = (Image.open(p).convert("RGB") for p in pictures)
    assert one.size == two.size
    assert one.tobytes() != two.tobytes()


def test_pictures_go_to_loggers_that_take_images(tiny: Callable) -> None:
    logged = []
    with mock.patch(
        "lightning.pytorch.loggers.CSVLogger.log_image",
        lambda self, key, images, step: logged.append((key, step)),
        create=True,
    ):
        main(tiny("--trainer.max_steps=4", f"--trainer.callbacks=[{PICTURES}]"))
    assert logged == [("samples", 2), ("samples", 4)]


def test_samples_of_a_field_without_a_potential_are_drawn_alone() -> None:
    field = DriftingField(bandwidth=0.1)
    model = FieldGenerator(MLP(2, 2, [8]), latent_dim=2, field=field)
    model.charges = (torch.randn(8, 2), torch.randn(8, 2))
    alone = samples_picture(model, None, 16)
    model.field = PlummerField()
    assert alone.width < samples_picture(model, None, 16).width


@pytest.mark.parametrize("steps", [5, 6])
def test_a_run_that_is_shorter_than_its_intervals_ends_as_any_other(
    tiny: Callable, tmp_path: Path, steps: int
) -> None:
    pictures = PICTURES.replace("every_n_steps: 2", "every_n_steps: 1000")
    checkpoints = (
        "{class_path: energy_gans.callbacks.Checkpoints, init_args: {every_n_steps: 999}}"
    )
    intervals = ["val_check_interval=1000", "log_every_n_steps=6", f"max_steps={steps}"]
    flags = [f"--trainer.{flag}" for flag in intervals]
    main(tiny(*flags, f"--trainer.callbacks=[{pictures}, {checkpoints}]", points=True))
    run = tmp_path / "tiny/version_0"
    assert [p.name for p in (run / "samples").iterdir()] == [f"step_{steps:08d}.png"]
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("val/energy", "train/loss_d"):
        assert [row["step"] for row in rows if row[name]] == [f"{steps - 1}"]
    # What was asked for is kept, for a run that is longer.
    trainer = yaml.safe_load((run / "config.yaml").read_text())["trainer"]
    assert trainer["val_check_interval"] == 1000


def test_coverage_is_logged_at_validation(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=6", f"--trainer.callbacks=[{COVERAGE}]", points=True))
    with (tmp_path / "tiny/version_0/metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("val/modes")]
    assert len(rows) == 1
    assert 0 <= float(rows[0]["val/share"]) <= 1


def test_coverage_needs_a_mixture(tiny: Callable) -> None:
    with pytest.raises(
        SystemExit, match="MixtureCoverage needs data with known modes.*EmbeddedDigits"
    ):
        main(tiny(f"--trainer.callbacks=[{COVERAGE}]"))


def test_progress_counts_steps(tiny: Callable, capsys: pytest.CaptureFixture) -> None:
    args = tiny("--trainer.max_steps=7", "--trainer.enable_progress_bar=true", points=True)
    main(args)
    shown = capsys.readouterr().err
    assert "7/7" in shown
    assert "loss_d=" in shown


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: EMA(decay=1.0), r"'decay' should be in \[0, 1\), got 1.0"),
        (lambda: SamplePictures(every_n_steps=0), "'every_n_steps' should be at least 1, got 0"),
    ],
)
def test_numbers_out_of_range_are_named(make: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
