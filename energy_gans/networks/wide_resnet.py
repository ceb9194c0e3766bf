r"""Wide residual networks without batch norm: smooth potentials of images.

The network has a 3x3 convolution, then levels of residual blocks with a halving of the maps
between levels, and then the potential

.. math:: \Phi(x) = \Big\langle w, 4^n \sum_p \mathrm{GELU}(h_p(x)) \Big\rangle + b

of the maps :math:`h` at positions :math:`p`. After :math:`n` halvings, a position represents the
mean of :math:`4^n` pixels. Without the factor :math:`4^n` the initial gradient at a pixel would be
smaller by that factor, and training would have to make up for it. A block is :math:`h + R(h)`,
whose residual

.. math:: R(h) = W_2 * \mathrm{GELU}(W_1 * \mathrm{GELU}(h) + P \, \mathrm{GELU}(e(s)))

is initialised to zero. The embedding :math:`e` of a time :math:`s` is optional. GELUs are smooth,
unlike leaky ReLUs, so that :math:`\|\nabla_x \Phi\|^2` has a gradient in :math:`x`, too.

With weight normalisation, :math:`W = g V / \|V\|`, the gains :math:`g` of :math:`W_2`, one per
output map, are initialised to zero, and the directions :math:`V` like those of any other
convolution. Without weight normalisation, :math:`W_2` has a factor for each output map instead.

The network is that of recovery likelihood with changes from the paper of the variational potential
flow: GELUs instead of leaky ReLUs, and no time. The factor :math:`4^n` is our addition. The
paper lists two more changes, whose text is missing from the version that we had. Following the
works that it cites, we use weight normalisation instead of spectral normalisation, and penalise
spectral norms.

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative
    Modelling (Loo et al., 2024), https://arxiv.org/abs/2407.15238
    Learning Energy-Based Models by Diffusion Recovery Likelihood (Gao et al., 2021),
    https://arxiv.org/abs/2012.08125
    Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural
    Networks (Salimans and Kingma, 2016), https://arxiv.org/abs/1602.07868
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn.functional import avg_pool2d, gelu
from torch.nn.utils import parametrizations, parametrize

from ..checks import check_count
from ..descriptions import Described
from .descriptor import Descriptor
from .labels import check_time
from .spectral import SpectralSum

_TIME_SCALE = 1000
_LOWEST_FREQUENCY = 1e-4


class WideResNet(Described, nn.Module):
    r"""A wide residual network with one output.

    The networks of recovery likelihood have a width of 128. The table lists their numbers of
    parameters with our head, without and with weight normalisation, which replaces the factors of
    the second convolutions by gains and adds gains to all other convolutions.

    ============  ====  ==================  ======  ==========  ===========
    data          size  multipliers         blocks  parameters  with gains
    ============  ====  ==================  ======  ==========  ===========
    CIFAR-10      32    (1, 2, 2, 2)        8       30,696,449  30,704,001
    CelebA        64    (1, 2, 2, 2, 4)     6       51,344,897  51,354,241
    LSUN          64    (1, 2, 2, 2, 4)     2       17,118,209  17,121,921
    LSUN church   128   (1, 2, 2, 2, 4, 4)  2       26,558,465  26,563,201
    LSUN bedroom  128   (1, 2, 2, 2, 4, 4)  5       66,388,865  66,399,361
    ============  ====  ==================  ======  ==========  ===========

    Arguments:
        channels: The number of image channels :math:`C`.
        size: The width and height of the image, in pixels; it halves between levels.
        width: The number of maps for the multiplier 1.
        multipliers: The number of maps on each level, in units of `width`.
        blocks: The number of residual blocks on each level.
        classes: The number of classes, or `None` if there are no labels. Labels enter by the
            projection of :class:`Descriptor`.
        time_conditioned: Whether the network takes times.
        weight_norm: Whether convolutions are weight-normalised.

    Raises:
        ValueError: If a number is below 1, or `size` can not be halved between all levels.

    Example:
        A small network, for two cores:

        >>> phi = WideResNet(1, 28, width=16, multipliers=(1, 2, 2), blocks=1)
        >>> sum(p.numel() for p in phi.parameters())
        42065
    """

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 2, 2),
        blocks: int = 8,
        classes: int | None = None,
        time_conditioned: bool = False,
        weight_norm: bool = True,
    ) -> None:
        super().__init__()
        _check_sizes(size, width, multipliers, blocks)
        self.time_conditioned = time_conditioned
        features = 4 * width if time_conditioned else None
        self.embedding = None if features is None else _time_embedding(width, features)
        self.stem = _convolution(channels, width, weight_norm)
        self.levels = nn.ModuleList()
        for before, after in pairwise([width, *(width * m for m in multipliers)]):
            maps = pairwise([before, *[after] * blocks])
            self.levels.append(
                nn.ModuleList(_WideBlock(*pair, weight_norm, features) for pair in maps)
            )
        self.head = Descriptor(nn.Identity(), width * multipliers[-1], classes)
        self.spectral_sum = SpectralSum(w.shape for w in self.weights())

    def forward(
        self, x: Tensor, label: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        r"""Returns outputs, with shape :math:`(B, 1)`, of images :math:`(B, C, H, W)`.

        Arguments:
            x: The images, with shape :math:`(B, C, H, W)`.
            label: The classes of the images, with shape :math:`(B)`; `None` without classes.
            time: The times :math:`s` of the images in [0, 1], with shape :math:`(B)`; `None`
                without times.

        Raises:
            ValueError: If labels or times are missing or unexpected.
        """
        check_time(time, self.time_conditioned, x.shape[0])
        embedded = None if self.embedding is None else self.embedding(time)
        h = self.stem(x)
        for i, level in enumerate(self.levels):
            h = avg_pool2d(h, 2) if i > 0 else h
            for block in level:
                h = block(h, embedded)
        pixels = 4 ** (len(self.levels) - 1)
        return self.head(pixels * gelu(h).sum((2, 3)), label)

    def spectral_norms(self) -> Tensor:
        r"""Returns the :class:`SpectralSum` of the convolutions, a scalar penalty for a loss."""
        return self.spectral_sum(self.weights())

    def weights(self) -> list[Tensor]:
        r"""Returns the weights of all convolutions, of any shapes, with their gains applied."""
        return [m.weight for m in self.modules() if isinstance(m, nn.Conv2d)]


class _WideBlock(nn.Module):
    r"""A residual block, from :math:`(B, C, H, W)` to :math:`(B, C', H, W)`.

    The residual is initialised to zero.

    Arguments:
        before: The number of input maps :math:`C`.
        after: The number of output maps :math:`C'`. If :math:`C' \neq C`, the shortcut is a
            convolution.
        weight_norm: Whether convolutions are weight-normalised.
        time_features: The dimension of the embedding of times, or `None` without times.
    """

    def __init__(
        self, before: int, after: int, weight_norm: bool = True, time_features: int | None = None
    ) -> None:
        super().__init__()
        self.first = _convolution(before, after, weight_norm)
        self.second = _convolution(after, after, weight_norm, zero=True)
        self.shortcut: nn.Module = nn.Identity()
        if before != after:
            self.shortcut = _convolution(before, after, weight_norm)
        self.projection = None if time_features is None else nn.Linear(time_features, after)

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        h = self.first(gelu(x))
        if self.projection is not None:
            h = h + self.projection(gelu(time))[:, :, None, None]
        return self.shortcut(x) + self.second(gelu(h))


class _Sinusoids(nn.Module):
    r"""Sinusoidal embeddings, with shape :math:`(B, 2 F)`, of times :math:`(B)` in [0, 1].

    Times are scaled by 1000, as if they were steps of a diffusion, and multiplied by :math:`F`
    frequencies from 1 down to 1e-4, evenly spaced on a logarithmic scale.

    Arguments:
        frequencies: The number of frequencies :math:`F`.
    """

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        exponents = torch.linspace(0, 1, frequencies)
        self.register_buffer(
            "frequencies", _TIME_SCALE * _LOWEST_FREQUENCY**exponents, persistent=False
        )

    def forward(self, time: Tensor) -> Tensor:
        angles = time[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], 1)


class _MapScales(nn.Module):
    r"""A parametrization of a weight by a factor for each output map, initialised to zero."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(maps))

    def forward(self, weight: Tensor) -> Tensor:
        return self.scale[:, None, None, None] * weight


def _convolution(before: int, after: int, weight_norm: bool, zero: bool = False) -> nn.Conv2d:
    r"""Returns a 3x3 convolution that keeps the size, with Glorot's uniform initialisation.

    Arguments:
        before: The number of input maps.
        after: The number of output maps.
        weight_norm: Whether the convolution is weight-normalised.
        zero: Whether the output is initialised to zero, by gains or, without weight normalisation,
            factors.
    """
    layer = nn.Conv2d(before, after, 3, padding=1)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    if weight_norm:
        parametrizations.weight_norm(layer)
        if zero:
            nn.init.zeros_(layer.parametrizations.weight.original0)
    elif zero:
        parametrize.register_parametrization(layer, "weight", _MapScales(after))
    return layer


def _time_embedding(width: int, features: int) -> nn.Sequential:
    r"""Returns layers from times, with shape (B), to embeddings, with shape (B, F)."""
    dense = nn.Linear(2 * width, features), nn.Linear(features, features)
    return nn.Sequential(_Sinusoids(width), dense[0], nn.GELU(), dense[1])


def _check_sizes(size: int, width: int, multipliers: Sequence[int], blocks: int) -> None:
    r"""Raises a `ValueError` unless the arguments of :class:`WideResNet` fit each other."""
    check_count("width", width)
    check_count("blocks", blocks)
    if min(multipliers, default=0) < 1:
        raise ValueError(f"'multipliers' should be one or more numbers from 1, got {multipliers}.")
    unit = 2 ** (len(multipliers) - 1)
    if size < 1 or size % unit:
        raise ValueError(
            f"'size' should be a multiple of {unit} for multipliers {tuple(multipliers)}, "
            f"got {size}."
        )
