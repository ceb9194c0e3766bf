r"""Methods whose samples flow from noise up the gradient of a potential.

Particles start as noise of the prior :math:`\mathcal{N}(0, \omega^2 I)` and follow the gradient of
a potential :math:`\Phi`, which may depend on the time and a label,

.. math:: \frac{dx}{ds} = \nabla \Phi(x)

With labels, :math:`(1 + w) \nabla \Phi(x | y) - w \nabla \Phi(x)` guides the flow.

References:
    Classifier-Free Diffusion Guidance (Ho and Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, ClassVar

import torch
import torch.nn as nn
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from ...checks import check_count, check_positive
from ...functional import potential_gradient
from ..parts.flow_solver import Flow, Velocity
from ..parts.networks import evaluation_mode
from .capabilities import Frame, clip_images
from .potential import PotentialModule

# A field that carries noise to data moves particles by about their own size. A field this many
# times as fast has diverged; a stiff field is rough, but not fast.
_DIVERGED = 1e3


class FlowModule(PotentialModule):
    r"""A method with a potential whose gradient noise follows.

    Arguments:
        descriptor: The network :math:`\Phi`, from :math:`(B, *)` to :math:`(B, 1)` or :math:`(B)`,
            without batch statistics. With classes, it takes labels, :math:`(B)`, as its second
            argument, and the label after the last class stands for no class. With
            `time_conditioned`, it takes `time`, :math:`(B)`, in [0, 1].
        omega: The standard deviation :math:`\omega` of the prior, in data units.
        time_conditioned: Whether the potential depends on the time.
        flow: The solver of the flow; :class:`Flow` with its defaults if `None`.
        label_dropout: The share of training labels that are replaced by the label for no class.
        guidance: The factor :math:`w` of the guidance of samples.
        kwargs: The arguments of :class:`PotentialModule`.

    Attributes:
        evaluations: The number of evaluations of the field in the last :meth:`sample`. This and
            the next two are the largest of its batches.
        exhausted: Whether the solver stopped before the end.
        speed: The root mean square of the field's elements at the last evaluation.

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
            raise ValueError(f"'guidance' should be 0 without classes, got {guidance!r}.")
        self.omega, self.time_conditioned, self.flow = omega, time_conditioned, flow or Flow()
        self.label_dropout, self.guidance = label_dropout, guidance
        self.evaluations, self.exhausted, self.speed = 0, False, 0.0
        self.skips_validation = False

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
        # The label after that of the last class stands for no class.
        return super().conditions(a, self.classes if label is None else label, time)

    def drop_labels(self, label: Tensor) -> Tensor:
        r"""Returns labels :math:`(B)`, with a share of them replaced by the label for no class."""
        return torch.where(self.uniform(len(label)) < self.label_dropout, self.classes, label)

    def network_time(self, time: Tensor) -> Tensor:
        r"""Returns the times that the potential takes at times of the flow.

        Returns:
            The times in [0, 1], with the shape of `time`.
        """
        return time

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
        r"""The number of latents, the elements of the noise that flows."""
        return math.prod(self.shape)

    @torch.inference_mode(False)
    @torch.no_grad()
    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        x = self.omega * z.to(self.dtype).unflatten(1, self.shape)
        with evaluation_mode(self.sampling_network):
            return clip_images(self.solve(self.sampling_network, x, label)[-1])

    def solve(
        self, network: nn.Module, x: Tensor, label: Tensor | None, frames: int = 1
    ) -> Tensor:
        r"""Returns the states of particles at evenly spaced times, with shape :math:`(F, B, *)`.

        Arguments:
            network: The descriptor, or its moving average.
            x: The points at which the particles start, with shape :math:`(B, *)`.
            label: The labels of the particles, with shape :math:`(B)`, or `None`.
            frames: The number :math:`F` of times. The start is none of them, the end is the last.
        """
        solutions = []
        labels = repeat(None) if label is None else label.split(self.flow.batch_size)
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
        return self.omega * self.sampler(random)(torch.randn, n, *self.shape)

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
        check_count("frames", frames)
        network, end = self.sampling_network, self.flow.terminal_time
        with evaluation_mode(network):
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
        r"""Returns the guided field :math:`\nabla \Phi`, a function of the time and of points.

        Arguments:
            network: The descriptor, or its moving average.
            label: The labels of the points, with shape :math:`(B)`, or `None`.
        """

        def field(time: Tensor, x: Tensor) -> Tensor:
            s = self.network_time(time).clamp(max=1).to(x).expand(x.shape[0])
            conditional = gradient(label, s)(x)
            if label is None or self.guidance == 0:
                return conditional
            unconditional = gradient(torch.full_like(label, self.classes), s)(x)
            # (1 + w) conditional - w unconditional
            return torch.lerp(unconditional, conditional, 1 + self.guidance)

        def gradient(label: Tensor | None, s: Tensor) -> Velocity:
            return potential_gradient(lambda a: self.evaluate(network, a, label, s))

        return field

    # Validation

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        r"""Measures samples of a batch, unless the flow has become too expensive in training.

        If the solver stops before the end in training, the rest of the validation is skipped. The
        run goes on if the field has a size that carries noise to data: either the field is rough,
        which training may change, or the tolerances are too small. A field a thousand times as
        large has diverged.

        Raises:
            FloatingPointError: In training, if the potential has diverged.
        """
        fitting = self.trainer.state.fn == TrainerFn.FITTING
        self.skips_validation = self.skips_validation and fitting and batch_idx > 0
        if self.skips_validation:
            return
        super().validation_step(batch, batch_idx)
        y, _ = self.read_batch(batch)
        if fitting and self.exhausted and len(y):
            self.check_speed(y)
            self.skips_validation = True
            warnings.warn(
                f"The rest of the validation after step {self.global_step} is left out, as its "
                "samples take all evaluations of the flow.",
                stacklevel=2,
            )

    def check_speed(self, y: Tensor) -> None:
        r"""Raises a `FloatingPointError` if the field has diverged at the end of the last samples.

        Arguments:
            y: Real samples, with shape :math:`(B, *)`.
        """
        usual = (self.omega + y.double().square().mean().sqrt().item()) / self.flow.terminal_time
        if self.speed > _DIVERGED * usual:
            raise FloatingPointError(
                f"The potential has diverged at step {self.global_step}: {self.flow.solver} "
                f"stopped after {self.evaluations} evaluations in a field of the size "
                f"{self.speed:.3g}, where that of a flow from noise to data is about {usual:.3g}. "
                "A smaller learning rate or gradient_clip_norm usually helps."
            )

    def describe_labels(self) -> str:
        n = self.classes
        return "" if n is None else f" and labels from 0 to {n}, which means none of {n} classes"
