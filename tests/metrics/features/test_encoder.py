r"""Tests for the energy_gans.metrics.features.encoder module."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from energy_gans.metrics.features import DomainClassifier, FeatureMap, TrainedEncoder
from energy_gans.metrics.features.resnet import PreActResNet


def test_one_class_reads_files_of_every_kind(
    classifier_files: dict[int, Path], contrastive_file: Path, images: Tensor
) -> None:
    classifier = TrainedEncoder(str(classifier_files[3]))
    same = DomainClassifier(str(classifier_files[3]))
    assert all(map(torch.equal, classifier(images), same(images)))
    assert classifier.stamp() == same.stamp()
    encoder = TrainedEncoder(str(contrastive_file))
    features, logits = encoder(images)
    assert (features.shape, logits) == ((2, 6), None)
    assert encoder.stamp()["name"] == "contrastive_encoder"
    assert encoder.metadata["kind"] == "contrastive"


def test_an_encoder_without_classes_is_no_classifier(contrastive_file: Path) -> None:
    with pytest.raises(ValueError, match=r"'path' = .* is no classifier that"):
        DomainClassifier(str(contrastive_file))


def test_an_unknown_kind_is_refused(contrastive_file: Path, tmp_path: Path) -> None:
    saved = torch.load(contrastive_file, weights_only=True)
    saved["metadata"]["kind"] = "mystery"
    torch.save(saved, tmp_path / "e.pt")
    with pytest.raises(ValueError, match=r"'path' = .*e.pt' is no encoder that"):
        TrainedEncoder(str(tmp_path / "e.pt"))


# State dicts


@pytest.mark.parametrize("kind", ["classifier", "contrastive"])
def test_a_state_dict_brings_the_encoder(
    classifier_files: dict[int, Path], contrastive_file: Path, images: Tensor, kind: str
) -> None:
    path = classifier_files[3] if kind == "classifier" else contrastive_file
    features = FeatureMap(TrainedEncoder(str(path)), stages=[0])
    made = FeatureMap(TrainedEncoder(None), stages=[0])
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    with pytest.raises(ValueError, match="'path' of TrainedEncoder should be the file .* None"):
        made(x)
    made.load_state_dict(features.state_dict())
    assert torch.equal(made(x), features(x))
    assert not any(p.requires_grad for p in made.parameters())
    assert not any(module.training for module in made.modules())
    assert made.extractor.metadata == features.extractor.metadata
    assert made.extractor.stamp() == features.extractor.stamp()
    assert made.extractor(images)[0].shape == (2, 6)
    # What was loaded is saved again.
    again = FeatureMap(TrainedEncoder(None), stages=[0])
    again.load_state_dict(made.state_dict())
    assert torch.equal(again(x), features(x))


def test_an_encoder_of_another_file_does_not_take_on_the_weights(
    classifier_files: dict[int, Path], contrastive_file: Path
) -> None:
    state = TrainedEncoder(str(contrastive_file)).state_dict()
    encoder = TrainedEncoder(str(contrastive_file))
    encoder.load_state_dict(state)
    other = TrainedEncoder(str(classifier_files[3]))
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(ValueError, match=r"'path' = .* of the checkpoint's encoder, with the SHA"):
        other.load_state_dict(state)
    assert all(torch.equal(v, before[k]) for k, v in other.state_dict().items())


@pytest.mark.parametrize(
    "state", [b"", b"null", b"[1, 2]", b'[{"channels": 1}, ""]', b"[{}, {}, {}]", b"\xff"]
)
def test_a_state_that_describes_no_encoder_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="^The state dict's encoder is no encoder that"):
        TrainedEncoder(None).set_extra_state(torch.tensor([*state], dtype=torch.uint8))


def test_the_state_is_plain_text(contrastive_file: Path) -> None:
    encoder = TrainedEncoder(str(contrastive_file))
    metadata, sha256 = json.loads(bytes(encoder.get_extra_state().tolist()))
    assert (metadata, sha256) == (encoder.metadata, encoder.sha256)
    assert isinstance(encoder.network, PreActResNet)
