r"""Tests for the energy_gans.storage.checkpoint module."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from energy_gans.cli import main
from energy_gans.storage import load_checkpoint, load_model

from ..commands.conftest import trained  # noqa: F401
from .test_rebuild import COMMANDS, command


@pytest.fixture
def checkpoint(trained: Callable[[str], str]) -> str:  # noqa: F811
    return trained("plane")


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_truncated_checkpoint_is_refused(checkpoint: str, tmp_path: Path, size: int) -> None:
    torn = tmp_path / "torn.ckpt"
    torn.write_bytes(Path(checkpoint).read_bytes()[:size])
    with pytest.raises(ValueError, match="can not be read: it is truncated or damaged"):
        load_checkpoint(torn)


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="was not written by energy-gans"):
        load_checkpoint(tmp_path / "other.ckpt")
    with pytest.raises(FileNotFoundError, match="should be a checkpoint file"):
        load_checkpoint(tmp_path / "none.ckpt")


class Bomb:
    def __reduce__(self) -> tuple:
        return (os.mkdir, ("exploded",))


def test_a_checkpoint_never_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "seed": 0, "more": Bomb()}, "bomb.ckpt")
    with pytest.raises(ValueError, match="can not be read"):
        load_checkpoint("bomb.ckpt")
    assert not Path("exploded").exists()


def test_a_flipped_byte_of_any_tensor_is_found(checkpoint: str, tmp_path: Path) -> None:
    content = Path(checkpoint).read_bytes()
    with zipfile.ZipFile(checkpoint) as archive:
        parts = [part for part in archive.infolist() if "/data/" in part.filename]
    assert len(parts) > 20
    for part in parts:
        # A local header of 30 bytes, the name and torch's padding come first.
        extra = int.from_bytes(
            content[part.header_offset + 28 : part.header_offset + 30], "little"
        )
        start = part.header_offset + 30 + len(part.filename) + extra
        place = start + part.file_size // 2
        damaged = tmp_path / "damaged.ckpt"
        flipped = bytes([content[place] ^ 1])
        damaged.write_bytes(content[:place] + flipped + content[place + 1 :])
        with pytest.raises(ValueError, match=r"can not be read: .*is damaged: the check sum"):
            load_checkpoint(damaged)


def test_a_part_that_would_grow_is_refused(checkpoint: str, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(checkpoint) as whole,
        zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in whole.infolist():
            packed.writestr(part.filename, whole.read(part))
    with pytest.raises(ValueError, match="can not be read: .*a part of it is compressed"):
        load_checkpoint(tmp_path / "bomb.ckpt")


@pytest.mark.parametrize("class_path", ["os.system", "energy_gans.networks.MLP", "no.such.Method"])
def test_a_checkpoint_of_another_method_is_refused(
    checkpoint: str, tmp_path: Path, class_path: str
) -> None:
    other = load_checkpoint(checkpoint)
    other["hyper_parameters"]["_class_path"] = class_path
    torch.save(other, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=f"holds a {class_path} that can not be rebuilt here"):
        load_model(tmp_path / "other.ckpt")


def spoilt(path: str, folder: Path, *keys: str | int) -> tuple[Path, str]:
    r"""Returns a copy of a checkpoint with an infinite weight, and the name of the weight.

    Arguments:
        path: The path of the checkpoint.
        folder: The folder to make.
        keys: Which tensor is spoilt; the last of the weights if there are none.
    """
    shutil.copytree(Path(path).parents[1], folder)
    copy = folder / "checkpoints" / "last.ckpt"
    content = torch.load(copy, weights_only=True)
    keys = keys or ("state_dict", list(content["state_dict"])[-1])
    tensor = content
    for key in keys:
        tensor = tensor[key]
    tensor.view(-1)[0] = torch.inf
    torch.save(content, copy)
    return copy, ".".join(map(str, keys)).removeprefix("state_dict.")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_takes_weights_that_are_not_finite(
    trained: Callable[[str], str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    path, weight = spoilt(trained(COMMANDS[name][0]), tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    message = rf"last\.ckpt' is of a run that diverged: '{weight}' is not finite\.$"
    with pytest.raises(SystemExit, match=message):
        command(name, path)
    assert sorted(tmp_path.rglob("*")) == before


WAYS_ON = {
    "fit": ["--ckpt_path"],
    "validate": ["--ckpt_path"],
    "predict": ["--ckpt_path"],
    "fit from weights": ["--model.init_args.initial_weights"],
}


@pytest.mark.parametrize("name", WAYS_ON)
def test_nothing_goes_on_from_weights_that_are_not_finite(
    checkpoint: str, tmp_path: Path, name: str
) -> None:
    path, weight = spoilt(checkpoint, tmp_path / "run")
    config = Path(checkpoint).parents[3] / "config.yaml"
    root = f"--trainer.logger.init_args.save_dir={tmp_path}"
    args = [name.split()[0], "--config", str(config), root, *WAYS_ON[name], str(path)]
    with pytest.raises(SystemExit, match=f"is of a run that diverged: '{weight}' is not finite"):
        main(args)


def test_only_training_looks_at_optimizers(checkpoint: str, tmp_path: Path) -> None:
    keys = ("optimizer_states", 0, "state", 0, "exp_avg_sq")
    path, name = spoilt(checkpoint, tmp_path / "run", *keys)
    assert load_model(path).sample(3).isfinite().all()
    config = Path(checkpoint).parents[3] / "config.yaml"
    with pytest.raises(SystemExit, match=f"is of a run that diverged: '{name}' is not finite"):
        main(["fit", "--config", str(config), "--ckpt_path", str(path)])


def test_weights_that_do_not_fit_are_one_sentence(checkpoint: str, tmp_path: Path) -> None:
    other = load_checkpoint(checkpoint)
    other["hyper_parameters"]["generator"]["init_args"]["hidden_features"] = [9] * 50
    torch.save(other, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="here: the file lacks the weight 'averaged") as told:
        load_model(tmp_path / "other.ckpt")
    assert "\n" not in str(told.value) and len(str(told.value)) < 1000
