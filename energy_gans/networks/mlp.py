r"""Multilayer perceptrons for points in a few dimensions."""

from __future__ import annotations

import torch.nn as nn
from collections.abc import Callable, Sequence


class MLP(nn.Sequential):
    r"""Creates a multilayer perceptron, linear at its end.

    Arguments:
        in_features: The number of input features.
        out_features: The number of output features.
        hidden_features: The widths of the hidden layers.
        activation: The constructor of the activations.

    Raises:
        ValueError: If a width is not positive.

    Example:
        >>> MLP(2, 1, [64])
        MLP(
          (0): Linear(in_features=2, out_features=64, bias=True)
          (1): LeakyReLU(negative_slope=0.01)
          (2): Linear(in_features=64, out_features=1, bias=True)
        )
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden_features: Sequence[int] = (128, 128),
        activation: Callable[[], nn.Module] = nn.LeakyReLU,
    ) -> None:
        widths = [in_features, *hidden_features, out_features]
        if min(widths) < 1:
            raise ValueError(f"The widths of an MLP should be at least 1, got {widths}.")
        layers: list[nn.Module] = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(before, after), activation()]
        super().__init__(*layers[:-1])
