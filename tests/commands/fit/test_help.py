r"""Tests for the energy_gans.commands.fit.help module."""

import inspect
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from energy_gans.cli import main
from energy_gans.commands.fit.help import TRAINER

COMMANDS = ("fit", "validate", "test", "predict")


def help_of(capsys: pytest.CaptureFixture, *args: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*args, "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_model_and_the_data_come_before_the_trainer(
    command: str, capsys: pytest.CaptureFixture
) -> None:
    shown = help_of(capsys, command)
    assert shown.startswith(f"usage: energy-gans {command} ")
    order = ["--config", "--ckpt_path", "--model CLASS", "--data CLASS", "--trainer.max_steps"]
    places = [shown.index(f"\n  {flag}") for flag in order]
    assert places == sorted(places)
    assert "CLASS is one of EIEGGAN, GCN" in shown and " GenerativeModule" not in shown
    assert len(shown.splitlines()) < 45
    assert max(map(len, shown.splitlines())) <= 99


def test_the_named_model_has_its_own_arguments(capsys: pytest.CaptureFixture) -> None:
    shown = help_of(capsys, "fit", "--model", "CoulombGAN", "--data=energy_gans.data.Grid")
    assert "\n  --model.power: float = 1.0  " in shown
    assert "\n  --model.generator: Module  " in shown
    assert "\n  --data.side: int = 5  " in shown


def test_a_config_gives_the_values(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    shown = help_of(capsys, "fit", "--config", "coulomb/ring")
    assert "\n  --model.power: float = 3.0  " in shown
    assert "\n  --model.generator: Module = MLP  " in shown
    assert "\n  --data.batch_size: int = 1280  " in shown
    assert "\n  --trainer.max_steps: int = 600  " in shown
    (tmp_path / "own.yaml").write_text("{model: {init_args: {power: 2}}, trainer: {max_steps: 7}}")
    shown = help_of(capsys, "fit", "-c", "coulomb/ring", f"--config={tmp_path / 'own.yaml'}")
    assert "\n  --model.power: float = 2  " in shown
    assert "\n  --model.epsilon: float = 0.2  " in shown
    assert "\n  --trainer.max_steps: int = 7  " in shown
    # The values of a config are those of its own model.
    shown = help_of(capsys, "fit", "--config", "coulomb/ring", "--model", "EIEGGAN")
    assert "EIEGGAN" in shown and "\n  --model.latent_dim: int  " in shown


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--config coulomb/rign", "did you mean coulomb/ring"),
        ("--model ColombGAN", "Did you mean 'CoulombGAN'"),
        ("--data Rign", "Did you mean 'Ring'"),
    ],
)
def test_a_misspelt_name_is_corrected(typed: str, told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        main(["fit", *typed.split(), "--help"])


def test_the_keys_of_the_trainer_are_those_of_lightning() -> None:
    known = inspect.signature(Trainer).parameters
    for one in TRAINER:
        assert known[one.name].default is None or one.default == str(known[one.name].default)


def test_all_keys_of_the_trainer_are_listed_on_request(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config", "coulomb/ring", "--help_trainer"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for name in set(inspect.signature(Trainer.__init__).parameters) - {"self"}:
        assert f"--trainer.{name} " in shown
    assert "Files given by --config are code" in shown
