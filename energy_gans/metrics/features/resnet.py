r"""The small pre-activation ResNet of classifiers and encoders that are trained on a data set.

A block adds to its input a residual of two 3x3 convolutions, each after batch normalisation and
ReLU,

.. math:: x + W_2 \sigma(W_1 \sigma(x))

Where a block changes the size, the shortcut is a projection of the activated :math:`x`. Features
are the pooled outputs of the last block.

References:
    Identity Mappings in Deep Residual Networks (He et al., 2016), https://arxiv.org/abs/1603.05027
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


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
        num_classes: The number of classes, :math:`K`, or `None` for a network without logits.
        widths: The number of channels of each block; the last is the number of features :math:`D`.
    """

    def __init__(self, channels: int, num_classes: int | None, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths, self.num_features = [*widths], widths[-1]
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
        self.head = None if num_classes is None else nn.Linear(widths[-1], num_classes)
        # This memory format is twice as fast on a CPU.
        self.to(memory_format=torch.channels_last)

    @property
    def device(self) -> torch.device:
        r"""The device of the weights."""
        return self.body[0].weight.device

    @property
    def stages(self) -> list[nn.Module]:
        r"""The modules whose outputs are the maps of the blocks, from the finest to the coarsest.

        The last one is the activation whose pooled output is the features.
        """
        return [*self.body[1:-5], self.body[-3]]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        r"""Returns features, with shape :math:`(N, D)`, and logits, with shape :math:`(N, K)`.

        Without a head, the logits are `None`.

        Arguments:
            x: The images in [0, 255], with shape :math:`(N, C, H, W)`.
        """
        features = self.features(x)
        return features, None if self.head is None else self.head(features)

    def features(self, x: Tensor) -> Tensor:
        r"""Returns the features, with shape :math:`(N, D)`; arguments as for :meth:`forward`."""
        return self.body(self._scale(x))

    def maps(self, x: Tensor) -> Tensor:
        r"""Returns the maps that are pooled to features, with shape :math:`(N, D, H', W')`."""
        return self.body[:-2](self._scale(x))

    def _scale(self, x: Tensor) -> Tensor:
        r"""Returns images of [0, 255] in [-1, 1]."""
        return (x / 127.5 - 1).contiguous(memory_format=torch.channels_last)
