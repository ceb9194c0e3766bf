r"""Autoencoders, :math:`D(v) = \text{dec}(\text{enc}(v))`."""

from __future__ import annotations

import torch.nn as nn
from torch import Tensor

from ..descriptions import Described


class Autoencoder(Described, nn.Module):
    r"""An encoder followed by a decoder.

    References:
        BEGAN: Boundary Equilibrium Generative Adversarial Networks (Berthelot et al., 2017),
        https://arxiv.org/abs/1703.10717

    Arguments:
        encoder: The encoder, from :math:`(B, *)` to codes :math:`(B, H)`.
        decoder: The decoder, from codes :math:`(B, H)` to :math:`(B, *)`.

    Example:
        >>> autoencoder = Autoencoder(nn.Linear(8, 3), nn.Linear(3, 8))
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, v: Tensor) -> Tensor:
        r"""Returns reconstructions, with shape :math:`(B, *)`, of samples :math:`(B, *)`."""
        return self.decoder(self.encoder(v))
