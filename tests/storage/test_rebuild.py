r"""Tests for the energy_gans.storage.rebuild module: hostile files, through every command."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
import torch.nn as nn
import yaml
from lightning.pytorch import LightningDataModule

from energy_gans.cli import main
from energy_gans.commands import load_model
from energy_gans.commands.messages import sentence
from energy_gans.methods import VAPO, CoulombGAN
from energy_gans.networks import MLP
from energy_gans.storage import Rebuilder, packages_beyond
from energy_gans.storage.saved_run import run_data

from ..commands.conftest import part, trained  # noqa: F401

TOUCH = "touch exploded"
SHELL = {"class_path": "os.system", "init_args": {"command": TOUCH}}
PROCESS = {
    "class_path": "subprocess.Popen",
    "init_args": {"args": ["touch", "exploded"]},
}
EVIL = """
import os
import torch.nn as nn
os.system("touch exploded")
class Net(nn.Linear):
    def __init__(self, **kwargs):
        super().__init__(2, 2)
"""
MINE = """
from pathlib import Path
import torch.nn as nn
from energy_gans.data import Ring
class Net(nn.Linear):
    def __init__(self, width: int, inner: nn.Module):
        super().__init__(2, width)
        self.inner = inner
class Data(Ring):
    pass
class Read(nn.Linear):
    def __init__(self, path: Path, name: Path | str):
        super().__init__(2, len(path.read_text()))
        self.name = name
"""


def inner(value: Any) -> dict[str, Any]:
    return part("networks.MLP", in_features=2, out_features=2, hidden_features=[8]) | {
        "init_args": {"in_features": 2, "out_features": 2, "activation": value}
    }


# What a file may say of a model, by the kind of the argument.
REFUSED: dict[str, dict[str, Any]] = {
    "a method": {"_class_path": "os.system"},
    "a method of a module beside": {"_class_path": "evilmod.Net"},
    "a function for a network": {"generator": SHELL},
    "a process for a network": {"generator": PROCESS},
    "a module beside": {"generator": {"class_path": "evilmod.Net"}},
    "a network as a text": {"generator": str(SHELL)},
    "a function of torch": {"generator": {"class_path": "torch.nn.functional.relu"}},
    "a function of this package": {"generator": {"class_path": "energy_gans.networks.mlp.math"}},
    "a class that stands in this package": {
        "generator": {"class_path": "energy_gans.networks.frame.Path", "init_args": {}}
    },
    "a module that stands in this package": {
        "generator": {"class_path": "energy_gans.methods.bases.stepped.LightningModule"}
    },
    "the name of a module beside": {"generator": "evilmod.Net"},
    "no class path": {"generator": {"class_path": ["os", "system"]}},
    "a function for an activation": {"generator": inner(SHELL)},
    "the name of a function for an activation": {"generator": inner("os.system")},
    "an activation of a module beside": {"generator": inner("evilmod.Net")},
    "a nested list": {
        "generator": {
            "class_path": "torch.nn.ModuleList",
            "init_args": {"modules": [{"class_path": "torch.nn.ModuleList"}, [SHELL]]},
        }
    },
    "a file to be opened": {
        "generator": {"class_path": "energy_gans.networks.VGGBank", "init_args": {"path": "evil"}}
    },
}
UNUSED: dict[str, dict[str, Any]] = {
    "an optimizer": {"generator_optimizer": SHELL},
    "the name of an optimizer": {"generator_optimizer": "os.system"},
    "a process for an optimizer": {"discriminator_optimizer": PROCESS},
    "a schedule": {"generator_scheduler": SHELL},
    "a schedule of a module beside": {"discriminator_scheduler": {"class_path": "evilmod.Net"}},
    "an instantiator": {"_instantiator": "os.system"},
}
DATA: dict[str, Any] = {
    "a function": SHELL,
    "a process": PROCESS,
    "a module beside": {"class_path": "evilmod.Net"},
    "a network": part("networks.MLP", in_features=2, out_features=2),
    "a text": "os.system",
    "a nested function": part("data.Ring", radius=SHELL),
}
# It is the name that is refused: calling what it names would be an error, too.
WHY = r".*(should name a class that|should hold class_path|may ask for nothing else)"
# Each command that reads a checkpoint, a model that it is of, and what else it asks for.
COMMANDS = {
    "sample": ("plane", ["--out", "a.png"]),
    "interpolate": ("plane", ["--out", "a.png"]),
    "synthesize": ("ggcn", ["--out", "a.png", "--start", "data"]),
    "inpaint": ("gcn", ["--out", "a.png"]),
    "ood": ("gcn", ["--out", "a.png"]),
    "landscape": ("plane", ["--out", "a.png"]),
    "evaluate": ("coulomb", ["--device", "cpu"]),
    "features picture": ("eieg", ["--out", "a.png"]),
    "report": ("plane", []),
}


@pytest.fixture
def hostile(
    trained: Callable[[str], str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Path]:
    r"""Returns a function that copies the run of a tiny model and edits its files."""

    def run(name: str, model: dict[str, Any] | None = None, data: Any = None) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(Path(trained(name)).parents[1], folder)
        path = folder / "checkpoints" / "last.ckpt"
        checkpoint = torch.load(path, weights_only=True)
        checkpoint["hyper_parameters"] |= model or {}
        torch.save(checkpoint, path)
        if data is not None:
            config = yaml.safe_load((folder / "config.yaml").read_text())
            (folder / "config.yaml").write_text(yaml.safe_dump(config | {"data": data}))
        return path

    (tmp_path / "evilmod.py").write_text(EVIL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield run
    sys.modules.pop("evilmod", None)
    assert not (tmp_path / "exploded").exists()


def command(name: str, path: Path, *more: str) -> None:
    place = "--run" if name == "report" else "--ckpt_path"
    main([*name.split(), place, str(path), *COMMANDS[name][1], *more])


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_names_what_it_may_not_is_refused(hostile: Callable, kind: str) -> None:
    path = hostile("plane", REFUSED[kind])
    with pytest.raises(
        ValueError, match=rf"last\.ckpt' holds a .* can not be rebuilt here: {WHY}"
    ):
        load_model(path)


@pytest.mark.parametrize("said", [{}, {"_class_path": None}])
def test_lightnings_own_way_to_load_runs_nothing_either(
    hostile: Callable, said: dict[str, Any]
) -> None:
    path = hostile("plane", {"generator": inner(SHELL), "generator_optimizer": SHELL} | said)
    with pytest.raises(ValueError, match=r"load it with energy_gans\.commands\.load_model"):
        CoulombGAN.load_from_checkpoint(path)


@pytest.mark.parametrize("kind", UNUSED)
def test_what_only_training_needs_is_not_made(hostile: Callable, kind: str) -> None:
    path = hostile("plane", UNUSED[kind])
    assert load_model(path).sample(3).shape == (3, 2)


@pytest.mark.parametrize("kind", DATA)
def test_data_that_name_what_they_may_not_are_refused(hostile: Callable, kind: str) -> None:
    folder = hostile("plane", data=DATA[kind]).parents[1]
    with pytest.raises(ValueError, match=r"config\.yaml' holds no data that can be opened here: "):
        data = run_data(folder)
        data.setup()


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", ["a module beside", "the name of a function for an activation"])
def test_no_command_runs_what_a_checkpoint_names(hostile: Callable, name: str, kind: str) -> None:
    if name in ("synthesize", "inpaint", "ood"):
        descriptor = part("networks.FourierMLP", hidden_features=[8], activation="os.system")
        said = {
            "descriptor": descriptor if "activation" in kind else {"class_path": "evilmod.Net"}
        }
    else:
        said = REFUSED[kind]
    path = hostile(COMMANDS[name][0], said)
    with pytest.raises(SystemExit, match=r"can not be rebuilt here: .*--trust (evilmod|os),"):
        command(name, path)


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in ("sample", "interpolate")]
)
@pytest.mark.parametrize("kind", ["a function", "a module beside"])
def test_no_command_runs_what_a_run_names(hostile: Callable, name: str, kind: str) -> None:
    path = hostile(COMMANDS[name][0], data=DATA[kind])
    with pytest.raises(SystemExit, match=r"config\.yaml' holds no data .*--trust (evilmod|os),"):
        command(name, path)


PARSER = "Union subtypes: Given value: module 'evilmod' has no attribute 'Nets'"


@pytest.mark.parametrize(
    "model, data",
    [
        ({"_class_path": PARSER}, None),
        ({"generator": {"class_path": PARSER}}, None),
        ({}, {"class_path": PARSER}),
    ],
)
def test_what_a_file_quotes_is_not_taken_for_a_message_of_the_parser(
    hostile: Callable, model: dict[str, Any], data: Any
) -> None:
    path = hostile("plane", model, data)
    with pytest.raises(SystemExit, match="evilmod"):
        command("report", path)
    if model:
        with pytest.raises(
            SystemExit, match="is a checkpoint of .*evilmod|is of another run: .*evilmod"
        ):
            main(
                [
                    *("validate", "--config", str(path.parents[1] / "config.yaml")),
                    *("--ckpt_path", str(path), "--trainer.logger", "false"),
                ]
            )


def test_a_message_imports_nothing(hostile: Callable) -> None:
    sentence("Given value\nmodule 'evilmod' has no attribute 'Nets'")
    sentence("Problem with given class_path 'evilmod.Net':\nOption 'x' is not accepted")
    assert "evilmod" not in sys.modules


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_packages_that_are_trusted(hostile: Callable, name: str) -> None:
    with pytest.raises(SystemExit, match="'trust' should name packages"):
        command(name, hostile(COMMANDS[name][0]), "--trust", "rm -rf")


def test_a_network_of_a_package_that_is_trusted_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_for_tests.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = {"class_path": "mine_for_tests.Net", "init_args": {"width": 3, "inner": {}}}
    spec["init_args"]["inner"] = {"class_path": "torch.nn.Tanh"}
    with pytest.raises(
        ValueError, match=r"'net\.class_path' = .* --trust mine_for_tests, or trust="
    ):
        Rebuilder().instance(spec, nn.Module, "net")
    with pytest.raises(ValueError, match="--trust mine_for_tests"):
        Rebuilder("mine, mine_for").instance(spec, nn.Module, "net")
    assert Rebuilder(["other", "mine_for_tests"]).trusted == ["other", "mine_for_tests"]
    net = Rebuilder("other, mine_for_tests").instance(spec, nn.Module, "net")
    assert net.out_features == 3
    assert isinstance(net.inner, nn.Tanh)
    # Trust is in a package, not in what else its files name.
    spec["init_args"]["inner"] = {"class_path": "os.system"}
    with pytest.raises(ValueError, match=r"'net\.inner\.class_path' = 'os\.system' .*--trust os,"):
        Rebuilder("mine_for_tests").instance(spec, nn.Module, "net")
    data = {"class_path": "mine_for_tests.Data", "init_args": {"samples": 10}}
    made = Rebuilder("mine_for_tests").instance(data, LightningDataModule, "data")
    assert type(made).__name__ == "Data"
    (tmp_path / "four").write_text("four")
    files = {"path": str(tmp_path / "four"), "name": "four"}
    net = Rebuilder("mine_for_tests").instance(
        {"class_path": "mine_for_tests.Read", "init_args": files}, nn.Module, "net"
    )
    assert (net.out_features, net.name) == (4, "four")
    assert packages_beyond([spec, data, {"class_path": "torch.nn.ReLU"}]) == {
        "mine_for_tests",
        "os",
    }


@pytest.mark.parametrize("name", ["CIFAR10", "SVHN", "FashionMNIST"])
def test_what_a_run_says_downloads_nothing(hostile: Callable, tmp_path: Path, name: str) -> None:
    spec = part(f"data.{name}", root=str(tmp_path / "exploded"), download=True)
    with mock.patch("urllib.request.urlopen", side_effect=RuntimeError("the network")):
        data = run_data(hostile("plane", data=spec).parents[1])
        data.prepare_data()
        with pytest.raises(FileNotFoundError, match=f"{name} is not in"):
            data.setup("fit")


def many(depth: int) -> list[Any]:
    r"""Returns YAML whose aliases expand to a power of ten of numbers."""
    nest: list[Any] = [1] * 10
    for _ in range(depth):
        nest = [nest] * 10
    return nest


def test_few_lines_do_not_stand_for_billions_of_values(hostile: Callable) -> None:
    network = part("networks.MLP", in_features=2, out_features=2, hidden_features=many(9))
    path = hostile("plane", {"generator": network}, part("data.Ring", radius=many(9)))
    with pytest.raises(ValueError, match=r"last\.ckpt' should hold at most 1000000 values"):
        load_model(path)
    with pytest.raises(ValueError, match="'data' should hold at most 1000000 values"):
        run_data(path.parents[1])
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"].pop("generator")
    checkpoint["state_dict"]["more"] = many(9)
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match=r"last\.ckpt' should hold at most 1000000 values"):
        load_model(path)


def test_a_function_of_a_trusted_package_is_refused_all_the_same() -> None:
    with pytest.raises(ValueError, match="should name a class that is a Module"):
        Rebuilder("os").instance(SHELL, nn.Module, "net")


def test_a_method_may_be_named_as_an_attribute_of_this_package() -> None:
    named = "energy_gans.CoulombGAN"
    assert Rebuilder().resolve(named, CoulombGAN, "model") is CoulombGAN
    assert packages_beyond({"class_path": named}) == set()
    # Functions and modules are attributes, too.
    for other in ("energy_gans.sample", "energy_gans.methods", "energy_gans.os"):
        with pytest.raises(ValueError, match="should name a class that is a CoulombGAN"):
            Rebuilder().resolve(other, CoulombGAN, "model")


def test_what_is_rebuilt_is_what_was_described() -> None:
    generator = part("networks.MLP", in_features=2, out_features=2, hidden_features=[8, 4])
    generator["init_args"]["activation"] = {
        "class_path": "torch.nn.LeakyReLU",
        "init_args": {"negative_slope": 0.3},
    }
    spec = part("methods.CoulombGAN", generator=generator, discriminator=generator, latent_dim=2)
    spec["init_args"] |= {"power": 3.0, "gradient_clip_norm": 2.0}
    model = Rebuilder().instance(spec, CoulombGAN, "model")
    assert (model.power, model.gradient_clip_norm) == (3.0, 2.0)
    expected = MLP(2, 2, [8, 4], activation=lambda: nn.LeakyReLU(0.3))
    assert repr(model.generator) == repr(expected)


def test_records_and_sequences_are_those_of_their_types() -> None:
    spec = part("networks.MultigridDescriptors", channels=1, grids=[1, 4], width=2)
    assert Rebuilder().instance(spec, nn.Module, "net").grids == (1, 4)
    flow = {"solver": "euler", "steps": 3}
    network = part("networks.FourierMLP", hidden_features=[8], frequencies=4)
    spec = part("methods.VAPO", descriptor=network, shape=[2], flow=flow)
    model = Rebuilder().instance(spec, VAPO, "model")
    assert (model.flow.solver, model.flow.steps, model.shape) == ("euler", 3, (2,))
