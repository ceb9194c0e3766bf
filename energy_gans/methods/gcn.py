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

from typing import Any

from torch import Tensor

from .bases.contrastive import ContrastiveModule
from .bases.replay import ReplayMixin
from .parts.replay_buffer import State

_STARTS = ("persistent", "data", "noise")


class GCN(ReplayMixin, ContrastiveModule):
    r"""The generative ConvNet of Xie et al., and the Wasserstein one of Wu et al.

    Arguments:
        start: The start of chains: `"persistent"`, states of a replay buffer, `"data"` or
            `"noise"`.
        kwargs: The arguments of :class:`ReplayMixin` and :class:`ContrastiveModule`. Persistent
            chains restart at noise.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, start: str = "persistent", **kwargs: Any) -> None:
        super().__init__(**kwargs)
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
