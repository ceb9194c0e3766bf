r"""Tests for the energy_gans.commands modules features and feature_space."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from energy_gans.cli import main
from energy_gans.commands import load_model
from energy_gans.commands.features.picture import _plane_layout, _spread_table
from energy_gans.commands.real_data import held_out_samples
from energy_gans.data import EmbeddedDigits
from energy_gans.metrics.features import DomainClassifier, TrainedEncoder

DIGITS = ["--data", "EmbeddedDigits", "--data.digits", "8x8", "--data.size", "8"]
SHORT = ["--epochs", "4", "--width", "8", "--batch_size", "64"]


def test_a_classifier_is_trained_and_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "classifier.pt"
    main(["features", "train", *DIGITS, *SHORT, "--out", str(out)])
    data = EmbeddedDigits("8x8", 8)
    extractor = DomainClassifier(str(out))
    assert extractor.metadata["fingerprint"] == data.fingerprint("train")
    assert (extractor.channels, extractor.size, extractor.num_classes) == (1, 8, 10)
    y, label = next(iter(data.loader("val", [torch.arange(180)])))
    accuracy = (extractor(y)[1].argmax(1) == label).double().mean().item()
    assert accuracy == extractor.metadata["accuracy"] > 0.8
    shown = capsys.readouterr().out
    assert shown.count("accuracy") == 4 + 1
    assert f"{accuracy:.4f} on 180 images" in shown
    assert f"Score is {extractor.metadata['inception_score']:.4f}: {out}" in shown


def test_an_existing_file_is_kept_before_anything_is_trained(tmp_path: Path) -> None:
    taken = tmp_path / "classifier.pt"
    taken.write_bytes(b"mine")
    arguments = ["features", "train", *DIGITS, *SHORT, "--out", str(taken)]
    with (
        mock.patch("energy_gans.commands.features.train.train_classifier") as train,
        pytest.raises(SystemExit, match="'out' = .* exists: choose another name, or add"),
    ):
        main(arguments)
    train.assert_not_called()
    assert taken.read_bytes() == b"mine"
    folder = [*arguments[:-1], str(tmp_path), "--overwrite", "true"]
    with (
        mock.patch("energy_gans.commands.features.train.train_classifier") as train,
        pytest.raises(SystemExit, match="'out' should be a file, got the folder"),
    ):
        main(folder)
    train.assert_not_called()
    main([*arguments, "--epochs", "1", "--overwrite", "true"])
    assert DomainClassifier(str(taken)).metadata["epochs"] == 1


@pytest.mark.parametrize(
    "data, told",
    [
        (["--data", "Ring"], "'data' should be of square images, got Ring"),
        (["--data", "FashionMNIST", "--data.root", "nowhere"], "FashionMNIST is not in"),
        (["--data", "NoSuchSet"], "NoSuchSet"),
    ],
)
def test_other_data_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=told):
        main(["features", "train", *data])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["contrastive", "masked_autoencoder"])
def test_an_encoder_is_trained_and_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture, kind: str
) -> None:
    out = tmp_path / "encoder.pt"
    arguments = ["features", "train", *DIGITS, *SHORT, "--epochs", "2", "--out", str(out)]
    main([*arguments, "--kind", kind])
    extractor, data = TrainedEncoder(str(out)), EmbeddedDigits("8x8", 8)
    assert extractor.metadata["kind"] == kind
    assert (extractor.channels, extractor.size, extractor.num_classes) == (1, 8, None)
    (y, label), (u, label_u) = data.contents("val"), data.contents("train")
    v, u = (nn.functional.normalize(extractor(one)[0]) for one in (y, u))
    found = label_u[torch.cdist(v, u).topk(20, largest=False)[1]].mode(1)[0]
    accuracy = (found == label).double().mean().item()
    assert accuracy > 0.3
    assert extractor.metadata["neighbour_accuracy"] == pytest.approx(accuracy, abs=0.02)
    shown = capsys.readouterr().out
    assert shown.count("loss") == 2 + 1
    assert (
        f"nearest training images {extractor.metadata['neighbour_accuracy']:.4f}: {out}" in shown
    )


def test_settings_of_other_encoders_are_refused(tmp_path: Path) -> None:
    arguments = ["features", "train", *DIGITS, "--out", str(tmp_path / "e.pt")]
    for more, told in (
        (["--temperature", "0.1"], "'temperature' should be left out for 'kind' = 'classifier'"),
        (["--kind", "contrastive", "--masked", "0.5"], "'masked' should be left out for 'kind' ="),
        (["--kind", "mystery"], "kind"),
    ):
        with pytest.raises(SystemExit, match=told):
            main([*arguments, *more])
    assert not list(tmp_path.iterdir())


# The picture of a feature space

PICTURE = "energy_gans.commands.features.picture.classes_picture"


@pytest.fixture
def checkpoint(tiny: Callable, tmp_path: Path) -> Callable[[int], str]:
    def train(n: int) -> str:
        features = f"--model.init_args.discriminator.init_args.out_features={n}"
        monitor = "--trainer.callbacks.monitor=val/energy_distance"
        model = "--model=energy_gans.methods.EIEGGAN"
        main(tiny(model, features, monitor, "--trainer.max_steps=2"))
        return str(tmp_path / "tiny/version_0/checkpoints/last.ckpt")

    return train


@pytest.fixture
def classifier(tmp_path: Path) -> list[str]:
    r"""Returns the arguments that name a classifier of digits."""
    path = str(tmp_path / "classifier.pt")
    main(["features", "train", *DIGITS, *SHORT, "--epochs", "1", "--out", path])
    return ["--classifier", "DomainClassifier", "--classifier.path", path]


def pictured(*arguments: str) -> tuple[dict, str]:
    r"""Returns the panels and the title of the picture that a command draws."""
    with mock.patch(PICTURE, return_value=Image.new("RGB", (1, 1))) as draw:
        main(["features", "picture", *arguments])
    panels, classes, title, coordinates = draw.call_args.args
    assert classes == [str(digit) for digit in range(10)]
    name = "t-SNE" if "t-SNE" in title else "feature"
    assert coordinates == (f"{name} 1", f"{name} 2")
    return panels, title


def test_two_features_are_pictured_as_they_are(
    checkpoint: Callable, classifier: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path, out = checkpoint(2), str(tmp_path / "a.png")
    panels, title = pictured("--ckpt_path", path, *classifier, "--n", "200", "--out", out)
    assert list(panels) == ["180 held-out samples", "200 generated samples"]
    assert title == "EIEGGAN at step 2: 2 features"
    shown = capsys.readouterr().out
    assert "| real | " in shown
    assert shown.endswith(f"{out}\n")
    model, (y, label) = load_model(path), EmbeddedDigits("8x8", 8).contents("val")
    (u, label_u), (v, seen) = panels.values()
    with torch.no_grad():
        real = model.features(y.float() / 127.5 - 1)
        distance, place = (u[:, None] - real).norm(dim=2).min(1)
        assert distance.max() < 1e-6
        assert torch.equal(label_u, label[place])
        assert sorted(label_u.tolist()) == sorted(label.tolist())
        main(["sample", "--ckpt_path", path, "--n", "200", "--out", str(tmp_path / "x.npz")])
        x = torch.from_numpy(np.load(tmp_path / "x.npz")["samples"])
        assert torch.allclose(v, model.features(x), atol=1e-6)
    images = ((x + 1) * 127.5).round().byte()
    assert torch.equal(seen, DomainClassifier(classifier[-1])(images)[1].argmax(1))


def test_more_features_are_laid_out_in_the_plane(checkpoint: Callable, tmp_path: Path) -> None:
    arguments = ["--ckpt_path", checkpoint(5), "--n", "20"]
    out = tmp_path / "a.png"
    main(["features", "picture", *arguments, "--out", str(out)])
    assert Image.open(out).width > 1000
    panels, title = pictured(*arguments, "--out", str(tmp_path / "b.png"))
    assert title == "EIEGGAN at step 2: 5 features, laid out by t-SNE"
    (u, _), (v, seen) = panels.values()
    assert u.shape == v.shape == (20, 2)
    assert seen is None
    for seed, same in ((0, True), (1, False)):
        more = ("--seed", str(seed), "--out", str(tmp_path / f"c{seed}.png"))
        (again, _), _ = pictured(*arguments, *more)[0].values()
        assert torch.equal(again, u) == same


def test_the_seed_chooses_the_held_out_samples() -> None:
    data = EmbeddedDigits("8x8", 8)
    a, b, c = (held_out_samples(data, 20, seed) for seed in (0, 0, 1))
    assert all(map(torch.equal, a, b))
    assert not torch.equal(a[0], c[0])
    assert len(a[0].flatten(1).unique(dim=0)) == 20


def test_neighbours_stay_neighbours_in_the_plane() -> None:
    random = torch.Generator().manual_seed(0)
    cluster = torch.arange(90) % 3
    u = 5 * torch.eye(6)[cluster] + 0.1 * torch.randn(90, 6, generator=random)
    points = _plane_layout(u, 0)
    nearest = (torch.cdist(points, points) + 1e9 * torch.eye(90)).argmin(1)
    assert torch.equal(cluster[nearest], cluster)


def test_features_that_have_no_layout_are_pictured_still() -> None:
    u = torch.randn(9, 1)
    assert torch.equal(_plane_layout(u, 0), torch.cat([u, torch.zeros(9, 1)], 1))
    assert torch.equal(_plane_layout(torch.ones(9, 7), 0), torch.ones(9, 2))
    assert _plane_layout(torch.randn(2, 7), 0).isfinite().all()


def test_the_table_shows_a_collapse_that_the_layout_hides() -> None:
    random = torch.Generator().manual_seed(0)
    spread, line = (
        torch.randn(500, 4, generator=random),
        torch.arange(500.0)[:, None].expand(-1, 4),
    )
    lines = _spread_table(
        {"real": (spread, torch.arange(500) % 2), "generated": (1e-3 * line, None)}
    )
    _, _, real, generated = (row.split(" | ") for row in lines.splitlines())
    assert float(real[1]) == pytest.approx(2.0, rel=0.1)
    assert real[2].startswith("9")
    assert float(real[3].rstrip(" |")) < 0.3
    assert generated[2:] == ["25.00% of 4", " |"]


def test_a_model_without_features_is_refused(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=1"))
    path = str(tmp_path / "tiny/version_0/checkpoints/last.ckpt")
    told = "holds a CoulombGAN, which has no feature space: it should be of EIEGGAN or MMDGAN"
    with pytest.raises(SystemExit, match=told):
        main(["features", "picture", "--ckpt_path", path, "--out", str(tmp_path / "a.png")])
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--out", "a.npz"], "'out' should end in .png, got"),
        (["--n", "0"], "'n' should be at least 1"),
        (
            ["--classifier", "Pixels", "--classifier.shape", "[1, 8, 8]"],
            "'classifier' should tell the 10 classes of the data, got pixels with no classes",
        ),
    ],
)
def test_what_can_not_be_pictured_is_refused(
    checkpoint: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=told):
        main(["features", "picture", "--ckpt_path", checkpoint(2), *arguments])
    assert not list(tmp_path.glob("*.png"))


def test_features_that_are_not_finite_are_refused(checkpoint: Callable, tmp_path: Path) -> None:
    path = checkpoint(2)
    saved = torch.load(path, weights_only=True)
    for name, tensor in saved["state_dict"].items():
        if name.startswith("discriminator") and tensor.is_floating_point():
            # Finite themselves, or the checkpoint would be refused.
            tensor.fill_(1e38)
    torch.save(saved, path)
    with pytest.raises(SystemExit, match=r"features of 180 of 180 samples are not finite"):
        main(["features", "picture", "--ckpt_path", path, "--out", str(tmp_path / "a.png")])
