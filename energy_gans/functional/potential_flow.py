r"""What a variational potential flow descends, at points of the homotopy's conditional path.

At flow times :math:`s` a potential that runs in the flow's time meets the velocity and the innovation of
:mod:`energy_gans.functional.homotopy` times the rate :math:`\frac{dt}{ds}`. With gradients measured in a
unit :math:`w(s)`, the size of what a preconditioned network has to give
(:mod:`energy_gans.functional.preconditioning`), the first two terms of the loss are

.. math::
    \tfrac{1}{2} \operatorname{Cov} \Big[ \Phi, \frac{dt}{ds} \frac{\gamma}{w^2} \Big]
    + \tfrac{1}{2} \, \mathbb{E} \Big\| \frac{\nabla \Phi}{w} \Big\|^2
    \qquad \text{or} \qquad
    - \mathbb{E} \Big\langle \frac{\nabla \Phi}{w}, \frac{dt}{ds} \frac{u}{w} \Big\rangle
    + \tfrac{1}{2} \, \mathbb{E} \Big\| \frac{\nabla \Phi}{w} \Big\|^2

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative Modelling
    (Loo et al., 2024), https://arxiv.org/abs/2407.15238
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .homotopy import (
    alignment,
    conditional_moments,
    conditional_point,
    conditional_velocity,
    covariance,
    expand_as,
    homotopy_time,
    innovation,
    time_rate,
)
from .preconditioning import preconditioning


class Homotopy(NamedTuple):
    r"""The numbers of a homotopy between prior and data.

    Arguments:
        sigma: The standard deviation :math:`\sigma` of the likelihood.
        omega: The standard deviation :math:`\omega` of the prior.
        sharpness: The number :math:`\varepsilon` of the law of times.
        jacobian: Whether the potential runs in flow time, :math:`\frac{dt}{ds}` times as fast.
        data_std: The root of the mean square of the data's elements, for preconditioning, or `None`.
    """

    sigma: float
    omega: float
    sharpness: float
    jacobian: bool = True
    data_std: float | None = None


class PathPoint(NamedTuple):
    r"""Points of the conditional path.

    Arguments:
        x: The points, with shape :math:`(B, *)`.
        y: The real samples that they belong to, with shape :math:`(B, *)`.
        noise: Their noise :math:`\epsilon`, with shape :math:`(B, *)`.
        v: The variances, with shape :math:`(B)`.
        rate: How fast the homotopy's time runs in the potential's, with shape :math:`(B)`.
        unit: The unit :math:`w` of gradients, with shape :math:`(B)`.
    """

    x: Tensor
    y: Tensor
    noise: Tensor
    v: Tensor
    rate: Tensor
    unit: Tensor


def _path_rate(t: Tensor, homotopy: Homotopy) -> Tensor:
    r"""Returns how fast the homotopy's time :math:`t` runs in the potential's time."""
    return time_rate(t, homotopy.sharpness) if homotopy.jacobian else torch.ones_like(t)


def _potential_scales(s: Tensor, homotopy: Homotopy) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns :math:`b`, :math:`c` and :math:`\sqrt{q}` of a preconditioned potential, in its own time.

    Arguments:
        s: The flow times, with any shape.
        homotopy: The homotopy, whose `data_std` is given.

    Returns:
        The numbers of :func:`~energy_gans.functional.preconditioning`, each with the shape of `s`.
    """
    t = homotopy_time(s, homotopy.sharpness)
    _, v = conditional_moments(t, homotopy.sigma, homotopy.omega)
    b, c, width = preconditioning(v, homotopy.sigma, homotopy.omega, homotopy.data_std)
    rate = _path_rate(t, homotopy)
    return rate * b, rate * c, width


def preconditioned_potential(
    network: Callable[[Tensor], Tensor], a: Tensor, s: Tensor, homotopy: Homotopy
) -> Tensor:
    r"""Returns the potential :math:`\frac{b}{2} \|a\|^2 + c \, N(a / \sqrt{q})`, with shape :math:`(B)`.

    Arguments:
        network: The network :math:`N`, from :math:`(B, *)` to :math:`(B)`.
        a: The points, with shape :math:`(B, *)`.
        s: Their flow times, with shape :math:`(B)`.
        homotopy: The homotopy, whose `data_std` is given.
    """
    b, c, width = _potential_scales(s, homotopy)
    phi = network(a / expand_as(width, a))
    return b / 2 * a.flatten(1).square().sum(1) + c * phi


def path_point(y: Tensor, noise: Tensor, s: Tensor, homotopy: Homotopy) -> PathPoint:
    r"""Returns the points of the conditional path at flow times.

    Arguments:
        y: The real samples, with shape :math:`(B, *)`.
        noise: Standard normal noise, with shape :math:`(B, *)`.
        s: The flow times in [0, 1], with shape :math:`(B)`.
        homotopy: The homotopy.
    """
    t = homotopy_time(s, homotopy.sharpness)
    a, v = conditional_moments(t, homotopy.sigma, homotopy.omega)
    unit = torch.ones_like(s)
    if homotopy.data_std is not None:
        _, c, width = _potential_scales(s, homotopy)
        unit = c / width
    x = conditional_point(y, noise, a, v)
    return PathPoint(x, y, noise, v, _path_rate(t, homotopy), unit)


def driving_term(
    phi: Tensor,
    gradient: Tensor,
    point: PathPoint,
    homotopy: Homotopy,
    estimator: Literal["e1", "e2", "e4"] = "e4",
    group: Callable[[Tensor], Tensor] = lambda values: values,
) -> Tensor:
    r"""Returns an estimate of the loss's first term, a scalar.

    Arguments:
        phi: The potentials, with shape :math:`(B)`.
        gradient: Their gradients in units of `point.unit`, with shape :math:`(B, *)`.
        point: The points.
        homotopy: The homotopy.
        estimator: `"e1"` and `"e2"` estimate the covariance, centred in groups of one point a real
            sample and of several; `"e4"` the alignment of gradient and velocity.
        group: Returns values of points, :math:`(B)`, in the groups that :func:`covariance` centres.
    """
    _, y, noise, v, rate, unit = point
    if estimator == "e4":
        u = conditional_velocity(y, noise, v, homotopy.sigma, homotopy.omega)
        return -alignment(gradient, u * expand_as(rate / unit, y))
    gamma = innovation(y, noise, v, homotopy.sigma, homotopy.omega) * rate / unit**2
    return covariance(group(phi), group(gamma)) / 2
