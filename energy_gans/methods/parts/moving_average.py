r"""Exponential moving averages of networks.

The first update copies the network. The n-th, from the second on, moves the average to
:math:`\beta_n \bar\theta + (1 - \beta_n) \theta` with the decay
:math:`\beta_n = \min(\beta, (n - 1) / (n + 8))`, which forgets the start quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn as nn
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ...functional import warmed_decay

if TYPE_CHECKING:
    from ..bases.generative import GenerativeModule


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


def match_average(model: GenerativeModule, state: dict[str, Tensor], trains: bool) -> None:
    r"""Makes a checkpoint's weights and a model agree on whether there is a moving average.

    A run that goes on without one drops the checkpoint's, which would only freeze; a run that goes on with
    one that the checkpoint lacks starts it from the checkpoint's weights.

    Arguments:
        model: The model that the weights are about to be loaded into.
        state: The weights, which are changed in place.
        trains: Whether a run goes on from them.
    """
    keys = [key for key in state if key.startswith("averaged.")]
    if keys and model.averaged is None:
        if trains:
            for key in keys:
                del state[key]
        else:
            model.average(decay=0.0).to(memory_format=model.memory_format)
    elif not keys and model.averaged is not None:
        model.load_state_dict(state, strict=False)
        model.averaged = MovingAverage(model.ema_source, model.averaged.decay)
        state |= {f"averaged.{key}": value for key, value in model.averaged.state_dict().items()}
