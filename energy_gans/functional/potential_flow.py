r"""The loss of a variational potential flow, at points of the homotopy's conditional path.

For a potential in flow time :math:`s`, the velocity and the innovation of
:mod:`energy_gans.functional.homotopy` are multiplied by the rate :math:`\frac{dt}{ds}`. Gradients
are divided by a scale :math:`w(s)`, for which the gradient of a preconditioned network is of order
one (:mod:`energy_gans.functional.preconditioning`). The first two terms of the loss are

.. math::
    \tfrac{1}{2} \operatorname{Cov} \Big[ \Phi, \frac{dt}{ds} \frac{\gamma}{w^2} \Big]
    + \tfrac{1}{2} \, \mathbb{E} \Big\| \frac{\nabla \Phi}{w} \Big\|^2
    \qquad \text{or} \qquad
    - \mathbb{E} \Big\langle \frac{\nabla \Phi}{w}, \frac{dt}{ds} \frac{u}{w} \Big\rangle
    + \tfrac{1}{2} \, \mathbb{E} \Big\| \frac{\nabla \Phi}{w} \Big\|^2

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative
    Modelling (Loo et al., 2024), https://arxiv.org/abs/2407.15238
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .flow_terms import alignment, covariance
from .homotopy import (
    conditional_moments,
    conditional_point,
    conditional_velocity,
    expand_as,
    homotopy_time,
    innovation,
    time_rate,
)
from .preconditioning import preconditioning

_ESTIMATORS = ("e1", "e2", "e4")


class Homotopy(NamedTuple):
    r"""The parameters of a homotopy between prior and data.

    Arguments:
        sigma: The standard deviation :math:`\sigma` of the likelihood, in data units.
        omega: The standard deviation :math:`\omega` of the prior, in data units.
        sharpness: The constant :math:`\varepsilon` of the distribution of times.
        jacobian: Whether the potential is that of the flow in flow time :math:`s`, which is
            :math:`\frac{dt}{ds}` times that in homotopy time :math:`t`.
        data_std: The root mean square of the data's elements, for preconditioning; `None` without.
    """

    sigma: float
    omega: float
    sharpness: float
    jacobian: bool = True
    data_std: float | None = None


class PathPoint(NamedTuple):
    r"""Points of the conditional path, and the quantities that the loss needs at them.

    Arguments:
        x: The points :math:`x`, with shape :math:`(B, *)`.
        y: The real samples :math:`y` of the points, with shape :math:`(B, *)`.
        noise: The noise :math:`\epsilon` of the points, with shape :math:`(B, *)`.
        v: The variances :math:`v` of the conditional path, with shape :math:`(B)`.
        rate: The derivative of the homotopy time by the potential's time, with shape :math:`(B)`.
        gradient_scale: The scale :math:`w` of gradients, with shape :math:`(B)`.
    """

    x: Tensor
    y: Tensor
    noise: Tensor
    v: Tensor
    rate: Tensor
    gradient_scale: Tensor


def _path_rate(t: Tensor, homotopy: Homotopy) -> Tensor:
    r"""Returns the derivative of the homotopy time :math:`t` by the potential's time."""
    return time_rate(t, homotopy.sharpness) if homotopy.jacobian else torch.ones_like(t)


def _potential_scales(s: Tensor, homotopy: Homotopy) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns :math:`b`, :math:`c` and :math:`\sqrt{q}` in the potential's time.

    Arguments:
        s: The flow times, with any shape.
        homotopy: The homotopy, with a `data_std`.

    Returns:
        The coefficients of :func:`~energy_gans.functional.preconditioning`, each with the shape of
        `s`; :math:`b` and :math:`c` are multiplied by :math:`\frac{dt}{ds}` for a potential in
        flow time.
    """
    t = homotopy_time(s, homotopy.sharpness)
    _, v = conditional_moments(t, homotopy.sigma, homotopy.omega)
    b, c, width = preconditioning(v, homotopy.sigma, homotopy.omega, homotopy.data_std)
    rate = _path_rate(t, homotopy)
    return rate * b, rate * c, width


def preconditioned_potential(
    network: Callable[[Tensor], Tensor], a: Tensor, s: Tensor, homotopy: Homotopy
) -> Tensor:
    r"""Returns :math:`\Phi(a) = \frac{b}{2} \|a\|^2 + c \, N(a / \sqrt{q})`, with shape (B).

    Arguments:
        network: The network :math:`N`, from :math:`(B, *)` to :math:`(B)`.
        a: The points, with shape :math:`(B, *)`.
        s: The flow times of the points, with shape :math:`(B)`.
        homotopy: The homotopy, with a `data_std`.
    """
    b, c, width = _potential_scales(s, homotopy)
    phi = network(a / expand_as(width, a))
    return b / 2 * a.flatten(1).square().sum(1) + c * phi


def path_point(y: Tensor, noise: Tensor, s: Tensor, homotopy: Homotopy) -> PathPoint:
    r"""Returns points of the conditional path at flow times.

    Arguments:
        y: The real samples, with shape :math:`(B, *)`.
        noise: Standard normal noise, with shape :math:`(B, *)`.
        s: The flow times in [0, 1], with shape :math:`(B)`.
        homotopy: The homotopy.
    """
    t = homotopy_time(s, homotopy.sharpness)
    a, v = conditional_moments(t, homotopy.sigma, homotopy.omega)
    scale = torch.ones_like(s)
    if homotopy.data_std is not None:
        _, c, width = _potential_scales(s, homotopy)
        scale = c / width
    x = conditional_point(y, noise, a, v)
    return PathPoint(x, y, noise, v, _path_rate(t, homotopy), scale)


def driving_term(
    phi: Tensor,
    gradient: Tensor,
    point: PathPoint,
    homotopy: Homotopy,
    estimator: Literal["e1", "e2", "e4"] = "e4",
    group: Callable[[Tensor], Tensor] = lambda values: values,
) -> Tensor:
    r"""Returns an estimate of the first term of the loss, a scalar.

    Arguments:
        phi: The potentials at the points, with shape :math:`(B)`.
        gradient: The gradients of the potential, divided by `point.gradient_scale`, with shape
            :math:`(B, *)`.
        point: The points.
        homotopy: The homotopy.
        estimator: `"e1"` and `"e2"` estimate the covariance, with one point and with several
            points per real sample; `"e4"` estimates the alignment of gradient and velocity.
        group: A function that reshapes values of points, with shape :math:`(B)`, as
            :func:`covariance` expects them.

    Raises:
        ValueError: If the estimator is unknown.
    """
    check_estimator(estimator)
    _, y, noise, v, rate, scale = point
    if estimator == "e4":
        u = conditional_velocity(y, noise, v, homotopy.sigma, homotopy.omega)
        return -alignment(gradient, u * expand_as(rate / scale, y))
    gamma = innovation(y, noise, v, homotopy.sigma, homotopy.omega) * rate / scale**2
    return covariance(group(phi), group(gamma)) / 2


def check_estimator(estimator: str) -> None:
    r"""Raises a `ValueError` unless an estimator of the first term of the loss is known."""
    if estimator not in _ESTIMATORS:
        raise ValueError(f"'estimator' should be one of {_ESTIMATORS}, got {estimator!r}.")
