r"""Tests for the energy_gans.storage.export module: folders of models, written and read."""

import hashlib
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import safetensors.torch
import torch
from torch import Tensor

from energy_gans.cli import main
from energy_gans.data.base import TensorDataModule
from energy_gans.methods import GenerativeModule
from energy_gans.storage import find_checkpoint, load_checkpoint, load_model
from energy_gans.storage.export import read_export, write_export

from ..commands.conftest import part, trained  # noqa: F401
from .old_checkpoints import FOLDER
from .test_old_checkpoints import METHOD_NAMES
from .test_rebuild import COMMANDS, SHELL, command

CONDITIONAL = ("classes", "vapo_classes")


@pytest.fixture
def checkpoint(trained: Callable[[str], str]) -> Callable[[str], Path]:  # noqa: F811
    r"""Returns the checkpoint of a method, or of a tiny model of the commands' tests, by name."""
    return lambda name: (
        FOLDER / name / "last.ckpt" if name in METHOD_NAMES else Path(trained(name))
    )


@pytest.fixture
def exported(checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    r"""Returns the folder of an exported model by name."""

    def folder(name: str) -> Path:
        path = tmp_path / "exported" / name
        path.mkdir(parents=True)
        source = checkpoint(name)
        write_export(path, load_model(source), load_checkpoint(source), {})
        return path

    return folder


def random() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def outputs(model: GenerativeModule) -> dict[str, Tensor]:
    r"""Returns what each member of a model computes."""
    x = model.sample(6, random=random())
    label = None if model.classes is None else torch.arange(6) % model.classes
    found = {"samples": x}
    if model.supports("potential_at"):
        found["potential"] = model.potential_at(x, label)
        if model.time_conditioned:
            found["early"] = model.potential_at(x, label, 0.2)
    if model.supports("features"):
        found["features"] = model.features(x)
    if model.supports("trajectory"):
        *_, frame = model.trajectory(x, 2, label, random())
        found["trajectory"] = frame.x
    if model.latent_network is not None:
        found["decoded"] = model.decode(
            torch.randn(6, model.latent_dim, generator=random()), label
        )
    if model.supports("fill") and x.ndim == 4:
        found["filled"] = model.fill(x, (x[:, :1] > 0).float(), label, 2, random())
    return {name: value.detach() for name, value in found.items()}


@pytest.mark.parametrize("name", [*METHOD_NAMES, *CONDITIONAL, "vapo_time"])
def test_a_folder_gives_the_bits_of_its_checkpoint_without_the_data(
    checkpoint: Callable[[str], Path],
    exported: Callable[[str], Path],
    tmp_path: Path,
    name: str,
) -> None:
    folder, model = exported(name), load_model(checkpoint(name))
    expected = outputs(model)
    moved = shutil.move(folder, tmp_path / "elsewhere")
    with mock.patch.object(TensorDataModule, "__init__", side_effect=AssertionError("the data")):
        found = outputs(load_model(moved))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key
    # The two steps of training moved the average away from the weights.
    with mock.patch.object(model, "averaged", None):
        assert not torch.equal(outputs(model)["samples"], expected["samples"])


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_folder_holds_no_optimizer_and_no_weight_twice(
    checkpoint: Callable[[str], Path], exported: Callable[[str], Path], name: str
) -> None:
    model, folder = load_model(checkpoint(name)), exported(name)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    found = safetensors.torch.load_file(folder / "model.safetensors")
    once = {key for key in model.state_dict() if not key.startswith("averaged.")}
    charges = (
        {"charges.real", "charges.generated"}
        if name.startswith(("EIEG", "FieldGenerator", "baselines.MMD"))
        else set()
    )
    assert found.keys() == once | charges
    averaged = {f"averaged.module.{key}": v for key, v in model.ema_source.state_dict().items()}
    assert averaged
    read = load_model(folder)
    assert read.averaged is None
    for key, value in model.averaged.module.state_dict().items():
        assert torch.equal(read.ema_source.state_dict()[key], value)


def test_channels_last_gives_the_same_bits(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    content = load_checkpoint(checkpoint("coulomb"))
    content["hyper_parameters"]["channels_last"] = True
    torch.save(content, tmp_path / "last.ckpt")
    model, folder = load_model(tmp_path / "last.ckpt"), tmp_path / "folder"
    folder.mkdir()
    write_export(folder, model, content, {})
    assert torch.equal(
        load_model(folder).sample(5, random=random()), model.sample(5, random=random())
    )


def test_an_exported_folder_can_be_exported_again(
    exported: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, again = exported("EIEGGAN"), tmp_path / "again"
    again.mkdir()
    write_export(again, load_model(folder), load_checkpoint(folder), {})
    for name in ("config.json", "model.safetensors"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


# Damage


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    r"""Changes the tensors of a folder, and its check sum with them."""
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    replace_weights(folder, safetensors.torch.save(tensors))


def replace_weights(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    edit_config(folder, weights={"sha256": hashlib.sha256(content).hexdigest()})


class Bomb:
    def __reduce__(self) -> tuple:
        return (os.mkdir, ("exploded",))


def flip(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def truncate(folder: Path) -> None:
    replace_weights(folder, (folder / "model.safetensors").read_bytes()[:-5])


def network(value: Any) -> dict[str, Any]:
    return part("networks.MLP", in_features=2, out_features=2, activation=value)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


WEIGHT = "generator.0.weight"
SAYS = {
    "flipped": (flip, r"is damaged, or not of the model in config\.json: the SHA-256 there is"),
    "truncated": (truncate, "can not be read: it is truncated or damaged, or no file of safeten"),
    "empty": (lambda f: replace_weights(f, b""), "can not be read: it is truncated or damaged"),
    "a pickle": (
        lambda f: replace_weights(f, pickle.dumps(Bomb())),
        "can not be read: it is truncated or damaged, or no file of safetensors",
    ),
    "a header that lies": (
        lambda f: replace_weights(f, struct.pack("<Q", 2**60) + b"{}"),
        "can not be read: it is truncated or damaged, or no file of safetensors",
    ),
    "no config": (
        lambda f: (f / "config.json").unlink(),
        r"holds no config\.json, which says of which model",
    ),
    "torn config": (
        lambda f: (f / "config.json").write_text('{"format_version": 1, "mo'),
        r"can not be read: config\.json is damaged, or `energy-gans export` did not write it",
    ),
    "another config": (
        lambda f: (f / "config.json").write_text('{"architectures": ["Bert"]}'),
        r"can not be read: config\.json is damaged, or `energy-gans export` did not write it",
    ),
    "deep config": (
        lambda f: (f / "config.json").write_text(nested(200_000)),
        r"can not be read: config\.json is damaged",
    ),
    "huge config": (
        lambda f: (f / "config.json").write_bytes(b" " * (2**24 + 1)),
        "can not be read: config.json has more than 16777216 bytes",
    ),
    "many values": (
        lambda f: edit_config(f, data={"init_args": {"radius": [0] * 1_000_001}}),
        r"config\.json' should hold at most 1000000 values",
    ),
    "newer": (
        lambda f: edit_config(f, format_version=2),
        r"newer version of energy-gans: the format of config\.json is 2, .* reads up to 1\.",
    ),
    "no seed": (lambda f: edit_config(f, seed="3"), r"config\.json holds no valid 'seed'"),
    "infinite": (
        lambda f: edit_weights(f, lambda t: t[WEIGHT].view(-1)[:1].fill_(torch.inf)),
        f"is of a run that diverged: '{WEIGHT}' is not finite",
    ),
    "missing": (
        lambda f: edit_weights(f, lambda t: t.pop(WEIGHT)),
        f"can not be rebuilt here: the file lacks the weight '{WEIGHT}'",
    ),
    "extra": (
        lambda f: edit_weights(f, lambda t: t.update(more=torch.zeros(1))),
        "can not be rebuilt here: the model has no weight 'more', which the file holds",
    ),
    "shape": (
        lambda f: edit_weights(f, lambda t: t.update({WEIGHT: torch.zeros(3, 2)})),
        rf"the weight '{WEIGHT}' should have shape \(8, 2\), got \(3, 2\)",
    ),
    "a function": (
        lambda f: edit_config(f, model=SHELL),
        "holds a os.system that can not be rebuilt here: .*--trust os,",
    ),
    "a function within": (
        lambda f: edit_config(
            f, model=part("methods.CoulombGAN", latent_dim=2, generator=network("os.system"))
        ),
        "can not be rebuilt here: .*--trust os,",
    ),
    "no method": (
        lambda f: edit_config(f, model=part("networks.MLP", in_features=2, out_features=2)),
        "should name a class that is a GenerativeModule",
    ),
    "no class path": (
        lambda f: edit_config(f, model={}),
        "'model' in config.json names no class",
    ),
}


@pytest.mark.parametrize("kind", SAYS)
def test_a_damaged_or_hostile_folder_is_refused_in_one_sentence(
    exported: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = exported("plane")
    monkeypatch.chdir(tmp_path)
    spoil, said = SAYS[kind]
    spoil(folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit, match=said) as told:
        main(["sample", "--ckpt_path", str(folder), "--out", "a.png"])
    assert "\n" not in str(told.value) and len(str(told.value)) < 700
    assert sorted(tmp_path.rglob("*")) == before


def test_a_charge_that_is_not_finite_is_refused(exported: Callable[[str], Path]) -> None:
    folder = exported("EIEGGenerator")
    edit_weights(folder, lambda t: t["charges.real"].view(-1)[:1].fill_(torch.nan))
    with pytest.raises(ValueError, match=r"'charges\.0' is not finite"):
        load_model(folder)


def test_an_argument_that_json_can_not_hold_is_named(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    model, content = load_model(checkpoint("plane")), load_checkpoint(checkpoint("plane"))
    content["hyper_parameters"]["gradient_clip_norm"] = float("inf")
    with pytest.raises(ValueError, match=r"'model\.gradient_clip_norm' should be .* got inf"):
        write_export(tmp_path, model, content, {})


# Commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_a_folder_in_place_of_a_checkpoint(
    exported: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = exported(COMMANDS[name][0])
    small = {
        "evaluate": ["--n", "100", "--reference_n", "200", "--measures", "fd", *PIXELS],
        # It writes nothing into the folder of a model.
        "report": ["--out", "a"],
    }
    command(name, folder, *small.get(name, ["--n", "8"] if name == "sample" else []))
    made = {"evaluate": folder / "metrics.json", "report": Path("a") / "report.md"}
    assert made.get(name, Path("a.png")).is_file()


PIXELS = ["--extractor", "Pixels", "--extractor.shape", "[1,8,8]", "--cache", "cache"]


@pytest.mark.parametrize("name", ["validate", "predict"])
def test_a_folder_is_measured_as_its_checkpoint_is(
    checkpoint: Callable[[str], Path],
    exported: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    name: str,
) -> None:
    path = checkpoint("plane")
    config = ["--config", str(path.parents[3] / "config.yaml"), "--trainer.limit_val_batches=1.0"]
    said, folder = [], exported("plane")
    capsys.readouterr()
    for i, source in enumerate((path, folder)):
        out = f"--trainer.logger.init_args.save_dir={tmp_path / str(i)}"
        main([name, *config, out, "--ckpt_path", str(source)])
        said.append(capsys.readouterr().out.replace(f"{tmp_path / str(i)}", ""))
    assert said[0] == said[1]


def test_training_starts_from_a_folder_and_does_not_continue_from_it(
    checkpoint: Callable[[str], Path], exported: Callable[[str], Path], tmp_path: Path
) -> None:
    path, folder = checkpoint("plane"), exported("plane")
    out = f"--trainer.logger.init_args.save_dir={tmp_path}"
    fit = ["fit", "--config", str(path.parents[3] / "config.yaml"), out]
    with pytest.raises(SystemExit, match=r"is an exported model, which holds no optimizer: .*--m"):
        main([*fit, "--ckpt_path", str(folder)])
    # Without a learning rate the first checkpoint holds the first weights.
    sgd = json.dumps({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}})
    rates = [f"--model.init_args.{n}_optimizer={sgd}" for n in ("generator", "discriminator")]
    main([*fit, *rates, "--trainer.max_steps=1", "--model.init_args.initial_weights", str(folder)])
    started = torch.load(find_checkpoint(tmp_path / "run"), weights_only=True)["state_dict"]
    for key, value in read_export(folder / "model.safetensors")["state_dict"].items():
        assert torch.equal(started[key], value)
    flip(folder)
    with pytest.raises(SystemExit, match="'initial_weights' = .* is damaged, or not of the model"):
        main([*fit, "--model.init_args.initial_weights", str(folder)])
