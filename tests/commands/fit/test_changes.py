r"""Tests for the energy_gans.commands.fit.changes module, and for conditions in checkpoints."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from energy_gans.cli import main
from energy_gans.commands.fit.changes import _differences
from energy_gans.storage import load_checkpoint

from ...conftest import POINTS, TINY

Resume = Callable[..., dict[str, Any]]
NO_EMA = "--trainer.callbacks=[{class_path: energy_gans.callbacks.Checkpoints}]"
DECAY = (
    "--trainer.callbacks=[{class_path: energy_gans.callbacks.EMA, init_args: {decay: 0.5}}, "
    "{class_path: energy_gans.callbacks.Checkpoints, init_args: {every_n_steps: 3}}]"
)
RATE = "--model.init_args.generator_optimizer.init_args.lr=0.5"
WIDTH = "--model.init_args.discriminator.init_args.hidden_features=[8]"

# What may change: an option, what is said of it, and what shows in the next checkpoint that it
# took effect.
MAY = {
    "a number": (
        "--model.init_args.power=2.0",
        r"model\.init_args\.power was 1\.0 and is 2\.0",
        lambda saved: saved["hyper_parameters"]["power"] == 2.0,
    ),
    "data": (
        "--data.init_args.batch_size=32",
        r"data\.init_args\.batch_size was 64 and is 32",
        lambda saved: saved["datamodule_hyper_parameters"]["batch_size"] == 32,
    ),
    "a seed": (
        "--seed_everything=4",
        "seed_everything was 3 and is 4",
        lambda saved: saved["seed"] == 4,
    ),
    "precision": (
        "--trainer.precision=bf16-mixed",
        r"trainer\.precision was 32-true and is bf16-mixed",
        lambda saved: saved["conditions"]["trainer.precision"] == "bf16-mixed",
    ),
    "decay": (
        DECAY,
        r"the decay of EMA was 0\.9 and is 0\.5",
        lambda saved: saved["conditions"]["the decay of EMA"] == 0.5,
    ),
    "no average": (
        NO_EMA,
        r"the decay of EMA was 0\.9 and is none \(there is no such callback\)",
        lambda saved: not any(name.startswith("averaged.") for name in saved["state_dict"]),
    ),
}
# What may not: the checkpoint's own would be taken in silence, or does not fit.
MAY_NOT = {
    "a rate": (RATE, r"generator_optimizer\.init_args\.lr was 0\.001 and is 0\.5"),
    "a width": (WIDTH, r"discriminator\.init_args\.hidden_features\.0 was 16 and is 8"),
    "a schedule": (
        "--model.init_args.generator_scheduler=null",
        r"generator_scheduler\.class_path was '.*\.ExponentialLR' and is None",
    ),
}


def fit(folder: Path, *more: str) -> dict[str, Any]:
    r"""Trains on points in a folder, and returns the contents of its last checkpoint."""
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "points.yaml").write_text(yaml.safe_dump(yaml.safe_load(POINTS)))
    configs = [f"--config={folder / name}.yaml" for name in ("tiny", "points")]
    short = ["--trainer.val_check_interval=3", "--trainer.limit_val_batches=1"]
    main(["fit", *configs, *short, f"--trainer.default_root_dir={folder}", *more])
    paths = sorted(folder.rglob("last.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    return load_checkpoint(paths[-1]) | {"path": paths[-1]}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    r"""Returns the checkpoint of a run of three steps."""
    return fit(tmp_path_factory.mktemp("first"), "--trainer.max_steps=3")


@pytest.fixture
def resume(first: dict[str, Any], tmp_path: Path) -> Resume:
    r"""Returns what goes on with that run for three steps more."""

    def run(*more: str, path: Path | None = None) -> dict[str, Any]:
        path = first["path"] if path is None else path
        return fit(tmp_path, "--trainer.max_steps=6", f"--ckpt_path={path}", *more)

    return run


@pytest.mark.parametrize("what", MAY)
def test_a_change_is_named_and_goes_on_if_it_is_allowed(
    resume: Resume, tmp_path: Path, what: str
) -> None:
    option, phrase, took_effect = MAY[what]
    message = (
        f"is of another run: {phrase}. Use .*, add --allow_changes true to go on .*, or start"
    )
    with pytest.raises(SystemExit, match=message) as stop:
        resume(option)
    assert str(stop.value.code).count("\n") == 0
    assert not list(tmp_path.rglob("*.ckpt"))
    with pytest.warns(UserWarning, match=f"Resumes .*last.ckpt' with changes: {phrase}."):
        saved = resume(option, "--allow_changes=true")
    assert saved["global_step"] == 6
    assert took_effect(saved)
    for config in tmp_path.rglob("config.yaml"):
        assert "allow_changes" not in config.read_text()


@pytest.mark.parametrize("what", MAY_NOT)
def test_networks_optimizers_and_schedules_may_not_change(resume: Resume, what: str) -> None:
    option, phrase = MAY_NOT[what]
    for flags in ([], ["--allow_changes=true", "--model.init_args.power=2.0"]):
        with pytest.raises(SystemExit, match=f"is of another run: .*{phrase}") as stop:
            resume(option, *flags)
        assert "--allow_changes" not in str(stop.value.code)


def test_without_changes_nothing_is_said(resume: Resume, first: dict[str, Any]) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        resumed = resume()
    assert not [w for w in said if "changes" in str(w.message)]
    assert resumed["conditions"] == first["conditions"]


def test_an_average_that_is_new_starts_from_the_checkpoints_weights(
    resume: Resume, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    plain = fit(tmp_path / "plain", "--trainer.max_steps=3", NO_EMA)
    with pytest.raises(SystemExit, match=r"the decay of EMA was none .* and is 0\.9"):
        resume(path=plain["path"])
    with pytest.warns(UserWarning, match="the decay of EMA"):
        resumed = resume("--allow_changes=true", path=plain["path"])
    assert resumed["state_dict"]["averaged.n_averaged"] == 3


def test_older_checkpoints_say_less_and_go_on(
    resume: Resume, first: dict[str, Any], tmp_path: Path
) -> None:
    older = {key: value for key, value in first.items() if key not in ("path", "conditions")}
    torch.save(older, tmp_path / "older.ckpt")
    assert resume(DECAY, path=tmp_path / "older.ckpt")["global_step"] == 6


def test_a_checkpoint_of_another_method_is_named(resume: Resume) -> None:
    message = r"is a checkpoint of energy_gans\.methods\.CoulombGAN, not of energy_gans.*\.GAN\.$"
    with pytest.raises(SystemExit, match=message):
        resume("--model=energy_gans.methods.baselines.GAN")


def test_a_checkpoint_that_was_made_in_python_is_named(
    resume: Resume, first: dict[str, Any], tmp_path: Path
) -> None:
    own = {key: value for key, value in first.items() if key not in ("path", "hyper_parameters")}
    torch.save(own, tmp_path / "own.ckpt")
    with pytest.raises(SystemExit, match="does not say how its model is made: it was trained in"):
        resume(path=tmp_path / "own.ckpt")


def write_images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (8, 8), (8 * i, 0, 0)).save(folder / f"{i:02}.png")


def test_images_that_are_gone_are_missed(tmp_path: Path) -> None:
    for split, count in (("train", 24), ("val", 4)):
        write_images(tmp_path / "images" / split / "one", count)
    (tmp_path / "tiny.yaml").write_text(TINY)
    data = {"root": str(tmp_path / "images"), "size": 8, "num_workers": 0, "batch_size": 8}
    args = ["fit", f"--config={tmp_path / 'tiny.yaml'}", "--data=energy_gans.data.ImageFolder"]
    args += [f"--data.init_args.{key}={value}" for key, value in data.items()]
    args += [
        f"--model.init_args.{network}.init_args.channels=3"
        for network in ("generator", "discriminator")
    ]
    args += ["--trainer.val_check_interval=3", f"--trainer.default_root_dir={tmp_path}"]
    main([*args, "--trainer.max_steps=3"])
    args += ["--trainer.max_steps=6", f"--ckpt_path={next(tmp_path.rglob('last.ckpt'))}"]
    main(args)
    for i in range(10):
        (tmp_path / "images" / "train" / "one" / f"{i:02}.png").unlink()
    told = r"the data's split 'train' was 24 samples with SHA-256 \w+\.\.\. and is 14 samples with"
    with pytest.raises(SystemExit, match=f"is of another run: {told} .* --allow_changes true"):
        main(args)
    with pytest.warns(UserWarning, match=told):
        main([*args, "--trainer.max_steps=9", "--allow_changes=true"])


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_random_weights_are_not_measured(tiny: Callable, tmp_path: Path, command: str) -> None:
    _, *args = tiny(points=True)
    with pytest.raises(SystemExit, match=f"`energy-gans {command}` needs .* add --ckpt_path with"):
        main([command, *args])
    assert not (tmp_path / "tiny").exists()


def test_differences_name_keys_that_only_one_side_has() -> None:
    saved = {"_class_path": "a.B", "_instantiator": "c", "x": [1, 2], "y": {"z": 1}}
    given = {"class_path": "a.B", "init_args": {"x": [1, 3], "y": {}, "new": None}}
    assert _differences("model", saved, given) == [
        "model.init_args.x.1 was 2 and is 3",
        "model.init_args.y.z was 1 and is None",
    ]
