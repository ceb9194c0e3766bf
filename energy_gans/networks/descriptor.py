r"""Descriptors: networks from an image to a scalar potential.

A descriptor is linear in its features :math:`\phi`. With classes it is a projection discriminator

.. math:: \Phi(x, y) = \langle w, \phi(x) \rangle + b + \langle e_y, \phi(x) \rangle

Activations are piecewise linear, so that :math:`\nabla^2 \Phi = 0` almost everywhere: the squared
gradient norm :math:`\|\nabla_x \Phi\|^2` has a gradient in the parameters, but none in :math:`x`.
Without biases :math:`\Phi(c x) = c \Phi(x)` for :math:`c > 0`. Batch norm is not used: with it,
:math:`\nabla_x \Phi` at one image would depend on the other images of the batch.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), https://arxiv.org/abs/1910.14216
    cGANs with Projection Discriminator (Miyato and Koyama, 2018), https://arxiv.org/abs/1802.05637
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn as nn
from torch import Tensor

from ..checks import check_count
from ..descriptions import Described
from .labels import check_label


class Descriptor(Described, nn.Module):
    r"""A linear or projection head on features.

    Class embeddings are initialised to zero, so that all classes start with the same potential.

    Arguments:
        features: The features :math:`\phi`, from :math:`(B, C, H, W)` to :math:`(B, F)`.
        num_features: The number of features :math:`F`.
        classes: The number of classes, or `None` if there are no labels.

    Attributes:
        head: The last layer, with the weights :math:`w` and the bias :math:`b`.
    """

    def __init__(self, features: nn.Module, num_features: int, classes: int | None = None) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(num_features, 1)
        self.classes = classes
        self.embedding = None
        if classes is not None:
            self.embedding = nn.Embedding(classes, num_features)
            nn.init.zeros_(self.embedding.weight)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns outputs, with shape :math:`(B, 1)`, of images :math:`(B, C, H, W)`.

        Arguments:
            x: The images, with shape :math:`(B, C, H, W)`.
            label: The classes, with shape :math:`(B)`; `None` without classes.

        Raises:
            ValueError: If labels are missing or unexpected.
        """
        check_label(label, self.classes, x.shape[0])
        phi = self.features(x)
        if self.embedding is None:
            return self.head(phi)
        return self.head(phi) + (self.embedding(label) * phi).sum(1, keepdim=True)


class ConvDescriptor(Descriptor):
    r"""A descriptor of convolutions and an optional dense layer, each followed by a leaky ReLU.

    The default is a small network for short chains. The descriptor for scenes of the cooperative
    networks has the widths (64, 128, 256), kernels (5, 3, 3), strides (2, 2, 1) and 100 hidden
    features.

    References:
        Learning Non-Convergent Non-Persistent Short-Run MCMC Toward Energy-Based Model (Nijkamp et
        al., 2019), https://arxiv.org/abs/1904.09770
        Cooperative Training of Descriptor and Generator Networks (Xie et al., 2020),
        https://arxiv.org/abs/1609.09408

    Arguments:
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels.
        widths: The number of maps after each convolution.
        kernels: The width of each convolution's kernel :math:`k`; maps are padded by
            :math:`\lfloor (k - 1) / 2 \rfloor`.
        strides: The stride of each convolution.
        hidden: The number of features of the dense layer, or `None` for no dense layer.
        slope: The negative slope of the leaky ReLUs.
        classes: The number of classes, or `None` if there are no labels.

    Raises:
        ValueError: If the numbers of widths, kernels and strides differ, or the last map is empty.
    """

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        widths: Sequence[int] = (16, 32, 64, 64),
        kernels: Sequence[int] = (5, 3, 3, 3),
        strides: Sequence[int] = (2, 2, 2, 2),
        hidden: int | None = 64,
        slope: float = 0.2,
        classes: int | None = None,
    ) -> None:
        if not len(widths) == len(kernels) == len(strides) > 0:
            raise ValueError(
                f"'widths', 'kernels' and 'strides' should be of one length above 0, got "
                f"{len(widths)}, {len(kernels)} and {len(strides)}."
            )
        layers: list[nn.Module] = []
        before = channels
        for width, kernel, stride in zip(widths, kernels, strides, strict=True):
            layers.append(nn.Conv2d(before, width, kernel, stride, (kernel - 1) // 2))
            layers.append(nn.LeakyReLU(slope, inplace=True))
            before = width
        layers.append(nn.Flatten())
        num_features = before * _map_size(size, kernels, strides) ** 2
        if hidden is not None:
            layers += [nn.Linear(num_features, hidden), nn.LeakyReLU(slope, inplace=True)]
            num_features = hidden
        super().__init__(nn.Sequential(*layers), num_features, classes)


def _map_size(size: int, kernels: Sequence[int], strides: Sequence[int]) -> int:
    r"""Returns the width of the feature map after convolutions of an image.

    Arguments:
        size: The width of the image, in pixels.
        kernels: The width of each convolution's kernel :math:`k`, padded by
            :math:`\lfloor (k - 1) / 2 \rfloor`.
        strides: The stride of each convolution.

    Raises:
        ValueError: If a map is empty.

    Example:
        >>> _map_size(28, (5, 3, 3, 3), (2, 2, 2, 2))
        2
    """
    check_count("size", size)
    width = size
    for kernel, stride in zip(kernels, strides, strict=True):
        width = (width + 2 * ((kernel - 1) // 2) - kernel) // stride + 1
        if width < 1:
            raise ValueError(
                f"'size' should be larger for kernels {tuple(kernels)} and strides "
                f"{tuple(strides)}, got {size}."
            )
    return width
