r"""Tests for the energy_gans.commands.fit.start module."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from energy_gans.cli import main
from energy_gans.commands.fit.start import printed_config

CONFIG = str(Path(__file__).parents[3] / "configs" / "demo.yaml")


def test_the_printed_config_is_what_fit_prints(capsys: pytest.CaptureFixture) -> None:
    flags = ["--config", CONFIG, "--seed_everything", "7"]
    path = list(sys.path)
    text = printed_config(flags)
    assert yaml.safe_load(text)["seed_everything"] == 7
    assert sys.path == path
    with pytest.raises(SystemExit):
        main(["fit", *flags, "--print_config"])
    assert capsys.readouterr().out == text


def test_a_printed_config_takes_classes_of_the_folder_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", os.getcwd())])
    Path("own_network_here.py").write_text(
        "from torch import nn\nclass Net(nn.Linear):\n    def __init__(self, depth: int = 3):\n"
        "        super().__init__(depth, 2)\n"
    )
    flags = ["--config", CONFIG, "--model.init_args.generator", "own_network_here.Net"]
    model = yaml.safe_load(printed_config(flags))["model"]
    assert model["init_args"]["generator"]["init_args"]["depth"] == 3


def test_what_fit_says_of_a_wrong_config_is_raised() -> None:
    with pytest.raises(ValueError, match=r"^unrecognized arguments: --trainer.max_stepz"):
        printed_config(["--config", CONFIG, "--trainer.max_stepz", "3"])
    with pytest.raises(FileNotFoundError, match="is no file"):
        printed_config(["--config", "nowhere.yaml"])
