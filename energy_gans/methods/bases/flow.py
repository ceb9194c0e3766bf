r"""Methods whose samples are where noise flows to, up the gradient of a potential.

With a potential :math:`\Phi`, that may know the time and a label, particles that start as noise of the
prior :math:`\mathcal{N}(0, \omega^2 I)` follow

.. math:: \frac{dx}{ds} = \nabla \Phi(x)

With labels, the field may be guided by :math:`(1 + w) \nabla \Phi(x | y) - w \nabla \Phi(x)`.

References:
    Classifier-Free Diffusion Guidance (Ho and Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
import torch.nn as nn
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from ...checks import check_positive
from ...functional import potential_gradient
from ..parts.flow_solver import Flow, Velocity
from ..parts.networks import evaluating
from .capabilities import Frame
from .generative import clip_images
from .potential import PotentialModule

# A field that carries noise to data moves particles by about their size in the time of the flow. One
# that is this many times as fast has diverged: a stiff one is rough, but not fast.
DIVERGED = 1e3


class FlowModule(PotentialModule):
    r"""Creates a method with a potential that noise flows up.

    Arguments:
        omega: The standard deviation :math:`\omega` of the prior.
        time_conditioned: Whether the potential depends on the time.
        flow: How samples follow the field.
        label_dropout: The share of labels that training replaces by the one that means no class.
        guidance: The factor :math:`w` of samples' guidance.
        kwargs: The arguments of :class:`PotentialModule`. With classes the descriptor takes labels,
            :math:`(B)`, as its second argument, and knows one more than there are: the last one means
            no class. With `time_conditioned` it takes `time`, :math:`(B)` in [0, 1].

    Attributes:
        evaluations: How often the last :meth:`sample` evaluated the field, at most, of its batches.
        exhausted: Whether the solver stopped before the end in one of them.
        speed: The root mean square of the field's elements where it stopped, at most, of its batches.

    Raises:
        ValueError: If an argument is out of its range.
    """

    dynamics: ClassVar = "flow"

    def __init__(
        self,
        omega: float = 1.0,
        time_conditioned: bool = False,
        flow: Flow | None = None,
        label_dropout: float = 0.1,
        guidance: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("omega", omega)
        if not 0 <= label_dropout < 1:
            raise ValueError(f"'label_dropout' should be in [0, 1), got {label_dropout!r}.")
        if self.classes is None and guidance != 0:
            raise ValueError(f"'guidance' is of models with classes, got {guidance!r} without.")
        self.omega, self.time_conditioned, self.flow = omega, time_conditioned, flow or Flow()
        self.label_dropout, self.guidance = label_dropout, guidance
        self.evaluations, self.exhausted, self.speed = 0, False, 0.0
        self.skipping = False

    # The potential

    def evaluate(
        self,
        network: nn.Module,
        a: Tensor,
        label: Tensor | None = None,
        time: Tensor | None = None,
    ) -> Tensor:
        return super().evaluate(network, a, label, time if self.time_conditioned else None)

    def conditions(
        self, a: Tensor, label: int | Tensor | None, time: float | Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        # The label after the last class means none of them.
        return super().conditions(a, self.classes if label is None else label, time)

    def dropped(self, label: Tensor) -> Tensor:
        r"""Returns labels of which a share is replaced by the one that means none."""
        return torch.where(self.uniform(len(label)) < self.label_dropout, self.classes, label)

    # Sampling

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        return self.solve(network, self.starting_points(n, label, random), label)[-1]

    @property
    def latent_network(self) -> nn.Module:
        return self.sampling_network

    @property
    def latent_dim(self) -> int:
        r"""The number of latents, which are the noise that flows."""
        return math.prod(self.shape)

    @torch.inference_mode(False)
    @torch.no_grad()
    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns where latents, standard normal noise of shape :math:`(B, Z)`, flow to, with shape :math:`(B, *)`."""
        network = self.sampling_network
        with evaluating(network):
            return clip_images(
                self.solve(network, self.omega * z.unflatten(1, self.shape), label)[-1]
            )

    def solve(
        self, network: nn.Module, x: Tensor, label: Tensor | None, frames: int = 1
    ) -> Tensor:
        r"""Returns where points flow to, with shape :math:`(F, B, *)`, at evenly spaced times."""
        solutions = []
        labels = [None] * len(x) if label is None else label.split(self.flow.batch_size)
        for part, one in zip(x.split(self.flow.batch_size), labels, strict=False):
            velocity = self.velocity(network, one)
            solutions.append(self.flow.run(self.formatted(part), velocity, frames))
        self.evaluations = max(solution.evaluations for solution in solutions)
        self.exhausted = any(solution.exhausted for solution in solutions)
        self.speed = max(solution.speed for solution in solutions)
        return torch.cat([solution.points for solution in solutions], dim=1)

    def starting_points(
        self,
        n: int,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
        start: str | None = None,
    ) -> Tensor:
        return self.omega * self.drawn_from(random)(torch.randn, n, *self.shape)

    @torch.no_grad()
    def trajectory(
        self,
        x: Tensor,
        frames: int | Sequence[int] = 10,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
    ) -> Iterator[Frame]:
        if not isinstance(frames, int):
            raise ValueError(f"'frames' should be a number of states for a flow, got {frames!r}.")
        network, end = self.sampling_network, self.flow.terminal_time
        with evaluating(network):
            velocity = self.velocity(network, label)
            states = torch.cat([x[None], self.solve(network, x, label, frames)])
            for i, state in enumerate(states):
                time = torch.tensor(end * i / frames, device=x.device)
                s = self.network_time(time).clamp(max=1)
                phi = self.evaluate(network, state, label, s.expand(len(state)))
                speed = velocity(time, state).flatten(1).norm(dim=1)
                known = s.item() if self.time_conditioned else None
                yield Frame(end * i / frames, state, phi, speed, known)

    def velocity(self, network: nn.Module, label: Tensor | None) -> Velocity:
        r"""Returns the field :math:`\nabla \Phi` at a time, of labels :math:`(B)` guided away from none."""

        def field(time: Tensor, x: Tensor) -> Tensor:
            s = self.network_time(time).clamp(max=1).to(x).expand(len(x))
            slope = slope_of(label, s)(x)
            if label is None or self.guidance == 0:
                return slope
            none = torch.full_like(label, self.classes)
            # 1 + w of the one, less w of the other.
            return torch.lerp(slope_of(none, s)(x), slope, 1 + self.guidance)

        def slope_of(label: Tensor | None, s: Tensor) -> Velocity:
            return potential_gradient(lambda a: self.evaluate(network, a, label, s))

        return field

    def network_time(self, time: Tensor) -> Tensor:
        r"""Returns the time that the potential knows, in [0, 1], of the time of the flow."""
        return time

    # Validation

    def validation_step(self, batch: tuple[Tensor, Tensor | None], batch_idx: int) -> None:
        r"""Measures samples, and in training stops where the field takes all evaluations there may be.

        Where the solver stopped before the end, the rest of that validation is left out. The run goes
        on if the field has the size that carries noise to data: it is rough, or the tolerances are too
        small, and training may change the first. A field a thousand times as large has diverged.

        Raises:
            FloatingPointError: In training, if the potential has diverged.
        """
        fitting = self.trainer.state.fn == TrainerFn.FITTING
        self.skipping = self.skipping and fitting and batch_idx > 0
        if self.skipping:
            return
        super().validation_step(batch, batch_idx)
        if fitting and self.exhausted and len(batch[0]):
            self.check_speed(batch[0])
            self.skipping = True
            warnings.warn(
                f"The rest of the validation after step {self.global_step} is left out, as its samples "
                "take all evaluations of the flow.",
                stacklevel=2,
            )

    def check_speed(self, y: Tensor) -> None:
        r"""Raises a `FloatingPointError` if the field at the last samples' end has diverged.

        Arguments:
            y: Real samples, with shape :math:`(B, *)`.
        """
        usual = (self.omega + y.double().square().mean().sqrt().item()) / self.flow.terminal_time
        if self.speed > DIVERGED * usual:
            raise FloatingPointError(
                f"The potential has diverged at step {self.global_step}: {self.flow.solver} stopped "
                f"after {self.evaluations} evaluations in a field of the size {self.speed:.3g}, where "
                f"that of a flow from noise to data is about {usual:.3g}. A smaller learning rate or "
                "gradient_clip_norm are the usual mends."
            )

    # The checks

    def labels_in_words(self) -> str:
        if self.classes is None:
            return ""
        return f" and labels from 0 to {self.classes}, which means none of {self.classes} classes"
