r"""FRAME: filters, random fields and maximum entropy.

The potential is linear in the rectified responses of fixed filters,

.. math:: \Phi(x) = \sum_k \theta_k \sum_p \max(\langle x, w_k \rangle_p + b_k, 0)

so that the log-likelihood is concave in :math:`\theta`. At its maximum the mean responses of the
model equal those of the data. With the Jacobian :math:`J` of the summed responses,
:math:`\frac{1}{2} \mathbb{E} \|\nabla_x \Phi\|^2` is the quadratic form
:math:`\frac{1}{2} \theta^\top M \theta` of the positive semi-definite
:math:`M = \mathbb{E} [J J^\top]`.

A bank of filters is any module from images, with shape :math:`(B, C, H, W)`, to the inner products
before rectification, with shape :math:`(B, K, H', W')`, that has an attribute `out_channels` equal
to :math:`K`. A convolution is a bank of filters.

References:
    Filters, Random Fields and Maximum Entropy (FRAME): Towards a Unified Theory for Texture
    Modeling (Zhu, Wu and Mumford, 1998)
    Learning FRAME Models Using CNN Filters (Lu, Zhu and Wu, 2016), https://arxiv.org/abs/1509.08379
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Eq. 1, https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn as nn
from torch import Tensor

from ..descriptions import Described
from ..functional.filters import filter_bank
from ..tensor_files import load_tensors


class FRAME(Described, nn.Module):
    r"""The potential of a FRAME model, initialised to zero.

    Arguments:
        filters: The bank of :math:`K` filters, which is frozen.

    Attributes:
        head: The weights :math:`\theta`. There is no bias, because the loss does not depend on
            one.

    Raises:
        ValueError: If `filters` has no integer attribute `out_channels`.

    Example:
        >>> FRAME(GaborBank(channels=1)).head
        Linear(in_features=18, out_features=1, bias=False)
    """

    def __init__(self, filters: nn.Module) -> None:
        super().__init__()
        if not isinstance(getattr(filters, "out_channels", None), int):
            raise ValueError(
                f"'filters' should have an attribute 'out_channels', their number, and "
                f"{type(filters).__name__} has none."
            )
        self.filters = filters.requires_grad_(False)
        self.head = nn.Linear(filters.out_channels, 1, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        r"""Returns outputs, with shape :math:`(B, 1)`, of images :math:`(B, C, H, W)`."""
        return self.head(self.filters(x).relu().sum((2, 3)))


class GaborBank(Described, nn.Conv2d):
    r"""The bank of :func:`filter_bank`: Gabor filters and differences of Gaussians.

    It maps images :math:`(B, C, H, W)` to the responses of :math:`K` filters without a margin,
    with shape :math:`(B, K, H - S + 1, W - S + 1)`.

    The bank has no thresholds, so that its FRAME potential is positively homogeneous.

    Arguments:
        channels: The number of image channels :math:`C`, 1 or 3.
        size: The width and height :math:`S` of the filters, in pixels.

    Raises:
        ValueError: If `channels` is neither 1 nor 3, or `size` is below 3.
    """

    def __init__(self, channels: int = 3, size: int = 13) -> None:
        filters = filter_bank(channels, size)
        super().__init__(channels, len(filters), size, bias=False)
        self.weight = nn.Parameter(filters, requires_grad=False)


class VGGBank(Described, nn.Module):
    r"""The first convolutions of VGG-16, trained on ImageNet, as a bank of filters.

    Grey images are repeated to three channels.

    References:
        Very Deep Convolutional Networks for Large-Scale Image Recognition (Simonyan and Zisserman,
        2015), https://arxiv.org/abs/1409.1556

    Arguments:
        path: The file of torchvision's weights of VGG-16. No code in the file is run.
        layers: The number of convolutions, 1 to 4: conv1_1, conv1_2, conv2_1 and conv2_2.

    Attributes:
        out_channels: The number of maps :math:`K`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds other weights, or `layers` is not 1, 2, 3 or 4.
    """

    def __init__(self, path: Path | str, layers: int = 4) -> None:
        super().__init__()
        if layers not in (1, 2, 3, 4):
            raise ValueError(f"'layers' should be 1, 2, 3 or 4, got {layers!r}.")
        # The index of a module is that in the keys of torchvision's weights.
        features: list[nn.Module] = [
            *(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(inplace=True)),
            nn.Conv2d(128, 128, 3, padding=1),
        ]
        last = (0, 2, 5, 7)[layers - 1]
        self.features = nn.Sequential(*features[: last + 1])
        self.out_channels: int = features[last].out_channels
        _load_features(self.features, Path(path))
        self.requires_grad_(False)
        # The statistics of ImageNet are for pixels p in [0, 1]; pixels here are 2 p - 1.
        mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        self.register_buffer("mean", 2 * mean - 1, persistent=False)
        self.register_buffer("std", 2 * std, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        r"""Returns inner products, with shape :math:`(B, K, H', W')`.

        Arguments:
            x: The images in [-1, 1], with shape :math:`(B, 1, H, W)` or :math:`(B, 3, H, W)`.
        """
        return self.features((x.expand(-1, 3, -1, -1) - self.mean) / self.std)


def _load_features(features: nn.Module, path: Path) -> None:
    r"""Loads the weights of modules from a file, where their names begin with `features.`.

    Arguments:
        features: The modules, with the names that follow `features.` in the file.
        path: The path of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or holds other weights.
    """
    # torchvision's file is of the format before torch 1.6.
    weights = load_tensors("path", path, legacy=True)
    try:
        features.load_state_dict(
            {key: weights[f"features.{key}"] for key in features.state_dict()}
        )
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"'path' = {str(path)!r} should hold torchvision's weights of VGG-16, by names such "
            "as 'features.0.weight'."
        ) from error
