r"""Tests for the energy_gans.methods.bases.construction module: models that are made in Python."""

from pathlib import Path
from typing import Any
from unittest import mock

import lightning
import pytest
import torch
from torch import nn

from energy_gans.descriptions import describe
from energy_gans.functional import gaussian
from energy_gans.methods import CoulombGAN
from energy_gans.methods.bases.construction import construction, is_plain
from energy_gans.methods.bases.optimizers import ADAM
from energy_gans.networks import MLP


class Own(CoulombGAN):
    r"""A method that makes its networks itself."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(MLP(2, 2, [4]), MLP(2, 1, [4]), latent_dim=2)
        self.scale = scale


def saved(model: Own, folder: Path, **more: Any) -> Path:
    r"""Writes a checkpoint as Lightning does, with what it holds besides the weights."""
    version = {"pytorch-lightning_version": lightning.__version__}
    torch.save({"state_dict": model.state_dict()} | version | more, folder / "a.ckpt")
    return folder / "a.ckpt"


def test_a_model_is_loaded_with_its_arguments_and_no_code_of_the_file_runs(tmp_path: Path) -> None:
    model = Own()
    path = saved(model, tmp_path, hyper_parameters={"scale": 3.0})
    with mock.patch("torch.load", side_effect=torch.load) as load:
        loaded = Own.load_from_checkpoint(path)
    assert all(call.kwargs["weights_only"] is True for call in load.call_args_list)
    assert load.call_count == 2 and loaded.scale == 3.0
    for p, q in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(p, q)
    assert Own.load_from_checkpoint(path, scale=5.0).scale == 5.0
    assert Own.load_from_checkpoint(saved(model, tmp_path)).scale == 1.0


def test_a_model_of_the_command_line_is_refused(tmp_path: Path) -> None:
    path = saved(Own(), tmp_path, hyper_parameters={"_instantiator": "any.function"})
    with pytest.raises(ValueError, match="'checkpoint_path' should be a .* got '.*a.ckpt', which"):
        Own.load_from_checkpoint(path)


class Asking(Own):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()


def test_a_model_without_its_networks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'kwargs' .* of a Asking, .*: missing 1 .* 'network'"):
        Asking.load_from_checkpoint(saved(Own(), tmp_path))


def test_a_checkpoint_that_is_missing_or_holds_objects_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'checkpoint_path' should be .* '.*none.ckpt'"):
        Own.load_from_checkpoint(tmp_path / "none.ckpt")
    path = saved(Own(), tmp_path, object=nn.Linear(2, 2))
    with pytest.raises(ValueError, match="'checkpoint_path' = .* holds objects other than tensor"):
        Own.load_from_checkpoint(path)


@pytest.mark.parametrize("plain", [None, True, 3, 0.5, "a", (1, ["b"]), {"a": [{"b": None}]}, []])
def test_numbers_texts_and_what_consists_of_them_are_plain(plain: object) -> None:
    assert is_plain(plain)
    assert not is_plain(nn.ReLU())
    assert not is_plain([plain, nn.ReLU()])
    assert not is_plain((nn.ReLU(), plain))
    assert not is_plain({"a": plain, "b": {"c": nn.ReLU()}})


class Unknown(nn.Module):
    r"""A network whose construction nobody knows."""


def test_what_can_be_made_again_is_described_and_the_rest_is_named() -> None:
    network = nn.Sequential(MLP(2, 3, [4]), nn.ReLU())
    objects = {"generator": network, "optimizer": ADAM, "field": Unknown(), "kernel": gaussian}
    found = construction(CoulombGAN, objects)
    assert found == {
        "class_path": "energy_gans.methods.CoulombGAN",
        "init_args": {"generator": describe(network), "optimizer": describe(ADAM)},
        "layers": {
            "generator": {
                "": "Sequential",
                "0": "MLP",
                "0.0": "Linear",
                "0.1": "ReLU",
                "0.2": "Linear",
                "1": "ReLU",
            }
        },
        "objects": {
            "field": f"{__name__}.Unknown",
            "kernel": "energy_gans.functional.kernels.gaussian",
        },
    }


def test_hyper_parameters_keep_plain_values_and_loggers_a_copy_of_them() -> None:
    model, plain = Own(), {"power": 3.0, "sizes": {"a": [1]}}
    model.hparams.clear()
    model.save_hyperparameters(plain | {"generator": MLP(2, 2, [4]), "field": Unknown()})
    found = model.drop_live_hyperparameters()
    assert model.hparams == plain == model.hparams_initial
    assert found["class_path"] == f"{__name__}.Own"
    assert set(found["init_args"]) == {"generator"} and set(found["objects"]) == {"field"}
    model.hparams["sizes"]["a"].append(2)
    assert model.hparams_initial["sizes"] == {"a": [1]}


def test_a_model_of_the_command_line_keeps_its_hyper_parameters() -> None:
    model, network = Own(), MLP(2, 2, [4])
    model.hparams.clear()
    model.save_hyperparameters({"_instantiator": "any.function", "generator": network})
    assert model.drop_live_hyperparameters() is None
    assert model.hparams == {"_instantiator": "any.function", "generator": network}
