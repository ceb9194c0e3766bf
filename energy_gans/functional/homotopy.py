r"""The homotopy between a Gaussian prior and data, and what a potential whose gradient flows along it minimises.

Between the prior :math:`q = \mathcal{N}(0, \omega^2 I)` and the likelihood
:math:`p(y | x) = \mathcal{N}(y; x, \sigma^2 I)` of a real sample :math:`y` there is the path of densities

.. math::
    \rho(x | y; t) \propto q(x) \, p(y | x)^t = \mathcal{N}(x; a y, v I), \quad
    a = \frac{t \omega^2}{\sigma^2 + t \omega^2}, \quad v = \frac{\omega^2 \sigma^2}{\sigma^2 + t \omega^2}

from the prior at :math:`t = 0` to the posterior at :math:`t = 1` (Eqs. 6 to 8 and 19). Its mean over the data,
:math:`\bar\rho(x; t)`, changes by

.. math::
    \partial_t \bar\rho = - \tfrac{1}{2} \, \mathbb{E}_y [\rho(x | y; t) (\gamma - \bar\gamma)], \quad
    \gamma = \|y - x\|^2 / \sigma^2, \quad \bar\gamma = \mathbb{E}_{\rho(x | y; t)} \gamma

(Eqs. 10 and 11). A potential whose flow :math:`\dot x = \nabla \Phi(x)` carries :math:`\bar\rho` along
minimises (Eq. 16, with the last term of Eq. 20)

.. math::
    \tfrac{1}{2} \, \mathbb{E}_y \operatorname{Cov}_{\rho(x | y; t)} [\Phi, \gamma]
    + \tfrac{1}{2} \, \mathbb{E}_{\bar\rho} \|\nabla \Phi\|^2 + \tfrac{\eta}{2} \, \mathbb{E}_{\bar\rho} |\Phi|^2

The first term has two estimators, equal in expectation. With a point :math:`x = a y + \sqrt{v} \, \epsilon` the
innovation :math:`\gamma - \bar\gamma` has a closed form, and :math:`\Phi` may be centred by what does not
depend on :math:`\epsilon`. Or, by parts, it is :math:`- \mathbb{E} \langle \nabla \Phi, u \rangle` with the
velocity :math:`u` of the conditional path: the potential flow is then flow matching by a gradient field.

Time is drawn even in its logarithm, :math:`t = \varepsilon (e^{s L} - 1)` with
:math:`L = \ln \frac{1 + \varepsilon}{\varepsilon}` and the flow time :math:`s` even in [0, 1]. In flow time
innovation and velocity are :math:`\frac{dt}{ds} = L (t + \varepsilon)` times as large.

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative Modelling
    (Loo et al., 2024), https://arxiv.org/abs/2407.15238
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..checks import check_filled, check_positive


def homotopy_time(s: Tensor, sharpness: float) -> Tensor:
    r"""Returns the homotopy's time :math:`t = \varepsilon (e^{s L} - 1)` at flow times.

    Arguments:
        s: The flow times :math:`s` in [0, 1], with any shape.
        sharpness: The number :math:`\varepsilon`; the smaller, the more of the flow is near the prior.

    Raises:
        ValueError: If `sharpness` is not positive.

    Example:
        >>> homotopy_time(torch.tensor([0.0, 0.5, 1.0]), 1e-4)
        tensor([0.0000, 0.0099, 1.0000])
    """
    check_positive("sharpness", sharpness)
    return sharpness * torch.expm1(s * math.log1p(1 / sharpness))


def flow_time(t: Tensor, sharpness: float) -> Tensor:
    r"""Returns the flow time :math:`s` of times :math:`t`, the inverse of :func:`homotopy_time`.

    Raises:
        ValueError: If `sharpness` is not positive.
    """
    check_positive("sharpness", sharpness)
    return torch.log1p(t / sharpness) / math.log1p(1 / sharpness)


def time_rate(t: Tensor, sharpness: float) -> Tensor:
    r"""Returns how fast the homotopy's time runs, :math:`\frac{dt}{ds} = L (t + \varepsilon)`, at times :math:`t`.

    Raises:
        ValueError: If `sharpness` is not positive.
    """
    check_positive("sharpness", sharpness)
    return math.log1p(1 / sharpness) * (t + sharpness)


def conditional_moments(t: Tensor, sigma: float, omega: float) -> tuple[Tensor, Tensor]:
    r"""Returns the factor :math:`a` of the mean and the variance :math:`v` of the conditional path (Eq. 19).

    Arguments:
        t: The times :math:`t` in [0, 1], with any shape.
        sigma: The standard deviation :math:`\sigma` of the likelihood.
        omega: The standard deviation :math:`\omega` of the prior.

    Returns:
        Both, with the shape of `t`. They fulfil :math:`a + v / \omega^2 = 1`.

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
    """
    return expand_as(a, y) * y + expand_as(v, y).sqrt() * noise


def innovation(y: Tensor, noise: Tensor, v: Tensor, sigma: float, omega: float) -> Tensor:
    r"""Returns :math:`\gamma - \bar\gamma` at points of the conditional path, with shape :math:`(B)`.

    In terms of the noise it is
    :math:`\frac{v}{\sigma^2} (\|\epsilon\|^2 - D) - \frac{2 (1 - a) \sqrt{v}}{\sigma^2} \langle y, \epsilon \rangle`
    with :math:`1 - a = v / \omega^2`, which does not take the difference of two large numbers.

    Arguments:
        y: The real samples, with shape :math:`(B, *)`.
        noise: The noise :math:`\epsilon` of the points, with shape :math:`(B, *)`.
        v: The variances, with shape :math:`(B)`.
        sigma: The standard deviation :math:`\sigma` of the likelihood.
        omega: The standard deviation :math:`\omega` of the prior.

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
    r"""Returns the velocity :math:`u = a' y + \frac{v'}{2 v} (x - a y)` of points of the conditional path.

    With :math:`a' = v^2 / (\omega \sigma)^2` and :math:`v' = - v^2 / \sigma^2`, in homotopy time.

    Arguments:
        y: The real samples, with shape :math:`(B, *)`.
        noise: The noise :math:`\epsilon` of the points, with shape :math:`(B, *)`.
        v: The variances, with shape :math:`(B)`.
        sigma: The standard deviation :math:`\sigma` of the likelihood.
        omega: The standard deviation :math:`\omega` of the prior.

    Returns:
        The velocities, with shape :math:`(B, *)`.

    Raises:
        ValueError: If `sigma` or `omega` is not positive.
    """
    check_positive("sigma", sigma)
    check_positive("omega", omega)
    v = expand_as(v, y)
    return (v**2 * y / omega**2 - v**1.5 / 2 * noise) / sigma**2


def covariance(phi: Tensor, innovation: Tensor) -> Tensor:
    r"""Returns an estimate without bias of :math:`\mathbb{E}_y \operatorname{Cov}_{\rho(x | y; t)} [\Phi, \gamma]`.

    Of one point for each real sample, :math:`\Phi` is centred by its mean over the other points of the
    batch; of :math:`K` points, by its mean over the others of the same real sample. Either baseline is
    independent of the point's noise, and takes most of the variance away.

    Arguments:
        phi: The potentials, with shape :math:`(B)` or :math:`(B, K)`.
        innovation: The innovations :math:`\gamma - \bar\gamma`, with the shape of `phi`.

    Raises:
        ValueError: If there is but one point to centre, or none.
    """
    check_filled(phi=phi)
    return (_centre(phi) * innovation).mean()


def kinetic_energy(gradient: Tensor) -> Tensor:
    r"""Returns :math:`\frac{1}{2} \mathbb{E} \|\nabla \Phi\|^2` of gradients, with shape :math:`(B, *)`.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(gradient=gradient)
    return gradient.flatten(1).square().sum(1).mean() / 2


def alignment(gradient: Tensor, velocity: Tensor) -> Tensor:
    r"""Returns :math:`\mathbb{E} \langle \nabla \Phi, u \rangle`, which is minus half of :func:`covariance`, in expectation.

    Arguments:
        gradient: The gradients of the potential, with shape :math:`(B, *)`.
        velocity: The velocities of the points, with shape :math:`(B, *)`.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(gradient=gradient)
    return (gradient * velocity).flatten(1).sum(1).mean()


def spread_energy(phi: Tensor) -> Tensor:
    r"""Returns :math:`\frac{1}{2} \mathbb{E} |\Phi - \mathbb{E} \Phi|^2`, without bias.

    Its factor :math:`\eta` in the loss is the spectral gap that it asks for (Eqs. 17 and 20). Points of
    the same real sample are not independent: a potential is centred by those of the other samples.

    Arguments:
        phi: The potentials of one point for each real sample, with shape :math:`(B)`, or of
            :math:`K`, with shape :math:`(B, K)`.

    Raises:
        ValueError: If there is only one real sample.
    """
    n = len(phi)
    if n < 2:
        raise ValueError(f"'phi' should hold the points of two real samples or more, got {n}.")
    # A constant has no influence, but costs digits.
    phi = phi.reshape(n, -1)
    phi = phi - phi.detach().mean()
    own = phi.mean(1, keepdim=True)
    others = (own.sum() - own) / (n - 1)
    # The expectation of the product is the variance, as the two factors' other parts are independent.
    return ((phi - others) * phi).mean() / 2


def _centre(phi: Tensor) -> Tensor:
    r"""Returns potentials less the mean of the others along the last dimension.

    Raises:
        ValueError: If there is but one.
    """
    n = phi.shape[-1]
    if n < 2:
        raise ValueError(f"'phi' should hold two potentials or more to be centred, got {n}.")
    return (phi - phi.mean(-1, keepdim=True)) * (n / (n - 1))


def expand_as(a: Tensor, x: Tensor) -> Tensor:
    r"""Returns numbers of samples, with shape :math:`(B)`, such that they multiply samples :math:`(B, *)`."""
    return a.reshape(-1, *[1] * (x.ndim - 1))
