r"""Perceptrons on Fourier features, for potentials of points in a few dimensions.

Perceptrons learn functions of high frequency slowly. Here their inputs are a point :math:`x` and
its Fourier features :math:`\sin(2 \pi B x)` and :math:`\cos(2 \pi B x)`. The frequencies :math:`B`
are drawn once from a normal distribution and fixed. A time :math:`s` in [0, 1] enters by its
Fourier features with the frequencies 1/2, 1, 3/2 and so on.

References:
    Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains (Tancik
    et al., 2020), https://arxiv.org/abs/2006.10739
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn as nn
from torch import Tensor

from ..descriptions import Described
from .labels import check_label, check_time
from .mlp import MLP


class FourierMLP(Described, nn.Module):
    r"""A perceptron with one output on Fourier features of points, and of times and labels.

    Arguments:
        in_features: The number of coordinates :math:`D` of a point.
        hidden_features: The widths of the hidden layers.
        frequencies: The number of frequencies of points, and of times.
        bandwidth: The standard deviation of the frequencies of points, in cycles per unit.
        time_conditioned: Whether the network takes times.
        classes: The number of classes, or `None` if there are no labels.
        activation: The constructor of the activations.

    Example:
        >>> FourierMLP(2, [64], frequencies=32)(torch.zeros(5, 2)).shape
        torch.Size([5, 1])
    """

    def __init__(
        self,
        in_features: int = 2,
        hidden_features: Sequence[int] = (256, 256, 256),
        frequencies: int = 64,
        bandwidth: float = 1.0,
        time_conditioned: bool = False,
        classes: int | None = None,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        self.time_conditioned, self.classes = time_conditioned, classes
        self.register_buffer("points", bandwidth * torch.randn(frequencies, in_features))
        self.register_buffer("times", torch.arange(1, frequencies + 1)[:, None] / 2)
        self.embedding = None if classes is None else nn.Embedding(classes, frequencies)
        inputs = in_features + 2 * frequencies
        inputs += 2 * frequencies if time_conditioned else 0
        inputs += 0 if classes is None else frequencies
        self.layers = MLP(inputs, 1, hidden_features, activation)

    def forward(
        self, x: Tensor, label: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        r"""Returns outputs, with shape :math:`(B, 1)`, of points :math:`(B, D)`.

        Arguments:
            x: The points, with shape :math:`(B, D)`.
            label: The classes of the points, with shape :math:`(B)`; `None` without classes.
            time: The times of the points in [0, 1], with shape :math:`(B)`; `None` without times.

        Raises:
            ValueError: If labels or times are missing or unexpected.
        """
        check_label(label, self.classes, x.shape[0])
        check_time(time, self.time_conditioned, x.shape[0])
        parts = [x, _fourier_features(x, self.points)]
        if time is not None:
            parts.append(_fourier_features(time[:, None], self.times))
        if label is not None:
            parts.append(self.embedding(label))
        return self.layers(torch.cat(parts, 1))


def _fourier_features(x: Tensor, frequencies: Tensor) -> Tensor:
    r"""Returns sines and cosines, with shape :math:`(B, 2 F)`, of points :math:`(B, D)`."""
    angles = 2 * math.pi * x @ frequencies.T
    return torch.cat([angles.sin(), angles.cos()], 1)
