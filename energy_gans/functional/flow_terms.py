r"""The terms of the loss of a variational potential flow, estimated from points of its path.

A potential whose flow :math:`\dot x = \nabla \Phi(x)` transports the mean density :math:`\bar\rho`
of a homotopy (:mod:`energy_gans.functional.homotopy`) minimises (Eq. 16, with the last term of Eq.
20)

.. math::
    \tfrac{1}{2} \, \mathbb{E}_y \operatorname{Cov}_{\rho(x | y; t)} [\Phi, \gamma]
    + \tfrac{1}{2} \, \mathbb{E}_{\bar\rho} \|\nabla \Phi\|^2
    + \tfrac{\eta}{2} \, \mathbb{E}_{\bar\rho} |\Phi|^2

The first term has two estimators with the same expectation. The first multiplies :math:`\Phi` with
the innovation :math:`\gamma - \bar\gamma`; a baseline that does not depend on the noise
:math:`\epsilon` of a point may be subtracted from :math:`\Phi`. The second integrates by parts:
the term is :math:`- \mathbb{E} \langle \nabla \Phi, u \rangle` with the velocity :math:`u` of the
conditional path, so that the potential flow is flow matching with a gradient field.

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative
    Modelling (Loo et al., 2024), https://arxiv.org/abs/2407.15238
"""

from __future__ import annotations

from torch import Tensor

from ..checks import check_filled


def covariance(phi: Tensor, innovation: Tensor) -> Tensor:
    r"""Returns an unbiased estimate of the expected covariance of :math:`\Phi` and :math:`\gamma`

    .. math:: \mathbb{E}_y \operatorname{Cov}_{\rho(x | y; t)} [\Phi, \gamma]

    With one point for each real sample, :math:`\Phi` is centred by its mean over the other points
    of the batch; with :math:`K` points, by its mean over the other points of the same real sample.
    Both baselines are independent of the point's noise and remove most of the variance.

    Arguments:
        phi: The potentials, with shape :math:`(B)` or :math:`(B, K)`.
        innovation: The innovations :math:`\gamma - \bar\gamma`, with the shape of `phi`.

    Returns:
        The covariance, a scalar.

    Raises:
        ValueError: If there are fewer than two points to centre.
    """
    check_filled(phi=phi)
    return (_centre(phi) * innovation).mean()


def kinetic_energy(gradient: Tensor) -> Tensor:
    r"""Returns :math:`\frac{1}{2} \mathbb{E} \|\nabla \Phi\|^2`.

    Arguments:
        gradient: The gradients :math:`\nabla \Phi`, with shape :math:`(B, *)`.

    Returns:
        The energy, a scalar.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(gradient=gradient)
    return gradient.flatten(1).square().sum(1).mean() / 2


def alignment(gradient: Tensor, velocity: Tensor) -> Tensor:
    r"""Returns :math:`\mathbb{E} \langle \nabla \Phi, u \rangle`.

    In expectation it is :math:`-\frac{1}{2}` times :func:`covariance`.

    Arguments:
        gradient: The gradients of the potential, with shape :math:`(B, *)`.
        velocity: The velocities of the points, with shape :math:`(B, *)`.

    Returns:
        The mean, a scalar.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(gradient=gradient)
    return (gradient * velocity).flatten(1).sum(1).mean()


def spread_energy(phi: Tensor) -> Tensor:
    r"""Returns an unbiased estimate of :math:`\frac{1}{2} \mathbb{E} |\Phi - \mathbb{E} \Phi|^2`.

    The factor :math:`\eta` of this term in the loss is the assumed spectral gap (Eqs. 17 and 20).
    Points of the same real sample are not independent, so a potential is centred by points of
    other real samples.

    Arguments:
        phi: The potentials of one point for each real sample, with shape :math:`(B)`, or of
            :math:`K`, with shape :math:`(B, K)`.

    Returns:
        The energy, a scalar.

    Raises:
        ValueError: If there is only one real sample.
    """
    n = len(phi)
    if n < 2:
        raise ValueError(f"'phi' should hold the points of two real samples or more, got {n}.")
    # A constant offset does not change the result, but costs digits.
    phi = phi.reshape(n, -1)
    phi = phi - phi.detach().mean()
    own = phi.mean(1, keepdim=True)
    others = (own.sum() - own) / (n - 1)
    # The expectation of the product is the variance: the mean of other samples is independent of
    # phi.
    return ((phi - others) * phi).mean() / 2


def _centre(phi: Tensor) -> Tensor:
    r"""Returns potentials minus the mean of the other potentials along the last dimension.

    Raises:
        ValueError: If there is only one potential.
    """
    n = phi.shape[-1]
    if n < 2:
        raise ValueError(f"'phi' should hold two potentials or more to be centred, got {n}.")
    return (phi - phi.mean(-1, keepdim=True)) * (n / (n - 1))
