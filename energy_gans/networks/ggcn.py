r"""The networks of the GGCN paper's Table IV, version 0: five deconvolutions, five convolutions.

The paper gives the order of the layers: five deconvolutions with leaky ReLUs of slope 0.02, then a
convolution with a sigmoid, for the generator, and five convolutions for the descriptor. It does
not give kernels, strides and widths; they are our choice. Neither network has normalisation
layers. To keep the scale of the maps, the variance of the generator's weights is
:math:`2 / (1 + 0.02^2)` divided by the number of inputs of an output pixel.

The generator's sigmoid is rescaled to [-1, 1]: :math:`2 / (1 + e^{-u}) - 1 = \tanh(u / 2)`.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Table IV, https://arxiv.org/abs/1910.14216
    Delving Deep into Rectifiers (He et al., 2015), https://arxiv.org/abs/1502.01852
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn as nn
from torch import Tensor

from ..descriptions import Described
from .dcgan import halvings
from .descriptor import ConvDescriptor
from .labels import LabelledLatents

_SLOPE = 0.02
_DOUBLINGS = 4


class GGCNGenerator(Described, nn.Module):
    r"""The GGCN generator.

    The first deconvolution outputs a map of 4 to 7 pixels. The next ones double its size until it
    is that of the image; the rest of the five keep the size.

    Arguments:
        latent_dim: The number of latents :math:`Z`.
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels: 28, 32, 64 and the like.
        width: The number of maps after the first deconvolution; it halves with the next three.
        classes: The number of classes, or `None` if there are no labels. The embedding of a label
            is concatenated to the latents.

    Raises:
        ValueError: If at most four halvings of `size` do not give 4, 5, 6 or 7, or `width` is
            below 8.
    """

    def __init__(
        self,
        latent_dim: int = 256,
        channels: int = 3,
        size: int = 64,
        width: int = 512,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        base, count = halvings(size)
        if count > _DOUBLINGS:
            raise ValueError(f"'size' should be at most {base * 2**_DOUBLINGS}, got {size}.")
        if width < 8:
            raise ValueError(f"'width' should be at least 8, got {width}.")
        maps = [width, width // 2, width // 4, width // 8, width // 8]
        self.latents = LabelledLatents(latent_dim, classes)
        layers = _deconvolution(self.latents.out_features, width, base, base, 0)
        for i, (before, after) in enumerate(pairwise(maps)):
            doubling, keeping = (4, 2, 1), (3, 1, 1)
            layers += _deconvolution(before, after, *(doubling if i < count else keeping))
        self.layers = nn.Sequential(*layers, nn.Conv2d(maps[-1], channels, 3, padding=1))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns images in [-1, 1], with shape :math:`(B, C, S, S)`.

        Arguments:
            z: The latents, with shape :math:`(B, Z)`.
            label: The classes, with shape :math:`(B)`; `None` without classes.

        Raises:
            ValueError: If labels are missing or unexpected.
        """
        return (self.layers(self.latents(z, label)[:, :, None, None]) / 2).tanh()


class GGCNDescriptor(ConvDescriptor):
    r"""The GGCN descriptor, which the paper calls the synthesizor.

    Four convolutions halve the size of the map; a fifth, with kernel 3, keeps it.

    Arguments:
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels; at least 16.
        width: The number of maps after the first convolution; it doubles with the next three.
        classes: The number of classes, or `None` if there are no labels.

    Raises:
        ValueError: If `size` is below 16.
    """

    def __init__(
        self, channels: int = 3, size: int = 64, width: int = 64, classes: int | None = None
    ) -> None:
        super().__init__(
            channels,
            size,
            widths=(width, 2 * width, 4 * width, 8 * width, 8 * width),
            kernels=(4, 4, 4, 4, 3),
            strides=(2, 2, 2, 2, 1),
            hidden=None,
            slope=_SLOPE,
            classes=classes,
        )


def _deconvolution(
    before: int, after: int, kernel: int, stride: int, padding: int
) -> list[nn.Module]:
    r"""Returns a deconvolution and a leaky ReLU, initialised to keep the scale of activations.

    Arguments:
        before: The number of input maps.
        after: The number of output maps.
        kernel: The width of the kernel :math:`k`.
        stride: The stride :math:`s`; an output pixel has :math:`k^2 / s^2` input pixels per map.
        padding: The padding.
    """
    layer = nn.ConvTranspose2d(before, after, kernel, stride, padding)
    gain = nn.init.calculate_gain("leaky_relu", _SLOPE)
    nn.init.normal_(layer.weight, 0.0, gain * stride / kernel / before**0.5)
    nn.init.zeros_(layer.bias)
    return [layer, nn.LeakyReLU(_SLOPE, inplace=True)]
