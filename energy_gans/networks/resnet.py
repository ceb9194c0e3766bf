r"""Residual networks without normalisation: descriptor, generator and autoencoder of images.

The sum of a residual and its shortcut is divided by :math:`\sqrt{2}`, which keeps the variance
from block to block without normalisation layers. All activations are piecewise linear and
positively homogeneous, except the final :math:`\tanh` of generator and autoencoder.

Version 1 of the GGCN paper has "a pile of three ResNets" of 50 layers, without further details.
The networks here have one block per image size and two convolutions per block.

References:
    Deep Residual Learning for Image Recognition (He et al., 2016), https://arxiv.org/abs/1512.03385
    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), whose blocks
    these are, https://arxiv.org/abs/1802.05957
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn as nn
from torch import Tensor

from ..descriptions import Described
from .autoencoder import Autoencoder
from .dcgan import halvings
from .descriptor import Descriptor
from .labels import LabelledLatents

_SLOPE = 0.2
_LARGEST_FACTOR = 8


class _ResidualBlock(nn.Module):
    r"""A residual block, from :math:`(B, C, H, W)` to :math:`(B, C', H, W)`.

    Arguments:
        before: The number of input maps :math:`C`.
        after: The number of output maps :math:`C'`.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(c, after, 3, padding=1) for c in (before, after)]
        for convolution in convolutions:
            nn.init.kaiming_normal_(convolution.weight, _SLOPE)
            nn.init.zeros_(convolution.bias)
        # Not in place: the shortcut needs the input of the first activation.
        self.residual = nn.Sequential(
            *(nn.LeakyReLU(_SLOPE), convolutions[0], nn.LeakyReLU(_SLOPE), convolutions[1])
        )
        self.shortcut: nn.Module = nn.Identity()
        if before != after:
            self.shortcut = nn.Conv2d(before, after, 1, bias=False)
            nn.init.kaiming_normal_(self.shortcut.weight, nonlinearity="linear")

    def forward(self, x: Tensor) -> Tensor:
        return (self.shortcut(x) + self.residual(x)) / 2**0.5


class ResNetDescriptor(Descriptor):
    r"""A residual descriptor, whose features are means over positions.

    Arguments:
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels.
        width: The number of maps at full size; it doubles with each of the first three halvings.
        classes: The number of classes, or `None` if there are no labels.

    Raises:
        ValueError: If `size` can not be halved down to 4, 5, 6 or 7.
    """

    def __init__(
        self, channels: int = 3, size: int = 64, width: int = 64, classes: int | None = None
    ) -> None:
        maps = _map_widths(size, width)
        features = nn.Sequential(
            *_downsampling_layers(channels, maps),
            nn.LeakyReLU(_SLOPE),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        super().__init__(features, maps[-1], classes)


class ResNetGenerator(Described, nn.Module):
    r"""A residual generator.

    Arguments:
        latent_dim: The number of latents :math:`Z`.
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels.
        width: The number of maps at full size; it doubles with each of the last three halvings.
        classes: The number of classes, or `None` if there are no labels. The embedding of a label
            is concatenated to the latents.

    Raises:
        ValueError: If `size` can not be halved down to 4, 5, 6 or 7.
    """

    def __init__(
        self,
        latent_dim: int = 256,
        channels: int = 3,
        size: int = 64,
        width: int = 64,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        base, _ = halvings(size)
        maps = _map_widths(size, width)[::-1]
        self.latents = LabelledLatents(latent_dim, classes)
        dense = nn.Linear(self.latents.out_features, maps[0] * base**2)
        nn.init.kaiming_normal_(dense.weight, nonlinearity="linear")
        self.layers = nn.Sequential(
            dense, nn.Unflatten(1, (maps[0], base, base)), *_upsampling_layers(maps, channels)
        )

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns images in [-1, 1], with shape :math:`(B, C, S, S)`.

        Arguments:
            z: The latents, with shape :math:`(B, Z)`.
            label: The classes, with shape :math:`(B)`; `None` without classes.

        Raises:
            ValueError: If labels are missing or unexpected.
        """
        return self.layers(self.latents(z, label))


class ResNetAutoencoder(Autoencoder):
    r"""A residual autoencoder, from images to images in [-1, 1], for example for inpainting.

    The code is a map of 4 to 7 pixels, so that a region is reconstructed from its surroundings.

    Arguments:
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels.
        width: The number of maps at full size; it doubles with each of the first three halvings.

    Raises:
        ValueError: If `size` can not be halved down to 4, 5, 6 or 7.
    """

    def __init__(self, channels: int = 3, size: int = 64, width: int = 64) -> None:
        maps = _map_widths(size, width)
        super().__init__(
            nn.Sequential(*_downsampling_layers(channels, maps)),
            nn.Sequential(*_upsampling_layers(maps[::-1], channels)),
        )


def _map_widths(size: int, width: int) -> list[int]:
    r"""Returns the number of maps at every size, from the image's size down to the smallest.

    Example:
        >>> _map_widths(64, 16)
        [16, 32, 64, 128, 128]
    """
    _, count = halvings(size)
    return [width * min(2**i, _LARGEST_FACTOR) for i in range(count + 1)]


def _downsampling_layers(channels: int, maps: Sequence[int]) -> list[nn.Module]:
    r"""Returns layers from images to the smallest map, a block and a halving for each size."""
    layers: list[nn.Module] = [nn.Conv2d(channels, maps[0], 3, padding=1)]
    for before, after in pairwise(maps):
        layers += [_ResidualBlock(before, after), nn.AvgPool2d(2)]
    return layers


def _upsampling_layers(maps: Sequence[int], channels: int) -> list[nn.Module]:
    r"""Returns layers from the smallest map to images, a doubling and a block for each size."""
    layers: list[nn.Module] = []
    for before, after in pairwise(maps):
        layers += [nn.Upsample(scale_factor=2), _ResidualBlock(before, after)]
    return [*layers, nn.LeakyReLU(_SLOPE), nn.Conv2d(maps[-1], channels, 3, padding=1), nn.Tanh()]
