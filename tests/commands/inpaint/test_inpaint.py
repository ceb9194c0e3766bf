r"""Tests for the energy_gans.commands.inpaint.inpaint, completions and holes modules."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from energy_gans.cli import main
from energy_gans.commands.inpaint.baselines import fill_by_baselines, measure_fills, measures_table
from energy_gans.commands.inpaint.inpaint import _fill_holes
from energy_gans.commands.inpaint.masks import choose_mask
from energy_gans.commands.real_data import held_out_samples
from energy_gans.data import EmbeddedDigits
from energy_gans.data.base import to_unit_range
from energy_gans.functional import frechet_distance, keyed_generator
from energy_gans.functional.masks import spot_mask, square_mask
from energy_gans.storage import load_model

DIGITS = EmbeddedDigits("8x8", 8)


def inpainted(ckpt_path: str, folder: Path, *more: str) -> tuple[torch.Tensor, dict]:
    r"""Returns the filled images and the numbers of `inpaint`."""
    out = folder / "images.npz"
    given = ["--ckpt_path", ckpt_path, "--out", str(out), "--overwrite", "true", "--n", "6"]
    main(["inpaint", *given, *more])
    x = torch.from_numpy(np.load(out)["samples"])
    return x, json.loads(out.with_suffix(".json").read_text())


@pytest.mark.parametrize("name", ["gcn", "ggcn"])
@pytest.mark.parametrize("mask", ["square", "spot", "both"])
def test_known_pixels_stay_as_they_are(
    trained: Callable, tmp_path: Path, name: str, mask: str
) -> None:
    x, written = inpainted(trained(name), tmp_path, "--mask", mask, "--seed", "2")
    y, _ = held_out_samples(DIGITS, 6, 2)
    known = choose_mask(mask, None, None, (8, 8), 6, keyed_generator(2, "mask"))
    known = known.expand_as(y) == 1
    assert torch.equal(x[known], y[known])
    assert (x != y)[~known].float().mean() > 0.9
    assert x.abs().max() <= 1
    assert written["protocol"]["hole"] == pytest.approx(1 - known.float().mean().item())
    assert {k: written["protocol"][k] for k in ("mask", "n", "steps")} == {
        "mask": mask,
        "n": 6,
        "steps": 3,
    }


def test_chains_put_known_pixels_back_after_every_step(trained: Callable) -> None:
    model = load_model(trained("gcn"))
    network, random = model.sampling_descriptor, keyed_generator(7, "inpaint", 0)
    y, _ = held_out_samples(DIGITS, 6, 0)
    known = spot_mask((8, 8), 0.4, torch.Generator().manual_seed(0), 6)
    a = 2 * torch.rand(6, 1, 8, 8, generator=random) - 1
    for _ in range(5):
        a = (known * y + (1 - known) * a).requires_grad_()
        (slope,) = torch.autograd.grad(network(a).sum(), a)
        shaken = 0.1 * torch.randn(a.shape, generator=random)
        a = (a.detach() + 0.1**2 / 2 * slope + shaken).clamp(-1, 1)
    x = _fill_holes(model, y, known, None, 5, 7)
    torch.testing.assert_close(x, known * y + (1 - known) * a)


def test_holes_of_a_class_feel_its_potential(trained: Callable, tmp_path: Path) -> None:
    path = trained("classes")
    own, _ = inpainted(path, tmp_path)
    _, label = held_out_samples(DIGITS, 6, 0)
    first, other = (inpainted(path, tmp_path, "--label", str(k))[0] for k in (label[0].item(), 9))
    assert torch.equal(own[0], first[0])
    assert not torch.equal(own[0], other[0])


def test_a_generator_fills_holes_and_chains_may_go_on(trained: Callable, tmp_path: Path) -> None:
    path = trained("autoencoder")
    model = load_model(path)
    y, _ = held_out_samples(DIGITS, 6, 0)
    known = square_mask((8, 8), 4).expand(6, -1, -1, -1)
    x, written = inpainted(path, tmp_path)
    torch.testing.assert_close(x, model.fill(y, known))
    assert written["protocol"]["steps"] == 0
    assert "InpaintingGGCN" in written["measures"]
    further, written = inpainted(path, tmp_path, "--steps", "2")
    assert 0 < (further - x).abs().max() < 0.8
    assert "chains of InpaintingGGCN" in written["measures"]


def test_a_run_is_a_function_of_its_seed(trained: Callable, tmp_path: Path) -> None:
    runs = [
        inpainted(trained("gcn"), tmp_path, "--mask", "spot", "--seed", s)[0]
        for s in ("1", "1", "2")
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_fillings_are_those_of_plain_loops() -> None:
    y, _ = held_out_samples(DIGITS, 6, 0)
    known = spot_mask((8, 8), 0.4, torch.Generator().manual_seed(0), 6)
    filled = fill_by_baselines(y, known, DIGITS)
    train = to_unit_range(DIGITS.contents("train")[0])
    for i in range(6):
        r2 = (known[i] * (train - y[i])).double().square().flatten(1).sum(1)
        for name, fill in (("mean image", train.mean(0)), ("nearest image", train[r2.argmin()])):
            expected = known[i] * y[i] + (1 - known[i]) * fill
            torch.testing.assert_close(filled[name][i], expected, rtol=0, atol=1e-5)


def test_a_training_image_is_filled_with_itself() -> None:
    y = to_unit_range(DIGITS.contents("train")[0][[3, 77]])
    known = square_mask((8, 8), 3).expand(2, -1, -1, -1)
    assert torch.equal(fill_by_baselines(y, known, DIGITS)["nearest image"], y)


def test_numbers_are_those_of_a_plain_computation() -> None:
    y, x = torch.rand(2, 4, 3, 16, 16).mul(2).sub(1).unbind()
    known = square_mask((16, 16), 6).expand(4, -1, -1, -1)
    x = torch.where(known == 1, y, x)
    found = measure_fills(x, y, known, None)
    error = (x - y).double().square()
    hole = error.sum() / (4 * 3 * 36)
    assert found["mse"] == pytest.approx(error.mean().item())
    assert found["hole_mse"] == pytest.approx(hole.item())
    assert found["psnr"] == pytest.approx(10 * math.log10(4 / error.mean()))
    assert found["hole_psnr"] == pytest.approx(10 * math.log10(4 / hole))
    # In images in [0, 1] with the range 1.
    a, b = (x + 1) / 2, (y + 1) / 2
    assert found["psnr"] == pytest.approx(PeakSignalNoiseRatio(data_range=1.0)(a, b).item())
    similar = StructuralSimilarityIndexMeasure(data_range=2.0)(x, y)
    assert found["ssim"] == pytest.approx(similar.item())
    assert measure_fills(y, y, known, None)["psnr"] is None
    assert "| exact | 0 |  | 1 | 0 |  |" in measures_table(
        {"exact": measure_fills(y, y, known, None)}
    )


def test_the_distance_of_features_is_frechets(
    trained: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    pixels = ["--extractor", "Pixels", "--extractor.shape", "[1,8,8]"]
    x, written = inpainted(trained("gcn"), tmp_path, *pixels)
    y, _ = held_out_samples(DIGITS, 6, 0)
    u, v = (((a.double() + 1) * 127.5).round().flatten(1).div(255) for a in (y, x))
    expected = frechet_distance(u.mean(0), u.T.cov(), v.mean(0), v.T.cov())
    assert written["measures"]["chains of GCN"]["fd"] == pytest.approx(expected.item(), rel=1e-4)
    assert set(written["measures"]) == {"chains of GCN", "mean image", "nearest image"}
    assert written["protocol"]["extractor"]["name"] == "pixels"
    told = capsys.readouterr()
    assert "'fd' is of 6 images, fewer than the 64 features" in told.err
    assert "| PSNR of the hole | Fréchet distance |" in told.out


def test_the_picture_shows_every_way(trained: Callable, tmp_path: Path) -> None:
    out = tmp_path / "images.png"
    with mock.patch(
        "energy_gans.commands.inpaint.inpaint.side_by_side", return_value=Image.new("RGB", (4, 4))
    ) as drawn:
        main(["inpaint", "--ckpt_path", trained("gcn"), "--n", "9", "--out", str(out)])
    (panels,) = drawn.call_args.args
    names = ["original", "masked", "chains of GCN", "mean image", "nearest image"]
    assert list(panels) == names
    assert all(images.shape == (8, 1, 1, 8, 8) for images in panels.values())
    hole = square_mask((8, 8), 4)[0] == 0
    assert (panels["masked"][:, 0][:, hole] == 128).all()
    assert torch.equal(panels["masked"][:, 0][:, ~hole], panels["original"][:, 0][:, ~hole])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images.json", "images.png"]
    main(["inpaint", "--ckpt_path", trained("gcn"), "--out", str(out), "--overwrite", "true"])
    with Image.open(out) as image:
        assert image.size[0] > 500


def test_a_mask_can_be_drawn(trained: Callable, tmp_path: Path) -> None:
    drawn = np.full((8, 8), 255, dtype=np.uint8)
    drawn[2:4, 5:] = 0
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    x, _ = inpainted(trained("gcn"), tmp_path, "--mask", str(tmp_path / "mask.png"))
    y, _ = held_out_samples(DIGITS, 6, 0)
    assert (x != y)[:, 0, 2:4, 5:].float().mean() > 0.9
    assert torch.equal((x * (drawn > 0)), y * (drawn > 0))


@pytest.mark.parametrize(
    "pixels, told",
    [
        (
            np.zeros((4, 8)),
            "'mask' = .* should be as large as the images, 8 x 8 pixels, got 8 x 4",
        ),
        (np.zeros((8, 8)), "'mask' = .* should be black in the hole and white elsewhere"),
        (None, "'mask' = .* can not be read: it is no picture"),
    ],
)
def test_a_drawn_mask_that_does_not_fit_is_refused(
    tmp_path: Path, pixels: np.ndarray | None, told: str
) -> None:
    path = tmp_path / "mask.png"
    path.write_text("no picture")
    if pixels is not None:
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    with pytest.raises(ValueError, match=told):
        choose_mask(str(path), None, None, (8, 8), 1, torch.Generator())


@pytest.mark.parametrize(
    "name, arguments, told",
    [
        ("coulomb", [], "holds a CoulombGAN, which has no chains: it should be of GCN or GGCN or"),
        ("points", [], r"should hold a model of images, .* got one of samples of shape \(2,\)"),
        ("gcn", ["--mask", "round"], "'mask' should be one of 'square', 'spot', 'both' or a pic"),
        ("gcn", ["--square", "8"], "'square' = 8 or .* not fit: 'width' should be from 1 to 7"),
        (
            "gcn",
            ["--mask", "spot", "--spots", "1"],
            "'spots' = 1.0 does not fit: 'share' should be",
        ),
        ("gcn", ["--mask", "spot", "--spots", "0.999"], "should leave a pixel of 8 x 8 known"),
        ("gcn", ["--steps", "0"], "'steps' should be at least 1"),
        ("gcn", ["--n", "0"], "'n' should be at least 1"),
        ("gcn", ["--label", "1"], "'label' should be left out: this GCN has no classes, got 1"),
        ("classes", ["--label", "10"], "'label' should be from 0 to 9, got 10"),
        ("gcn", ["--out", "a.pdf"], "'out' should end in .png or .npz"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    refused: Callable, name: str, arguments: list[str], told: str
) -> None:
    refused("inpaint", name, arguments, told)


def test_numbers_that_are_there_are_kept(trained: Callable, tmp_path: Path) -> None:
    (tmp_path / "images.json").write_text("mine")
    with pytest.raises(SystemExit, match="images.json' exists beside 'out': choose another name"):
        main(
            ["inpaint", "--ckpt_path", trained("gcn"), "--out", str(tmp_path / "images.png")],
        )
    assert (tmp_path / "images.json").read_text() == "mine"
