r"""VAPO: a potential whose gradient flow carries noise to data.

A network is the potential :math:`\Phi`, and samples are where noise of the prior
:math:`\mathcal{N}(0, \omega^2 I)` comes to along

.. math:: \frac{dx}{ds} = \nabla \Phi(x)

Training draws real samples :math:`y`, times and noise, and with them points of the homotopy between
prior and data (:mod:`energy_gans.functional.homotopy`). There it descends

.. math::
    \frac{1}{D} \Big( \tfrac{1}{2} \operatorname{Cov} [\Phi, \gamma] \, \frac{dt}{ds}
    + \tfrac{1}{2} \, \mathbb{E} \|\nabla \Phi\|^2 + \tfrac{\eta}{2} \, \mathbb{E} |\Phi|^2 \Big)

Estimators of the first term: `"e1"`, the paper's, with one point for each real sample; `"e2"`, with
several; `"e4"`, :math:`- \mathbb{E} \langle \nabla \Phi, u \rangle` with the velocity of the conditional path,
which has the same expectation and far less noise at the size of an image.

Choices of ours where the paper is silent or has lost its equations: :math:`\Phi` is centred by the other
points of the minibatch; the loss is divided by the number :math:`D` of dimensions. With `jacobian` the
flow runs in the time in which training times are even, and innovation and velocity take the factor
:math:`dt / ds`; without it they do not, as the text has it, and a flow of unit length overshoots. The
paper's potential knows no time, so that it fulfils its equation only in the mean over times; with
`time_conditioned` it can fulfil it at each. With `data_std` the network is preconditioned
(:mod:`energy_gans.functional.preconditioning`), and the loss at each time is in units of the square of what
the network has to give there, which leaves its minimum where it is without :math:`\eta`, whose term is not in
them.

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative Modelling
    (Loo et al., 2024), https://arxiv.org/abs/2407.15238
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
import torch.nn as nn
from torch import Tensor

from ..checks import check_count, check_positive
from ..functional import flow_time, kinetic_energy, spread_energy
from ..functional.homotopy import expand_as
from ..functional.potential_flow import (
    Homotopy,
    driving_term,
    path_point,
    preconditioned_potential,
)
from .bases.flow import FlowModule

ESTIMATORS = ("e1", "e2", "e4")


class VAPO(FlowModule):
    r"""Creates a variational potential flow.

    Arguments:
        estimator: The estimator of the covariance, `"e1"`, `"e2"` or `"e4"`.
        particles: The number of points for each real sample; more than one for `"e2"`.
        jacobian: Whether the flow runs in the time in which training times are even.
        spectral_gap: The factor :math:`\eta`.
        spectral_norms: The factor on the sum of the weights' largest singular values, which the
            descriptor has to give as `spectral_norms()`.
        sigma: The standard deviation :math:`\sigma` of the likelihood.
        sharpness: The number :math:`\varepsilon` of the law of times; :math:`\sigma^2 / \omega^2`, the paper's, if
            `None`. With a smaller one more of training and flow is where noise hides the data.
        data_std: The root of the mean square of the data's elements, 0.5 or so for images, with which the
            network of a potential that knows the time is preconditioned; `None` for the network as it is.
        compile_gradient: Whether potential and gradient are compiled, which takes a while at first.
        kwargs: The arguments of :class:`FlowModule`. Of `accumulate` parts of a minibatch each is
            centred for itself.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        estimator: Literal["e1", "e2", "e4"] = "e4",
        particles: int = 1,
        jacobian: bool = True,
        spectral_gap: float = 0.0,
        spectral_norms: float = 0.0,
        sigma: float = 0.01,
        sharpness: float | None = None,
        data_std: float | None = None,
        compile_gradient: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if estimator not in ESTIMATORS:
            raise ValueError(f"'estimator' should be one of {ESTIMATORS}, got {estimator!r}.")
        check_count("particles", particles)
        if (particles > 1) != (estimator == "e2"):
            raise ValueError(
                "'particles' should be 2 or more for the estimator 'e2', and 1 for the others, got "
                f"{particles} for {estimator!r}."
            )
        check_positive("sigma", sigma)
        for name, factor in (("spectral_gap", spectral_gap), ("spectral_norms", spectral_norms)):
            if not factor >= 0:
                raise ValueError(f"{name!r} should not be negative, got {factor!r}.")
        if spectral_norms and not hasattr(self.descriptor, "spectral_norms"):
            raise ValueError(
                "'spectral_norms' is for descriptors that know them, and "
                f"{type(self.descriptor).__name__} does not."
            )
        self.estimator, self.particles, self.jacobian = estimator, particles, jacobian
        self.spectral_gap, self.spectral_norms, self.sigma = spectral_gap, spectral_norms, sigma
        self.sharpness = sigma**2 / self.omega**2 if sharpness is None else sharpness
        check_positive("sharpness", self.sharpness)
        self.data_std = data_std
        if data_std is not None:
            check_positive("data_std", data_std)
            if not self.time_conditioned:
                raise ValueError(
                    f"'data_std' is for a potential that knows the time, got {data_std!r} with "
                    "time_conditioned = False."
                )
        slope = torch.func.grad(self.total, has_aux=True)
        self.slope = torch.compile(slope) if compile_gradient else slope

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
        # Potentials are centred by those of other samples, in each part for itself.
        centred = self.estimator == "e1" or self.spectral_gap > 0
        return 2 * self.accumulate if centred else 1

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        # Gradients and centred potentials know no constant.
        return [self.potential(y)]

    # Training

    def total(self, a: Tensor, label: Tensor | None, s: Tensor) -> tuple[Tensor, Tensor]:
        r"""Returns the sum of the potentials of points, and these."""
        phi = self.evaluate(self.descriptor, a, label, s)
        return phi.sum(), phi

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        label = self.dropped(label) if self.classes is not None else None
        s = self.uniform(len(y), self.particles)
        noise = self.noise(len(y), self.particles, *self.shape)
        n = self.accumulate
        labels = [None] * n if label is None else label.chunk(n)
        parts = zip(y.chunk(n), labels, s.chunk(n), noise.chunk(n), strict=True)
        loss = self.descend(self.optimizer_list()[0], (self.loss(*part) for part in parts))
        return {"loss_d": loss}

    def loss(self, y: Tensor, label: Tensor | None, s: Tensor, noise: Tensor) -> Tensor:
        r"""Returns the loss of a part of a minibatch.

        Arguments:
            y: The real samples, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.
            s: Their flow times, with shape :math:`(B, K)`.
            noise: Their noise, with shape :math:`(B, K, *)`.
        """
        y = y.repeat_interleave(self.particles, 0)
        label = None if label is None else label.repeat_interleave(self.particles)
        s, noise = s.flatten(), noise.flatten(0, 1)
        point = path_point(y, noise, s, self.homotopy)
        x = self.formatted(point.x)
        with torch.autocast(x.device.type, enabled=False):
            gradient, phi = self.slope(x, label, s)
        gradient = gradient / expand_as(point.unit, y)
        kinetic = kinetic_energy(gradient)
        drive = driving_term(
            phi, gradient, point, self.homotopy, self.estimator, self.centring_groups
        )
        self.note(kinetic=kinetic, drive=drive)
        loss = drive + kinetic
        if self.spectral_gap:
            loss = loss + self.spectral_gap * spread_energy(self.by_sample(phi))
        loss = loss / y[0].numel()
        if self.spectral_norms:
            loss = loss + self.spectral_norms * self.descriptor.spectral_norms()
        return loss

    def by_sample(self, phi: Tensor) -> Tensor:
        r"""Returns the potentials of all processes, with shape :math:`(W B, K)`, a real sample in a row."""
        return self.gather_attached(phi).unflatten(0, (-1, self.particles))

    def centring_groups(self, phi: Tensor) -> Tensor:
        r"""Returns what is centred together: all points, or the :math:`K` of each real sample in a row."""
        if self.particles > 1:
            return phi.unflatten(0, (-1, self.particles))
        return self.gather_attached(phi)

    def network_time(self, time: Tensor) -> Tensor:
        return time if self.jacobian else flow_time(time, self.sharpness)
