r"""A classifier of a data set as a feature space, for images that do not resemble ImageNet's.

The EIEG GAN paper measures the Inception Score on FashionMNIST with such a classifier. The network
is a pre-activation ResNet: a block adds to its input a residual of two 3x3 convolutions, each
after batch normalisation and ReLU,

.. math:: x + W_2 \sigma(W_1 \sigma(x))

Where a block changes the size, the shortcut is a projection of the activated :math:`x`. Features
are the pooled outputs of the last block. The file of a classifier holds its weights and its
metadata.

References:
    Identity Mappings in Deep Residual Networks (He et al., 2016), https://arxiv.org/abs/1603.05027
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...files import atomic_write
from .base import BATCH_ON_CPU, FeatureExtractor, Output, load_weights, resize_images


class _PreActBlock(nn.Module):
    r"""A pre-activation block.

    Arguments:
        inputs: The number of input channels.
        outputs: The number of output channels.
        stride: The stride of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        same = inputs == outputs and stride == 1
        self.projection = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = self.norm1(x).relu()
        x = x if self.projection is None else self.projection(active)
        return x + self.conv2(self.norm2(self.conv1(active)).relu())


class PreActResNet(nn.Module):
    r"""A pre-activation ResNet with one block for each width.

    The first convolution halves the image, and so does every block except the first.

    Arguments:
        channels: The number of image channels :math:`C`.
        num_classes: The number of classes, :math:`K`.
        widths: The number of channels of each block; the last is the number of features :math:`D`.
    """

    def __init__(self, channels: int, num_classes: int, widths: Sequence[int]) -> None:
        super().__init__()
        stem = nn.Conv2d(channels, widths[0], 3, 2, 1, bias=False)
        blocks = [_PreActBlock(widths[0], widths[0], 1)]
        blocks += [_PreActBlock(a, b, 2) for a, b in pairwise(widths)]
        self.body = nn.Sequential(
            stem,
            *blocks,
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(widths[-1], num_classes)
        # This memory format is twice as fast on a CPU.
        self.to(memory_format=torch.channels_last)

    @property
    def device(self) -> torch.device:
        r"""The device of the weights."""
        return self.head.weight.device

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""Returns features, with shape :math:`(N, D)`, and logits, with shape :math:`(N, K)`.

        Arguments:
            x: The images in [0, 255], with shape :math:`(N, C, H, W)`.
        """
        features = self.features(x)
        return features, self.head(features)

    def features(self, x: Tensor) -> Tensor:
        r"""Returns the features, with shape :math:`(N, D)`."""
        return self.body((x / 127.5 - 1).contiguous(memory_format=torch.channels_last))


class DomainClassifier(FeatureExtractor):
    r"""The extractor with a classifier that `energy-gans features train` wrote.

    Images are resized to the size of the images that the classifier was trained on.

    Arguments:
        path: The path of the classifier's file.

    Attributes:
        metadata: The `metadata` of the file, see :func:`train_classifier`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds no classifier.
    """

    name = "domain_classifier"
    at_once = BATCH_ON_CPU

    def __init__(self, path: str) -> None:
        super().__init__()
        saved, self.sha256 = load_weights("path", Path(path))
        try:
            self.metadata: dict[str, Any] = saved["metadata"]
            self.channels, self.size = self.metadata["channels"], self.metadata["size"]
            self.num_classes = len(self.metadata["classes"])
            widths = self.metadata["widths"]
            with torch.random.fork_rng(devices=[]):
                self.network = PreActResNet(self.channels, self.num_classes, widths)
            self.network.load_state_dict(saved["state_dict"])
        except (LookupError, TypeError, RuntimeError) as error:
            raise ValueError(
                f"'path' = {path!r} is no classifier that `energy-gans features train` wrote."
            ) from error
        self.num_features = widths[-1]
        self.resize = f"bilinear, antialiased, {self.size}"
        self.eval().requires_grad_(False)

    def extract(self, images: Tensor) -> Output:
        features = self.network.features(resize_images(images, self.size))
        # A product with few columns has other rounding errors at some positions of a batch.
        return features, torch.cat([self.network.head(row) for row in features.split(1)])


def save_classifier(network: PreActResNet, metadata: dict[str, Any], path: Path) -> None:
    r"""Writes a classifier's file, whole or not at all.

    Arguments:
        network: The network.
        metadata: The metadata, in plain values: at least `channels`, `size`, `classes` and
            `widths`.
        path: The path of the file.
    """
    # Given a path, torch would write the name into the file, and the SHA-256 would depend on it.
    with atomic_write(path) as file:
        torch.save({"state_dict": network.state_dict(), "metadata": metadata}, file)
