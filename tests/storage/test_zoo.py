r"""Tests for the energy_gans.storage.zoo module."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import energy_gans
from energy_gans.methods import CoulombGAN, GenerativeModule
from energy_gans.networks import MLP
from energy_gans.storage import zoo
from energy_gans.storage.saved_run import find_checkpoint


def model_of(seed: int) -> CoulombGAN:
    torch.manual_seed(seed)
    return CoulombGAN(MLP(2, 2, [4]), MLP(2, 1, [4]), latent_dim=2)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    r"""Returns two folders of models, both of which have one of the name `ring`."""
    first, second = tmp_path / "first", tmp_path / "second"
    for seed, path in enumerate([first / "ring", second / "ring", second / "grid"]):
        path.parent.mkdir(exist_ok=True)
        energy_gans.export(model_of(seed), path)
    (first / "notes").mkdir()
    named = os.pathsep.join(["", str(first), str(tmp_path / "none"), str(second)])
    monkeypatch.setenv(zoo.VARIABLE, named)
    monkeypatch.chdir(tmp_path)
    return first, second


def test_models_are_found_by_name_in_the_order_of_the_folders(folders: tuple[Path, Path]) -> None:
    first, second = folders
    found = zoo.zoo_models()
    assert (found["grid"], found["ring"]) == (second / "grid", first / "ring")
    assert zoo.find_by_name("ring") == first / "ring" / "model.safetensors"
    assert zoo.zoo_folders()[:2] == [first, second]


def test_a_model_is_loaded_by_its_name(folders: tuple[Path, Path]) -> None:
    for seed, name in ((0, "ring"), (2, "grid")):
        weight = model_of(seed).generator[0].weight
        assert torch.equal(energy_gans.load(name).generator[0].weight, weight)
        assert torch.equal(GenerativeModule.from_pretrained(name).generator[0].weight, weight)


def test_a_path_comes_before_a_name(folders: tuple[Path, Path], tmp_path: Path) -> None:
    energy_gans.export(model_of(3), tmp_path / "ring")
    assert find_checkpoint("ring").resolve() == tmp_path / "ring" / "model.safetensors"


@pytest.mark.parametrize("name", ["none", "../second/ring", "", ".", "first/none", "a/b/c"])
def test_other_names_are_no_models(
    folders: tuple[Path, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "download", lambda name: pytest.fail("downloaded"))
    assert zoo.find_by_name(name) is None


@pytest.mark.parametrize(
    "name, expected",
    [("owner/name", True), ("first/none", False), ("../none", False), ("none", False)],
)
def test_a_repository_is_no_path_below_a_folder(
    folders: tuple[Path, Path], name: str, expected: bool
) -> None:
    assert zoo.is_repository(name) == expected
    if not expected:
        with pytest.raises(FileNotFoundError, match=f"'{name}'"):
            GenerativeModule.from_pretrained(name)


def test_an_error_names_the_most_similar_model(folders: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError, match="neither. Did you mean the model 'grid'?"):
        find_checkpoint("gird")
    with pytest.raises(FileNotFoundError, match="neither. 'energy-gans models' lists the"):
        find_checkpoint("quite_another_name")
    with pytest.raises(FileNotFoundError, match="neither.$"):
        find_checkpoint("runs/quite/another_name")


def hub(
    monkeypatch: pytest.MonkeyPatch, folder: Path | None = None, error: str = ""
) -> list[tuple[str, dict]]:
    r"""Stands in for huggingface_hub. Returns a list that is filled with its calls."""
    calls = []
    module = ModuleType("huggingface_hub")

    def snapshot_download(name: str, **options: object) -> str:
        calls.append((name, options))
        if error:
            raise OSError(error)
        return str(folder)

    module.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls


def test_a_repository_of_the_hub_is_downloaded(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = hub(monkeypatch, folders[1] / "grid")
    weight = energy_gans.load("someone/grid").generator[0].weight
    assert torch.equal(weight, model_of(2).generator[0].weight)
    assert calls == [("someone/grid", {"allow_patterns": ["config.json", "model.safetensors"]})]


def test_an_error_of_the_hub_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub(monkeypatch, error="No such repository.\nLong explanations.")
    with pytest.raises(FileNotFoundError, match="Hugging Face Hub: No such repository.$"):
        find_checkpoint("someone/none")


def test_the_hub_is_not_asked_without_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match="is neither"):
        find_checkpoint("someone/none")
