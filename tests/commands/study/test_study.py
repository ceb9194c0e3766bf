r"""Tests for `energy-gans study`: with stand-ins for the programs, and once with the real ones."""

import csv
import importlib
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image

from energy_gans.cli import main

from ...conftest import POINTS, TINY
from .conftest import Workshop


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    r"""Leaves out the pictures, which take most of the time."""
    module = importlib.import_module("energy_gans.commands.study.study")
    monkeypatch.setattr(module, "write_pictures", lambda *args: None)


def study(workshop: Workshop, *more: str) -> None:
    main(["study", str(workshop.file), "--out", str(workshop.out), *more])


def test_a_study_ends_in_tables_and_pictures(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    workshop.change(settings={"ring": ["base.yaml"]})
    study(workshop)
    assert [stage for stage, _ in workshop.ran] == ["fit", "sample"] * 4
    for name in ("curves.png", "scatter.png", "kde.png"):
        assert Image.open(workshop.out / name).width > 300
    shown = capsys.readouterr().out
    # Seeds 0 and 1 end at 10 and 11.
    assert "| one | 10.5 ± 0.71 | 250 ± 0 | 2 of 2 |" in shown
    assert "4 done" in shown
    assert not list(workshop.out.rglob("*.part"))


@pytest.mark.usefixtures("unseen")
def test_a_dry_run_and_shares(workshop: Workshop, capsys: pytest.CaptureFixture) -> None:
    study(workshop, "--dry_run", "true")
    assert capsys.readouterr().out.splitlines()[0] == "ring/one/seed_0: new"
    assert not workshop.ran
    study(workshop, "--only", "2/4", "--methods", "one")
    assert {cell for _, cell in workshop.ran} == {"other/one/seed_0"}
    study(workshop)
    assert len(workshop.ran) == 2 * 8


@pytest.mark.usefixtures("unseen")
def test_one_failure_does_not_stop_a_study(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    workshop.before = lambda stage, cell: 1 if cell == "ring/two/seed_0" else None
    study(workshop)
    shown = capsys.readouterr().out
    assert "ring/two/seed_0: failed in fit, exit code 1: the last line" in shown
    assert "| two | 11 | 250 | 1 of 2, failed (1 of 2) |" in shown
    workshop.before = lambda stage, cell: None
    workshop.ran.clear()
    study(workshop, "--retry", "true")
    assert {cell for _, cell in workshop.ran} == {"ring/two/seed_0"}


@pytest.mark.usefixtures("unseen")
def test_an_interrupted_study_goes_on_where_it_was(workshop: Workshop) -> None:
    def interrupt(stage: str, cell: str) -> None:
        if (stage, cell) == ("sample", "ring/two/seed_0"):
            raise KeyboardInterrupt

    workshop.before = interrupt
    with pytest.raises(SystemExit, match="130"):
        study(workshop)
    workshop.ran.clear()
    workshop.before = lambda stage, cell: None
    study(workshop)
    assert ("fit", "ring/one/seed_0") not in workshop.ran
    assert workshop.ran[0] == ("fit", "ring/two/seed_0")
    assert len(workshop.ran) == 2 * 7


@pytest.mark.usefixtures("unseen")
def test_unfair_and_changed_configs_are_refused_before_anything_runs(workshop: Workshop) -> None:
    workshop.write("two.yaml", {"data": {"init_args": {"samples": 400}}})
    with pytest.raises(SystemExit, match="data.init_args.samples is 500 and 400"):
        study(workshop)
    assert not workshop.ran
    workshop.write("two.yaml", {})
    study(workshop)
    workshop.write("two.yaml", {"model": {"init_args": {"power": 2.0}}})
    workshop.ran.clear()
    with pytest.raises(SystemExit, match="power is 'missing' and 2.0. Choose another --out"):
        study(workshop)
    assert not workshop.ran


@pytest.mark.usefixtures("unseen")
@pytest.mark.parametrize("job", [None, "4711"])
def test_a_job_whose_time_is_nearly_over_is_asked_for_again(
    workshop: Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    job: str | None,
) -> None:
    (tmp_path / "scontrol").write_text("#!/bin/sh\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if job:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    heard = []

    def hear(stage: str, cell: str) -> None:
        if job is None:
            # Outside of a job, the signal is not handled, and would end this process.
            heard.append(signal.getsignal(signal.SIGUSR1))
        else:
            os.kill(os.getpid(), signal.SIGUSR1)

    workshop.before = hear
    if job is None:
        study(workshop)
        assert {*heard} == {signal.SIG_DFL}
        return
    with pytest.raises(SystemExit) as stop:
        study(workshop)
    assert stop.value.code == 128 + signal.SIGUSR1
    assert "SLURM starts job 4711 again." in capsys.readouterr().out


# With the real programs

OVERLAY = """
trainer:
  max_steps: null
  callbacks:
    - {class_path: energy_gans.callbacks.MixtureCoverage, init_args: {n: 500}}
    - {class_path: energy_gans.callbacks.Checkpoints, init_args: {every_n_steps: 3}}
"""

OWN_NETWORK = """
import torch.nn as nn
class Net(nn.Linear):
    def __init__(self, size: int) -> None:
        super().__init__(size, size)
"""


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    r"""Returns the arguments of a study of two powers of the Coulomb GAN, one seed each."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    methods = {f"power_{p}": {"model": {"init_args": {"power": float(p)}}} for p in (1, 3)}
    content = {name: yaml.safe_dump(method) for name, method in methods.items()}
    content |= {"tiny": TINY, "points": POINTS, "overlay": OVERLAY}
    for name, text in content.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    plan = {
        "seeds": [0],
        "budget": {"steps": 12},
        "settings": {"ring": ["tiny.yaml", "points.yaml", "overlay.yaml"]},
        "methods": {name: [f"{name}.yaml"] for name in methods},
        "measures": {"val/modes": "modes"},
        "curves": ["val/energy"],
        "samples": 100,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    return ["study", str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out")]


def test_configs_are_read_without_a_process_for_each(
    real: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("subprocess.Popen", refuse)
    monkeypatch.chdir(tmp_path)
    # As in a process of `fit`, modules of the folder that it is started in are found.
    (tmp_path / "own_network.py").write_text(OWN_NETWORK)
    network = "{class_path: own_network.Net, init_args: {size: 2}}"
    (tmp_path / "power_3.yaml").write_text(f"model: {{init_args: {{generator: {network}}}}}")
    main([*real, "--dry_run", "true"])
    assert capsys.readouterr().out.splitlines() == [f"ring/power_{p}/seed_0: new" for p in (1, 3)]
    files = [tmp_path / f"{name}.yaml" for name in ("tiny", "points", "overlay", "power_1")]
    with pytest.raises(SystemExit):
        main(["fit", *(f"--config={file}" for file in files), "--print_config"])
    kept = [path.read_text() for path in (tmp_path / "out/configs").iterdir()]
    assert capsys.readouterr().out in kept
    (tmp_path / "power_3.yaml").write_text("model: {init_args: {powerr: 3}}")
    with pytest.raises(SystemExit, match="'power_3' in setting 'ring': .*mean 'power'"):
        main([*real, "--dry_run", "true"])


def test_a_study_that_is_killed_goes_on(real: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second = (out / "ring" / f"power_{p}" / "seed_0" for p in (1, 3))
    # A group of its own, so that its children can be killed with it, as a scheduler does.
    process = multiprocessing.get_context("fork").Process(target=main, args=(real,))
    process.start()
    deadline = time.monotonic() + 120
    listed, children = Path(f"/proc/{process.pid}/task/{process.pid}/children"), []
    # The log is opened before the process that writes it is started.
    while not children and time.monotonic() < deadline:
        assert process.is_alive()
        time.sleep(0.05)
        children = listed.read_text().split() if (second / "fit.log").exists() else []
    for pid in (process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    process.join()
    finished = (first / "done.json").stat().st_mtime_ns
    assert not (second / "done.json").exists()

    main(real)
    assert (first / "done.json").stat().st_mtime_ns == finished
    for folder, power in ((first, 1.0), (second, 3.0)):
        done = json.loads((folder / "done.json").read_text())
        assert done["config"]["fit"]["model"]["init_args"]["power"] == power
        assert done["steps"] == 12
        with (folder / "run" / "metrics.csv").open() as file:
            seconds = [
                float(row["time/seconds"]) for row in csv.DictReader(file) if row["val/energy"]
            ]
        assert 0 < seconds[0] < seconds[1]
        assert seconds[1] == pytest.approx(done["seconds"])
    assert (out / "table.md").read_text().count("1 of 1") == 4
    assert (out / "curves.png").is_file()
    assert (out / "kde.png").is_file()
