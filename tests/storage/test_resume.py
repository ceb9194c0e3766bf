r"""Tests for the energy_gans.storage.resume module: folders of runs."""

from pathlib import Path

import pytest
from jsonargparse import Namespace

from energy_gans.storage.resume import configured_version, folder_to_resume, runs_folder


def trainer(**options: object) -> Namespace:
    logger = Namespace(class_path="a.Logger", init_args=Namespace(**options))
    return Namespace(logger=[logger], default_root_dir="root")


@pytest.mark.parametrize(
    "given, folder, version",
    [
        ({"save_dir": "runs", "name": "ring", "version": None}, "runs/ring", None),
        ({"save_dir": "runs", "name": "ring", "version": 0}, "runs/ring", "version_0"),
        ({"save_dir": "runs", "name": "ring", "version": "mine"}, "runs/ring", "mine"),
        ({"save_dir": "runs", "project": "p", "version": None, "id": "x"}, "runs/p", "x"),
        ({}, "root/lightning_logs", None),
    ],
)
def test_a_config_says_where_its_runs_are(given: dict, folder: str, version: str | None) -> None:
    assert runs_folder(trainer(**given)) == Path(folder)
    assert configured_version(trainer(**given)) == version


def test_a_run_goes_on_in_its_folder_if_that_is_one_of_its_config() -> None:
    path, root = Path("runs/ring/version_3/checkpoints/last.ckpt"), Path("runs/ring")
    assert folder_to_resume(path, root) == Path("runs/ring/version_3")
    assert folder_to_resume(path.absolute(), root) == Path("runs/ring/version_3").absolute()
    assert folder_to_resume(path, root, "version_3") == Path("runs/ring/version_3")
    assert folder_to_resume(path, root, "version_4") is None
    assert folder_to_resume(path, Path("runs/grid")) is None
    assert folder_to_resume(Path("last.ckpt"), root) is None
