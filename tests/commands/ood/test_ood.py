r"""Tests for the energy_gans.commands.ood.ood, outliers, detection and potentials modules."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from energy_gans.cli import main
from energy_gans.commands.models import load_supporting, potential_field
from energy_gans.commands.ood.ood import _load_detector, _score_function, _score_images
from energy_gans.commands.ood.outliers import (
    ImageSet,
    _check_set,
    _outlier_images,
    _split_images,
    open_sets,
)
from energy_gans.commands.ood.scores import (
    _detection_measures,
    compare_scores,
    image_statistics,
    scores_table,
    statistics_score,
)
from energy_gans.data import EmbeddedDigits, FromDataset
from energy_gans.data.base import to_unit_range
from energy_gans.functional import keyed_generator
from energy_gans.methods import GenerativeModule
from energy_gans.plots.histograms import histograms_picture
from energy_gans.storage import load_model

DIGITS = EmbeddedDigits("8x8", 8)
VAL = to_unit_range(DIGITS.contents("val")[0])
PERFECT = pytest.approx({"auroc": 1.0, "aupr": 1.0, "fpr95": 0.0})


def told_apart(ckpt_path: str, folder: Path, *more: str) -> dict:
    r"""Returns the numbers of `ood`."""
    out = folder / "ood.png"
    given = ["--ckpt_path", ckpt_path, "--out", str(out), "--overwrite", "true"]
    main(["ood", *given, "--device", "cpu", *more])
    return json.loads(out.with_suffix(".json").read_text())


def whole(images: ImageSet) -> torch.Tensor:
    x = torch.cat([*images.batches()])
    assert len(x) == images.n
    return x


def images_of(x: torch.Tensor) -> ImageSet:
    return ImageSet(len(x), lambda: x.split(100), {})


# The numbers


def test_numbers_are_those_of_plain_loops() -> None:
    random = torch.Generator().manual_seed(0)
    # Rounded, so that there are ties.
    inliers = (2 * torch.randn(60, generator=random) + 1).round()
    outliers = (2 * torch.randn(45, generator=random)).round()
    pairs = [(a > b) + 0.5 * (a == b) for a in inliers.tolist() for b in outliers.tolist()]
    thresholds = sorted({*inliers.tolist(), *outliers.tolist()}, reverse=True)
    precision, before, fpr = 0.0, 0.0, None
    for t in thresholds:
        true, false = (inliers >= t).sum().item(), (outliers >= t).sum().item()
        precision += true / (true + false) * (true / 60 - before)
        before = true / 60
        fpr = false / 45 if fpr is None and before >= 0.95 else fpr
    found = _detection_measures(inliers, outliers)
    assert found == pytest.approx({"auroc": np.mean(pairs), "aupr": precision, "fpr95": fpr})


def test_a_set_is_not_told_from_itself_and_surely_from_one_below() -> None:
    s = torch.randn(50, generator=torch.Generator().manual_seed(1))
    assert _detection_measures(s, s.flip(0))["auroc"] == pytest.approx(0.5)
    assert _detection_measures(s, s.flip(0))["aupr"] == pytest.approx(0.5)
    assert _detection_measures(s, s[:7] - 100) == PERFECT
    assert _detection_measures(s, s[:7] + 100)["auroc"] == 0


def test_large_scores_are_not_rounded_together() -> None:
    s = torch.linspace(40, 41, 20)
    assert _detection_measures(s + 1.5, s) == PERFECT


def test_training_images_are_compared_with_held_out_ones() -> None:
    s = torch.arange(10.0)
    sets = {"training": s + 100, "held-out": s, "noise": s - 100}
    measures = compare_scores(
        {"potential": sets, "image statistics": {k: -v for k, v in sets.items()}}
    )
    assert list(measures) == ["held-out", "noise"]
    assert measures["held-out"]["inliers"] == "training"
    assert measures["noise"]["inliers"] == "held-out"
    for row in measures.values():
        assert row["potential"] == PERFECT
        assert row["image statistics"]["auroc"] == 0
    lines = scores_table(measures, {"training": 1010, "held-out": 10, "noise": 10}).splitlines()
    assert "| AUROC of potential | AUPR of potential | FPR@95 of potential | AUROC of" in lines[0]
    assert lines[2].startswith("| training (1,010) | held-out (10) | 1.0000 | 1.0000 | 0.0000 | ")
    assert len({line.count("|") for line in lines}) == 1


# The baseline


def test_statistics_are_those_of_plain_loops() -> None:
    y = 2 * torch.rand(3, 2, 4, 5, generator=torch.Generator().manual_seed(0)) - 1
    for image, found in zip(y, image_statistics(y), strict=True):
        steps = [
            abs(c[i, j] - c[k, m])
            for c in image
            for i in range(4)
            for j in range(5)
            for k, m in ((i + 1, j), (i, j + 1))
            if k < 4 and m < 5
        ]
        expected = torch.stack([image.mean(), image.std(correction=0), sum(steps) / 40])
        torch.testing.assert_close(found.float(), expected)


def test_the_baseline_is_mahalanobis_distance() -> None:
    u = image_statistics(to_unit_range(DIGITS.contents("train")[0]))
    score, a = statistics_score(u), torch.randn(5, 3, dtype=torch.float64)
    away = a - u.mean(0)
    expected = -(away @ torch.linalg.inv(u.T.cov(correction=0)) * away).sum(1)
    torch.testing.assert_close(score(a), expected)
    # Of those that it is fitted to, it is the number of statistics in the mean.
    assert score(u).mean().item() == pytest.approx(-3)


# The sets


def test_interpolated_images_are_means_of_two_random_ones() -> None:
    found = _outlier_images("interpolated", DIGITS, (1, 8, 8), 1000, 0)
    order = torch.randperm(len(VAL), generator=keyed_generator(0, "ood"))
    assert found.n == len(VAL) // 2
    torch.testing.assert_close(whole(found), (VAL[order[:90]] + VAL[order[90:180]]) / 2)
    assert _outlier_images("interpolated", DIGITS, (1, 8, 8), 7, 0).n == 7


def test_interpolated_images_of_a_sorted_set_mix_its_classes() -> None:
    a = torch.tensor([-1.0] * 200 + [1.0] * 200)[:, None, None, None]
    data = FromDataset(a, val=a)
    x = whole(_outlier_images("interpolated", data, (1, 1, 1), 200, 0))
    # Half of the pairs, up to chance, have one image of each class.
    assert 0.4 < (x == 0).float().mean().item() < 0.6


def test_images_of_one_colour_and_noise() -> None:
    shape = (3, 8, 8)
    noise, constant = (
        whole(_outlier_images(k, DIGITS, shape, 170, 0)) for k in ("noise", "constant")
    )
    for x in (noise, constant):
        assert x.shape == (170, *shape)
        assert -1 <= x.min() < -0.95 and 0.95 < x.max() <= 1
        assert abs(x.mean()) < 0.1
    assert torch.equal(constant, constant[..., :1, :1].expand_as(constant))
    assert (constant[:, 0] != constant[:, 1]).all()
    assert noise.flatten(1).std(1).min() > 0.4
    # As many as there are held-out images at most, and the same ones again.
    assert _outlier_images("noise", DIGITS, shape, 1000, 0).n == 180
    assert torch.equal(noise, whole(_outlier_images("noise", DIGITS, shape, 170, 0)))
    assert not torch.equal(noise, whole(_outlier_images("noise", DIGITS, shape, 170, 1)))


def test_a_split_is_read_whole_or_in_part() -> None:
    y = whole(_split_images(DIGITS, "val", 1000, 0))
    assert torch.equal(y.flatten(1).sort(0).values, VAL.flatten(1).sort(0).values)
    assert torch.equal(whole(_split_images(DIGITS, "val", 50, 0)), y[:50])


def test_files_hold_sets(tmp_path: Path) -> None:
    x = torch.randint(256, (7, 1, 8, 8), dtype=torch.uint8)
    np.savez(tmp_path / "a.npz", samples=x.numpy())
    (tmp_path / "b").mkdir()
    for i, image in enumerate(x):
        Image.fromarray(image[0].numpy()).save(tmp_path / "b" / f"{i}.png")
    for path in ("a.npz", "b"):
        found = whole(_outlier_images(str(tmp_path / path), DIGITS, (1, 8, 8), 100, 0))
        assert torch.equal(found, to_unit_range(x))
        assert _outlier_images(str(tmp_path / path), DIGITS, (1, 8, 8), 4, 0).n == 4


def test_two_data_modules_of_one_class_have_two_names() -> None:
    modules = [EmbeddedDigits("8x8", 8), EmbeddedDigits("8x8", 8)]
    sets = open_sets(["noise"], modules, DIGITS, (1, 8, 8), 10, 0)
    names = ["training", "held-out", "noise", "EmbeddedDigits", "EmbeddedDigits 2"]
    assert list(sets) == names


def test_sets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape of the model's samples, \(1, 8, 8\), got \(3, "):
        _check_set("x", images_of(torch.zeros(2, 3, 8, 8)), (1, 8, 8))
    with pytest.raises(ValueError, match="The x images should be at least 2, got 1"):
        _check_set("x", images_of(torch.zeros(1, 1, 8, 8)), (1, 8, 8))


# The scores


@pytest.mark.parametrize("name", ["vapo", "gcn", "ggcn", "grids", "autoencoder", "coulomb"])
def test_scores_are_the_potential_or_its_slope(trained: Callable, name: str) -> None:
    model = _load_detector(trained(name))
    phi = potential_field(model)
    a = VAL[:150].clone().requires_grad_()
    found, _ = _score_images(images_of(a.detach()), _score_function(phi, "potential"), "cpu", name)
    torch.testing.assert_close(found, phi(a).detach())
    (slope,) = torch.autograd.grad(phi(a).sum(), a)
    found, u = _score_images(images_of(a.detach()), _score_function(phi, "gradient"), "cpu", name)
    torch.testing.assert_close(found, -slope.square().sum((1, 2, 3)).sqrt())
    torch.testing.assert_close(u, image_statistics(a.detach()))


def test_scores_of_all_batches_read_one_potential(trained: Callable) -> None:
    model = _load_detector(trained("coulomb"))
    with mock.patch.object(model, "potential_function", wraps=model.potential_function) as made:
        phi = potential_field(model)
        for batch in VAL[:150].split(50):
            phi(batch)
    made.assert_called_once_with()


@pytest.mark.parametrize("name", ["vapo", "gcn"])
def test_the_potential_is_that_of_the_moving_average(trained: Callable, name: str) -> None:
    model = _load_detector(trained(name))
    found = potential_field(model)(VAL)
    torch.testing.assert_close(found, model.averaged.module(VAL).flatten())
    assert not torch.equal(found, model.potential(VAL))


def test_a_flow_with_classes_is_asked_for_none_of_them(trained: Callable) -> None:
    model = _load_detector(trained("vapo_classes"))
    none, third = torch.full((len(VAL),), 10), torch.full((len(VAL),), 3)
    network = model.sampling_network
    torch.testing.assert_close(potential_field(model)(VAL), network(VAL, label=none).flatten())
    found = potential_field(model, label=3)(VAL)
    torch.testing.assert_close(found, network(VAL, label=third).flatten())


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="scores of 3 of 3 x images are not finite: its training"):
        _score_images(
            images_of(torch.zeros(3, 1, 8, 8)), lambda y: y.sum((1, 2, 3)) / 0, "cpu", "x"
        )


# The command


def test_a_table_and_what_is_beside_it(
    trained: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    same = ["--outlier_data+", "EmbeddedDigits", "--outlier_data.digits", "8x8"]
    written = told_apart(trained("vapo"), tmp_path, *same, "--outlier_data.size", "8")
    names = ["held-out", "interpolated", "noise", "constant", "EmbeddedDigits"]
    assert list(written["measures"]) == names
    # Outliers that are the inliers.
    for score in ("potential", "image statistics"):
        assert written["measures"]["EmbeddedDigits"][score]["auroc"] == pytest.approx(0.5)
    assert written["measures"]["noise"]["image statistics"] == PERFECT
    counts = {name: one["n"] for name, one in written["protocol"]["sets"].items()}
    expected = {"training": 1617, "held-out": 180, "interpolated": 90, "noise": 180}
    assert counts == expected | {"constant": 180, "EmbeddedDigits": 180}
    about = written["protocol"]["sets"]
    assert about["training"]["fingerprint"] == DIGITS.fingerprint("train")
    assert about["EmbeddedDigits"]["fingerprint"] == DIGITS.fingerprint("val")
    assert written["protocol"]["score"] == "potential"
    assert {"checkpoint", "sha256", "seed", "device", "versions"} == set(written["origin"])
    model = _load_detector(trained("vapo"))
    spread = potential_field(model)(VAL)
    found = written["scores"]["potential"]["held-out"]
    assert found["mean"] == pytest.approx(spread.mean().item(), rel=1e-4)
    assert found["std"] == pytest.approx(spread.std().item(), rel=1e-3)
    told = capsys.readouterr().out
    assert "| training (1,617) | held-out (180) | " in told
    assert "| held-out (180) | EmbeddedDigits (180) | 0.5000 | 0.5000 | " in told
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ood.json", "ood.png"]


def test_the_scores_themselves_can_be_written(trained: Callable, tmp_path: Path) -> None:
    path, raw = trained("vapo"), tmp_path / "more" / "scores.npz"
    # A set may be called as the first argument of what writes arrays.
    np.savez(tmp_path / "file", samples=DIGITS.contents("val")[0][:7].numpy())
    sets = ["--outliers", f"noise,{tmp_path / 'file.npz'}", "--n", "30", "--raw", str(raw)]
    written = told_apart(path, tmp_path, *sets)
    with np.load(raw) as found:
        scores = {name: found[name] for name in found.files}
    names = ["training", "held-out", "noise", str(tmp_path / "file.npz")]
    kinds = ("potential", "image statistics")
    assert [*scores] == [f"{kind}/{name}" for kind in kinds for name in names]
    assert [len(s) for s in scores.values()] == 2 * [30, 30, 30, 7]
    order = torch.randperm(180, generator=keyed_generator(0, "ood"))[:30]
    expected = potential_field(_load_detector(path))(VAL[order]).detach()
    np.testing.assert_allclose(scores["potential/held-out"], expected, rtol=1e-4, atol=1e-6)
    for name in names[1:]:
        for kind in kinds:
            inliers, there = ("training", "held-out") if name == "held-out" else ("held-out", name)
            given = (torch.from_numpy(scores[f"{kind}/{k}"]) for k in (inliers, there))
            assert _detection_measures(*given) == written["measures"][name][kind]
    with pytest.raises(SystemExit, match="'raw' = .*scores.npz' exists"):
        main(["ood", "--ckpt_path", path, "--out", str(tmp_path / "b.png"), *sets])


def test_scores_are_whole_or_not_there(trained: Callable, tmp_path: Path) -> None:
    def full(file: io.IOBase, **arrays: np.ndarray) -> None:
        file.write(b"PK")
        raise OSError(28, "No space left on device")

    raw = ["--outliers", "noise", "--n", "9", "--raw", str(tmp_path / "raw" / "scores.npz")]
    with (
        mock.patch.object(np, "savez_compressed", full),
        pytest.raises(SystemExit, match="scores.npz could not be written: .*No space left"),
    ):
        told_apart(trained("vapo"), tmp_path, *raw)
    assert not list((tmp_path / "raw").iterdir())


def test_the_score_can_be_the_slope(trained: Callable, tmp_path: Path) -> None:
    path, few = trained("vapo"), ["--n", "30", "--outliers", "noise"]
    slope = told_apart(path, tmp_path, *few, "--score", "gradient")
    assert slope["protocol"]["score"] == "gradient"
    assert slope["scores"]["gradient"]["held-out"]["mean"] < 0
    assert slope["protocol"]["sets"]["noise"]["n"] == 30
    again = told_apart(path, tmp_path, *few, "--score", "gradient")
    assert slope == again


def test_inliers_can_be_given(trained: Callable, tmp_path: Path) -> None:
    other = ["--inliers", "EmbeddedDigits", "--inliers.digits", "8x8", "--inliers.size", "8"]
    given = told_apart(trained("vapo"), tmp_path, *other, "--inliers.limit", "300")
    assert given["protocol"]["sets"]["training"]["n"] == 300


def test_histograms_have_a_panel_a_comparison() -> None:
    random = torch.Generator().manual_seed(0)
    sets = {name: torch.randn(90, generator=random) for name in ("training", "held-out", "noise")}
    sets |= {"flat": torch.zeros(40), "far": torch.randn(9, generator=random) - 1e6}
    areas = {"held-out": 0.5, "noise": 0.75, "flat": 0.4, "far": 1.0}
    with mock.patch("energy_gans.plots.histograms.render") as drawn:
        histograms_picture(sets, areas, "potential")
    figure: Figure = drawn.call_args.args[0]
    axes = [axis for axis in figure.axes if axis.get_visible()]
    titles = ["training against held-out: AUROC 0.500", "held-out against noise: AUROC 0.750"]
    titles += ["held-out against flat: AUROC 0.400", "held-out against far: AUROC 1.000"]
    assert [axis.get_title() for axis in axes] == titles
    legends = [[t.get_text() for t in axis.get_legend().get_texts()] for axis in axes]
    assert sorted(legends[0]) == ["held-out", "training"]
    assert sorted(legends[3]) == ["far", "held-out", "training"]
    assert {axis.get_xlabel() for axis in axes} == {"potential"}


def test_scores_of_one_value_are_drawn() -> None:
    same = dict.fromkeys(("training", "held-out"), torch.full((5,), 2.0))
    assert histograms_picture(same, {"held-out": 0.5}, "potential").size[0] > 400


@pytest.mark.parametrize(
    "name, arguments, told",
    [
        ("vapo_plane", [], r"should hold a model of images, got one of samples of shape \(2,\)"),
        ("classes", [], "should hold a model without classes, got a GGCN with 10: its potential"),
        ("vapo", ["--outliers", "noise,SVHN"], "'outliers' should be of .* got 'SVHN'; data sets"),
        ("vapo", ["--score", "energy"], "score.*'potential', 'gradient'"),
        ("vapo", ["--n", "1"], "'n' should be at least 2, got 1"),
        ("vapo", ["--out", "a.npz"], "'out' should end in .png, got 'a.npz'"),
        ("vapo", ["--raw", "a.csv"], "'raw' should end in .npz, got 'a.csv'"),
        ("vapo", ["--device", "gpu9"], "'device' should be auto, cpu or a GPU that is there"),
        (
            "vapo",
            ["--outlier_data+", "EmbeddedDigits", "--outlier_data.digits", "8x8"],
            r"The EmbeddedDigits images should have .*, \(1, 8, 8\), got \(1, 32, 32\)",
        ),
        (
            "vapo",
            ["--inliers", "EmbeddedDigits"],
            r"The training images should have .*, \(1, 8, 8\), got \(1, 32, 32\)",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    refused: Callable, name: str, arguments: list[str], told: str
) -> None:
    refused("ood", name, arguments, told)


@pytest.mark.parametrize(
    "array, told",
    [
        (np.zeros((5, 1, 9, 9), np.uint8), r"\(1, 8, 8\), got \(1, 9, 9\)"),
        (np.zeros((5, 3, 8, 8), np.uint8), r"\(1, 8, 8\), got \(3, 8, 8\)"),
        (np.zeros((1, 1, 8, 8), np.uint8), "a.npz images should be at least 2, got 1"),
        (np.zeros((5, 8)), "'outliers' has .*a.npz', which is no set of images: 'samples' = "),
    ],
)
def test_files_that_do_not_fit_are_refused(
    trained: Callable, tmp_path: Path, array: np.ndarray, told: str
) -> None:
    path = trained("vapo")
    np.savez(tmp_path / "a.npz", samples=array)
    with pytest.raises(SystemExit, match=told):
        told_apart(path, tmp_path, "--outliers", str(tmp_path / "a.npz"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_too_few_images_to_interpolate_are_refused() -> None:
    few = mock.Mock(**{"length.return_value": 3})
    with pytest.raises(ValueError, match="'interpolated' is of at least 4 held-out .* got 3"):
        _outlier_images("interpolated", few, (1, 8, 8), 10, 0)


def test_a_model_without_potential_is_refused(trained: Callable) -> None:
    path = trained("vapo")
    with (
        mock.patch("energy_gans.commands.models.load_model", return_value=GenerativeModule()),
        pytest.raises(ValueError, match="a GenerativeModule, which has no potential: .* VAPO or"),
    ):
        load_supporting(path, "potential_at")
    assert not load_model(path).training


def test_files_that_are_there_are_kept(trained: Callable, tmp_path: Path) -> None:
    (tmp_path / "ood.json").write_text("mine")
    with pytest.raises(SystemExit, match="ood.json' exists beside 'out': choose another name"):
        main(["ood", "--ckpt_path", trained("vapo"), "--out", str(tmp_path / "ood.png")])
    assert (tmp_path / "ood.json").read_text() == "mine"
