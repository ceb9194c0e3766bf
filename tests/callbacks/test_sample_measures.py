r"""Tests for the energy_gans.callbacks.sample_measures and curves modules."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
import yaml
from PIL import Image
from torch.utils.data import TensorDataset

from energy_gans.callbacks import SampleMeasures
from energy_gans.cli import main
from energy_gans.commands import load_model
from energy_gans.data import EmbeddedDigits, FromDataset
from energy_gans.functional import frechet_distance
from energy_gans.metrics.features import FeatureExtractor, Pixels, save_classifier
from energy_gans.metrics.features.classifier import PreActResNet
from energy_gans.metrics.statistics import feature_statistics


def callbacks(tmp_path: Path, n: int = 200) -> str:
    return f"""[
    {{class_path: energy_gans.callbacks.SampleMeasures, init_args: {{
        n: {n}, cache: {tmp_path / "cache"}, reference_n: 500,
        extractor: {{class_path: energy_gans.metrics.features.Pixels, init_args: {{shape: [1, 8,
            8]}}}}}}}},
    {{class_path: energy_gans.callbacks.CurvesPicture}},
    {{class_path: energy_gans.callbacks.Checkpoints, init_args: {{monitor: val/fd_{n}}}}}]"""


def logged(tmp_path: Path, name: str) -> list[float]:
    with (tmp_path / "tiny/version_0/metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def test_it_is_logged_and_keeps_the_best_checkpoint(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=12", f"--trainer.callbacks={callbacks(tmp_path)}"))
    values = logged(tmp_path, "val/fd_200")
    assert len(values) == 2
    best = tmp_path / "tiny/version_0/checkpoints/best.ckpt"
    step = torch.load(best, weights_only=True)["global_step"]
    assert step == 6 * (1 + values.index(min(values)))
    assert Image.open(tmp_path / "tiny/version_0/curves.png").width > 400


def test_it_is_the_distance_of_the_model_s_samples(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=6", f"--trainer.callbacks={callbacks(tmp_path)}"))
    (value,) = logged(tmp_path, "val/fd_200")
    model = load_model(tmp_path / "tiny/version_0/checkpoints/last.ckpt")
    extractor = Pixels((1, 8, 8))
    y, _ = EmbeddedDigits("8x8", 8).contents("train")
    # Of so few steps and so many samples that it hardly matters which.
    x = feature_statistics(extractor, [(model.sample(2000), torch.arange(2000))], 0)
    y = feature_statistics(extractor, [(y, torch.arange(len(y)))], 0)
    expected = frechet_distance(y.mean, y.covariance, x.mean, x.covariance).item()
    assert value == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("shown", [True, False])
def test_the_pass_over_the_reference_is_shown_if_the_run_is(
    tiny: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    shown: bool,
) -> None:
    monkeypatch.setattr("energy_gans.terminal.LOG_INTERVAL", 0.0)
    flags = ["--trainer.max_steps=1", f"--trainer.enable_progress_bar={shown}"]
    main(tiny(*flags, f"--trainer.callbacks={callbacks(tmp_path)}"))
    assert ("features of train" in capsys.readouterr().err) == shown


def test_it_changes_nothing_that_is_learned(tiny: Callable, tmp_path: Path) -> None:
    alone = "[{class_path: energy_gans.callbacks.Checkpoints, init_args: {monitor: null}}]"
    weights = []
    for name, more in (("alone", alone), ("observed", callbacks(tmp_path))):
        main(tiny("--trainer.max_steps=12", f"--trainer.callbacks={more}", name=name))
        path = tmp_path / name / "version_0/checkpoints/last.ckpt"
        weights.append(torch.load(path, weights_only=True)["state_dict"])
    assert all(torch.equal(a, b) for a, b in zip(*(w.values() for w in weights), strict=True))


def test_the_reference_is_computed_once(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=6", f"--trainer.callbacks={callbacks(tmp_path)}"))
    first = logged(tmp_path, "val/fd_200")
    with mock.patch(
        "energy_gans.metrics.reference.feature_statistics", side_effect=AssertionError("a pass")
    ):
        main(tiny("--trainer.max_steps=6", f"--trainer.callbacks={callbacks(tmp_path)}"))
    assert first == logged(tmp_path, "val/fd_200")


def test_measures_are_a_text_or_a_list() -> None:
    extractor = Own(4)
    for given in ("fd, is", ["fd", "is"], ("fd", "is")):
        assert SampleMeasures(given, extractor=extractor).measures == ["fd", "is"]


def test_names_hold_the_number_of_samples() -> None:
    assert SampleMeasures("fd", 2000, Pixels((1, 8, 8))).suffix == "2k"
    assert SampleMeasures("fd", 500, Pixels((1, 8, 8))).suffix == "500"


class Silent(FeatureExtractor):
    pass


class Own(FeatureExtractor):
    name, resize, num_features, num_classes = "own", "none", 4, 3

    def __init__(self, argument: object) -> None:
        super().__init__()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"n": 0}, "'n' should be at least 1"),
        ({"measures": "kid"}, "'measures' should be of fd,is,pr here, got 'kid'"),
        ({"measures": "fi"}, "'measures' should be of"),
        ({"measures": "fd,is"}, "'measures' has 'is', and .* has no classifier"),
        ({"n": 1}, "'fd' needs at least 2 samples and 2 reference images, got 1 samples"),
        ({"measures": "pr", "n": 5}, "'pr' needs at least 6 samples and 6 .*, got 5 samples"),
        ({"measures": "pr", "reference_n": 5}, "'pr' needs .* and 5 reference images"),
        ({"measures": "is", "n": 9, "extractor": Own(4)}, "'is' needs at least 10 samples, got 9"),
        ({"extractor": Silent()}, "Silent should have an attribute 'name'"),
        ({"extractor": Own(iter([4]))}, "Own was made with a list_iterator, .* 'sha256'"),
    ],
)
def test_what_can_not_be_measured_is_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SampleMeasures(**({"extractor": Pixels((1, 8, 8))} | options))


def test_few_reference_images_are_warned_of(tiny: Callable, tmp_path: Path) -> None:
    more = ["--trainer.max_steps=6", "--data.init_args.limit=40", "--data.init_args.repeat=4"]
    said = "'fd' is of 40 reference images, fewer than the 64 features"
    with pytest.warns(UserWarning, match=said) as warned:
        main(tiny(*more, f"--trainer.callbacks={callbacks(tmp_path)}"))
    assert sum("fewer than" in str(warning.message) for warning in warned) == 1


def test_several_measures_share_one_pass(tiny: Callable, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path, measures = tmp_path / "classifier.pt", tmp_path / "measures.yaml"
    metadata = {"channels": 1, "size": 8, "classes": ["a", "b", "c"], "widths": [4, 6]}
    save_classifier(PreActResNet(1, 3, [4, 6]), metadata, path)
    extractor = {
        "class_path": "energy_gans.metrics.features.DomainClassifier",
        "init_args": {"path": str(path)},
    }
    arguments = {"measures": "is,fd,pr", "n": 100, "reference_n": 200, "extractor": extractor}
    arguments["cache"] = str(tmp_path / "cache")
    one = {"class_path": "energy_gans.callbacks.SampleMeasures", "init_args": arguments}
    measures.write_text(yaml.safe_dump({"trainer": {"callbacks": [one]}}))
    with mock.patch(
        "energy_gans.callbacks.sample_measures.feature_statistics", side_effect=feature_statistics
    ) as passes:
        main(tiny("--trainer.max_steps=6", "--config", str(measures)))
    assert passes.call_count == 1
    (score,) = logged(tmp_path, "val/is_100")
    assert 1 <= score <= 3
    for name in ("precision", "recall"):
        assert 0 <= logged(tmp_path, f"val/{name}_100")[0] <= 1
    assert logged(tmp_path, "val/fd_100")[0] > 0


def test_points_are_refused(tiny: Callable, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="measures images"):
        main(tiny(f"--trainer.callbacks={callbacks(tmp_path)}", points=True))


def test_another_run_has_its_own_reference(tmp_path: Path) -> None:
    measures = SampleMeasures(n=200, reference_n=100, extractor=Pixels((1, 8, 8)), cache=tmp_path)
    seen = []
    black = TensorDataset(torch.zeros(200, 1, 8, 8, dtype=torch.uint8))
    for data in (EmbeddedDigits("8x8", 8), FromDataset(black)):
        data.prepare_data()
        trainer = SimpleNamespace(datamodule=data, progress_bar_callback=None)
        model = SimpleNamespace(device=torch.device("cpu"), seed=0, log=lambda *a, **k: None)
        model.sample = lambda n, random: torch.zeros(n, 1, 8, 8)
        measures.setup(trainer, model, "fit")
        measures.measure(trainer, model, "val")
        seen.append(measures.reference.mean)
    assert not torch.equal(*seen)
