r"""Tests for the energy_gans.methods.parts.networks module: precisions and initial weights."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from energy_gans.cli import main
from energy_gans.methods.parts.networks import check_precision, load_weights


@pytest.mark.parametrize(
    "given", [16, "16", 32, "64", "bf16", "16-mixed", "bf16-mixed", "64-true"]
)
def test_precisions_that_keep_weights_in_float32_are_taken(given: int | str) -> None:
    check_precision(given)


@pytest.mark.parametrize("given", ["16-true", "bf16-true", "transformer-engine"])
def test_other_precisions_are_refused_before_anything_is_made(
    tiny: Callable, tmp_path: Path, given: str
) -> None:
    message = (
        f"'trainer.precision' should be one of 32-true, .*, got '{given}': weights, potentials"
    )
    with pytest.raises(SystemExit, match=message) as stop:
        main(tiny(f"--trainer.precision={given}", points=True))
    assert str(stop.value.code).count("\n") == 0
    assert not (tmp_path / "tiny").exists()


def test_images_are_taken_in_float64(tiny: Callable, tmp_path: Path) -> None:
    main(
        tiny(
            "--trainer.precision=64-true",
            "--trainer.max_steps=3",
            "--trainer.val_check_interval=3",
        )
    )
    saved = torch.load(tmp_path / "tiny/version_0/checkpoints/last.ckpt", weights_only=True)
    assert {w.dtype for w in saved["state_dict"].values() if w.is_floating_point()} == {
        torch.float64
    }


def written(folder: Path, state: object, **more: object) -> str:
    torch.save({"state_dict": state} | more, folder / "a.ckpt")
    return str(folder / "a.ckpt")


def test_initial_weights_are_those_of_a_checkpoint_or_of_an_exported_model(tmp_path: Path) -> None:
    given = nn.Linear(3, 2)
    save_file(given.state_dict(), tmp_path / "model.safetensors")
    for path in (written(tmp_path, given.state_dict()), str(tmp_path / "model.safetensors")):
        network = nn.Linear(3, 2)
        load_weights(network, path)
        assert torch.equal(network.weight, given.weight) and torch.equal(network.bias, given.bias)


def test_only_a_moving_average_may_be_missing_in_initial_weights(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    path = written(tmp_path, network.state_dict())
    network.averaged = nn.Linear(3, 2)
    load_weights(network, path)
    network.other = nn.Linear(3, 2)
    with pytest.raises(ValueError, match="'initial_weights' .*, which lacks 'other.weight'"):
        load_weights(network, path)


@pytest.mark.parametrize(
    ("vocabulary", "own", "message"),
    [
        ("abc", "abc", None),
        ("", "", None),
        ("abc", "abd", "of another text: symbol 2 is 'c' there and 'd' in the data"),
        ("abc", "abcd", "of another text: symbol 3 is ' ' there and 'd' in the data"),
        ("abcd", "abc", "of another text: symbol 3 is 'd' there and ' ' in the data"),
        ("abc", "", "a model of the same data, got one of text"),
        ("", "abc", "a model of the same data, got one of no text"),
    ],
)
def test_initial_weights_are_of_the_vocabulary_of_the_data(
    tmp_path: Path, vocabulary: str, own: str, message: str | None
) -> None:
    network = nn.Linear(3, 2)
    path = written(tmp_path, network.state_dict(), vocabulary=vocabulary)
    told = pytest.raises(ValueError, match=f"^'initial_weights' should be .* {message}")
    with told if message else nullcontext():
        load_weights(network, path, *([own] if own else []))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (nn.Linear(4, 2).state_dict(), "a checkpoint of the same networks, got .*size mismatch"),
        ([], "a checkpoint of the same networks, got "),
        (
            {"weight": torch.ones(2, 3), "bias": torch.tensor([1.0, torch.inf])},
            "of a run that diverged: 'bias' is not finite",
        ),
    ],
)
def test_initial_weights_that_can_not_be_used_are_named(
    tmp_path: Path, state: object, message: str
) -> None:
    with pytest.raises(ValueError, match=f"(?s)^'initial_weights' .*{message}"):
        load_weights(nn.Linear(3, 2), written(tmp_path, state))
    torch.save({}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="^'initial_weights' should be .*a.ckpt'"):
        load_weights(nn.Linear(3, 2), str(tmp_path / "a.ckpt"))
    for name in ("none.ckpt", "none.safetensors"):
        with pytest.raises(FileNotFoundError, match=f"^'initial_weights' should be .*{name}'"):
            load_weights(nn.Linear(3, 2), str(tmp_path / name))


def test_initial_weights_may_hold_more_networks_but_not_other_ones(tmp_path: Path) -> None:
    def pair(*names: str) -> nn.ModuleDict:
        return nn.ModuleDict({name: nn.ModuleDict({"a": nn.Linear(3, 2)}) for name in names})

    given = pair("descriptor", "generator")
    path = written(tmp_path, given.state_dict())
    network = pair("descriptor")
    load_weights(network, path)
    assert torch.equal(network["descriptor"]["a"].weight, given["descriptor"]["a"].weight)
    given["descriptor"]["embedding"] = nn.Linear(1, 1)
    path = written(tmp_path, given.state_dict())
    with pytest.raises(ValueError, match=r"which holds 'descriptor\.embedding\.weight' besides"):
        load_weights(network, path)
