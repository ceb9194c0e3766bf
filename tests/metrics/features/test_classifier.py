r"""Tests for the energy_gans.metrics.features.classifier module."""

from pathlib import Path
from typing import BinaryIO
from unittest import mock

import pytest
import torch
from torch import Tensor

from energy_gans.metrics.features import DomainClassifier, save_classifier
from energy_gans.metrics.features.base import load_weights, resize_images
from energy_gans.metrics.features.classifier import PreActResNet


@pytest.fixture
def grey(images: Tensor) -> Tensor:
    return images[:, :1]


def test_a_file_gives_the_classifier_again(tmp_path: Path, grey: Tensor) -> None:
    network = PreActResNet(1, 3, [4, 6]).eval()
    metadata = {"channels": 1, "size": 16, "classes": ["a", "b", "c"], "widths": [4, 6]}
    save_classifier(network, metadata | {"accuracy": 0.5}, tmp_path / "new" / "c.pt")
    extractor = DomainClassifier(str(tmp_path / "new" / "c.pt"))
    assert extractor.metadata == metadata | {"accuracy": 0.5}
    assert (extractor.num_features, extractor.num_classes) == (6, 3)
    assert extractor.stamp()["resize"] == "bilinear, antialiased, 16"
    with torch.no_grad():
        features, logits = network(resize_images(grey, 16))
    assert torch.equal(extractor(grey)[0], features)
    assert torch.equal(extractor(grey)[1], logits)


def test_the_file_does_not_depend_on_its_name(tmp_path: Path) -> None:
    network = PreActResNet(1, 2, [4])
    for name in ("a.pt", "other"):
        save_classifier(network, {"seed": 1}, tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_grey_classifier_refuses_colours(
    classifier_files: dict[int, Path], images: Tensor
) -> None:
    with pytest.raises(ValueError, match="'images' should be grey .* 'domain_classifier', got 3"):
        DomainClassifier(str(classifier_files[1]))(images)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(b"the previous one")
    network = PreActResNet(1, 2, [4])

    def half(content: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise RuntimeError("disk full")

    with (
        mock.patch("torch.save", side_effect=half),
        pytest.raises(OSError, match=r"c.pt could not be written: disk full"),
    ):
        save_classifier(network, {}, path)
    assert path.read_bytes() == b"the previous one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": None},
        {"metadata": {}},
        {"state_dict": None},
        {"state_dict": {}},
        {"widths": [4, 8]},
        {"widths": 3},
        {"widths": []},
        {"classes": 3},
        {"channels": "1"},
    ],
)
def test_other_files_are_refused(
    classifier_files: dict[int, Path], tmp_path: Path, change: dict
) -> None:
    saved, _ = load_weights("path", classifier_files[1])
    saved["metadata"] |= {key: change[key] for key in change.keys() & saved["metadata"].keys()}
    saved |= {key: change[key] for key in change.keys() & saved.keys()}
    torch.save(saved, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"'path' = .*other.pt' is no classifier that"):
        DomainClassifier(str(tmp_path / "other.pt"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'path' should be .*none.pt' is none"):
        DomainClassifier(str(tmp_path / "none.pt"))
