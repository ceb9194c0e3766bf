r"""VAPO: a potential whose gradient flow carries noise to data.

A network is the potential :math:`\Phi`. Noise of the prior :math:`\mathcal{N}(0, \omega^2 I)`
becomes samples along

.. math:: \frac{dx}{ds} = \nabla \Phi(x)

Training draws real samples :math:`y`, times and noise, which determine points of the homotopy
between prior and data (:mod:`energy_gans.functional.homotopy`). At these points it minimises

.. math::
    \frac{1}{D} \Big( \tfrac{1}{2} \operatorname{Cov} [\Phi, \gamma] \, \frac{dt}{ds}
    + \tfrac{1}{2} \, \mathbb{E} \|\nabla \Phi\|^2 + \tfrac{\eta}{2} \, \mathbb{E} |\Phi|^2 \Big)

The first term has three estimators: `"e1"`, that of the paper, with one point for each real
sample; `"e2"`, with several points; and `"e4"`,
:math:`- \mathbb{E} \langle \nabla \Phi, u \rangle` with the velocity :math:`u` of the conditional
path, which has the same expectation and much less noise for images.

The paper leaves several things open, or its text lacks the equations. Our choices:

- :math:`\Phi` is centred by the other points of the minibatch, and the loss is divided by the
  number :math:`D` of dimensions.
- With `jacobian`, the flow runs in the time in which training times are uniform, and innovation
  and velocity are multiplied by :math:`dt / ds`. Without it they are not, as in the paper's text,
  and a flow of unit length overshoots.
- The paper's potential does not depend on the time, and so fulfils its equation only on average
  over times. With `time_conditioned`, the potential can fulfil the equation at each time.
- With `data_std`, the network is preconditioned (:mod:`energy_gans.functional.preconditioning`).
  The loss at each time is then divided by the square of the output that the network has to give
  there, except for the term of :math:`\eta`. This does not move the minimum for :math:`\eta = 0`.

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative
    Modelling (Loo et al., 2024), https://arxiv.org/abs/2407.15238
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..checks import check_count, check_positive
from ..functional import flow_time, kinetic_energy, spread_energy
from ..functional.homotopy import expand_as
from ..functional.potential_flow import (
    Homotopy,
    check_estimator,
    driving_term,
    path_point,
    preconditioned_potential,
)
from .bases.arguments import base_arguments
from .bases.flow import FlowModule
from .bases.optimizers import ADAM
from .parts.flow_solver import Flow


class VAPO(FlowModule):
    r"""The variational potential flow of Loo et al.

    Arguments:
        estimator: The estimator of the first term, `"e1"`, `"e2"` or `"e4"`.
        particles: The number of points for each real sample: several for `"e2"`, otherwise 1.
        jacobian: Whether the flow runs in the time in which training times are uniform.
        spectral_gap: The factor :math:`\eta`.
        spectral_norms: The factor on the sum of the weights' largest singular values, which the
            descriptor has to return from a method `spectral_norms()`.
        sigma: The standard deviation :math:`\sigma` of the likelihood, in data units.
        sharpness: The parameter :math:`\varepsilon > 0` of the distribution of times;
            :math:`\sigma^2 / \omega^2`, as in the paper, if `None`. A smaller value moves more of
            training and flow to times at which noise hides the data.
        data_std: The root mean square of the data's elements, about 0.5 for images, by which the
            network of a time-conditioned potential is preconditioned, or `None`.
        accumulate: The number of parts that a minibatch is split into for the backward pass, to
            save memory. Each part is centred by its own points.
        compile_gradient: Whether potential and gradient are compiled, which delays the first step.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        descriptor: nn.Module,
        shape: list[int],
        *,
        estimator: Literal["e1", "e2", "e4"] = "e4",
        particles: int = 1,
        jacobian: bool = True,
        spectral_gap: float = 0.0,
        spectral_norms: float = 0.0,
        sigma: float = 0.01,
        sharpness: float | None = None,
        data_std: float | None = None,
        compile_gradient: bool = False,
        flow: Flow | None = None,
        omega: float = 1.0,
        time_conditioned: bool = False,
        label_dropout: float = 0.1,
        guidance: float = 0.0,
        classes: int | None = None,
        descriptor_optimizer: OptimizerCallable = ADAM,
        descriptor_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(VAPO, locals()))
        _check_estimator(estimator, particles)
        for name, factor in (("spectral_gap", spectral_gap), ("spectral_norms", spectral_norms)):
            if not factor >= 0:
                raise ValueError(f"{name!r} should not be negative, got {factor!r}.")
        if spectral_norms and not hasattr(self.descriptor, "spectral_norms"):
            raise ValueError(
                "'spectral_norms' should be 0 for a descriptor without a method of that name, got "
                f"{spectral_norms!r} for {type(self.descriptor).__name__}."
            )
        check_positive("sigma", sigma)
        self.estimator, self.particles, self.jacobian = estimator, particles, jacobian
        self.spectral_gap, self.spectral_norms, self.sigma = spectral_gap, spectral_norms, sigma
        self.sharpness = sigma**2 / self.omega**2 if sharpness is None else sharpness
        check_positive("sharpness", self.sharpness)
        self.data_std = data_std
        if data_std is not None:
            _check_preconditioning(data_std, self.time_conditioned)
        gradient = torch.func.grad(self.total_potential, has_aux=True)
        self.gradient_and_potential = torch.compile(gradient) if compile_gradient else gradient

    # The potential

    def evaluate(
        self,
        network: nn.Module,
        a: Tensor,
        label: Tensor | None = None,
        time: Tensor | None = None,
    ) -> Tensor:
        if self.data_std is None:
            return super().evaluate(network, a, label, time)
        plain = partial(super().evaluate, network, label=label, time=time)
        return preconditioned_potential(plain, a, time, self.homotopy)

    @property
    def homotopy(self) -> Homotopy:
        r"""The homotopy between prior and data."""
        return Homotopy(self.sigma, self.omega, self.sharpness, self.jacobian, self.data_std)

    @property
    def smallest_minibatch(self) -> int:
        # Each part centres potentials by those of other samples.
        centred = self.estimator == "e1" or self.spectral_gap > 0
        return 2 * self.accumulate if centred else 1

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        # Gradients and centred potentials do not change with a constant.
        return [self.potential(y)]

    # Training

    def total_potential(self, a: Tensor, label: Tensor | None, s: Tensor) -> tuple[Tensor, Tensor]:
        r"""Returns the sum of potentials, a scalar, and the potentials, with shape :math:`(B)`.

        Arguments:
            a: The points, with shape :math:`(B, *)`.
            label: The labels of the points, with shape :math:`(B)`, or `None`.
            s: The flow times of the points, with shape :math:`(B)`.
        """
        phi = self.evaluate(self.descriptor, a, label, s)
        return phi.sum(), phi

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        label = self.drop_labels(label) if self.classes is not None else None
        s = self.uniform(len(y), self.particles)
        noise = self.noise(len(y), self.particles, *self.shape)
        n = self.accumulate
        labels = [None] * n if label is None else label.chunk(n)
        parts = zip(y.chunk(n), labels, s.chunk(n), noise.chunk(n), strict=True)
        loss = self.descend(self.optimizer_list()[0], (self.loss(*part) for part in parts))
        return {"loss_d": loss}

    def loss(self, y: Tensor, label: Tensor | None, s: Tensor, noise: Tensor) -> Tensor:
        r"""Returns the loss of a part of a minibatch, a scalar.

        Arguments:
            y: The real samples, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.
            s: The flow times of their points, with shape :math:`(B, K)`.
            noise: The noise of their points, with shape :math:`(B, K, *)`.
        """
        y = y.repeat_interleave(self.particles, 0)
        label = None if label is None else label.repeat_interleave(self.particles)
        s, noise = s.flatten(), noise.flatten(0, 1)
        point = path_point(y, noise, s, self.homotopy)
        x = self.formatted(point.x)
        with torch.autocast(x.device.type, enabled=False):
            gradient, phi = self.gradient_and_potential(x, label, s)
        gradient = gradient / expand_as(point.gradient_scale, y)
        kinetic = kinetic_energy(gradient)
        drive = driving_term(
            phi, gradient, point, self.homotopy, self.estimator, self.centring_groups
        )
        self.note(kinetic=kinetic, drive=drive)
        loss = drive + kinetic
        if self.spectral_gap:
            loss = loss + self.spectral_gap * spread_energy(self.rows_by_sample(phi))
        loss = loss / y[0].numel()
        if self.spectral_norms:
            loss = loss + self.spectral_norms * self.descriptor.spectral_norms()
        return loss

    def rows_by_sample(self, phi: Tensor) -> Tensor:
        r"""Returns the potentials of all processes, one row for each real sample.

        Arguments:
            phi: The potentials of this process, with shape :math:`(B K)`.

        Returns:
            The potentials, with shape :math:`(W B, K)`.
        """
        return self.gather_attached(phi).unflatten(0, (-1, self.particles))

    def centring_groups(self, phi: Tensor) -> Tensor:
        r"""Returns potentials, or innovations, in the groups that centre each other.

        Arguments:
            phi: The values of this process, with shape :math:`(B K)`.

        Returns:
            With `"e2"`, the :math:`K` values of each real sample, with shape :math:`(B, K)`;
            otherwise the values of all processes, with shape :math:`(W B)`.
        """
        if self.particles > 1:
            return phi.unflatten(0, (-1, self.particles))
        return self.gather_attached(phi)

    def network_time(self, time: Tensor) -> Tensor:
        return time if self.jacobian else flow_time(time, self.sharpness)


def _check_estimator(estimator: str, particles: int) -> None:
    r"""Raises a `ValueError` unless an estimator is known and fits the number of points."""
    check_estimator(estimator)
    check_count("particles", particles)
    if (particles > 1) != (estimator == "e2"):
        raise ValueError(
            "'particles' should be 2 or more for the estimator 'e2', and 1 for the others, got "
            f"{particles} for {estimator!r}."
        )


def _check_preconditioning(data_std: float, time_conditioned: bool) -> None:
    r"""Raises a `ValueError` unless a potential can be preconditioned."""
    check_positive("data_std", data_std)
    if not time_conditioned:
        raise ValueError(
            f"'data_std' should be null without time_conditioned, got {data_std!r}: only a "
            "potential that depends on the time is preconditioned."
        )
