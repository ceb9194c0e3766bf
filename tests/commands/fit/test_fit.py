r"""Tests for the energy_gans.commands.fit.fit module: training as a function."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
import yaml

import energy_gans
from energy_gans.cli import main
from energy_gans.commands.fit.fit import Run, fit, value_as_typed
from energy_gans.methods import CoulombGAN
from energy_gans.storage import load_checkpoint, load_model
from energy_gans.storage.curves import read_curves


@pytest.fixture
def configs(tiny: Callable) -> list[str]:
    r"""Returns the configs of a run of tiny networks on points, which hide nothing by settings."""
    paths = [arg for arg in tiny(points=True)[1:] if arg != "--config"]
    config = yaml.safe_load(Path(paths[0]).read_text())
    del config["trainer"]["enable_progress_bar"], config["trainer"]["enable_model_summary"]
    Path(paths[0]).write_text(yaml.safe_dump(config))
    return paths


def test_a_run_is_what_the_command_line_trains(
    configs: list[str], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    run = fit(configs, {"trainer.max_steps": 6, "model.init_args.epsilon_min": 0.2})
    assert capfd.readouterr() == ("", "")
    assert type(run) is Run
    assert run.folder == tmp_path / "tiny" / "version_0"
    assert str(run) == f"step 6: {run.folder}"
    assert run.step == load_checkpoint(run.folder)["global_step"] == 6
    assert run.curves == read_curves(run.folder / "metrics.csv") != {}
    assert run.metrics == {name: values[-1] for name, (_, values) in run.curves.items()}
    assert type(run.model) is CoulombGAN
    assert not run.model.training
    assert run.picture.width > 300
    flags = ["--trainer.max_steps=6", "--model.init_args.epsilon_min=0.2"]
    main(["fit", *(f"--config={path}" for path in configs), *flags])
    typed = load_model(tmp_path / "tiny" / "version_1").state_dict()
    assert typed.keys() == run.model.state_dict().keys()
    assert all(torch.equal(value, typed[key]) for key, value in run.model.state_dict().items())
    a, b = ((tmp_path / f"tiny/version_{i}/config.yaml").read_text() for i in (0, 1))
    assert a == b
    assert "next: " in capfd.readouterr().out


def test_signals_are_handled_as_before_the_run(configs: list[str]) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    fit(configs, {"trainer.max_steps": 1})
    assert [signal.getsignal(number) for number in numbers] == before
    with pytest.raises(ValueError, match="'monitor'"):
        monitor = {"trainer.callbacks.Checkpoints.monitor": "val/none"}
        fit(configs, {"trainer.max_steps": 1, **monitor})
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_run_is_resumed(configs: list[str]) -> None:
    first = fit(configs, {"trainer.max_steps": 3})
    second = fit(configs, {"trainer.max_steps": 5}, ckpt_path=first.folder)
    assert (second.folder, second.step) == (first.folder, 5)
    assert fit(configs, {"trainer.max_steps": 6}, ckpt_path="last").step == 6


def test_a_run_without_checkpoints_gives_the_model_that_was_trained(configs: list[str]) -> None:
    run = fit(configs, {"trainer.max_steps": 2, "trainer.callbacks": []})
    assert run.model.sample(3).shape == (3, 2)
    assert not run.model.training


@pytest.mark.parametrize(
    ("overrides", "error", "told"),
    [
        ({"trainer.max_step": 3}, ValueError, r"Did you mean '--trainer.max_steps'\?$"),
        ({"model.init_args.power": "much"}, ValueError, r"^model\.power .*Expected a float"),
        ({"model": "CoulombGANN"}, ValueError, r"Did you mean 'CoulombGAN'\?$"),
        ({"trainer.devices": 0}, ValueError, r"`Trainer\(devices='0'\)` value is not"),
        ({"data.init_args.batch_size": 10**6}, ValueError, r"^'batch_size' should be at most"),
        ({"model.init_args.generator": torch.nn.ReLU()}, ValueError, r"a plain value.* a ReLU\.$"),
        ({"print_config": ""}, ValueError, r"^The arguments ask for text instead of a run\.$"),
        ({"ckpt_path": "nowhere"}, FileNotFoundError, r"^'ckpt_path' should be a checkpoint"),
    ],
)
def test_what_is_wrong_is_an_error_and_no_exit(
    configs: list[str], overrides: dict, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        fit(configs, overrides)


def test_a_missing_config_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"'--config' = 'coulomb/rin'"):
        fit("coulomb/rin")


def test_a_signal_saves_the_step_and_interrupts(configs: list[str]) -> None:
    draw = CoulombGAN.training_step

    def step(self: CoulombGAN, *args: object) -> object:
        if self.global_step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return draw(self, *args)

    with (
        mock.patch.object(CoulombGAN, "training_step", step),
        pytest.raises(KeyboardInterrupt, match=r"stopped after step 4: fit with ckpt_path="),
    ):
        fit(configs)
    assert fit(configs, {"trainer.max_steps": 5}, ckpt_path="last").step == 5


def test_a_notebook_shows_the_bar(
    configs: list[str], capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_gans.terminal.is_notebook", lambda: True)
    fit(configs, {"trainer.max_steps": 2})
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "2/2" in shown.err


def test_values_are_typed_as_in_configs() -> None:
    values = {"text": "a b", "path": Path("a/b"), "number": 1e-5, "off": None, "yes": True}
    values |= {"list": [1, "2"], "dict": {"a": [0.5]}}
    for key, value in values.items():
        typed = value_as_typed(key, value)
        if not isinstance(value, (str, Path)):
            assert json.loads(typed) == value
        else:
            assert typed == str(value)


def test_the_package_gives_it() -> None:
    assert energy_gans.fit is fit
