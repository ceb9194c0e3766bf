r"""Tests for the energy_gans.callbacks.response_curve module."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from energy_gans.cli import main
from energy_gans.commands import load_model
from energy_gans.data import EmbeddedDigits
from energy_gans.functional import filter_bank, response_distance, responses

CURVE = "--trainer.callbacks+=energy_gans.callbacks.ResponseCurve"
OF_CHAINS = "--trainer.callbacks.of=chains"


def curve(folder: Path) -> list[tuple[int, float]]:
    with (folder / "tiny/version_0/metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/response"]]
    return [(int(row["step"]), float(row["val/response"])) for row in rows]


def last_value(folder: Path) -> float:
    return curve(folder)[-1][1]


def real_and_generated(folder: Path, size: int) -> tuple[Tensor, Tensor]:
    r"""Returns the images of the last validation, and the samples that were drawn then."""
    data = EmbeddedDigits("8x8", size=size, batch_size=160)
    y = data.contents("val")[0].float() / 127.5 - 1
    model = load_model(str(folder / "tiny/version_0/checkpoints/last.ckpt"))
    random = torch.Generator().manual_seed(0)
    return y, model.sample(len(y), random=random)


def test_it_is_the_distance_of_held_out_images_and_samples(
    tiny: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Samples that can be drawn again: those of one generator, whatever is observed.
    monkeypatch.setattr(
        "energy_gans.methods.GenerativeModule.observing",
        lambda self, *keys: torch.Generator().manual_seed(0),
    )
    sizes = [f"--model.init_args.{part}.size=16" for part in ("generator", "discriminator")]
    main(tiny("--trainer.max_steps=6", "--data.init_args.size=16", *sizes, CURVE))
    y, x = real_and_generated(tmp_path, 16)
    bank = filter_bank(1)
    expected = response_distance(responses(y, bank), responses(x, bank))
    assert last_value(tmp_path) == pytest.approx(expected.item(), rel=1e-4)


def test_filters_can_be_the_models_own(tiny: Callable, tmp_path: Path) -> None:
    main(
        tiny("--trainer.max_steps=6", CURVE, "--trainer.callbacks.filters=discriminator.layers.0")
    )
    assert last_value(tmp_path) > 0


def test_filters_that_there_are_not_are_refused(tiny: Callable) -> None:
    message = "'filters' should be a part of the model.*got 'eyes'"
    with pytest.raises(SystemExit, match=message):
        main(tiny("--trainer.max_steps=2", CURVE, "--trainer.callbacks.filters=eyes"))


def test_points_have_no_responses(tiny: Callable) -> None:
    with pytest.raises(SystemExit, match="ResponseCurve measures images, got samples of shape"):
        main(tiny("--trainer.max_steps=2", CURVE, points=True))


def test_it_can_be_that_of_chains_and_starts_before_training(
    tiny: Callable, tmp_path: Path
) -> None:
    descriptor = {"channels": 1, "size": 16, "widths": [4], "kernels": [3], "strides": [2]}
    options = {
        "model": "energy_gans.methods.GCN",
        "model.init_args.descriptor": "energy_gans.networks.ConvDescriptor",
        **{f"model.init_args.descriptor.{key}": value for key, value in descriptor.items()},
        "model.init_args.shape": [1, 16, 16],
        "model.init_args.chains": {"steps": 3, "step_size": 0.1, "bound": 1.0},
        "model.init_args.buffer_size": 160,
        "data.init_args.size": 16,
        "trainer.max_steps": 6,
        "trainer.num_sanity_val_steps": 1,
        "trainer.callbacks.init_args.monitor": "val/energy_distance",
    }
    main(tiny(*(f"--{key}={value}" for key, value in options.items()), CURVE, OF_CHAINS))
    saved = torch.load(
        tmp_path / "tiny/version_0/checkpoints/last.ckpt", map_location="cpu", weights_only=True
    )
    x = saved["buffer"]["x"][saved["buffer"]["filled"]]
    assert len(x) == 160
    y = EmbeddedDigits("8x8", size=16, batch_size=160).contents("val")[0].float() / 127.5 - 1
    bank = filter_bank(1)
    expected = response_distance(responses(y, bank), responses(x, bank))
    rows = curve(tmp_path)
    assert rows[-1] == (5, pytest.approx(expected.item(), rel=1e-4))
    assert rows[0][0] == 0 and rows[0][1] > 0


def test_only_chains_that_there_are_can_be_looked_at(tiny: Callable) -> None:
    with pytest.raises(SystemExit, match="'of' = 'chains' is for models with a replay buffer"):
        main(tiny("--trainer.max_steps=2", CURVE, OF_CHAINS))
