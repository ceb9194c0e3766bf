r"""Generative ConvNets: a potential that is learned from real samples and from its own.

Each update runs Langevin chains of the present potential, and climbs the likelihood by what they come
to (:mod:`energy_gans.methods.bases.contrastive`).

With :math:`\gamma = 0` it is the generative ConvNet (GCN), with more the Wasserstein one (wGCN). On a
frozen bank of filters with linear weights they are FRAME and wFRAME.

Three ways to start a chain: where one was left (persistent, Algorithm 1), at real samples
(contrastive divergence), or from noise (short runs).

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Algorithm 1, https://arxiv.org/abs/1910.14216
    A Theory of Generative ConvNet (Xie et al., 2016), https://arxiv.org/abs/1602.03264
"""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from .bases.contrastive import ContrastiveModule
from .parts.replay_buffer import ReplayBuffer, State

STARTS = ("persistent", "data", "noise")


class GCN(ContrastiveModule):
    r"""Creates a generative ConvNet.

    Arguments:
        start: Where chains start: `"persistent"`, in a replay buffer, at `"data"`, or from `"noise"`.
        buffer_size: The number of states in the buffer, a multiple of the minibatch; equal to it,
            the buffer holds one chain for each place.
        restart: The share of persistent chains that start from noise.
        buffer_dtype: How states are kept, `"float32"` or `"uint8"`.
        buffer_folder: The folder of the file that holds the states; memory if `None`.
        kwargs: The arguments of :class:`ContrastiveModule`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        start: str = "persistent",
        buffer_size: int = 4096,
        restart: float = 0.0,
        buffer_dtype: Literal["float32", "uint8"] = "float32",
        buffer_folder: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if start not in STARTS:
            raise ValueError(f"'start' should be one of {STARTS}, got {start!r}.")
        self.start = start
        self.buffer = ReplayBuffer(buffer_size, restart, buffer_dtype, buffer_folder)

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        label = None if self.classes is None else label
        state = self.starts(y, label)
        label_x = state.get("label")
        x = self.run_chains(self.descriptor, state["x"], label_x)
        losses = self.losses(self.descriptor, state["x"], x, label_x, y, label)
        loss = self.descend(self.optimizers(), losses)
        if self.start == "persistent":
            self.buffer.store(state | {"x": x})
        return {"loss_d": loss}

    def starts(self, y: Tensor, label: Tensor | None) -> State:
        r"""Returns where the update's chains start: `x`, with shape :math:`(B, *)`, and `label`."""
        state = {} if label is None else {"label": label}
        if self.start == "data":
            return state | {"x": y}
        state["x"] = self.chains.start(self.share_of, len(y), self.shape)
        return self.replay(state) if self.start == "persistent" else state
