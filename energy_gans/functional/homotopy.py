r"""The homotopy from a Gaussian prior to the data: times, points, innovation and velocity.

The prior :math:`q = \mathcal{N}(0, \omega^2 I)` and the likelihood
:math:`p(y | x) = \mathcal{N}(y; x, \sigma^2 I)` of a real sample :math:`y` define a path of
densities

.. math::
    \rho(x | y; t) \propto q(x) \, p(y | x)^t = \mathcal{N}(x; a y, v I), \quad
    a = \frac{t \omega^2}{\sigma^2 + t \omega^2}, \quad
    v = \frac{\omega^2 \sigma^2}{\sigma^2 + t \omega^2}

from the prior at :math:`t = 0` to the posterior at :math:`t = 1` (Eqs. 6 to 8 and 19). The mean of
this density over the data, :math:`\bar\rho(x; t)`, obeys

.. math::
    \partial_t \bar\rho
    = - \tfrac{1}{2} \, \mathbb{E}_y [\rho(x | y; t) (\gamma - \bar\gamma)], \quad
    \gamma = \|y - x\|^2 / \sigma^2, \quad \bar\gamma = \mathbb{E}_{\rho(x | y; t)} \gamma

(Eqs. 10 and 11), with the innovation :math:`\gamma - \bar\gamma`. At a point
:math:`x = a y + \sqrt{v} \, \epsilon` the innovation has a closed form in the noise, and the point
has the velocity :math:`u` of the conditional path. :mod:`energy_gans.functional.flow_terms` has
the loss of a potential whose flow transports :math:`\bar\rho`.

Times are uniform on a logarithmic scale: :math:`t = \varepsilon (e^{s L} - 1)` with
:math:`L = \ln \frac{1 + \varepsilon}{\varepsilon}`, where the flow time :math:`s` is uniform in
[0, 1]. In flow time, innovation and velocity are multiplied by
:math:`\frac{dt}{ds} = L (t + \varepsilon)`.

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative
    Modelling (Loo et al., 2024), https://arxiv.org/abs/2407.15238
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..checks import check_positive


def homotopy_time(s: Tensor, sharpness: float) -> Tensor:
    r"""Returns the homotopy time :math:`t = \varepsilon (e^{s L} - 1)` at flow times :math:`s`.

    Arguments:
        s: The flow times :math:`s` in [0, 1], with any shape.
        sharpness: The constant :math:`\varepsilon > 0`; smaller values spend more flow time near
            the prior.

    Returns:
        The homotopy times in [0, 1], with the shape of `s`.

    Raises:
        ValueError: If `sharpness` is not positive.

    Example:
        >>> homotopy_time(torch.tensor([0.0, 0.5, 1.0]), 1e-4)
        tensor([0.0000, 0.0099, 1.0000])
    """
    check_positive("sharpness", sharpness)
    return sharpness * torch.expm1(s * math.log1p(1 / sharpness))


def flow_time(t: Tensor, sharpness: float) -> Tensor:
    r"""Returns the flow time :math:`s` at homotopy times :math:`t`: inverts :func:`homotopy_time`.

    Arguments:
        t: The homotopy times :math:`t` in [0, 1], with any shape.
        sharpness: The constant :math:`\varepsilon > 0` of :func:`homotopy_time`.

    Returns:
        The flow times in [0, 1], with the shape of `t`.

    Raises:
        ValueError: If `sharpness` is not positive.
    """
    check_positive("sharpness", sharpness)
    return torch.log1p(t / sharpness) / math.log1p(1 / sharpness)


def time_rate(t: Tensor, sharpness: float) -> Tensor:
    r"""Returns :math:`\frac{dt}{ds} = L (t + \varepsilon)` at homotopy times :math:`t`.

    Arguments:
        t: The homotopy times :math:`t` in [0, 1], with any shape.
        sharpness: The constant :math:`\varepsilon > 0` of :func:`homotopy_time`.

    Returns:
        The rates, with the shape of `t`.

    Raises:
        ValueError: If `sharpness` is not positive.
    """
    check_positive("sharpness", sharpness)
    return math.log1p(1 / sharpness) * (t + sharpness)


def conditional_moments(t: Tensor, sigma: float, omega: float) -> tuple[Tensor, Tensor]:
    r"""Returns the factor :math:`a` and the variance :math:`v` of the conditional path (Eq. 19).

    Arguments:
        t: The times :math:`t` in [0, 1], with any shape.
        sigma: The standard deviation :math:`\sigma` of the likelihood, in data units.
        omega: The standard deviation :math:`\omega` of the prior, in data units.

    Returns:
        The factors and the variances, with the shape of `t`; they obey
        :math:`a + v / \omega^2 = 1`.

    Raises:
        ValueError: If `sigma` or `omega` is not positive.
    """
    check_positive("sigma", sigma)
    check_positive("omega", omega)
    v = omega**2 * sigma**2 / (sigma**2 + t * omega**2)
    return t * v / sigma**2, v


def conditional_point(y: Tensor, noise: Tensor, a: Tensor, v: Tensor) -> Tensor:
    r"""Returns points :math:`x = a y + \sqrt{v} \, \epsilon` of the conditional path.

    Arguments:
        y: The real samples, with shape :math:`(B, *)`.
        noise: Standard normal noise :math:`\epsilon`, with shape :math:`(B, *)`.
        a: The factors of the mean, with shape :math:`(B)`.
        v: The variances, with shape :math:`(B)`.

    Returns:
        The points, with shape :math:`(B, *)`.
    """
    return expand_as(a, y) * y + expand_as(v, y).sqrt() * noise


def innovation(y: Tensor, noise: Tensor, v: Tensor, sigma: float, omega: float) -> Tensor:
    r"""Returns :math:`\gamma - \bar\gamma` on the conditional path, with shape :math:`(B)`.

    In terms of the noise, with :math:`1 - a = v / \omega^2`, the innovation is

    .. math:: \frac{v}{\sigma^2} (\|\epsilon\|^2 - D)
        - \frac{2 (1 - a) \sqrt{v}}{\sigma^2} \langle y, \epsilon \rangle

    which avoids the difference of two large numbers.

    Arguments:
        y: The real samples, with shape :math:`(B, *)`.
        noise: The noise :math:`\epsilon` of the points, with shape :math:`(B, *)`.
        v: The variances, with shape :math:`(B)`.
        sigma: The standard deviation :math:`\sigma` of the likelihood, in data units.
        omega: The standard deviation :math:`\omega` of the prior, in data units.

    Raises:
        ValueError: If `sigma` or `omega` is not positive.
    """
    check_positive("sigma", sigma)
    check_positive("omega", omega)
    y, noise = y.flatten(1), noise.flatten(1)
    radial = noise.square().sum(1) - noise.shape[1]
    return (v * radial - 2 * v**1.5 / omega**2 * (y * noise).sum(1)) / sigma**2


def conditional_velocity(
    y: Tensor, noise: Tensor, v: Tensor, sigma: float, omega: float
) -> Tensor:
    r"""Returns the velocity :math:`u = a' y + \frac{v'}{2 v} (x - a y)` on the conditional path.

    In homotopy time, :math:`a' = v^2 / (\omega \sigma)^2` and :math:`v' = - v^2 / \sigma^2`.

    Arguments:
        y: The real samples, with shape :math:`(B, *)`.
        noise: The noise :math:`\epsilon` of the points, with shape :math:`(B, *)`.
        v: The variances, with shape :math:`(B)`.
        sigma: The standard deviation :math:`\sigma` of the likelihood, in data units.
        omega: The standard deviation :math:`\omega` of the prior, in data units.

    Returns:
        The velocities, with shape :math:`(B, *)`.

    Raises:
        ValueError: If `sigma` or `omega` is not positive.
    """
    check_positive("sigma", sigma)
    check_positive("omega", omega)
    v = expand_as(v, y)
    return (v**2 * y / omega**2 - v**1.5 / 2 * noise) / sigma**2


def expand_as(a: Tensor, x: Tensor) -> Tensor:
    r"""Reshapes `a`, with shape (B), for broadcasting against `x`, with shape (B, *)."""
    return a.reshape(-1, *[1] * (x.ndim - 1))
