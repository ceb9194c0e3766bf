r"""Tests for the energy_gans.storage.saved_run module."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from energy_gans.storage import load_model
from energy_gans.storage.saved_run import find_checkpoint, run_of

from ..commands.conftest import trained  # noqa: F401
from .test_rebuild import COMMANDS, command


def checkpoint(run: Path, name: str = "last", time: int = 0) -> Path:
    r"""Returns an empty checkpoint file with a modification time."""
    path = run / "checkpoints" / f"{name}.ckpt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time, time))
    return path


def test_a_run_and_a_folder_of_runs_stand_for_a_last_checkpoint(tmp_path: Path) -> None:
    first = checkpoint(tmp_path / "ring/version_0", time=20)
    second = checkpoint(tmp_path / "ring/version_1", time=30)
    best = checkpoint(tmp_path / "ring/version_0", "best", time=40)
    other = checkpoint(tmp_path / "grid/version_0", time=10)
    for given, found in (
        (first, first),
        (best, best),
        (first.parent, first),
        (tmp_path / "ring/version_0", first),
        (tmp_path / "ring", second),
        (tmp_path / "grid", other),
        (tmp_path, second),
    ):
        assert find_checkpoint(given) == found
    assert run_of(best) == tmp_path / "ring/version_0"
    assert run_of(tmp_path / "moved.ckpt") == tmp_path


def test_of_runs_the_one_that_was_trained_last_is_taken_and_not_the_one_begun_last(
    tmp_path: Path,
) -> None:
    checkpoint(tmp_path / "version_1", time=20)
    resumed = checkpoint(tmp_path / "version_0", time=30)
    assert find_checkpoint(tmp_path) == resumed


def test_what_holds_no_checkpoint_is_named(tmp_path: Path) -> None:
    checkpoint(tmp_path / "version_0", "best")
    with pytest.raises(FileNotFoundError, match=r"'run' = '.*' is a folder without a checkpoint"):
        find_checkpoint(tmp_path, "run")
    with pytest.raises(FileNotFoundError, match="'.*none' is neither"):
        find_checkpoint(tmp_path / "none")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_a_run_in_place_of_a_checkpoint(
    trained: Callable[[str], str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    # Which files are read is seen from which of them are said to be wrong.
    for version, time in (("version_0", 10), ("version_1", 20)):
        folder = tmp_path / "ring" / version
        shutil.copytree(Path(trained(COMMANDS[name][0])).parents[1], folder)
        checkpoint(folder, time=time)
        (folder / "config.yaml").write_text("{}")
        if name in ("sample", "interpolate"):
            (folder / "checkpoints/last.ckpt").write_bytes(b"")
            checkpoint(folder, time=time)
    said = {
        tmp_path / "ring": "version_1",
        tmp_path / "ring/version_0": "version_0",
        tmp_path / "ring/version_0/checkpoints/last.ckpt": "version_0",
    }
    for place, version in said.items():
        with pytest.raises(
            SystemExit, match=rf"ring/{version}/(config.yaml|.*last.ckpt)' (hol|can)"
        ):
            command(name, place)
    shutil.rmtree(tmp_path / "ring/version_0/checkpoints")
    with pytest.raises(SystemExit, match="ring/version_0' is a folder without a checkpoint"):
        command(name, tmp_path / "ring/version_0")


def test_the_model_of_a_run_is_that_of_its_last_checkpoint(
    trained: Callable[[str], str],  # noqa: F811
) -> None:
    path = Path(trained("plane"))
    a, b = (
        load_model(place).sample(5, random=torch.Generator()) for place in (path, path.parents[1])
    )
    assert torch.equal(a, b)
