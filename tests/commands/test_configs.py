r"""Tests for the energy_gans.commands.configs module."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from energy_gans import methods
from energy_gans.cli import main
from energy_gans.commands import configs
from energy_gans.commands.config_files import current_config

CONFIGS = Path(__file__).parents[2] / "configs"


def test_every_config_but_parts_of_studies_is_listed_once() -> None:
    names = [config.name for config in configs.list()]
    files = [p.relative_to(CONFIGS) for p in CONFIGS.rglob("*") if p.is_file()]
    whole = [f for f in files if not (f.parts[0] == "studies" and len(f.parts) > 2)]
    listed = [f.with_suffix("") if f.suffix == ".yaml" else f for f in whole]
    assert sorted(names) == sorted(map(str, listed))


@pytest.mark.parametrize("config", configs.list(), ids=lambda config: config.name)
def test_each_line_is_a_sentence_that_fits(config: configs.ShippedConfig) -> None:
    assert re.fullmatch(r"[A-Z].{10,98}[^.]\.", config.line)
    assert config.group
    known = {*methods.__all__, *methods.baselines.__all__}
    assert not config.method or config.method in known


def test_runs_come_by_method_and_data_and_other_configs_last() -> None:
    found = configs.list()
    runs = [config for config in found if config.method]
    assert found[: len(runs)] == tuple(runs)
    assert [c[1:3] for c in runs] == sorted(c[1:3] for c in runs)
    ring = yaml.safe_load((CONFIGS / "coulomb/ring.yaml").read_text())
    (listed,) = [config for config in runs if config.name == "coulomb/ring"]
    assert ring["model"]["class_path"] == f"energy_gans.methods.{listed.method}"
    assert ring["data"]["class_path"] == f"energy_gans.data.{listed.data}"


def test_the_command_line_prints_what_the_functions_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = str(configs.list())
    assert configs.copy("coulomb/ring", "mine.yaml") == Path("mine.yaml")
    assert capsys.readouterr().out == ""
    for args in ([], ["list"]):
        main(["configs", *args])
        assert capsys.readouterr().out == f"{expected}\n"
    lines = expected.splitlines()
    assert sum(line.startswith("  coulomb/ring ") for line in lines) == 1
    assert lines.count("") == len({config.group for config in configs.list()}) - 1
    main(["configs", "copy", "coulomb/ring"])
    assert capsys.readouterr().out == "ring.yaml\n"


@pytest.mark.parametrize(
    "name", ["coulomb/ring", "configs/coulomb_ring.yaml", "coulomb/ring.yaml"]
)
def test_a_copy_is_the_shipped_file_and_wins_over_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coulomb").mkdir()
    path = configs.copy(name, "coulomb/ring.yaml")
    assert path.read_bytes() == (CONFIGS / "coulomb/ring.yaml").read_bytes()
    assert current_config(Path("coulomb/ring")) == path
    with pytest.raises(FileExistsError, match="add --overwrite true"):
        configs.copy("eieg/ring", "coulomb/ring.yaml")
    assert configs.copy("eieg/ring", "coulomb/ring.yaml", overwrite=True) == path
    assert path.read_bytes() == (CONFIGS / "eieg/ring.yaml").read_bytes()


def test_a_copy_of_a_script_is_a_script(tmp_path: Path) -> None:
    path = configs.copy("cluster/torchrun.sh", str(tmp_path / "own.sh"))
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["coulomb/rin"], "is no shipped config; did you mean coulomb/ring[?]"),
        (["../pyproject.toml"], "'name' = '../pyproject.toml' is no shipped config."),
        (["demo", "--out", "demo.txt"], "'out' should end in .yaml or .yml, got 'demo.txt'"),
        ([], "the following arguments are required: --name"),
    ],
)
def test_wrong_copies_get_one_sentence(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(["configs", "copy", *args])
    assert not list(tmp_path.iterdir())


def test_the_list_needs_no_torch() -> None:
    code = """
import sys
from energy_gans.cli import main
main(["configs"])
print("torch" in sys.modules)
"""
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "False"
