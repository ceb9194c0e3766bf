r"""Tests for the energy_gans.commands package: sample, report, checkpoint, resume, runs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from energy_gans.cli import main
from energy_gans.storage import load_checkpoint, load_model


@pytest.fixture
def run(tiny: Callable, tmp_path: Path) -> Callable[..., Path]:
    def train(**kwargs: object) -> Path:
        main(tiny("--trainer.max_steps=6", **kwargs))
        return tmp_path / "tiny" / "version_0"

    return train


def last(run: Path) -> str:
    return str(run / "checkpoints" / "last.ckpt")


def test_samples_of_images_as_an_array_and_as_a_picture(run: Callable, tmp_path: Path) -> None:
    path = last(run())
    for name in ("a.npz", "b.npz", "a.png"):
        main(["sample", "--ckpt_path", path, "--n", "10", "--out", str(tmp_path / name)])
    a, b = (np.load(tmp_path / name)["samples"] for name in ("a.npz", "b.npz"))
    assert a.shape == (10, 1, 8, 8)
    assert a.dtype == np.float32
    assert np.abs(a).max() <= 1
    assert np.array_equal(a, b)
    model = load_model(path)
    x = model.averaged.module(torch.randn(10, 4, generator=torch.Generator().manual_seed(0)))
    assert np.allclose(a, x.detach().clamp(-1, 1), atol=1e-6)
    assert Image.open(tmp_path / "a.png").width > 4 * 8
    assert not list(tmp_path.glob("*.part"))


def test_samples_of_points(run: Callable, tmp_path: Path) -> None:
    path = last(run(points=True))
    main(["sample", "--ckpt_path", path, "--n", "100", "--out", str(tmp_path / "a.png")])
    main(["sample", "--ckpt_path", path, "--n", "100", "--out", str(tmp_path / "a.npz")])
    assert np.load(tmp_path / "a.npz")["samples"].shape == (100, 2)


@pytest.mark.parametrize("points", [True, False])
def test_a_report_holds_pictures_and_a_table(
    run: Callable, capsys: pytest.CaptureFixture, points: bool
) -> None:
    directory = run(points=points)
    main(["report", "--run", str(directory.parent)])
    shown = capsys.readouterr().out
    for name in ("samples.png", "curves.png", "report.md"):
        assert (directory / name).stat().st_size > 0
        assert str(directory / name) in shown
    table = (directory / "report.md").read_text()
    assert "| real (train) |" in table
    assert ("modes" in table) == points


def test_a_report_of_a_run_without_a_metrics_csv_draws_no_empty_curves(
    run: Callable, capsys: pytest.CaptureFixture
) -> None:
    directory = run(points=True)
    # As a WandbLogger leaves a run.
    (directory / "metrics.csv").unlink()
    main(["report", "--run", str(directory)])
    assert "No curves.png" in capsys.readouterr().out.splitlines()[-1]
    assert {path.name for path in directory.glob("*.png")} == {"samples.png"}
    assert (directory / "report.md").is_file()


def test_validation_measures_a_checkpoint(
    run: Callable, tiny: Callable, capsys: pytest.CaptureFixture
) -> None:
    path = last(run(points=True))
    _, *rest = tiny(points=True)
    main(["validate", *rest, "--ckpt_path", path])
    assert "val/energy" in capsys.readouterr().out


def test_predictions_are_written(run: Callable, tiny: Callable, tmp_path: Path) -> None:
    folder = run(points=True)
    _, *rest = tiny(points=True)
    main(["predict", *rest, "--ckpt_path", str(folder)])
    (written,) = tmp_path.glob("tiny/*/predictions/samples_0.npz")
    assert np.load(written)["samples"].shape == (1024, 2)


# What is refused


def test_outputs_are_refused_before_anything_is_drawn(run: Callable, tmp_path: Path) -> None:
    path = last(run(points=True))
    taken = tmp_path / "taken.png"
    taken.write_bytes(b"mine")
    (tmp_path / "file").write_text("no folder")
    for out, message in (
        (taken, "exists: choose another name, or add --overwrite true"),
        (tmp_path / "a.jpg", r"'out' should end in .png or .npz or .txt, got"),
        (tmp_path / "file" / "a.png", "can not be written"),
    ):
        with (
            mock.patch("energy_gans.commands.models.load_model") as load,
            pytest.raises(SystemExit, match=message),
        ):
            main(["sample", "--ckpt_path", path, "--out", str(out)])
        load.assert_not_called()
    assert taken.read_bytes() == b"mine"
    main(["sample", "--ckpt_path", path, "--out", str(taken), "--overwrite", "true"])
    assert taken.read_bytes() != b"mine"


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"'run' = .* is a folder without a checkpoint"):
        main(["report", "--run", str(tmp_path)])


# Resuming


@pytest.mark.parametrize(
    "option, message",
    [
        ("--model.init_args.power=2.0", r"model\.init_args\.power was 1\.0 and is 2\.0"),
        ("--data.init_args.batch_size=128", r"data\.init_args\.batch_size was 64 and is 128"),
        ("--seed_everything=4", "seed_everything was 3 and is 4"),
    ],
)
def test_a_resumed_run_is_the_same_run(
    run: Callable, tiny: Callable, option: str, message: str
) -> None:
    run(points=True)
    with pytest.raises(SystemExit, match=f"is of another run: {message}"):
        main(tiny("--ckpt_path=last", option, points=True))


def test_a_resumed_run_may_be_longer(run: Callable, tiny: Callable, tmp_path: Path) -> None:
    run(points=True)
    main(tiny("--ckpt_path=last", "--trainer.max_steps=9", points=True))
    assert load_checkpoint(tmp_path / "tiny/version_0/checkpoints/last.ckpt")["global_step"] == 9


def test_there_has_to_be_a_run_to_go_on_with(tiny: Callable) -> None:
    with pytest.raises(SystemExit, match=r"'ckpt_path' = 'last' finds no"):
        main(tiny("--ckpt_path=last", points=True))


def test_a_checkpoint_of_a_baseline_is_read_in_a_fresh_process(
    tiny: Callable, tmp_path: Path
) -> None:
    monitor = "--trainer.callbacks.init_args.monitor=val/energy_distance"
    main(
        tiny(
            "--model=energy_gans.methods.baselines.GAN",
            "--trainer.max_steps=1",
            monitor,
            points=True,
        )
    )
    path = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    code = (
        f"from energy_gans.commands import load_model; print(load_model({str(path)!r}).latent_dim)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["2"], done.stderr
