r"""Tests for text in the commands: a small run from its training to its evaluation."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

import energy_gans
from energy_gans.callbacks import TextMeasures
from energy_gans.characters import read_lines
from energy_gans.cli import main
from energy_gans.commands.evaluate.text import ORDERS
from energy_gans.data import TextLines
from energy_gans.metrics import NGramDivergence
from energy_gans.storage import load_checkpoint, load_model

from ..methods.test_contracts import assert_same
from .conftest import part

SIZES = {"symbols": 20, "length": 14, "width": 4, "blocks": 1}
WORDS = ("one", "two", "three", "four", "five", "six", "ten")
LINES = [f"{a} and {b} is {c}" for a in WORDS for b in WORDS for c in WORDS]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(LINES))
    return path


def fit(folder: Path, text: Path, *more: str, steps: int = 4, norm: str = "batch") -> Path:
    r"""Trains a small Coulomb GAN on text, and returns the folder of its run."""
    data = part("data.TextLines", root=str(text), length=14, symbols=20, batch_size=16)
    networks = {
        "generator": part("networks.ResidualTextGenerator", latent_dim=3, norm=norm, **SIZES),
        "discriminator": part("networks.ResidualTextDiscriminator", **SIZES),
    }
    measures = part("callbacks.TextMeasures", orders=[2], n=30)
    monitor = part("callbacks.Checkpoints", every_n_steps=2, monitor="val/js_2_30")
    pictures = part("callbacks.SamplePictures", every_n_steps=2, n=5)
    logger = {
        "class_path": "lightning.pytorch.loggers.CSVLogger",
        "init_args": {"save_dir": str(folder), "name": "run"},
    }
    config = {
        "model": part("methods.CoulombGAN", latent_dim=3, epsilon=1.0, **networks),
        "data": data,
        "trainer": {
            "max_steps": steps,
            "accelerator": "cpu",
            "log_every_n_steps": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "val_check_interval": 2,
            "limit_val_batches": 1,
            "logger": logger,
            "callbacks": [part("callbacks.EMA", decay=0.5), measures, pictures, monitor],
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    main(["fit", "--config", str(folder / "config.yaml"), *more])
    return folder / "run" / "version_0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, text: Path) -> Path:
    return fit(tmp_path_factory.mktemp("run"), text)


def vocabulary_of(text: Path) -> str:
    return TextLines(str(text), length=14, symbols=20).vocabulary


def test_a_resumed_run_equals_one_that_ran_through(run: Path, text: Path, tmp_path: Path) -> None:
    fit(tmp_path, text, steps=2)
    fit(tmp_path, text, "--ckpt_path=last")
    whole, resumed = (
        load_checkpoint(p / "checkpoints" / "last.ckpt")
        for p in (run, tmp_path / "run" / "version_0")
    )
    assert resumed["global_step"] == 4
    for key in ("state_dict", "optimizer_states", "vocabulary"):
        assert_same(whole[key], resumed[key])
    tables = [(p / "metrics.csv").read_text() for p in (run, tmp_path / "run" / "version_0")]
    assert tables[0] == tables[1]
    assert "val/js_2_30" in tables[0]


def test_samples_while_training_are_lines(run: Path, text: Path) -> None:
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == ["step_00000002.txt", "step_00000004.txt"]
    model = load_model(run)
    x = model.sample(5, random=torch.Generator().manual_seed(0))
    expected = read_lines(x, vocabulary_of(text))
    assert (run / "samples" / names[-1]).read_text().splitlines() == expected


@pytest.mark.parametrize("name", ["a.txt", "a.npz"])
def test_samples_are_written_without_the_data(run: Path, text: Path, name: str) -> None:
    out = run.parent / name
    drawn = energy_gans.sample(run, 7, out=out, overwrite=True)
    assert drawn.picture is None
    assert drawn.lines == read_lines(drawn.x, vocabulary_of(text))
    if name == "a.txt":
        assert out.read_text() == "".join(f"{line}\n" for line in drawn.lines)
    else:
        assert np.load(out)["samples"].shape == (7, 20, 14)


def test_the_default_of_samples_of_text_is_a_text_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["sample", "--ckpt_path", str(run), "--n", "3"])
    assert len((tmp_path / "samples.txt").read_text().splitlines()) == 3


def test_an_exported_model_keeps_its_vocabulary(run: Path, tmp_path: Path) -> None:
    energy_gans.commands.function_of("export", "export.export")(run, out=tmp_path / "exported")
    for source in (run, tmp_path / "exported"):
        assert energy_gans.sample(source, 4).lines == energy_gans.sample(run, 4).lines
    lines = (tmp_path / "exported" / "samples.txt").read_text()
    assert lines.splitlines() == energy_gans.sample(run, 16).lines
    card = (tmp_path / "exported" / "README.md").read_text()
    assert f"```\n{lines}```\n" in card
    assert "--out samples.txt" in card


def test_a_report_holds_lines_and_the_divergence_of_ngrams(run: Path) -> None:
    made = energy_gans.report(run, out=run)
    assert (run / "samples.txt").read_text() == made.text
    assert len(made.text.splitlines()) == 100
    assert not (run / "samples.png").exists()
    names = [name for name in made.measures["samples"] if name.startswith("js_")]
    assert [name.partition(" ")[0] for name in names] == ["js_4", "js_6"]
    for name in names:
        assert made.measures["real (train)"][name] < made.measures["samples"][name]


def test_an_evaluation_is_that_of_the_metric(run: Path, text: Path, tmp_path: Path) -> None:
    data = TextLines(str(text), length=14, symbols=20)
    n = data.length("val")
    out = tmp_path / "metrics.json"
    found = energy_gans.evaluate(run, n=n, out=out)
    assert list(found.measures) == [*(f"js_{k}" for k in ORDERS), "seen_12"]
    metric = NGramDivergence()
    metric.update(data.contents("train")[0], real=True)
    metric.update(data.contents("val")[0], real=False)
    for name, value in metric.compute().items():
        number = found.measures[name]
        assert number["real"]["value"] == pytest.approx(value.item())
        assert number["protocol"]["n"] == n
        assert number["protocol"]["reference"]["n"] == data.length("train")
    # Chains of higher order are closer to the text, by reciting it.
    chains = found.measures["js_4"]["markov"]
    assert list(chains) == [f"order {k}" for k in range(6)]
    assert chains["order 3"] < chains["order 0"]
    assert "Markov, order 5" in found.table
    assert json.loads(out.read_text())["measures"]["js_4"]["markov"] == chains


def test_lines_of_a_file_are_evaluated(text: Path, tmp_path: Path) -> None:
    data = TextLines(str(text), length=14, symbols=20)
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(read_lines(data.contents("train")[0], data.vocabulary)))
    found = energy_gans.evaluate(samples=path, data=data, measures="js,seen").values
    assert found["js_6"] == pytest.approx(0, abs=1e-9)
    assert found["seen_12"] == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"measures": "fd"}, "'measures' should be of js,seen for text, got 'fd'"),
        ({"convert": "grey"}, "'convert' should be left out for text, got 'grey'"),
        ({"reference": "test"}, "'reference' should be one of 'train', 'val', got 'test'"),
    ],
)
def test_measures_of_images_are_refused(run: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        energy_gans.evaluate(run, **options)


@pytest.mark.filterwarnings("ignore:Resumes")
@pytest.mark.parametrize("flag", ["ckpt_path", "model.init_args.initial_weights"])
def test_a_vocabulary_of_another_run_is_refused(run: Path, tmp_path: Path, flag: str) -> None:
    other = tmp_path / "other.txt"
    other.write_text("\n".join(line.upper() for line in LINES))
    with pytest.raises(SystemExit, match="of another text: symbol 3 is 'n' there and 'N' in"):
        more = ["--allow_changes=true"] if flag == "ckpt_path" else []
        fit(tmp_path, other, f"--{flag}={run / 'checkpoints' / 'last.ckpt'}", *more, steps=6)
    data = TextLines(str(other), length=14, symbols=20)
    with pytest.raises(ValueError, match="'ckpt_path' = .* of the vocabulary of 'data'"):
        energy_gans.evaluate(run, data=data)


def test_pictures_of_text_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'out' should end in .txt or .npz for samples of shape"):
        energy_gans.sample(run, 2, out=tmp_path / "a.png")


def test_another_run_has_its_own_tables(text: Path) -> None:
    measures = TextMeasures(orders=[1], n=10)
    measures.tables = ["of another run"]
    data = TextLines(str(text), length=14, symbols=20)
    measures.setup(SimpleNamespace(datamodule=data), None, "fit")
    assert measures.tables == []


def test_measures_of_text_need_text(tiny: Callable) -> None:
    with pytest.raises(SystemExit, match="TextMeasures needs a data module of text"):
        main(tiny("--trainer.callbacks+=energy_gans.callbacks.TextMeasures"))
