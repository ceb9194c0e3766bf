r"""Tests for what commands are as Python functions: silent, with results that notebooks show."""

import base64
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer
from PIL import Image

import energy_gans
from energy_gans.commands import (
    compare,
    evaluate,
    inpaint,
    interpolate,
    landscape,
    ood,
    report,
    sample,
    synthesize,
)
from energy_gans.commands.compare import ComparisonTable
from energy_gans.commands.evaluate.evaluate import Evaluation
from energy_gans.commands.features import picture, train
from energy_gans.commands.features.picture import FeatureSpace
from energy_gans.commands.features.train import TrainedClassifier
from energy_gans.commands.inpaint.inpaint import Inpainting
from energy_gans.commands.interpolate import Interpolation
from energy_gans.commands.landscape import Landscape
from energy_gans.commands.ood.ood import OutlierDetection
from energy_gans.commands.particles import ParticleFlow, particles
from energy_gans.commands.prepare import folder, verify
from energy_gans.commands.prepared_sets import PreparedSet, VerifiedSet
from energy_gans.commands.report import Report
from energy_gans.commands.results import Result
from energy_gans.commands.sample import DrawnSamples
from energy_gans.commands.synthesize import Synthesis
from energy_gans.data import EmbeddedDigits, Ring
from energy_gans.metrics.features import Pixels
from energy_gans.storage import load_model

EXTRACTOR = {"extractor": Pixels([1, 8, 8]), "measures": "fd,pr"}


def digits() -> EmbeddedDigits:
    return EmbeddedDigits("8x8", 8, batch_size=100)


# A call of each command: the name of its model, the function and its arguments besides.
CALLS: dict[type[Result], tuple[str, Callable, dict[str, Any]]] = {
    DrawnSamples: ("coulomb", sample, {"n": 5}),
    Interpolation: ("plane", interpolate, {"n": 2, "steps": 3}),
    Synthesis: ("gcn", synthesize, {"n": 2}),
    Inpainting: ("gcn", inpaint, {"n": 4, "data": digits()}),
    OutlierDetection: ("gcn", ood, {"n": 20, "outliers": "noise", "inliers": digits()}),
    Landscape: ("points", landscape, {"n": 5, "data": Ring(samples=256, batch_size=100)}),
    Evaluation: ("coulomb", evaluate, {"n": 30, "data": digits(), **EXTRACTOR}),
    FeatureSpace: ("eieg", picture, {"n": 10, "data": digits()}),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    r"""Runs each test in an empty folder, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield


@pytest.mark.parametrize("kind", CALLS, ids=lambda kind: kind.__name__)
def test_a_function_prints_nothing_writes_nothing_and_takes_live_models(
    kind: type[Result], trained: Callable, capfd: pytest.CaptureFixture
) -> None:
    name, function, arguments = CALLS[kind]
    path = trained(name)
    capfd.readouterr()
    with warnings.catch_warnings():
        # These sets are too small for reliable measures.
        warnings.filterwarnings("ignore", message=".*'fd'.*")
        made = function(Path(path), **arguments)
        model = load_model(path).train()
        state, flags = torch.get_rng_state(), [p.requires_grad for p in model.parameters()]
        live = function(model, **arguments)
    assert capfd.readouterr() == ("", "")
    assert [*Path().iterdir()] == []
    assert type(made) is kind
    assert made.path is None
    assert repr(made) == str(made)
    # A live model is as it was, and gives what its checkpoint gives.
    assert all(module.training for module in model.modules())
    assert flags == [p.requires_grad for p in model.parameters()]
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(state, torch.get_rng_state())
    for field in ("x", "values", "measures", "scores", "generated"):
        a, b = getattr(made, field, None), getattr(live, field, None)
        same = torch.equal(a, b) if isinstance(a, torch.Tensor) else str(a) == str(b)
        assert same, field


def test_what_needs_no_model_prints_and_writes_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    moved = particles(Ring(samples=64, batch_size=16), particles=3, data_batch=8, steps=4)
    assert type(moved) is ParticleFlow
    assert moved.x.shape == (3, 2)
    assert moved.table.splitlines()[-1].startswith("| 4 |")
    classifier = train(digits(), epochs=1, width=4)
    assert type(classifier) is TrainedClassifier
    assert 0 <= classifier.accuracy <= 1
    assert [*Path().iterdir()] == []
    for i in range(4):
        Image.new("RGB", (8, 8), (60 * i, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    made = folder(tmp_path, Path("set"), size=8, on_error="skip", hold_out=2)
    assert type(made) is PreparedSet
    assert sum(made.counts.values()) == 4
    assert [one["name"] for one in made.skipped] == ["bad.png"]
    assert type(verify(made.root)) is VerifiedSet
    assert capfd.readouterr() == ("", "")


def test_a_report_is_about_a_run_and_leaves_the_random_state(
    trained: Callable, capfd: pytest.CaptureFixture
) -> None:
    run = Path(trained("plane")).parents[1]
    before, state = {*run.iterdir()}, torch.get_rng_state()
    capfd.readouterr()
    made = report(run)
    assert capfd.readouterr() == ("", "")
    assert type(made) is Report
    assert {*run.iterdir()} == before
    assert torch.equal(state, torch.get_rng_state())
    assert made.step == 2
    assert made.measures["samples"]["energy distance"] > 0
    assert made.picture.height == sum(one.height for one in made.pictures.values())
    assert {p.name for p in Path().iterdir()} == set()
    report(run, out="here")
    assert {p.name for p in Path("here").iterdir()} == {*made.pictures, "report.md"}


def test_what_python_gets_is_what_the_command_line_writes(
    trained: Callable, capsys: pytest.CaptureFixture
) -> None:
    path = trained("classes")
    energy_gans.cli.main(["sample", "--ckpt_path", path, "--n", "7", "--out", "a.npz"])
    assert capsys.readouterr().out.splitlines()[-1] == "7 samples: a.npz"
    made = sample(path, 7)
    assert np.array_equal(made.x, np.load("a.npz")["samples"])
    assert made.label.shape == (7,)
    # The same as of the model alone.
    model, random = load_model(path), torch.Generator().manual_seed(0)
    assert torch.equal(made.x, model.sample(7, random=random))
    assert sample(path, 3, label=4).label.tolist() == [4] * 3
    with pytest.raises(ValueError, match="'label' should be from 0 to 9, got 10"):
        sample(path, 3, label=10)


@pytest.mark.parametrize("kind", [Interpolation, Synthesis, Inpainting, Evaluation])
def test_a_result_reads_as_what_the_command_line_prints_at_its_end(
    kind: type[Result], trained: Callable, capsys: pytest.CaptureFixture
) -> None:
    name, function, _ = CALLS[kind]
    flags = {"n": 130} if kind is Evaluation else {"n": 3}
    typed = [function.__name__, "--ckpt_path", trained(name), "--n", str(flags["n"])]
    if kind is Evaluation:
        typed += ["--extractor", "Pixels", "--extractor.shape", "[1,8,8]", "--measures", "fd,pr"]
        flags |= EXTRACTOR
    out = "a.json" if kind is Evaluation else "a.png"
    made = function(trained(name), out=out, **flags)
    written = {path: path.read_bytes() for path in Path().iterdir()}
    capsys.readouterr()
    overwrite = [] if kind is Evaluation else ["--overwrite", "true"]
    energy_gans.cli.main([*typed, "--out", out, *overwrite])
    assert capsys.readouterr().out.endswith(f"{made}\n")
    assert str(made.path) in str(made)
    assert written == {path: path.read_bytes() for path in Path().iterdir()}


# Arrays


def test_arrays_are_measured_as_their_files(tmp_path: Path) -> None:
    y = digits().contents("train")[0]
    x = y[::7] // 2
    np.save(tmp_path / "x.npy", x.numpy())
    found = [
        evaluate(samples=samples, data=digits(), **EXTRACTOR)
        for samples in (tmp_path / "x.npy", x, x.numpy(), x / 127.5 - 1)
    ]
    assert all(one.measures == found[0].measures for one in found)
    assert found[1].origin["sha256"] == found[2].origin["sha256"] != found[3].origin["sha256"]
    assert found[0].values["fd"] > found[0].measures["fd"]["real"]["value"]
    own = evaluate(samples=x, data=y, **EXTRACTOR).measures["fd"]
    assert own["protocol"]["reference"]["n"] == len(y) - len(y[::10])
    with pytest.raises(ValueError, match=r"'samples' should hold .* shape \(64,\)"):
        evaluate(samples=torch.zeros(64), data=y)
    with pytest.raises(ValueError, match="'out' = 'auto' is the place beside a file"):
        evaluate(samples=x, data=y, out="auto")


def test_the_data_of_a_live_model_is_that_of_its_trainer(trained: Callable) -> None:
    model = load_model(trained("gcn"))
    with pytest.raises(ValueError, match="'data' should be given for this GCN, which has no"):
        inpaint(model, n=2)
    trainer = Trainer(max_steps=1, logger=False, enable_checkpointing=False)
    trainer.datamodule = data = digits()
    model.trainer = trainer
    assert torch.equal(
        inpaint(model, n=2).x, inpaint(load_model(trained("gcn")), n=2, data=data).x
    )


def test_functions_warn_their_callers(trained: Callable) -> None:
    with pytest.warns(UserWarning, match="'fd'") as caught:
        evaluate(trained("coulomb"), n=30, data=digits(), **EXTRACTOR)
    ours = [one.filename for one in caught if "'fd'" in str(one.message)]
    assert {*ours} == {__file__}


# Notebooks


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_notebooks_show_pictures(trained: Callable) -> None:
    images, points = sample(trained("coulomb"), 5), sample(trained("plane"), 5)
    for made in (images, points):
        assert opened(made._repr_png_()).size == made.picture.size
        assert made._repr_markdown_() is made._repr_html_() is None


def test_notebooks_show_tables(trained: Callable, tmp_path: Path) -> None:
    made = evaluate(trained("coulomb"), n=130, out=tmp_path / "a.json", **EXTRACTOR)
    assert made.path == tmp_path / "a.json"
    assert json.loads(made.path.read_text())["measures"] == made.measures
    both = compare([made.path, made.path])
    assert type(both) is ComparisonTable
    for one in (made, both):
        assert one._repr_markdown_() == one.table
        assert one.table.startswith("| ")
        assert one._repr_png_() is one._repr_html_() is None


def test_notebooks_show_pictures_with_their_tables(trained: Callable) -> None:
    made = synthesize(trained("gcn"), n=2)
    shown = made._repr_html_()
    assert shown.count("<tr>") == 1 + len(made.frames)
    source = re.search('src="data:image/png;base64,([^"]+)"', shown)[1]
    assert base64.b64decode(source) == made._repr_png_()
    assert "<th>potential</th>" in shown
