r"""The networks of the Coulomb GAN paper: DCGAN with 5x5 kernels and a wide discriminator.

The generator has no batch norm after its dense layer and ends in :math:`1.7159 \tanh(2 u / 3)`,
whose slope is still large where it reaches :math:`\pm 1`. The discriminator has batch norm after
every convolution, including the first, and a linear output.

Batch norm removes the biases of the convolutions before it. The biases exist, as in the authors'
code, but are frozen: in training mode their gradients would consist of rounding errors only.

Two choices differ from the paper. Images of 28 pixels, which the paper does not have, start from a
7x7 map. Batch norm uses running averages in evaluation mode, so that a sample depends on its
latent only; the authors' code uses batch statistics for sampling, too.

References:
    Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al., 2018),
    https://arxiv.org/abs/1708.08819
    Efficient BackProp (LeCun et al., 1998)
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn as nn
from torch import Tensor

from ..descriptions import Described
from .dcgan import halvings


class _ScaledTanh(nn.Module):
    r"""The activation :math:`1.7159 \tanh(2 u / 3)`, which maps :math:`\pm 1` to :math:`\pm 1`."""

    def forward(self, u: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(2 * u / 3)


class CoulombGenerator(Described, nn.Module):
    r"""The generator of the Coulomb GAN paper.

    Arguments:
        latent_dim: The number of latents :math:`Z`.
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels: 28, 32, 64 and the like.
        width: The number of maps after the dense layer; it halves when the size doubles.

    Raises:
        ValueError: If `size` can not be halved down to 4, 5, 6 or 7, or `width` can not be halved
            as often.
    """

    def __init__(
        self, latent_dim: int = 32, channels: int = 3, size: int = 64, width: int = 1024
    ) -> None:
        super().__init__()
        base, count = halvings(size)
        if width < 2 ** (count - 1):
            raise ValueError(f"'width' should be at least {2 ** (count - 1)}, got {width}.")
        maps = [width // 2**i for i in range(count)]
        self.dense = nn.Sequential(
            nn.Linear(latent_dim, width * base**2),
            nn.Unflatten(1, (width, base, base)),
            nn.ReLU(inplace=True),
        )
        layers: list[nn.Module] = []
        for before, after in pairwise(maps):
            deconvolution = nn.ConvTranspose2d(before, after, 5, 2, 2, 1)
            # Variance scaling with 2 over the mean of fan-in and fan-out, as in the paper's code.
            nn.init.xavier_normal_(deconvolution.weight, gain=2**0.5)
            deconvolution.bias.requires_grad_(False)
            layers += [deconvolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        last = nn.ConvTranspose2d(maps[-1], channels, 5, 2, 2, 1)
        for layer in (self.dense[0], last):
            nn.init.xavier_uniform_(layer.weight)
        self.layers = nn.Sequential(*layers, last, _ScaledTanh())

    def forward(self, z: Tensor) -> Tensor:
        r"""Returns images in [-1.7159, 1.7159], with shape :math:`(B, C, S, S)`.

        Arguments:
            z: The latents, with shape :math:`(B, Z)`.
        """
        return self.layers(self.dense(z))


class CoulombDiscriminator(Described, nn.Sequential):
    r"""The discriminator of the Coulomb GAN paper, from :math:`(B, C, S, S)` to :math:`(B, 1)`.

    Arguments:
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels.
        width: The number of maps after the first of four convolutions; it doubles with each.

    Raises:
        ValueError: If `size` can not be halved down to 4, 5, 6 or 7.
    """

    def __init__(self, channels: int = 3, size: int = 64, width: int = 128) -> None:
        halvings(size)
        maps = [channels] + [width * 2**i for i in range(4)]
        layers: list[nn.Module] = []
        for before, after in pairwise(maps):
            layers += [
                nn.Conv2d(before, after, 5, 2, 2),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            size = (size + 1) // 2
        super().__init__(*layers, nn.Flatten(), nn.Linear(maps[-1] * size**2, 1))
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
            if isinstance(layer, nn.Conv2d):
                layer.bias.requires_grad_(False)
