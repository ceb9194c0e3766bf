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
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from ..functional import potential_gradient
from ..functional.checks import check_count, check_positive
from .base import GenerativeModule, clipped
from .chains import drawer
from .energy import check_independent
from .flow import Flow, Velocity
from .handling import check_shape, evaluating, fitted

# A field that carries noise to data moves particles by about their size in the time of the flow. One
# that is this many times as fast has diverged: a stiff one is rough, but not fast.
DIVERGED = 1e3


class FlowModule(GenerativeModule):
    r"""Creates a method with a potential that noise flows up.

    Arguments:
        descriptor: The network :math:`\Phi`, from :math:`(B, *)` to :math:`(B, 1)` or :math:`(B)`.
            With classes it takes `label`, :math:`(B)`, and knows one more than there are: the last one
            means none of them. With `time_conditioned` it takes `time`, :math:`(B)` in [0, 1]. It may
            not use batch statistics.
        shape: The shape of a sample.
        omega: The standard deviation :math:`\omega` of the prior.
        time_conditioned: Whether the potential knows the time.
        flow: How samples follow the field.
        classes: The number of classes of a class-conditional model; `None` for one without labels.
        label_dropout: The share of labels that training replaces by none.
        guidance: The factor :math:`w` of samples' guidance.
        descriptor_optimizer: The optimizer. Its weight decay is applied to the weights of dense and
            convolutional layers only.
        descriptor_scheduler: The learning rate schedule, stepped once a step.
        kwargs: The arguments of :class:`GenerativeModule`.

    Attributes:
        evaluations: How often the last :meth:`sample` evaluated the field, at most, of its batches.
        exhausted: Whether the solver stopped before the end in one of them.
        speed: The root mean square of the field's elements where it stopped, at most, of its batches.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        descriptor: nn.Module,
        shape: list[int],
        omega: float = 1.0,
        time_conditioned: bool = False,
        flow: Flow | None = None,
        classes: int | None = None,
        label_dropout: float = 0.1,
        guidance: float = 0.0,
        descriptor_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        descriptor_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("omega", omega)
        if not 0 <= label_dropout < 1:
            raise ValueError(f"'label_dropout' should be in [0, 1), got {label_dropout!r}.")
        if classes is not None:
            check_count("classes", classes)
        if classes is None and guidance != 0:
            raise ValueError(f"'guidance' is of models with classes, got {guidance!r} without.")
        self.descriptor, self.shape, self.omega = descriptor, tuple(shape), omega
        self.time_conditioned, self.flow = time_conditioned, flow or Flow()
        self.classes, self.label_dropout, self.guidance = classes, label_dropout, guidance
        self.evaluations, self.exhausted, self.speed = 0, False, 0.0
        self.skipping = False
        self.trained.append((descriptor, descriptor_optimizer, descriptor_scheduler))

    # The potential

    def evaluate(
        self, network: nn.Module, a: Tensor, label: Tensor | None, s: Tensor | None
    ) -> Tensor:
        r"""Returns the potential that a network gives, with shape :math:`(B)`, in float32 at least."""
        inputs = {} if label is None else {"label": label}
        if self.time_conditioned:
            inputs["time"] = s
        phi = network(a, **inputs)
        return phi.flatten().to(torch.promote_types(phi.dtype, torch.float32))

    def potential(
        self, a: Tensor, label: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        r"""Returns the potential :math:`\Phi(a)`, high where real data is.

        Arguments:
            a: The points, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`; none of the classes if `None`.
            time: Their flow times, with shape :math:`(B)`, if the potential knows time; the flow's end,
                1, if `None`.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.
        """
        if label is None and self.classes is not None:
            label = torch.full((len(a),), self.classes, device=a.device)
        time = a.new_ones(len(a)) if time is None else time
        return self.evaluate(self.descriptor, a, label, time)

    def dropped(self, label: Tensor) -> Tensor:
        r"""Returns labels of which a share is replaced by the one that means none."""
        return torch.where(self.uniform(len(label)) < self.label_dropout, self.classes, label)

    # Sampling

    @property
    def sampled_network(self) -> nn.Module:
        return self.descriptor

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        z = drawer(random, self.device)(torch.randn, n, *self.shape)
        return self.flowed(network, z, label)[-1]

    @property
    def latent_network(self) -> nn.Module:
        return self.shown_network

    @property
    def latent_dim(self) -> int:
        r"""The number of latents, which are the noise that flows."""
        return math.prod(self.shape)

    @torch.inference_mode(False)
    @torch.no_grad()
    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns where latents, standard normal noise of shape :math:`(B, Z)`, flow to, with shape :math:`(B, *)`."""
        network = self.shown_network
        with evaluating(network):
            return clipped(self.flowed(network, z.unflatten(1, self.shape), label)[-1])

    def flowed(
        self, network: nn.Module, z: Tensor, label: Tensor | None, frames: int = 1
    ) -> Tensor:
        r"""Returns where standard normal noise flows to, with shape :math:`(F, B, *)`, at evenly spaced times."""
        solutions = []
        labels = [None] * len(z) if label is None else label.split(self.flow.batch_size)
        for part, one in zip(z.split(self.flow.batch_size), labels, strict=False):
            velocity = self.velocity(network, one)
            x = self.omega * self.formatted(part)
            solutions.append(self.flow.run(x, velocity, frames))
        self.evaluations = max(solution.evaluations for solution in solutions)
        self.exhausted = any(solution.exhausted for solution in solutions)
        self.speed = max(solution.speed for solution in solutions)
        return torch.cat([solution.points for solution in solutions], dim=1)

    def velocity(self, network: nn.Module, label: Tensor | None) -> Velocity:
        r"""Returns the field :math:`\nabla \Phi` at a time, of labels :math:`(B)` guided away from none."""

        def field(time: Tensor, x: Tensor) -> Tensor:
            s = self.known_time(time).clamp(max=1).to(x).expand(len(x))
            slope = slope_of(label, s)(x)
            if label is None or self.guidance == 0:
                return slope
            none = torch.full_like(label, self.classes)
            # 1 + w of the one, less w of the other.
            return torch.lerp(slope_of(none, s)(x), slope, 1 + self.guidance)

        def slope_of(label: Tensor | None, s: Tensor) -> Velocity:
            return potential_gradient(lambda a: self.evaluate(network, a, label, s))

        return field

    def known_time(self, time: Tensor) -> Tensor:
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

    def check(self, y: Tensor) -> None:
        check_shape(self.shape, y)
        label = None if self.classes is None else torch.full((len(y),), self.classes).to(y.device)
        s = y.new_zeros(len(y))

        def evaluate(network: nn.Module, a: Tensor) -> Tensor:
            return self.evaluate(network, a, label, s)

        fitted(
            lambda: evaluate(self.descriptor, y),
            (len(y),),
            f"'model.init_args.descriptor' should map the shape of 'data', {tuple(y.shape)}"
            f"{self.labels_words()}, to {(len(y), 1)}",
        )
        check_independent(evaluate, self.descriptor, y)

    def labels_words(self) -> str:
        r"""Returns which labels the network has to know, in words, if there are classes."""
        if self.classes is None:
            return ""
        return f" and labels from 0 to {self.classes}, which means none of {self.classes} classes"
