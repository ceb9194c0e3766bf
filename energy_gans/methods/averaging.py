r"""Exponential moving averages of networks.

The first update copies the network. The n-th, from the second on, moves the average to
:math:`\beta_n \bar\theta + (1 - \beta_n) \theta` with the decay
:math:`\beta_n = \min(\beta, (n - 1) / (n + 8))`, which forgets the start quickly.
"""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ..functional import warmed_decay


class MovingAverage(AveragedModel):
    r"""Creates an exponential moving average of a network and of its buffers, batch norm's too.

    Arguments:
        network: The network, as it is at the start.
        decay: The decay :math:`\beta` that is approached.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=self.lerp, use_buffers=True)
        self.requires_grad_(False)
        self.decay = decay

    def lerp(self, averaged: list[Tensor], current: list[Tensor], n: Tensor) -> None:
        if averaged[0].is_floating_point():
            # AveragedModel's first update is a copy, after which this is called with n = 1.
            torch._foreach_lerp_(averaged, current, 1 - warmed_decay(self.decay, int(n) - 1))
        else:
            torch._foreach_copy_(averaged, current)
