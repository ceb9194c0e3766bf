r"""Tests for the energy_gans.commands.fit.logger_names module."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from jsonargparse import Namespace

from energy_gans.cli import main
from energy_gans.commands.fit import logger_names
from energy_gans.commands.fit.logger_names import LOGGERS, check_loggers, expand_loggers
from energy_gans.commands.fit.start import printed_config

RING = ["--config", str(Path(__file__).parents[3] / "configs/coulomb/ring.yaml")]


@pytest.mark.parametrize("name", LOGGERS)
def test_a_short_name_gives_the_logger_that_the_config_would_have_given(name: str) -> None:
    logger = yaml.safe_load(printed_config([*RING, "--trainer.logger", name]))["trainer"]["logger"]
    assert logger["class_path"] == f"lightning.pytorch.loggers.{LOGGERS[name]}"
    options = logger["init_args"]
    assert options["save_dir"] == "runs"
    assert options.get("project", options["name"]) == "coulomb_ring"
    # wandb names its runs, as in sweeps.
    assert name != "wandb" or options["name"] is None


@pytest.mark.parametrize(
    "order",
    [
        ["--trainer.logger=csv", "--trainer.logger.save_dir=D", "--trainer.logger.name=mine"],
        ["--trainer.logger.save_dir=D", "--trainer.logger=csv", "--trainer.logger.name=mine"],
        [
            "--trainer.logger.name=mine",
            "--trainer.logger.save_dir",
            "D",
            "--trainer.logger",
            "csv",
        ],
    ],
)
def test_options_hold_before_and_after_the_short_name(order: list[str]) -> None:
    logger = yaml.safe_load(printed_config([*RING, *order]))["trainer"]["logger"]
    assert (logger["init_args"]["save_dir"], logger["init_args"]["name"]) == ("D", "mine")


def test_a_config_without_a_logger_gives_its_own_name(tmp_path: Path) -> None:
    for name, content in (("mine", {}), ("more", {"trainer": {"logger": True}})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    configs = [f"--config={tmp_path}/{name}.yaml" for name in ("mine", "more")]
    (*_, given) = expand_loggers(["fit", *configs, "--trainer.logger=wandb"])
    logger = json.loads(given.removeprefix("--trainer.logger="))
    assert logger["init_args"] == {"save_dir": "runs", "project": "mine", "name": None}
    (_, given) = expand_loggers(["fit", "--trainer.logger=csv"])
    assert '"name": "lightning_logs"' in given


@pytest.mark.parametrize(
    "value", ["true", "false", "null", "lightning.pytorch.loggers.CSVLogger", "{class_path: a}"]
)
def test_other_values_are_kept(value: str) -> None:
    args = ["fit", f"--trainer.logger={value}", "--trainer.logger", value, "--trainer.logger"]
    assert expand_loggers(args) == args


def test_the_last_of_several_short_names_counts() -> None:
    names = ["--trainer.logger=csv", "--trainer.logger.name=a", "--trainer.logger=wandb"]
    first, last, option = expand_loggers(names)
    assert (LOGGERS["csv"] in first, LOGGERS["wandb"] in last) == (True, True)
    assert option == "--trainer.logger.name=a"


def test_a_run_is_kept_by_a_short_name_and_resumed_by_it(tiny: Callable, tmp_path: Path) -> None:
    args = tiny("--trainer.logger=csv", points=True)
    main([*args, "--trainer.max_steps=3"])
    main([*args, "--trainer.max_steps=6", "--ckpt_path=last"])
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["version_0"]


def test_a_misspelt_name_gets_one_sentence() -> None:
    with pytest.raises(SystemExit, match=r"got 'tensorbord'; did you mean 'tensorboard'\?$"):
        main(["fit", *RING, "--trainer.logger", "tensorbord"])


def test_without_tensorboard_the_error_names_the_extra(
    tiny: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger_names, "find_spec", lambda name: None)
    message = r"TensorBoardLogger needs .* pip install 'energy-gans\[tensorboard\]'\.$"
    with pytest.raises(SystemExit, match=message):
        main(tiny("--trainer.logger=tensorboard", points=True))
    trainer = Namespace(
        logger=[Namespace(class_path="lightning.pytorch.loggers.TensorBoardLogger")]
    )
    with pytest.raises(ModuleNotFoundError, match=message):
        check_loggers(trainer)
    # Any other package may be missing.
    monkeypatch.setattr(logger_names, "find_spec", lambda name: name == "tensorboardX" or None)
    check_loggers(trainer)


def test_other_loggers_need_no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger_names, "find_spec", lambda name: None)
    for logger in (None, True, Namespace(class_path="lightning.pytorch.loggers.CSVLogger")):
        check_loggers(Namespace(logger=logger))


def test_the_extra_installs_what_the_logger_needs() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert 'tensorboard = ["tensorboard>=' in text
