r"""Tests for the energy_gans.methods.bases.pretrained module."""

import inspect
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from energy_gans.commands import load_model
from energy_gans.data import EmbeddedDigits
from energy_gans.methods import GCN, GenerativeModule, InpaintingGGCN
from energy_gans.methods.bases.pretrained import PretrainedMixin

from ...storage.old_checkpoints import FOLDER
from ..harness import fit

FILES = {"config.json", "model.safetensors", "README.md", "samples.png"}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> GenerativeModule:
    r"""Returns a model, where an import of huggingface_hub fails."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    return load_model(FOLDER / "InpaintingGGCN/last.ckpt")


def samples(model: GenerativeModule) -> torch.Tensor:
    return model.sample(5, random=torch.Generator().manual_seed(2))


class Hub(SimpleNamespace):
    r"""Stands in for huggingface_hub, and records what is uploaded."""

    def __init__(self) -> None:
        super().__init__(HfApi=self.api, uploads=[], tokens=[], repositories=[])

    def api(self, token: str | None = None) -> "Hub":
        self.tokens.append(token)
        return self

    def create_repo(self, repo_id: str, private: bool | None, exist_ok: bool) -> SimpleNamespace:
        assert exist_ok
        self.repositories.append((repo_id, private))
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(self, folder_path: Path, **options: Any) -> str:
        files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        self.uploads.append((files, options))
        return "https://hub.test/commit/1"


@pytest.fixture
def hub(model: GenerativeModule, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return hub


def test_a_saved_model_is_loaded_without_the_hub(model: GenerativeModule, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for _ in range(2):
        assert model.save_pretrained(folder) is None
    assert {path.name for path in folder.iterdir()} == FILES
    for cls in (InpaintingGGCN, GenerativeModule):
        for path in (folder, str(folder)):
            loaded = cls.from_pretrained(path)
            assert type(loaded) is InpaintingGGCN and not loaded.training
            assert torch.equal(samples(loaded), samples(model))
    (folder / "LICENSE").write_text("mine")
    with pytest.raises(FileExistsError, match="it holds 'LICENSE'"):
        model.save_pretrained(folder)


def test_saving_changes_nothing_in_the_model(model: GenerativeModule, tmp_path: Path) -> None:
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    model.save_pretrained(tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training and model.averaged is not None
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_model_of_another_class_is_refused(model: GenerativeModule, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "a")
    with pytest.raises(ValueError, match=r"holds a InpaintingGGCN, and no GCN: load it with Inp"):
        GCN.from_pretrained(tmp_path / "a")


def test_the_hub_is_an_extra_that_the_error_names(model: GenerativeModule, tmp_path: Path) -> None:
    for act in (
        lambda: InpaintingGGCN.from_pretrained("owner/name"),
        lambda: model.push_to_hub("owner/name"),
        lambda: model.save_pretrained(tmp_path / "a", push_to_hub=True),
    ):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'energy-gans\[hub\]'"):
            act()
    with pytest.raises(FileNotFoundError, match="'nowhere' is neither"):
        InpaintingGGCN.from_pretrained("nowhere")


def test_what_is_pushed_is_what_is_saved(
    model: GenerativeModule, hub: Hub, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "owner/name")
    said = model.push_to_hub("owner/name", private=True, token="t", branch="b", create_pr=True)
    assert said == "https://hub.test/commit/1"
    assert (hub.tokens, hub.repositories) == (["t"], [("owner/name", True)])
    ((files, options),) = hub.uploads
    saved = {path.name: path.read_bytes() for path in (tmp_path / "owner/name").iterdir()}
    assert files == saved and files.keys() == FILES
    assert options == {
        "repo_id": "owner/name",
        "repo_type": "model",
        "commit_message": "Push model using huggingface_hub.",
        "revision": "b",
        "create_pr": True,
        "allow_patterns": None,
        "ignore_patterns": None,
        "delete_patterns": None,
    }
    model.save_pretrained(tmp_path / "named", push_to_hub=True, commit_message="Mine.")
    assert hub.uploads[-1][1]["repo_id"] == "named"
    assert hub.uploads[-1][1]["commit_message"] == "Mine."


def test_a_repository_is_downloaded_and_loaded(
    model: GenerativeModule, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.save_pretrained(tmp_path / "cache")
    asked: list[Any] = []

    def snapshot_download(repo_id: str, **options: Any) -> str:
        asked.append((repo_id, options))
        return str(tmp_path / "cache")

    hub.snapshot_download = snapshot_download
    monkeypatch.chdir(tmp_path)
    loaded = InpaintingGGCN.from_pretrained("owner/name", revision="v1", token="t")
    assert torch.equal(samples(loaded), samples(model))
    ((repo_id, options),) = asked
    assert repo_id == "owner/name"
    assert options == {
        "revision": "v1",
        "cache_dir": None,
        "force_download": False,
        "token": "t",
        "local_files_only": False,
        "allow_patterns": ["config.json", "model.safetensors"],
    }


@pytest.mark.parametrize("name", ["save_pretrained", "from_pretrained", "push_to_hub"])
def test_the_arguments_are_those_of_the_hub(name: str) -> None:
    hub = pytest.importorskip("huggingface_hub")
    theirs = inspect.signature(getattr(hub.ModelHubMixin, name)).parameters
    # Both describe a model that has no description of its own.
    expected = [n for n in theirs if n not in ("config", "model_card_kwargs")]
    ours = inspect.signature(getattr(PretrainedMixin, name)).parameters
    assert list(ours) == expected
    for argument in expected:
        assert ours[argument].kind == theirs[argument].kind
        assert ours[argument].default == theirs[argument].default


def test_what_is_called_of_the_hub_is_there() -> None:
    hub = pytest.importorskip("huggingface_hub")
    for function, arguments in (
        (hub.HfApi, ("token",)),
        (hub.HfApi.create_repo, ("repo_id", "private", "exist_ok")),
        (hub.HfApi.upload_folder, ("repo_id", "repo_type", "folder_path", "delete_patterns")),
        (hub.snapshot_download, ("repo_id", "local_files_only", "allow_patterns")),
    ):
        assert set(arguments) <= set(inspect.signature(function).parameters)


def test_a_loaded_model_keeps_its_description_when_it_is_trained(
    model: GenerativeModule, tmp_path: Path
) -> None:
    fit(model, 1, 64, partial(EmbeddedDigits, digits="8x8", size=8))
    model.trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert torch.equal(samples(load_model(tmp_path / "a.ckpt")), samples(model))
