r"""Tests for the energy_gans.commands.fit.run_messages module."""

import shlex
from pathlib import Path

from energy_gans.commands.fit.run_messages import next_command


def test_the_end_of_a_run_says_what_to_do_next(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    assert next_command(folder, 7, False, []) == f"step 7: {folder}"
    last = folder / "checkpoints/last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()
    said = [next_command(folder, 7, stopped, {"mine", "her"}) for stopped in (False, True)]
    sample, fit = (shlex.split(text.split("next: ")[1]) for text in said)
    assert sample == ["energy-gans", "sample", "--ckpt_path", str(last), "--trust", "her,mine"]
    config = str(folder / "config.yaml")
    assert fit == ["energy-gans", "fit", "--config", config, "--ckpt_path", str(last)]
