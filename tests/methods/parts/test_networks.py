r"""Tests for the energy_gans.methods.parts.networks module: precisions."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from energy_gans.cli import main
from energy_gans.methods.parts.networks import check_precision


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
