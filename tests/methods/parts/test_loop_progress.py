r"""Tests for the energy_gans.methods.parts.loop_progress module."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from energy_gans.cli import main


# An epoch has 16 steps. The runs end with a validation, an epoch, both, or neither.
@pytest.mark.parametrize("updates, ends", [(1, [12, 51]), (2, [16, 48])])
def test_an_extended_run_is_the_one_that_was_long_from_the_start(
    tiny: Callable, tmp_path: Path, updates: int, ends: list[int]
) -> None:
    args = [
        f"--model.init_args.updates_per_step={updates}",
        "--trainer.callbacks.every_n_steps=100",
        "--trainer.log_every_n_steps=4",
        "--trainer.val_check_interval=6",
    ]
    main(tiny(*args, "--trainer.max_steps=55", points=True, name="whole"))
    for i, end in enumerate([*ends, 55]):
        more = [f"--trainer.max_steps={end}", *(["--ckpt_path=last"] if i else [])]
        main(tiny(*args, *more, points=True, name="extended"))
    whole, extended = tmp_path / "whole/version_0", tmp_path / "extended/version_0"
    assert (extended / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    a, b = (
        torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in (whole, extended)
    )
    assert all(torch.equal(v, b["state_dict"][k]) for k, v in a["state_dict"].items())
    for counter in ("epoch_progress", "epoch_loop.batch_progress", "epoch_loop.state_dict"):
        assert a["loops"]["fit_loop"][counter] == b["loops"]["fit_loop"][counter]
    assert (a["epoch"], a["global_step"]) == (b["epoch"], b["global_step"]) == (3, 55)
