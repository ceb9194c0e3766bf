r"""Tests for the energy_gans.commands.explain, usage and fitting_networks modules."""

import shlex
import subprocess
import sys

import pytest
import torch

import energy_gans
from energy_gans.cli import main
from energy_gans.commands.explain import ClassList, Explanation, explain, explained_paths
from energy_gans.commands.fitting_networks import FITTING_NETWORKS

from .fitting import fitting_networks

# These need files.
FILES = ("DomainClassifier", "TrainedEncoder", "VGGBank", "Inception")


def test_the_networks_that_fit_are_those_that_the_methods_accept() -> None:
    known = {
        name: {slot: sorted(networks) for slot, networks in slots.items()}
        for name, slots in FITTING_NETWORKS.items()
    }
    assert known == fitting_networks()


@pytest.mark.parametrize("path", explained_paths())
def test_an_explanation_fits_a_screen(path: str) -> None:
    name = path.rpartition(".")[2]
    found = explain(name)
    assert isinstance(found, Explanation)
    assert found.source.path == path
    lines = str(found).splitlines()
    assert lines[0].startswith(f"{name}: ")
    assert len(lines) <= 52
    assert max(map(len, lines)) <= 99
    for one in found.source.arguments:
        assert any(line.startswith(f"  {one}") for line in lines)


@pytest.mark.parametrize("path", explained_paths())
def test_the_python_of_an_explanation_runs(path: str) -> None:
    found = explain(path)
    if found.python and found.source.name not in FILES:
        *code, last = found.python.splitlines()
        trains = last.startswith("Trainer(")
        made: dict = {}
        exec("\n".join(code if trains else [*code, last]), made)
        if found.source.name in FITTING_NETWORKS:
            assert trains
            shape = (1, 32, 32) if "size=32" in last else (2,)
            shape = (128, 32) if "EmbeddedText" in last else shape
            made["model"].check_batch(torch.rand(16, *shape))


@pytest.mark.parametrize(
    "name",
    [
        *("CoulombGAN", "BEGAN", "MLP", "FRAME", "Chains", "GaussianMixture", "SVHN", "EMA"),
        *("TrainingClock", "Pixels", "DriftingField", "SinkhornField", "SumOfFields"),
    ],
)
def test_the_command_of_an_explanation_parses(name: str, capsys: pytest.CaptureFixture) -> None:
    program, *args = shlex.split(explain(name).command)
    assert program == "energy-gans"
    with pytest.raises(SystemExit) as stop:
        main([*args, "--print_config"])
    assert stop.value.code == 0
    assert "class_path" in capsys.readouterr().out


def test_configs_are_whole_runs_that_use_the_class() -> None:
    assert explain("CoulombGAN").configs[0] == "coulomb/ring"
    assert "coulomb/digits" in explain("CoulombGAN").configs
    assert explain("Spirals").configs == ()
    # Chains are described in configs without their class.
    assert explain("Chains").configs[0] == "gcn/digits"


def test_a_network_names_the_methods_that_it_fits() -> None:
    fits = explain("MultigridDescriptors").methods
    assert fits == {"descriptor": ["MultigridGCN"]}
    assert not explain("CoulombGAN").methods


def test_the_list_has_all_classes_by_module(capsys: pytest.CaptureFixture) -> None:
    found = explain()
    assert isinstance(found, ClassList)
    # As in a notebook.
    assert repr(found) == str(found)
    assert repr(energy_gans.explain("MLP")) == str(explain("MLP"))
    assert [source.path for source in found] == explained_paths()
    main(["explain"])
    shown = capsys.readouterr().out
    assert shown == f"{found}\n"
    assert "\n  CoulombGAN " in shown and "\ncallbacks (energy_gans.callbacks)\n" in shown
    assert max(map(len, shown.splitlines())) <= 99


@pytest.mark.parametrize(
    ("name", "near"),
    [("ColombGAN", "'CoulombGAN'"), ("energy_gans.data.Rign", "'Ring'"), ("mlp", "'MLP'")],
)
def test_a_misspelt_class_is_corrected(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"no class '{name}' to explain. Did you mean {near}"):
        explain(name)
    with pytest.raises(SystemExit, match=f"^energy-gans: error: .* Did you mean {near}"):
        main(["explain", name])


def test_classes_of_others_are_explained_by_their_path() -> None:
    shown = str(explain("torch.optim.SGD"))
    assert "  momentum: float = 0\n" in shown
    assert "Python" not in shown


def test_explanations_and_helps_import_no_torch() -> None:
    code = """
import sys
from energy_gans.cli import main
main(["explain", "CoulombGAN"])
for args in ([], ["--config", "coulomb/ring"]):
    try:
        main(["fit", *args, "--help"])
    except SystemExit as stop:
        assert stop.code == 0
print(sorted({"torch", "lightning", "numpy"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
