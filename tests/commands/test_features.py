r"""Tests for the energy_gans.commands.features module."""

from pathlib import Path
from unittest import mock

import pytest
import torch

from energy_gans.cli import main
from energy_gans.data import EmbeddedDigits
from energy_gans.metrics.features import DomainClassifier

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
        mock.patch("energy_gans.commands.features.train_classifier") as train,
        pytest.raises(SystemExit, match="'out' = .* exists: choose another name, or add"),
    ):
        main(arguments)
    train.assert_not_called()
    assert taken.read_bytes() == b"mine"
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
