r"""Tests for the energy_gans.commands.suggestions and messages modules: "did you mean" everywhere.

Each misspelt name gets one sentence with the right name, whatever its depth: on the command line
and in YAML files.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch.ao.nn.quantized
import torchvision.ops
import yaml

import energy_gans
from energy_gans.cli import main
from energy_gans.commands.fit.training import EnergyGansCLI
from energy_gans.commands.flags import configs_first
from energy_gans.commands.messages import sentence
from energy_gans.commands.suggestions import (
    known_classes,
    nearest_names,
    suggest_value,
    unknown_option,
)

CONFIGS = Path(__file__).parents[2] / "configs"
RING, DIGITS = CONFIGS / "coulomb" / "ring.yaml", CONFIGS / "gcn" / "digits.yaml"
FLOW = CONFIGS / "vapo" / "digits.yaml"
CHECKPOINT = Path(__file__).parents[1] / "data" / "checkpoints" / "CoulombGAN" / "last.ckpt"
PRINT = ["--print_config"]

# What follows `fit --config coulomb/ring.yaml`, and what is meant.
OPTIONS = {
    "--model.epsilom 0.3": "epsilon",
    "--model.init_args.epsilom 0.3": "epsilon",
    "--model.init_arg.epsilon 0.3": "init_args",
    "--model.class_pth GAN": "class_path",
    "--model.genrator.hidden_features [64]": "generator",
    "--model.generator.hiden_features [64,64]": "hidden_features",
    "--model.init_args.generator.init_args.hiden_features [64,64]": "hidden_features",
    "--model.generator_optimizer.betass [0,1]": "betas",
    "--model.init_args.generator_optimizer.init_args.betass [0,1]": "betas",
    "--model.generator_scheduler.end_facto 1": "end_factor",
    "--model.generator.activation LeakyReLU --model.generator.activation.negative_slop 1": (
        "negative_slope"
    ),
    "--model.discriminator FRAME --model.discriminator.filters GaborBank "
    "--model.discriminator.filters.chanels 3": "channels",
    "--trainer.callbacks.EMA.decy 0.3": "decay",
    "--trainer.callbacks+=EMA --trainer.callbacks.decy 0.3": "decay",
    "--trainer.callbacks.EMAA.decay 0.3": "EMA",
    "--trainer.callbacks+=SampleMeasures --trainer.callbacks.SampleMeasures.extractor Pixels "
    "--trainer.callbacks.SampleMeasures.extractor.shpe [1]": "shape",
    "--trainer.logger.init_args.save_dri runs": "save_dir",
    "--trainer.logger.save_dri runs": "save_dir",
    "--data.batch_sise 64": "batch_size",
    "--data.init_args.batch_sise 64": "batch_size",
    "--trainer.max_stpes 3": "--trainer.max_steps",
    "--trianer.max_steps 3": "--trainer.max_steps",
    "--trainer.callbaks+=EMA": "--trainer.callbacks+",
    "--ckpt_pth last": "--ckpt_path",
    "--seed_everythin 3": "--seed_everything",
    "--cofnig other.yaml": "--config",
    # Classes by name
    "--data Rign": "Ring",
    "--data rign": "Ring",
    "--data fashionmnist": "FashionMNIST",
    "--model coulombgan": "CoulombGAN",
    "--model GANN": "GAN",
    "--model.generator MLPP": "MLP",
    "--model.generator.activation RelU": "ReLU",
    "--model.generator_optimizer Adamm": "Adam",
    "--model.generator_scheduler LinearRL": "LinearLR",
    "--trainer.callbacks+=EMAA": "EMA",
    "--trainer.logger CSVLoger": "CSVLogger",
    "--model.discriminator Autoencoder --model.discriminator.encoder MPL": "MLP",
    # Classes by path
    "--model energy_gans.method.CoulombGAN": "energy_gans.methods.CoulombGAN",
    "--model energy_gans.methods.GAN": "energy_gans.methods.baselines.GAN",
    "--model energy_gans.methods.ColombGAN": "CoulombGAN",
    "--data energy_gan.data.Ring": "energy_gans.data.Ring",
    "--model.generator energy_gans.networks.MPL": "MLP",
    "--model.generator.activation torch.nn.RelU": "ReLU",
    "--model.generator_optimizer torch.optm.Adam": "torch.optim.Adam",
    "--trainer.logger lightning.pytorch.logger.CSVLogger": "lightning.pytorch.loggers.CSVLogger",
    # Values
    "--model.discriminator DCGANDiscriminator --model.discriminator.norm innr": "inner",
    "--trainer.precision bf16-mixd": "bf16-mixed",
    "--trainer.strategy dpp": "ddp",
    "--trainer.accelerator cppu": "cpu",
    "--trainer.profiler simpel": "simple",
}
# A second config, and what is meant.
FILES = {
    "modle: {init_args: {epsilon: 3}}": "model",
    "seed_everythin: 3": "seed_everything",
    "model: {init_arg: {epsilon: 3}}": "init_args",
    "model: {class_pth: energy_gans.methods.GAN}": "class_path",
    "model: {epsilom: 3}": "epsilon",
    "model: {init_args: {epsilom: 3}}": "epsilon",
    "model: {class_path: ColombGAN}": "CoulombGAN",
    "model: {class_path: energy_gans.method.CoulombGAN}": "energy_gans.methods.CoulombGAN",
    "model: {init_args: {generator: {hiden_features: [3]}}}": "hidden_features",
    "model: {init_args: {generator: {init_args: {hiden_features: [3]}}}}": "hidden_features",
    "model: {init_args: {generator: {class_path: energy_gans.networks.MPL}}}": "MLP",
    "model: {init_args: {generator: {init_args: {activation: {class_path: torch.nn.RelU}}}}}": (
        "ReLU"
    ),
    "model: {init_args: {generator_optimizer: {init_args: {betass: [0, 1]}}}}": "betas",
    "model: {init_args: {generator_scheduler: {class_path: torch.optim.lr_scheduler.LinearLR, "
    "init_args: {end_facto: 1}}}}": "end_factor",
    "trainer: {max_stesp: 3}": "--trainer.max_steps",
    "trainer: {precision: bf16-mixd}": "bf16-mixed",
    "trainer: {callbacks: [{class_path: energy_gans.callbacks.EMA, init_args: {decy: 3}}]}": (
        "decay"
    ),
    "trainer: {callbacks: [{class_path: energy_gans.callbacks.EMA}, {class_path: "
    "energy_gans.callbacks.SamplePictures, init_args: {every_n_stepz: 3}}]}": "every_n_steps",
    "trainer: {callbacks: [{class_path: energy_gans.callbacks.EMA, init_arg: {decay: 0.5}}]}": (
        "init_args"
    ),
    "trainer: {callbacks: [{class_path: energy_gans.callbacks.EMAA}]}": "EMA",
    "trainer: {callbacks: [{class_path: energy_gans.callback.EMA}]}": "energy_gans.callbacks.EMA",
    "trainer: {callbacks: [EMAA]}": "EMA",
    "trainer: {logger: {class_path: lightning.pytorch.loggers.CSVLogger, "
    "init_args: {save_dri: runs}}}": "save_dir",
    "data: Rign": "Ring",
    "data: {class_path: energy_gans.data.Rign}": "Ring",
    "data: {batch_sise: 3}": "batch_size",
    "data: {init_args: {batch_sise: 3}}": "batch_size",
}
# Other commands, and what is meant.
COMMANDS = {
    "fitt": "fit",
    "evalute": "evaluate",
    "explian": "explain",
    "features trin": "train",
    "data prepar celeba": "prepare",
    "data prepare celebaa": "celeba",
    "data verfy": "verify",
    f"fit --config {DIGITS} --model.chains.step_sise 3": "step_size",
    f"fit --config {DIGITS} --model.start persistant": "persistent",
    f"fit --config {FLOW} --model.flow.solvr rk4": "solver",
    f"fit --config {FLOW} --model.flow.solver rk5": "rk45",
    f"validate --config {RING} --ckpt_pth last": "--ckpt_path",
    f"test --config {RING} --data.batch_sise 3": "batch_size",
    f"predict --config {RING} --model.epsilom 3": "epsilon",
    "sample --ckpt_pth last.ckpt": "--ckpt_path",
    "sample --ckpt_path last.ckpt --batch_sise 3": "--batch_size",
    "interpolate --ckpt_path last.ckpt --path sphercal": "spherical",
    "synthesize --ckpt_path last.ckpt --start nois": "noise",
    "inpaint --ckpt_path last.ckpt --sqare 3": "--square",
    "ood --ckpt_path last.ckpt --outlier_data+ SVHM": "SVHN",
    "ood --ckpt_path last.ckpt --outlier_data+ SVHN --outlier_data.rot data": "root",
    "landscape --ckpt_path last.ckpt --tim 3": "--time",
    "report --run runs --checkpiont last": "--checkpoint",
    "compare --fils a.json": "--files",
    "evaluate --ckpt_path last.ckpt --data MNIT": "MNIST",
    "evaluate --ckpt_path last.ckpt --data energy_gans.dta.MNIST": "energy_gans.data.MNIST",
    "evaluate --ckpt_path last.ckpt --data EmbeddedDigits --data.digts 8x8": "digits",
    "evaluate --ckpt_path last.ckpt --data EmbeddedDigits --data.digits 8x": "8x8",
    "evaluate --ckpt_path last.ckpt --extractor Pixels --extractor.shpe [1]": "shape",
    f"evaluate --ckpt_path {CHECKPOINT} --measures fd,kidd": "kid",
    "evaluate --ckpt_path last.ckpt --convert gray": "grey",
    "study {file}": "methods",
    f"study {CONFIGS}/studies/mixtures.yaml --onyl 1/2": "--only",
    f"study {CONFIGS}/studies/mixtures.yaml --methods gam": "gan",
    "features train --data EmbededDigits": "EmbeddedDigits",
    "particles --data Ring --data.modez 3": "modes",
    "data prepare folder --sorce pictures": "--source",
    "data prepare folder --source pictures --out set --crop sqare": "square",
    "data prepare folder --config {file}": "source",
}


@pytest.fixture(autouse=True, scope="module")
def _shared_parser() -> Iterator[None]:
    r"""Makes the parser of each training command once: a half of the time of these tests."""
    parsers: dict[str, dict[str, object]] = {}
    make = EnergyGansCLI.setup_parser

    def setup_parser(self: EnergyGansCLI, *args: object) -> None:
        if self.asked not in parsers:
            before = {*vars(self)}
            make(self, *args)
            parsers[self.asked] = {k: v for k, v in vars(self).items() if k not in before}
        vars(self).update(parsers[self.asked])
        # What an earlier command asked for.
        for parser in (self.parser, *self._subcommand_parsers.values()):
            vars(parser).pop("print_config", None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EnergyGansCLI, "setup_parser", setup_parser)
        yield


def check(args: list[str], meant: str) -> None:
    r"""Checks that a command fails with one sentence that suggests a name."""
    with pytest.raises(SystemExit) as stop:
        main(args)
    said = str(stop.value.code)
    assert said.startswith("energy-gans: error: ")
    assert "\n" not in said
    assert re.search(rf"[Dd]id you mean '?{re.escape(meant)}'?\?$", said), said


@pytest.mark.parametrize(("typed", "meant"), OPTIONS.items())
def test_a_misspelt_option_is_corrected(typed: str, meant: str) -> None:
    printed = [] if typed.startswith(("--trainer.st", "--trainer.ac", "--trainer.pro")) else PRINT
    check(["fit", "--config", str(RING), *typed.split(), *printed], meant)


@pytest.mark.parametrize(("content", "meant"), FILES.items())
def test_a_misspelt_name_in_a_config_is_corrected(
    content: str, meant: str, tmp_path: Path
) -> None:
    (tmp_path / "overlay.yaml").write_text(content)
    configs = ["--config", str(RING), "--config", str(tmp_path / "overlay.yaml")]
    check(["fit", *configs, *PRINT], meant)


@pytest.mark.parametrize(("typed", "meant"), COMMANDS.items())
def test_a_misspelt_name_of_any_command_is_corrected(
    typed: str, meant: str, tmp_path: Path
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("sorce: pictures" if typed.startswith("data") else "metods: {a: b.yaml}")
    check(typed.format(file=file).split(), meant)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--data MLP", "data: energy_gans.networks.MLP is no LightningDataModule"),
        ("--model.generator Ring", "energy_gans.data.Ring is no Module"),
        ("--trainer.callbacks+=Ring", "trainer.callbacks: energy_gans.data.Ring is no Callback"),
        ("--model.generator_optimizer LinearLR", "LinearLR is no Optimizer"),
        ("--config {file}", "The options beside 'class_path' should be inside 'init_args'"),
        ("--model.generator.hidden_features.x 3", "Expected an int, which has no option 'x'"),
    ],
)
def test_what_is_no_misspelling_is_said(typed: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text("data: {class_path: energy_gans.data.Ring, modes: 3}")
    typed = typed.format(file=tmp_path / "file.yaml")
    with pytest.raises(SystemExit, match=f"{told}$"):
        main(["fit", "--config", str(RING), *typed.split(), *PRINT])


@pytest.mark.parametrize("flag", ["model.epsilon", "data.batch_size"])
def test_an_option_without_a_class_asks_for_one(flag: str) -> None:
    with pytest.raises(SystemExit, match=f"needs a class: add --{flag.split('.')[0]} CLASS"):
        main(["fit", f"--{flag}", "3"])


# The config that `fit` would run with

SHORT = {
    "model.epsilon": 0.3,
    "model.generator.hidden_features": [64, 64],
    "model.discriminator.activation": "Tanh",
    "model.generator_optimizer.lr": 0.5,
    "data.batch_size": 64,
    "trainer.logger.name": "own",
    "trainer.callbacks.EMA.decay": 0.5,
}


def config_of(capsys: pytest.CaptureFixture, *args: str) -> dict:
    with pytest.raises(SystemExit) as stop:
        main(["fit", *args, *PRINT])
    assert stop.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


def value_of(config: dict, key: str) -> object:
    r"""Returns a value by its short key."""
    for name in key.split("."):
        if isinstance(config, list):
            config = {one["class_path"].rpartition(".")[2]: one for one in config}
        config = config.get("init_args", config)[name]
    return config


def test_short_overrides_work_before_and_after_configs(capsys: pytest.CaptureFixture) -> None:
    config = ["--config", str(RING)]
    typed = [arg for key, value in SHORT.items() for arg in (f"--{key}", str(value))]
    after, before = (config_of(capsys, *args) for args in (config + typed, typed + config))
    found = {key: value_of(after, key) for key in SHORT}
    tanh = {"class_path": "torch.nn.Tanh", "init_args": {}}
    assert found == SHORT | {"model.discriminator.activation": tanh}
    assert before == after
    # With an equals sign, as the agent of a sweep writes it; and to a list.
    swept = [f"--{key}={value}" for key, value in SHORT.items()]
    longer = config_of(capsys, *config, *swept, "--model.generator.hidden_features+=3")
    assert value_of(longer, "model.generator.hidden_features") == [64, 64, 3]
    assert longer["data"] == after["data"] and longer["trainer"] == after["trainer"]


def test_short_overrides_work_in_files(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    # As in a study, whose configs are overlays, too.
    short = {"model": {"epsilon": 0.3, "generator": {"hidden_features": [9]}}}
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(short | {"data": {"batch_size": 7}}))
    config = config_of(capsys, "--config", str(RING), "--config", str(tmp_path / "overlay.yaml"))
    assert value_of(config, "model.epsilon") == 0.3
    assert value_of(config, "model.generator.hidden_features") == [9]
    assert value_of(config, "data.batch_size") == 7
    # What the overlay leaves out stays.
    assert value_of(config, "model.generator.in_features") == 2


def test_a_class_before_a_config_is_the_one_that_the_config_is_about(
    capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "overlay.yaml").write_text("data: {modes: 5}")
    args = ["--data", "Ring", "--config", str(tmp_path / "overlay.yaml"), "--config", str(RING)]
    config = config_of(capsys, *args, "--data.modes", "3")
    assert config["data"]["class_path"] == "energy_gans.data.Ring"
    assert value_of(config, "data.modes") == 3
    assert configs_first(["fit", "--a", "1", "--config", "b", "-c=d", "--print_config"]) == [
        *["fit", "--config", "b", "-c=d", "--a", "1", "--print_config"]
    ]


def test_an_option_may_stand_before_its_class(capsys: pytest.CaptureFixture) -> None:
    args = ["--config", str(RING), "--data.side", "3", "--data", "Grid", "--model.epsilon=0.5"]
    config = config_of(capsys, *args, "--model=CoulombGAN")
    assert config["data"]["class_path"] == "energy_gans.data.Grid"
    assert value_of(config, "data.side") == 3
    assert value_of(config, "model.epsilon") == 0.5
    given = ["particles", "--data.root", "a", "--data", "B", "--steps=3"]
    assert configs_first(given) == ["particles", "--data", "B", "--data.root", "a", "--steps=3"]


KNOWN = {
    # The package exports its methods, but configs keep their paths.
    "--model": "energy_gans.methods.CoulombGAN",
    # torchvision and torch's quantisation have classes of these names, too.
    "--model.generator": "energy_gans.networks.MLP",
    "--model.generator.activation": "torch.nn.LeakyReLU",
    "--model.generator_optimizer": "torch.optim.Adam",
    "--data": "energy_gans.data.Grid",
}


def test_a_name_means_the_known_class(capsys: pytest.CaptureFixture) -> None:
    assert torchvision.ops.MLP and torch.ao.nn.quantized.LeakyReLU and energy_gans.CoulombGAN
    typed = [arg for flag, path in KNOWN.items() for arg in (flag, path.rpartition(".")[2])]
    config = config_of(capsys, "--config", str(RING), *typed)
    found = {flag: value_of(config, flag.strip("-"))["class_path"] for flag in KNOWN}
    assert found == KNOWN


# The functions


@pytest.mark.parametrize(
    ("wrong", "names", "near"),
    [
        ("fd", ["fdx", "is"], "'fdx'"),
        ("--s", ["--square", "--steps"], "'--square' or '--steps'"),
        ("--dta", ["--data", "--model"], "'--data'"),
        ("mnist", ["SVHN", "MNIST"], "'MNIST'"),
        ("MPL", ["mlp", "MLP"], "'MLP'"),
        # The dashes are no reason.
        ("--kernl", ["--help"], ""),
        ("", ["a"], ""),
    ],
)
def test_nearest_names(wrong: str, names: list[str], near: str) -> None:
    assert nearest_names(wrong, names) == near


def test_values_that_are_listed_are_suggested() -> None:
    text = "'start' should be one of ('persistent', 'data'), got 'dta'."
    assert suggest_value(text) == f"{text[:-1]}. Did you mean 'data'?"
    for other in ("'n' should be at least 1, got 0.", f"{text} Did you mean 'data'?"):
        assert suggest_value(other) == other


def test_numbers_are_no_misspelt_words() -> None:
    text = "'batch_size' should be a multiple of updates_per_step = 10, got 1001"
    assert suggest_value(text) == text


def test_nothing_is_imported_for_a_suggestion() -> None:
    assert unknown_option("antigravity.Nothing", "a.b")[0] == "a"
    import sys

    assert "antigravity" not in sys.modules


def test_known_classes_are_of_a_type() -> None:
    from energy_gans.data import Ring, TensorDataModule

    found = dict(known_classes((TensorDataModule,)))
    assert found["Ring"] == "energy_gans.data.Ring"
    assert not {"MLP", "CoulombGAN", "EMA"} & {*found}
    assert issubclass(Ring, TensorDataModule)
    assert known_classes((TensorDataModule,), "Ring") == [("Ring", "energy_gans.data.Ring")]
    assert known_classes((TensorDataModule,), "MLP") == []


def test_a_class_in_a_file_of_the_current_folder_is_found_by_the_python_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_for_tests.py").write_text("")
    where = "Problem with given class_path 'own_for_tests.Net':"
    said = sentence(f"{where}\nNo module named 'own_for_tests'")
    assert said.endswith("put PYTHONPATH=. before the command.")
