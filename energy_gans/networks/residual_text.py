r"""Residual networks of one-dimensional convolutions, for lines of text.

A line of :math:`L` characters of a vocabulary of :math:`V` symbols has the shape :math:`(V, L)`:
one-hot columns of real text, and columns of probabilities, from a softmax over the symbols, of
generated text. Each block is :math:`h + 0.3 f(h)`, where :math:`f` is ReLU, a convolution of five
places, ReLU, and another such convolution.

WGAN-GP has no normalisation. The Coulomb GAN has batch norm in the generator, after the dense
layer and after each convolution of a block, with a shift and no scale. Convolutions before batch
norm have no bias, which it would remove.

References:
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), Section 5.3,
    https://arxiv.org/abs/1704.00028
    Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al., 2018),
    Section 5.3, https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

from typing import Literal

import torch.nn as nn
from torch import Tensor

from ..checks import check_count
from ..descriptions import Described

Norm = Literal["none", "batch"]
_KERNEL = 5
_WEIGHT = 0.3


class _ResidualBlock(nn.Module):
    r"""A residual block, from :math:`(B, C, L)` to :math:`(B, C, L)`.

    Arguments:
        width: The number of maps :math:`C`.
        norm: Whether batch norm follows each convolution.
    """

    def __init__(self, width: int, norm: Norm) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            convolution = nn.Conv1d(width, width, _KERNEL, padding=2, bias=norm == "none")
            nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")
            # Not in place: the sum needs the input of the first activation.
            layers += [nn.ReLU(), convolution, *_norm_layers(width, norm)]
        self.residual = nn.Sequential(*layers)

    def forward(self, h: Tensor) -> Tensor:
        return h + _WEIGHT * self.residual(h)


class ResidualTextGenerator(Described, nn.Sequential):
    r"""The residual generator of lines of text, from :math:`(B, Z)` to :math:`(B, V, L)`.

    Its output is a distribution over the symbols at each place.

    Arguments:
        latent_dim: The number of latents :math:`Z`.
        symbols: The number of symbols :math:`V`.
        length: The number of characters :math:`L`.
        width: The number of maps; 512 in the papers.
        blocks: The number of residual blocks; 5 in the papers.
        norm: `"batch"` as in the Coulomb GAN paper, or `"none"` as in the WGAN-GP paper.

    Raises:
        ValueError: If a number is not positive, or `norm` is unknown.
    """

    def __init__(
        self,
        latent_dim: int = 128,
        symbols: int = 128,
        length: int = 32,
        width: int = 512,
        blocks: int = 5,
        norm: Norm = "none",
    ) -> None:
        check_count("latent_dim", latent_dim)
        _check_sizes(symbols, length, width, blocks, norm)
        super().__init__(
            nn.Linear(latent_dim, width * length),
            nn.Unflatten(1, (width, length)),
            *_norm_layers(width, norm),
            *[_ResidualBlock(width, norm) for _ in range(blocks)],
            nn.Conv1d(width, symbols, 1),
            nn.Softmax(1),
        )
        _initialize_ends(self)


class ResidualTextDiscriminator(Described, nn.Sequential):
    r"""The residual discriminator of lines of text, from :math:`(B, V, L)` to :math:`(B, n)`.

    Arguments:
        symbols: The number of symbols :math:`V`.
        length: The number of characters :math:`L`.
        width: The number of maps; 512 in the papers.
        blocks: The number of residual blocks; 5 in the papers.
        norm: `"none"` as in the papers, or `"batch"`.
        out_features: The number of outputs :math:`n`; 1 unless they are features.

    Raises:
        ValueError: If a number is not positive, or `norm` is unknown.
    """

    def __init__(
        self,
        symbols: int = 128,
        length: int = 32,
        width: int = 512,
        blocks: int = 5,
        norm: Norm = "none",
        out_features: int = 1,
    ) -> None:
        _check_sizes(symbols, length, width, blocks, norm)
        check_count("out_features", out_features)
        super().__init__(
            nn.Conv1d(symbols, width, 1),
            *[_ResidualBlock(width, norm) for _ in range(blocks)],
            nn.Flatten(),
            nn.Linear(width * length, out_features),
        )
        _initialize_ends(self)


def _check_sizes(symbols: int, length: int, width: int, blocks: int, norm: Norm) -> None:
    r"""Raises a `ValueError` for sizes that are not positive, or an unknown norm."""
    sizes = {"symbols": symbols, "length": length, "width": width, "blocks": blocks}
    for name, value in sizes.items():
        check_count(name, value)
    if norm not in ("none", "batch"):
        raise ValueError(f"'norm' should be 'none' or 'batch', got {norm!r}.")


def _norm_layers(width: int, norm: Norm) -> list[nn.Module]:
    r"""Returns batch norm without a scale, or no layer."""
    if norm == "none":
        return []
    layer = nn.BatchNorm1d(width)
    layer.weight.requires_grad_(False)
    return [layer]


def _initialize_ends(network: nn.Sequential) -> None:
    r"""Initializes the layers outside of the blocks, whose activations are linear."""
    for layer in network:
        if isinstance(layer, (nn.Linear, nn.Conv1d)):
            nn.init.xavier_uniform_(layer.weight)
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
