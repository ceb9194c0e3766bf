r"""Fixtures that the tests of the extractors share."""

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3 as torch_fidelity

from energy_gans.metrics.features import save_encoder
from energy_gans.metrics.features.resnet import PreActResNet


@pytest.fixture(scope="session")
def images() -> Tensor:
    r"""Returns two RGB images of 21x34 pixels."""
    random = torch.Generator().manual_seed(0)
    return torch.randint(256, (2, 3, 21, 34), generator=random, dtype=torch.uint8)


def with_statistics(network: nn.Module, images: Tensor) -> nn.Module:
    r"""Returns a network with batch statistics of images, so that no activation vanishes."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(images)
    return network.eval()


@pytest.fixture(scope="session")
def inception_file(images: Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    r"""Returns the path of random weights for torch-fidelity's Inception-v3."""
    cls = torch_fidelity.FeatureExtractorInceptionV3
    with (
        mock.patch.object(torch_fidelity, "load_state_dict_from_url"),
        mock.patch.object(cls, "load_state_dict"),
        torch.random.fork_rng(),
    ):
        torch.manual_seed(0)
        network = with_statistics(cls("test", ["logits"]), images)
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(network.state_dict(), path)
    return path


def encoder_file(channels: int, num_classes: int | None, path: Path, **metadata: Any) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PreActResNet(channels, num_classes, [4, 6])
        random = torch.rand(4, channels, 16, 16) * 255
    with_statistics(network, random)
    metadata |= {"channels": channels, "size": 16, "widths": [4, 6]}
    save_encoder(network, metadata, path)
    return path


def classifier_file(channels: int, path: Path) -> Path:
    return encoder_file(channels, 3, path, classes=["a", "b", "c"], accuracy=0.5)


@pytest.fixture(scope="session")
def classifier_files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    r"""Returns the paths of a grey and an RGB classifier by their numbers of channels."""
    folder = tmp_path_factory.mktemp("classifiers")
    return {channels: classifier_file(channels, folder / f"{channels}.pt") for channels in (1, 3)}


@pytest.fixture(scope="session")
def contrastive_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r"""Returns the path of a contrastive encoder of RGB images."""
    path = tmp_path_factory.mktemp("encoders") / "contrastive.pt"
    return encoder_file(3, None, path, kind="contrastive")


class Bomb:
    r"""Creates the folder `exploded` when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (os.mkdir, ("exploded",))


@pytest.fixture
def bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    r"""Returns the name of a file in the current folder that would run code when unpickled."""
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "metadata": {}, "more": Bomb()}, "bomb.pth")
    return "bomb.pth"
