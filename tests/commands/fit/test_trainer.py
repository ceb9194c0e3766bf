r"""Tests for the energy_gans.commands.fit.trainer module."""

from collections.abc import Callable
from pathlib import Path

import pytest
from jsonargparse import Namespace
from lightning.pytorch import Trainer

from energy_gans.callbacks import NonFiniteGuard, SampleWriter, StepProgress
from energy_gans.cli import main
from energy_gans.commands.fit.trainer import (
    added_callbacks,
    follow_max_steps,
    warn_of_emulation,
)
from energy_gans.terminal import printing


def settings(**options: object) -> Namespace:
    given = {"callbacks": None, "enable_progress_bar": None, "max_steps": 6}
    given |= {"check_val_every_n_epoch": None, "val_check_interval": 10, "log_every_n_steps": 4}
    return Namespace(**(given | options))


@pytest.mark.parametrize(
    ("options", "validates", "logs"),
    [
        ({}, 6, 4),
        ({"max_steps": 3}, 3, 3),
        ({"max_steps": 10}, 10, 4),
        ({"max_steps": -1}, 10, 4),
        # A share of an epoch, and epochs.
        ({"val_check_interval": 1.0}, 1.0, 4),
        ({"check_val_every_n_epoch": 1}, 10, 4),
    ],
)
def test_a_run_validates_and_logs_once_at_least(
    options: dict[str, object], validates: float, logs: int
) -> None:
    trainer = settings(**options)
    follow_max_steps(trainer)
    assert (trainer.val_check_interval, trainer.log_every_n_steps) == (validates, logs)


@pytest.mark.parametrize(
    ("command", "options", "added"),
    [
        ("fit", {}, [NonFiniteGuard, StepProgress]),
        ("fit", {"enable_progress_bar": False}, [NonFiniteGuard]),
        ("fit", {"callbacks": [NonFiniteGuard()]}, [StepProgress]),
        ("fit", {"callbacks": [StepProgress()]}, [NonFiniteGuard]),
        ("validate", {}, [NonFiniteGuard]),
        ("predict", {}, [NonFiniteGuard, SampleWriter]),
    ],
)
def test_a_run_has_callbacks_that_its_config_leaves_out(
    command: str, options: dict[str, object], added: list[type]
) -> None:
    assert [type(c) for c in added_callbacks(settings(**options), command)] == added


SLURM = {"JOB_ID": "1", "NTASKS": "1", "NTASKS_PER_NODE": "1", "PROCID": "0", "LOCALID": "0"}


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (SLURM | {"NODEID": "0", "JOB_NAME": "tiny"}).items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("slurm")
def test_another_number_of_tasks_than_devices_is_one_sentence(
    tiny: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="error: 'trainer' can not be made: .*devices=2"):
        main(tiny("--trainer.devices=2", points=True))
    # For a single device, too: each task would train on its own.
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    with pytest.raises(SystemExit, match="error: 'trainer' can not be made: .*devices=1"):
        main(tiny(points=True))
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
    with pytest.raises(SystemExit, match="error: 'trainer' can not be made: .*--ntasks=2"):
        main(tiny(points=True))


@pytest.mark.usefixtures("slurm")
def test_a_checkpoint_that_nobody_named_is_not_resumed(
    tiny: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "hpc_ckpt_2.ckpt").touch()
    with pytest.raises(SystemExit, match="which would be resumed, got .*hpc_ckpt_2.ckpt: move it"):
        main(tiny("--trainer.max_steps=1", points=True))


@pytest.mark.parametrize(
    ("precision", "machine", "capability", "warned"),
    [
        ("bf16-mixed", "x86_64", "AVX2", True),
        ("bf16-true", "AMD64", "DEFAULT", True),
        ("bf16-mixed", "x86_64", "AVX512", False),
        ("bf16-mixed", "aarch64", "DEFAULT", False),
        ("32-true", "x86_64", "AVX2", False),
    ],
)
def test_a_cpu_that_emulates_bfloat16_is_warned_of(
    precision: str,
    machine: str,
    capability: str,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    trainer = Trainer(accelerator="cpu", precision=precision, logger=False)
    capsys.readouterr()
    with printing():
        warn_of_emulation(trainer)
    assert ("add --trainer.precision 32-true." in capsys.readouterr().err) is warned
