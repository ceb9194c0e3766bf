r"""Tests for the energy_gans.commands.fit.training module."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from energy_gans.cli import main
from energy_gans.storage.curves import read_curves

from ...conftest import TINY

DEFAULTS = {"check_val_every_n_epoch": None, "num_sanity_val_steps": 0}


@pytest.fixture
def bare(tiny: Callable, tmp_path: Path) -> list[str]:
    r"""Returns arguments of `fit` on points: three steps an epoch, the trainer's defaults."""
    args = tiny("--data.init_args.samples=192", "--trainer.max_steps=8", points=True)
    config = yaml.safe_load(TINY)
    for name in (*DEFAULTS, "val_check_interval", "callbacks"):
        del config["trainer"][name]
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    return args


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_defaults_of_the_trainer(
    command: str, bare: list[str], capsys: pytest.CaptureFixture
) -> None:
    def trainer(*more: str) -> dict:
        with pytest.raises(SystemExit):
            main([command, *bare[1:], *more, "--print_config"])
        return yaml.safe_load(capsys.readouterr().out)["trainer"]

    assert {name: trainer()[name] for name in DEFAULTS} == DEFAULTS
    given = {"check_val_every_n_epoch": 2, "num_sanity_val_steps": 1}
    found = trainer(*(f"--trainer.{name}={value}" for name, value in given.items()))
    assert {name: found[name] for name in given} == given


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        # Of the whole run: four steps are more than an epoch's three.
        (["val_check_interval=4"], [4, 8]),
        (["val_check_interval=2"], [2, 4, 6, 8]),
        # Of an epoch.
        (["val_check_interval=2", "check_val_every_n_epoch=1"], [2, 5, 8]),
        (["val_check_interval=0.34"], [1, 2, 3, 4, 5, 6, 7, 8]),
        ([], [3, 6]),
        (["check_val_every_n_epoch=2"], [6]),
    ],
)
def test_validation_counts_steps_of_the_run_and_shares_of_an_epoch(
    options: list[str], steps: list[int], bare: list[str], tmp_path: Path
) -> None:
    main([*bare, *(f"--trainer.{option}" for option in options)])
    curves = read_curves(tmp_path / "tiny/version_0/metrics.csv")
    (found,) = {tuple(curve[0]) for name, curve in curves.items() if name.startswith("val/")}
    # A curve counts steps from 0.
    assert [step + 1 for step in found] == steps
