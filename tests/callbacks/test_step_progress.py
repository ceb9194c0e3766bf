r"""Tests for the energy_gans.callbacks.step_progress module."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from energy_gans import terminal
from energy_gans.callbacks import StepProgress, step_progress as progress
from energy_gans.metrics.statistics import image_progress
from energy_gans.terminal import is_interactive, printing, progress_bar


class Clock:
    r"""A replacement of `time` that tests set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def shown_steps(
    clock: Clock, seconds: float, steps: int, looked_at: bool, monkeypatch: Any, **options: Any
) -> list[int]:
    r"""Returns the steps at which the bar is redrawn, in a run of steps of equal length."""
    monkeypatch.setattr(progress, "is_interactive", lambda: looked_at)
    drawn = []
    bar = StepProgress(**options)
    trainer = SimpleNamespace(max_steps=steps, global_step=0, progress_bar_metrics={})
    bar.on_train_start(trainer, None)
    show = bar.show
    bar.show = lambda trainer: (drawn.append(trainer.global_step), show(trainer))
    for step in range(1, steps + 1):
        clock.now += seconds
        trainer.global_step = step
        bar.on_train_batch_end(trainer, None)
        if drawn and drawn[-1] == step:
            assert bar.bar.n == bar.bar.last_print_n == step
    bar.on_train_end(trainer, None)
    assert bar.bar.n == steps
    return drawn


@pytest.mark.parametrize(
    ("seconds", "looked_at", "expected"),
    [
        # Slow steps: the first is drawn as soon as it is done.
        (22.0, True, [1, 2, 3, 4, 4]),
        (22.0, False, [1, 2, 3, 4, 4]),
        (8.0, False, [1, 4, 4]),
        # Fast ones: ten times a second.
        (0.0501, True, [1, 3, 4]),
    ],
)
def test_steps_are_drawn_by_the_clock(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    looked_at: bool,
    expected: list[int],
) -> None:
    assert shown_steps(clock, seconds, 4, looked_at, monkeypatch) == expected


def test_fewer_steps_are_drawn_if_asked_for(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_steps(clock, 1.0, 7, True, monkeypatch, refresh_rate=3) == [3, 6, 7]
    with pytest.raises(ValueError, match="'refresh_rate' should be at least 1, got 0"):
        StepProgress(0)


def test_a_notebook_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_interactive()
    for config in ({"IPKernelApp": {}}, {}):
        shell = SimpleNamespace(config=config)
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda s=shell: s))
        assert is_interactive() == bool(config)


def test_a_log_file_is_told_of_what_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    batches = [(torch.zeros(40, 1), torch.arange(40))] * 3
    # As fast as it is here, nothing is said.
    with printing():
        assert list(image_progress("train", batches, 100)) == batches
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(terminal, "LOG_INTERVAL", 0.0)
    with printing():
        assert list(image_progress("train", batches, 100)) == batches
    said = capsys.readouterr().err
    assert "features of train" in said
    assert " 40/100" in said
    assert "100/100" in said.splitlines()[-1]
    with printing(), progress_bar(1, "images", shown=False) as bar:
        bar.update()
    assert capsys.readouterr().err == ""
