r"""Exponential moving averages of networks.

The first update copies the network. The :math:`n`-th update, from the second on, is
:math:`\bar\theta \leftarrow \beta_n \bar\theta + (1 - \beta_n) \theta` with the decay
:math:`\beta_n = \min(\beta, (n - 1) / (n + 8))`, which soon forgets the initial weights.
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
    r"""An exponential moving average of a network, its buffers included.

    Arguments:
        network: The network, with its initial weights.
        decay: The decay :math:`\beta` of late updates.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=self.lerp, use_buffers=True)
        self.requires_grad_(False)
        self.decay = decay

    def lerp(self, averaged: list[Tensor], current: list[Tensor], n: Tensor) -> None:
        r"""Moves averages towards current values; see `torch.optim.swa_utils.AveragedModel`."""
        if averaged[0].is_floating_point():
            # The first update of AveragedModel is a copy. The second one calls this function with
            # n = 1.
            torch._foreach_lerp_(averaged, current, 1 - warmed_decay(self.decay, int(n) - 1))
        else:
            torch._foreach_copy_(averaged, current)


def match_average(model: GenerativeModule, state: dict[str, Tensor], trains: bool) -> None:
    r"""Makes a model and the weights of a checkpoint agree on whether there is a moving average.

    If only the checkpoint has a moving average, a run that continues drops it, as it would no
    longer change; otherwise the model gets one. If only the model has a moving average, it starts
    from the checkpoint's weights.

    Arguments:
        model: The model that the weights are going to be loaded into.
        state: The weights, which are changed in place.
        trains: Whether a run continues from the weights.
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
