r"""Tests for the energy_gans.callbacks.response module."""

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


def last_value(folder: Path) -> float:
    with (folder / "tiny/version_0/metrics.csv").open() as file:
        rows = [row["val/response"] for row in csv.DictReader(file) if row["val/response"]]
    return float(rows[-1])


def real_and_generated(folder: Path, size: int) -> tuple[Tensor, Tensor]:
    r"""Returns the images of the last validation, and as many samples, as they were drawn then."""
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
