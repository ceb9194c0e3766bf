r"""Multilayer perceptrons for points in a few dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch.nn as nn

from ..descriptions import Described


class MLP(Described, nn.Sequential):
    r"""A multilayer perceptron with a linear output.

    It maps points :math:`(B, D)` to :math:`(B, F)`.

    Weights are drawn from He's normal distribution, those of the last layer from Glorot's, and
    biases are zero. PyTorch's default has smaller weights; generators that start from it fit
    mixtures less sharply.

    References:
        Delving Deep into Rectifiers (He et al., 2015), https://arxiv.org/abs/1502.01852

    Arguments:
        in_features: The number :math:`D` of input features.
        out_features: The number :math:`F` of output features.
        hidden_features: The widths of the hidden layers.
        activation: The constructor of the activations.

    Raises:
        ValueError: If a width is not positive.

    Example:
        >>> MLP(2, 1, [64])
        MLP(
          (0): Linear(in_features=2, out_features=64, bias=True)
          (1): ReLU()
          (2): Linear(in_features=64, out_features=1, bias=True)
        )
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden_features: Sequence[int] = (128, 128, 128),
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        widths = [in_features, *hidden_features, out_features]
        if min(widths) < 1:
            raise ValueError(f"The widths of an MLP should be at least 1, got {widths}.")
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), activation()]
        super().__init__(*layers[:-1])
        linears = [layer for layer in self if isinstance(layer, nn.Linear)]
        for layer in linears:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.xavier_normal_(linears[-1].weight)
