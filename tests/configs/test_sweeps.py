r"""Tests for configs/sweeps: the commands that wandb's agent makes of them are run."""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import wandb
import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import WandbLogger
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from energy_gans.callbacks import Checkpoints
from energy_gans.cli import main

ROOT = Path(__file__).parents[2]
SWEEPS = sorted((ROOT / "configs" / "sweeps").glob("*.yaml"))
SHORT = ["--trainer.max_steps=2", "--trainer.limit_val_batches=1"]
# What wandb knows in a sweep file and in a parameter.
KEYS = {"project", "program", "command", "method", "metric", "early_terminate", "parameters"}
RANGES = [{"values"}, {"distribution", "min", "max"}]


def agent_command(plan: dict[str, Any]) -> list[str]:
    r"""Returns the command line that an agent makes of the last values of a sweep."""
    values = {
        name: (p.get("values") or [p.get("max")])[-1] for name, p in plan["parameters"].items()
    }
    filled = create_sweep_command_args({"args": {k: {"value": v} for k, v in values.items()}})
    filled["program"] = [plan["program"]]
    parts = [
        re.fullmatch(r"\$\{(\w+)\}|(.+)", part) for part in create_sweep_command(plan["command"])
    ]
    return [word for m in parts for word in (filled[m[1]] if m[1] else [m[2]])]


def check_keys(plan: dict[str, Any]) -> None:
    assert plan.keys() <= KEYS
    assert all(parameter.keys() in RANGES for parameter in plan["parameters"].values())
    assert plan["metric"].keys() == {"name", "goal"}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    r"""Lets wandb write to the current folder only, and ends its run."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield
    wandb.finish()


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_command_of_a_sweeps_agent_trains_and_logs_its_measure(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = yaml.safe_load(path.read_text())
    check_keys(plan)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    ended: list[Trainer] = []
    keep = Checkpoints.on_train_end
    program, *command = agent_command(plan)
    assert program == "energy-gans" and command[0] == "fit"

    def end(self: Checkpoints, trainer: Trainer, *args: object) -> None:
        ended.append(trainer)
        keep(self, trainer, *args)

    with mock.patch.object(Checkpoints, "on_train_end", end):
        main([*command, *SHORT])
    (trainer,) = ended
    assert trainer.global_step == 2
    assert isinstance(trainer.logger, WandbLogger)
    assert trainer.logger._wandb_init["project"] == plan["project"]
    assert trainer.logger._name is None
    assert plan["metric"]["name"] in trainer.callback_metrics
    for config in plan["parameters"].get("config", {}).get("values", []):
        assert Path(config).is_file()


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_misspelt_key_of_a_sweep_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = yaml.safe_load(path.read_text())
    monkeypatch.chdir(ROOT)
    for key in plan["parameters"]:
        wrong = deepcopy(plan)
        wrong["parameters"][f"{key}s"] = wrong["parameters"].pop(key)
        with pytest.raises(SystemExit, match=f"(?i){key.rpartition('.')[2]}s"):
            main([*agent_command(wrong)[1:], *SHORT])


def test_sweeps_search_in_all_ways() -> None:
    methods = {yaml.safe_load(path.read_text())["method"] for path in SWEEPS}
    assert methods == {"grid", "random", "bayes"}
