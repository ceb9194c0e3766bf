r"""The networks of DCGAN: 4x4 convolutions and deconvolutions of stride 2, with batch norm.

References:
    Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks
    (Radford, Metz and Chintala, 2016), https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch.nn as nn
from torch import Tensor
from torch.nn.utils.parametrizations import spectral_norm

from ..descriptions import Described
from .labels import LabelledLatents

_LARGEST_BASE = 7


def halvings(size: int) -> tuple[int, int]:
    r"""Returns the width, at most 7, to which a square image can be halved, and how many times.

    Arguments:
        size: The width of the image, in pixels.

    Raises:
        ValueError: If `size` can not be halved down to 4, 5, 6 or 7.

    Example:
        >>> halvings(28), halvings(32), halvings(64)
        ((7, 2), (4, 3), (4, 4))
    """
    base, count = size, 0
    while base > _LARGEST_BASE and base % 2 == 0:
        base, count = base // 2, count + 1
    if base > _LARGEST_BASE or base < 4 or count == 0:
        raise ValueError(
            "'size' should be 4, 5, 6 or 7 times a power of two, for example 28, 32 or 64, "
            f"got {size}."
        )
    return base, count


def _initialize(network: nn.Module) -> None:
    r"""Draws weights from N(0, 0.02) and gains of batch norm from N(1, 0.02)."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


class DCGANGenerator(Described, nn.Module):
    r"""The DCGAN generator.

    Arguments:
        latent_dim: The number of latents :math:`Z`.
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels.
        width: The number of maps before the last layer; it doubles with every halving of the size.
        classes: The number of classes, or `None` if there are no labels. The embedding of a label
            is concatenated to the latents.

    Raises:
        ValueError: If `size` can not be halved down to 4, 5, 6 or 7.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        channels: int = 3,
        size: int = 64,
        width: int = 64,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        base, count = halvings(size)
        maps = [width * 2**i for i in reversed(range(count))]
        self.latents = LabelledLatents(latent_dim, classes)
        layers = [nn.ConvTranspose2d(self.latents.out_features, maps[0], base, bias=False)]
        layers += [nn.BatchNorm2d(maps[0]), nn.ReLU(inplace=True)]
        for before, after in pairwise(maps):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(maps[-1], channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        _initialize(self)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns images in [-1, 1], with shape :math:`(B, C, S, S)`.

        Arguments:
            z: The latents, with shape :math:`(B, Z)`.
            label: The classes, with shape :math:`(B)`; `None` without classes.

        Raises:
            ValueError: If labels are missing or unexpected.
        """
        return self.layers(self.latents(z, label)[:, :, None, None])


class DCGANDiscriminator(Described, nn.Module):
    r"""The DCGAN discriminator, without a sigmoid at the output.

    Arguments:
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels.
        width: The number of maps after the first layer; it doubles with every halving of the size.
        out_features: The number of outputs :math:`F`.
        norm: Which hidden layers are followed by batch norm: `"all"`; `"inner"`, as in the paper,
            all but the first; or `"none"`. If real and generated images are passed in separate
            batches, batch norm hides properties that all images of a batch share from the
            discriminator.
        spectral: Whether the weight of every layer is divided by its largest singular value,
            estimated by one power iteration per forward pass. This bounds the discriminator's
            Lipschitz constant.

    Raises:
        ValueError: If `size` can not be halved down to 4, 5, 6 or 7, or `norm` is unknown.
    """

    def __init__(
        self,
        channels: int = 3,
        size: int = 64,
        width: int = 64,
        out_features: int = 1,
        norm: Literal["all", "inner", "none"] = "inner",
        spectral: bool = False,
    ) -> None:
        super().__init__()
        if norm not in ("all", "inner", "none"):
            raise ValueError(f"'norm' should be 'all', 'inner' or 'none', got {norm!r}.")
        base, count = halvings(size)
        maps = [channels] + [width * 2**i for i in range(count)]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(maps)):
            normed = norm == "all" or (norm == "inner" and i > 0)
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=not normed))
            if normed:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(nn.Conv2d(maps[-1], out_features, base))
        self.layers = nn.Sequential(*layers)
        _initialize(self)
        if spectral:
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        r"""Returns the outputs, with shape :math:`(B, F)`, of images :math:`(B, C, S, S)`."""
        return self.layers(x).flatten(1)
