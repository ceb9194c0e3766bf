r"""Generative ConvNets: a potential that is trained by maximum likelihood.

Each update runs Langevin chains of the present potential, and ascends the likelihood with the ends
of the chains (:mod:`energy_gans.methods.bases.contrastive`).

With :math:`\gamma = 0`, this is the generative ConvNet (GCN); with :math:`\gamma > 0`, the
Wasserstein generative ConvNet (wGCN). With linear weights on a frozen bank of filters, they are
FRAME and wFRAME.

Chains start at one of three places: where an earlier chain ended (persistent, Algorithm 1), at
real samples (contrastive divergence), or at noise (short runs).

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Algorithm 1, https://arxiv.org/abs/1910.14216
    A Theory of Generative ConvNet (Xie et al., 2016), https://arxiv.org/abs/1602.03264
"""

from __future__ import annotations

from typing import Literal

import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from .bases.arguments import base_arguments
from .bases.contrastive import ContrastiveModule
from .bases.optimizers import SLOWEST_ADAM
from .bases.replay import ReplayMixin
from .parts.chains import Chains
from .parts.replay_buffer import State

_STARTS = ("persistent", "data", "noise")


class GCN(ReplayMixin, ContrastiveModule):
    r"""The generative ConvNet of Xie et al., and the Wasserstein one of Wu et al.

    Arguments:
        start: The start of chains: `"persistent"`, states of a replay buffer, `"data"` or
            `"noise"`.
        restart: The share of persistent chains that start anew, at noise.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        descriptor: nn.Module,
        shape: list[int],
        chains: Chains | None = None,
        *,
        start: str = "persistent",
        gamma: float = 0.0,
        penalized: Literal["all", "head"] = "all",
        magnitude: float = 0.0,
        classes: int | None = None,
        buffer_size: int = 4096,
        restart: float = 0.0,
        buffer_dtype: Literal["float32", "uint8"] = "float32",
        buffer_folder: str | None = None,
        sample_steps: int | None = None,
        half_chains: bool = False,
        compile_gradient: bool = False,
        descriptor_optimizer: OptimizerCallable = SLOWEST_ADAM,
        descriptor_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(GCN, locals()))
        if start not in _STARTS:
            raise ValueError(f"'start' should be one of {_STARTS}, got {start!r}.")
        self.start = start

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        label = None if self.classes is None else label
        state = self.initial_states(y, label)
        label_x = state.get("label")
        x = self.run_chains(self.descriptor, state["x"], label_x)
        losses = self.losses(self.descriptor, state["x"], x, label_x, y, label)
        loss = self.descend(self.optimizers(), losses)
        if self.start == "persistent":
            self.buffer.store(state | {"x": x})
        return {"loss_d": loss}

    def initial_states(self, y: Tensor, label: Tensor | None) -> State:
        r"""Returns the states at which the update's chains start.

        Arguments:
            y: The real samples, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.

        Returns:
            The points `x`, with shape :math:`(B, *)`, and `label`, if there are classes.
        """
        state = {} if label is None else {"label": label}
        if self.start == "data":
            return state | {"x": y}
        state["x"] = self.chains.start(self.share_of, len(y), self.shape)
        return self.replay(state) if self.start == "persistent" else state
