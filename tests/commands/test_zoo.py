r"""Tests for the energy_gans.commands.zoo module."""

import json
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

import energy_gans
from energy_gans.cli import main
from energy_gans.commands.real_data import data_name
from energy_gans.commands.zoo import ZooModel
from energy_gans.storage.zoo import VARIABLE


@pytest.fixture
def folder(trained: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    r"""Returns a folder of one model, the export of a run in the plane."""
    energy_gans.export(trained("points"), tmp_path / "zoo" / "tiny-ring")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "zoo"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "zoo"


def tiny() -> ZooModel:
    return next(one for one in energy_gans.models().models if one.name == "tiny-ring")


def test_models_are_listed_with_what_their_files_say(folder: Path) -> None:
    one = tiny()
    assert (one.method, one.data, one.folder) == ("GCN", "Ring", folder / "tiny-ring")
    config = json.loads((one.folder / "config.json").read_text())
    assert one.steps == config["step"]
    assert one.size == sum(path.stat().st_size for path in one.folder.iterdir())
    assert "| tiny-ring | GCN | Ring | 2 |" in str(energy_gans.models())


def test_stamped_numbers_come_before_logged_ones(folder: Path) -> None:
    logged = folder / "tiny-ring" / "metrics.csv"
    logged.write_text("step,train/loss,val/kl\n1,5,0.5\n2,6,0.25\n")
    assert (tiny().numbers, tiny().extractor) == ({"kl": "0.25"}, "")
    number = {"value": 2.5, "protocol": {"extractor": {"name": "pixels"}, "n": 10}}
    measures = {"fd": number | {"real": number | {"value": 1.0}}, "pr": number | {"real": None}}
    content = {"measures": measures, "origin": {}}
    (folder / "tiny-ring" / "metrics.json").write_text(json.dumps(content))
    assert (tiny().numbers, tiny().extractor) == ({"fd": "2.5 (1)"}, "pixels")
    assert "| fd 2.5 (1) | pixels |" in str(energy_gans.models())
    number["protocol"]["extractor"] = {"name": "own", "sha256": "0123456789abcdef"}
    (folder / "tiny-ring" / "metrics.json").write_text(json.dumps(content))
    assert tiny().extractor == "own 012345"


def test_a_report_of_a_model_leaves_its_folder_as_it_is(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "tiny-ring").iterdir()}
    with pytest.raises(SystemExit, match="'tiny-ring' is an exported model, .* 'out' should be"):
        main(["report", "--run", "tiny-ring"])
    main(["report", "--run", "tiny-ring", "--out", "elsewhere"])
    assert (folder.parent / "elsewhere" / "report.md").is_file()
    assert {path.name: path.read_bytes() for path in (folder / "tiny-ring").iterdir()} == before


@pytest.mark.parametrize(
    ("cls", "root", "name"),
    [
        ("ImageFolder", "data/cats", "cats"),
        ("ImageFolder", "/", "ImageFolder"),
        ("TextLines", "plays.txt", "plays.txt"),
        ("MNIST", "data", "MNIST"),
    ],
)
def test_data_of_ones_own_have_the_name_of_their_folder(cls: str, root: str, name: str) -> None:
    spec = {"class_path": f"energy_gans.data.{cls}", "init_args": {"root": root}}
    assert data_name(spec) == name
    assert data_name(spec | {"init_args": [root]}) == cls
    assert data_name(None) == ""


def test_a_damaged_model_is_named(folder: Path) -> None:
    (folder / "tiny-ring" / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"'model' = '.*tiny-ring' can not be read"):
        energy_gans.models()


@pytest.mark.parametrize("key", ["model", "data"])
def test_a_model_without_a_class_is_refused(folder: Path, key: str) -> None:
    path = folder / "tiny-ring" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: {"init_args": []}}))
    with pytest.raises(
        ValueError, match=f"can not be read: '{key}' in config.json names no class"
    ):
        energy_gans.models()


def test_a_command_takes_a_model_by_name(folder: Path, tmp_path: Path) -> None:
    for option in (["--model", "tiny-ring"], ["--model=tiny-ring"], ["--ckpt_path", "tiny-ring"]):
        main(["sample", *option, "--n", "3", "--out", "a.npz", "--overwrite"])
        assert (tmp_path / "a.npz").is_file()
        (tmp_path / "a.npz").unlink()


def test_without_models_the_list_says_where_they_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_gans.commands.zoo.zoo_models", dict)
    assert VARIABLE in str(energy_gans.models())
    assert energy_gans.models().table == ""


def test_a_run_starts_from_the_weights_of_a_model_by_name(folder: Path) -> None:
    args = ["fit", "--config", str(folder / "tiny-ring" / "config.yaml"), "--trainer.max_steps=1"]
    with mock.patch("energy_gans.methods.bases.generative.load_weights") as load:
        main([*args, "--model.initial_weights", "tiny-ring"])
    assert load.call_args.args[1] == str(folder / "tiny-ring" / "model.safetensors")
    with pytest.raises(
        SystemExit, match="'initial_weights' .* Did you mean the model 'tiny-ring'"
    ):
        main([*args, "--model.initial_weights", "tiny-rin"])
