r"""Generative ConvNets: a potential that is learned from real samples and from its own.

Each update runs Langevin chains of the present potential, from :math:`x_{t-1}` to :math:`x_t`, and
climbs (Eq. 18)

.. math::
    \mathbb{E}_y \Phi(y) - \mathbb{E} \Phi(x_t) - \frac{\gamma}{2} \left[
        \zeta \, \mathbb{E} \|\nabla \Phi(x_{t-1})\|^2 + (1 - \zeta) \, \mathbb{E} \|\nabla \Phi(x_t)\|^2
    \right] \qquad \zeta \sim \mathcal{U}[0, 1]

With :math:`\gamma = 0` it is the generative ConvNet (GCN), with more the Wasserstein one (wGCN). On a
frozen bank of filters with linear weights they are FRAME and wFRAME.

Three ways to start a chain: where one was left (persistent, Algorithm 1), at real samples
(contrastive divergence), or from noise (short runs).

Choices of ours where the paper's text has lost its equations: the sign and the factor of the last term,
see :mod:`energy_gans.functional.contrastive`; :math:`x_{t-1}` is where the update's chains start; one
:math:`\zeta` an update. The paper puts the term on the linear weights alone (Eq. 18, `"head"` here),
and moves filters by the likelihood (Eq. 3); here all weights feel it, unless that is asked for.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Algorithm 1, https://arxiv.org/abs/1910.14216
    A Theory of Generative ConvNet (Xie et al., 2016), https://arxiv.org/abs/1602.03264
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import functional_call

from ..functional import contrastive_loss, fold, magnitude, transport_cost
from .energy import EnergyModule
from .replay import ReplayBuffer, State


class GCN(EnergyModule):
    r"""Creates a generative ConvNet.

    Arguments:
        gamma: The size :math:`\gamma` of a step of the Wasserstein flow; 0 for none.
        penalized: Which weights the term of :math:`\gamma` moves: `"all"`, or those of the
            descriptor's last layer, which it has to call `head`.
        start: Where chains start: `"persistent"`, in a replay buffer, at `"data"`, or from `"noise"`.
        buffer_size: The number of states in the buffer, a multiple of the minibatch; equal to it,
            the buffer holds one chain for each place.
        restart: The share of persistent chains that start from noise.
        buffer_dtype: How states are kept, `"float32"` or `"uint8"`.
        buffer_folder: The folder of the file that holds the states; memory if `None`.
        magnitude: The factor on :math:`\mathbb{E} \Phi^2`, which keeps the potential near zero.
        kwargs: The arguments of :class:`EnergyModule`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    STARTS: tuple[str, ...] = ("persistent", "data", "noise")

    def __init__(
        self,
        gamma: float = 0.0,
        penalized: Literal["all", "head"] = "all",
        start: str = "persistent",
        buffer_size: int = 4096,
        restart: float = 0.0,
        buffer_dtype: Literal["float32", "uint8"] = "float32",
        buffer_folder: str | None = None,
        magnitude: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("gamma", gamma), ("magnitude", magnitude)):
            if not value >= 0:
                raise ValueError(f"{name!r} should not be negative, got {value!r}.")
        choices = {"penalized": ("all", "head"), "start": self.STARTS}
        for (name, accepted), value in zip(choices.items(), (penalized, start), strict=True):
            if value not in accepted:
                raise ValueError(f"{name!r} should be one of {accepted}, got {value!r}.")
        if penalized == "head" and not hasattr(self.descriptor, "head"):
            raise ValueError(
                "'penalized' is 'head', and the descriptor has no layer of that name."
            )
        self.gamma, self.penalized, self.start = gamma, penalized, start
        self.magnitude = magnitude
        self.buffer = ReplayBuffer(buffer_size, restart, buffer_dtype, buffer_folder)
        self.saved_states: State | None = None
        self.interpolation = torch.Generator()

    # The update

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        label = None if self.classes is None else label
        state = self.starts(y, label)
        label_x = state.get("label")
        x = self.climbed(state["x"], label_x)
        loss = self.descend(self.optimizers(), self.losses(state["x"], x, label_x, y, label))
        if self.start == "persistent":
            self.buffer.store(state | {"x": x})
        return {"loss_d": loss}

    def starts(self, y: Tensor, label: Tensor | None) -> State:
        r"""Returns where the update's chains start: `x`, with shape :math:`(B, *)`, and `label`."""
        state = {} if label is None else {"label": label}
        if self.start == "data":
            return state | {"x": y}
        state["x"] = self.chains.start(self.share_of, len(y), self.shape)
        return self.replayed(state) if self.start == "persistent" else state

    def losses(
        self,
        before: Tensor,
        x: Tensor,
        label_x: Tensor | None,
        y: Tensor,
        label: Tensor | None,
    ) -> Iterator[Tensor]:
        r"""Yields the loss of each part of a minibatch, minus what is climbed."""
        zeta = torch.rand((), generator=self.interpolation).item()
        parts = [
            [None] * self.accumulate if a is None else a.chunk(self.accumulate)
            for a in (before, x, label_x, y, label)
        ]
        for b, x, label_x, y, label in zip(*parts, strict=True):
            labels = None if label is None else torch.cat([label_x, label])
            phi_x, phi_y = self.potential(torch.cat([x, y]), labels).chunk(2)
            self.note(gap=phi_y.mean() - phi_x.mean())
            loss = contrastive_loss(phi_x, phi_y)
            if self.magnitude:
                loss = loss + self.magnitude * magnitude(phi_x, phi_y)
            if self.gamma:
                cost = transport_cost(self.steered(label_x), b, x, zeta)
                self.note(transport=cost)
                loss = loss + self.gamma / 2 * cost
            yield loss

    def steered(self, label: Tensor | None) -> Callable[[Tensor], Tensor]:
        r"""Returns the potential of two sets of points, as a function of the weights that are penalised."""
        labels = None if label is None else torch.cat([label, label])
        if self.penalized == "all":
            return lambda a: self.potential(a, labels)
        weights = {
            name: p if name.startswith("head.") else p.detach()
            for name, p in self.descriptor.named_parameters()
        }
        return lambda a: self.evaluate(
            lambda *inputs: functional_call(self.descriptor, weights, inputs), a, labels
        )

    def seed_step(self) -> None:
        super().seed_step()
        self.interpolation.manual_seed(fold(self.seed, "interpolation", self.global_step))

    # The buffer

    def replayed(self, fresh: State) -> State:
        r"""Returns where chains start, most of them where earlier ones were left."""
        if not self.buffer.states:
            self.buffer.allocate(fresh, self.world_size)
            if self.saved_states is not None:
                rank, world_size = self.global_rank, self.world_size
                self.buffer.restore({k: s[rank::world_size] for k, s in self.saved_states.items()})
                self.saved_states = None
        return self.buffer.draw(fresh, self.share_of)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.buffer.states:
            contents = self.buffer.contents().items()
            checkpoint["buffer"] = {name: self.interleaved(states) for name, states in contents}
        elif self.saved_states is not None:
            checkpoint["buffer"] = self.saved_states

    def interleaved(self, states: Tensor) -> Tensor:
        r"""Returns the states of all processes' places, as they stand in the global minibatch."""
        if self.world_size == 1:
            return states
        return self.all_gather(states).transpose(0, 1).flatten(0, 1)

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        super().on_load_checkpoint(checkpoint)
        self.saved_states = checkpoint.get("buffer")
