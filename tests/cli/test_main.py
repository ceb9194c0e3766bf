r"""Tests for the energy_gans.cli.main module and for the configs that it reads."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
import wandb
import yaml

from energy_gans import __version__
from energy_gans.callbacks import DivergenceGuard
from energy_gans.cli import main
from energy_gans.cli.main import TRAINING
from energy_gans.commands.study.plan import read_study

CONFIGS = Path(__file__).parents[2] / "configs"
PARTS = ("overlays", "studies", "sweeps")
RUNS = [
    file.relative_to(CONFIGS).with_suffix("").as_posix()
    for file in sorted(CONFIGS.rglob("*.yaml"))
    if file.relative_to(CONFIGS).parts[0] not in PARTS
]


def printed(capsys: pytest.CaptureFixture, *names: str) -> dict:
    r"""Returns the whole config that some files give together."""
    files = [flag for name in names for flag in ("--config", str(CONFIGS / f"{name}.yaml"))]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *files, "--print_config"])
    assert stop.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("config", RUNS)
def test_configs_parse(config: str, capsys: pytest.CaptureFixture) -> None:
    given = printed(capsys, config)
    assert given["model"]["class_path"].startswith("energy_gans.methods.")
    # All count steps over the whole run, and start with training.
    assert given["trainer"]["check_val_every_n_epoch"] is None
    assert given["trainer"]["num_sanity_val_steps"] == 0


CHAINS = ("GCN", "GGCN", "MultigridGCN", "InpaintingGGCN")


def test_runs_of_chains_stop_where_these_no_longer_follow() -> None:
    unguarded, guarded = [], 0
    for path in sorted(CONFIGS.rglob("*.yaml")):
        config = yaml.safe_load(path.read_text())
        callbacks = (config.get("trainer") or {}).get("callbacks")
        method = (config.get("model") or {}).get("class_path", "")
        if callbacks is None or method.rpartition(".")[2] not in CHAINS:
            continue
        guards = [one for one in callbacks if one["class_path"].endswith(".DivergenceGuard")]
        options = [DivergenceGuard(**guard.get("init_args", {})) for guard in guards]
        limits = [one.limits.get("train/gap_share") for one in options if one.average_steps > 1]
        guarded += limits == [0.5]
        if limits != [0.5]:
            unguarded.append((path.stem, config["model"]["init_args"].get("magnitude", 0.0)))
    # Of a potential without a penalty the gap has no largest.
    assert unguarded == [("fashion_mnist", 0.0)]
    assert guarded >= 24


@pytest.mark.parametrize("overlay", ["cpu", "gpu", "ddp"])
@pytest.mark.parametrize("config", ["coulomb/lsun", "eieg/grid", "gcn/mnist", "vapo/cifar10"])
def test_overlays_of_the_trainer_parse(
    config: str, overlay: str, capsys: pytest.CaptureFixture
) -> None:
    trainer = printed(capsys, config, f"overlays/trainer/{overlay}")["trainer"]
    if overlay == "ddp":
        assert trainer["strategy"] == "ddp_find_unused_parameters_true"
        assert trainer["sync_batchnorm"] is True


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ["--model.init_args.epsilonn=3"],
            r"model \(.*CoulombGAN\): Option 'epsilonn' is not accepted\. Did you mean 'epsilon'",
        ),
        (
            ["--model.class_path=energy_gans.methods.ColombGAN"],
            "has no attribute 'ColombGAN'. Did you mean 'CoulombGAN'",
        ),
        (
            ["--model.init_args.generator.init_args.in_feature=3"],
            "Option 'in_feature' is not accepted. Did you mean 'in_features'",
        ),
        (
            ["--model.init_args.epsilon=abc"],
            r"model\.epsilon \(.*\): Expected a float\. Got value: abc",
        ),
        (["--model.init_args.epsilon=-1"], "'epsilon' should be positive and finite, got -1.0"),
        (["--trainer.max_step=3"], "max_step"),
        (["--config=nowhere.yaml"], "'--config' = 'nowhere.yaml' is no file"),
        (
            [
                "--trainer.callbacks=[{class_path: energy_gans.callbacks.SampleMeasures, "
                "init_args: {extractor: {init_args: {path: none.pt}, "
                "class_path: energy_gans.metrics.features.DomainClassifier}}}]"
            ],
            "'path' should be a file of weights, and 'none.pt' is none.$",
        ),
        (
            ["--data.init_args.batch_size=2048"],
            "'batch_size' should be at most the number of training samples, 1024, got 2048",
        ),
    ],
)
def test_wrong_options_get_one_sentence(tiny: Callable, options: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message) as stop:
        main(tiny(*options, points=True))
    assert str(stop.value.code).startswith("energy-gans: error: ")
    assert str(stop.value.code).count("\n") == 0


def test_missing_data_says_which_files_go_where(tiny: Callable, tmp_path: Path) -> None:
    data = f"{{class_path: energy_gans.data.MNIST, init_args: {{root: {tmp_path}/nothing}}}}"
    with pytest.raises(SystemExit, match=r"nothing/MNIST/raw should hold train-images-idx3-ubyte"):
        main(tiny(f"--data={data}"))


def test_unknown_commands_are_named() -> None:
    with pytest.raises(SystemExit, match="There is no command 'fitt'. Did you mean 'fit'"):
        main(["fitt"])


def test_usage_and_version(capsys: pytest.CaptureFixture) -> None:
    main([])
    assert "usage: energy-gans" in capsys.readouterr().out
    main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


def test_help_says_what_is_code(capsys: pytest.CaptureFixture) -> None:
    main([])
    usage = capsys.readouterr().out
    assert "A FILE given by --config is code" in usage
    assert "--trust PACKAGE" in usage
    for command in ("fit", "validate"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "Files given by --config are code" in capsys.readouterr().out


def test_bugs_are_shown_whole(tiny: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*args: object) -> None:
        int("a bug")

    monkeypatch.setattr("energy_gans.methods.CoulombGAN.update", bug)
    # Raised in this file, not in the package: no sentence for the user, but a traceback.
    with pytest.raises(ValueError, match="a bug"):
        main(tiny(points=True))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError("Unable to allocate 71.1 TiB for an array"), " for 71.1 TiB at once: "),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has"),
            " for 20.00 GiB at once: ",
        ),
        (
            RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."
            ),
            " for 8 bytes at once: ",
        ),
        (MemoryError(), ": "),
    ],
)
def test_a_lack_of_memory_is_one_sentence(
    tiny: Callable, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    monkeypatch.setattr("energy_gans.methods.CoulombGAN.update", Mock(side_effect=error))
    with pytest.raises(
        SystemExit, match=f"^energy-gans: error: There is not enough memory{told}ask"
    ):
        main(tiny(points=True))


def test_an_error_of_wandb_is_one_sentence(
    tiny: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = wandb.errors.UsageError("No API key configured. Use `wandb login` to log in.")
    monkeypatch.setattr("energy_gans.methods.CoulombGAN.update", Mock(side_effect=error))
    with pytest.raises(SystemExit, match="error: wandb: No API key .* to log in. --trainer.log"):
        main(tiny(points=True))


def test_other_errors_of_torch_are_shown_whole(
    tiny: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (RuntimeError("a bug"), NotImplementedError("no such kernel on this device")):
        monkeypatch.setattr("energy_gans.methods.CoulombGAN.update", Mock(side_effect=error))
        with pytest.raises(type(error), match=str(error)):
            main(tiny(points=True))


@pytest.mark.parametrize(
    "command", [["-m", "energy_gans"], [str(Path(sys.executable).parent / "energy-gans")]]
)
def test_the_program_starts(command: list[str]) -> None:
    command = [sys.executable, *command] if command[0] == "-m" else command
    shown = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == __version__


@pytest.mark.parametrize("code", ["", "main(['--help'])", "main(['--version'])", "main(['fitt'])"])
def test_nothing_heavy_is_imported_before_a_command_runs(code: str) -> None:
    code = f"""
import sys
import energy_gans, energy_gans.commands
from energy_gans.cli import main
try:
    {code or "pass"}
except SystemExit:
    pass
print(sorted({{"torch", "lightning", "numpy", "jsonargparse"}} & sys.modules.keys()))
"""
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_closes_the_output_is_no_error() -> None:
    command = f"{sys.executable} -m energy_gans explain | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("methods") and done.stderr == ""


def test_every_training_command_is_listed_and_can_be_run(capsys: pytest.CaptureFixture) -> None:
    main(["--help"])
    listed = capsys.readouterr().out
    for name, text in TRAINING.items():
        assert re.findall(rf"^  {name} +(.*)$", listed, re.M) == [text]
        with pytest.raises(SystemExit) as stop:
            main([name, "--help"])
        assert stop.value.code == 0
        usage = capsys.readouterr().out.splitlines()[0]
        assert usage.startswith("usage: energy-gans ")
        assert f" {name} " in usage


STUDIES = sorted((CONFIGS / "studies").glob("*.yaml"))


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_studies_name_configs_that_there_are(study: Path) -> None:
    plan = read_study(study)
    assert plan.cells()


@pytest.mark.parametrize("overlay", [[], ["paper"], ["paper", "paper_nostab"]], ids=len)
def test_overlays_of_the_eieg_paper_parse(
    overlay: list[str], capsys: pytest.CaptureFixture
) -> None:
    config = printed(capsys, "eieg/fashion_mnist", *(f"overlays/eieg/{name}" for name in overlay))
    model = config["model"]["init_args"]
    assert model["stabilizer"] == (1.0 if overlay == ["paper"] else 0.0)
    assert model["discriminator"]["init_args"]["spectral"] is (not overlay)


@pytest.mark.parametrize("overlay", ["wasserstein", "paper", "frame", "few"])
def test_overlays_of_generative_convnets_parse(
    overlay: str, capsys: pytest.CaptureFixture
) -> None:
    config = printed(capsys, "gcn/fashion_mnist", f"overlays/gcn/{overlay}")
    assert config["model"]["class_path"] == "energy_gans.methods.GCN"


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10_small"])
def test_an_overlay_lets_the_potential_of_vapo_depend_on_time(
    name: str, capsys: pytest.CaptureFixture
) -> None:
    for overlays in ([], ["overlays/vapo/time"]):
        model = printed(capsys, f"vapo/{name}", *overlays)["model"]["init_args"]
        network = model["descriptor"]["init_args"]["time_conditioned"]
        assert network is model["time_conditioned"] is bool(overlays)
        assert model["data_std"] == (0.5 if overlays else None)


def test_the_overlay_of_the_vapo_paper_parses(capsys: pytest.CaptureFixture) -> None:
    model = printed(capsys, "vapo/mnist", "overlays/vapo/paper")["model"]["init_args"]
    assert (model["estimator"], model["jacobian"]) == ("e1", False)
    assert model["flow"]["terminal_time"] == 1.5
