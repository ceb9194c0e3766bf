r"""Contrastive losses of a potential :math:`\Phi`: real :math:`y` against chains' :math:`x`.

For the Gibbs density :math:`p \propto e^\Phi q` with a fixed reference density :math:`q`, the
log-likelihood has the same gradient in the parameters of :math:`\Phi` as

.. math:: \mathbb{E}_y \Phi(y) - \mathbb{E}_x \Phi(x)

Generative ConvNets ascend this gradient. The paper reads their learning as a discretised
:math:`\mathrm{KL}` gradient flow. The Wasserstein ConvNet replaces :math:`\mathrm{KL}` by the
squared Wasserstein distance between successive densities of the chains, as in the scheme of
Jordan, Kinderlehrer and Otto. Chains go from :math:`\rho_{t - 1}` to :math:`\rho_t` at the
velocity :math:`\nabla \Phi`, so that

.. math::
    W_2^2(\rho_{t - 1}, \rho_t) \approx \zeta \, \mathbb{E}_{\rho_{t - 1}} \|\nabla \Phi\|^2
        + (1 - \zeta) \, \mathbb{E}_{\rho_t} \|\nabla \Phi\|^2 \qquad \zeta \sim \mathcal{U}[0, 1]

The Wasserstein ConvNet subtracts :math:`\gamma / 2` times this cost from the ascended objective.
:math:`\zeta` is drawn anew at every step, so that the mean of the cost is the trapezoid rule. For
an affine :math:`\Phi` the dual of the flow's step,
:math:`\sup_b \Phi(b) - \|b - a\|^2 / 2 \gamma`, is
:math:`\Phi(a) + \frac{\gamma}{2} \|\nabla \Phi\|^2` exactly. Hence :math:`\gamma` is the step size
of the flow, and the cost is a penalty.

In Eq. 18 of the version of the paper that we had, the sign and the factor of this term are
missing; both follow the derivation above.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Eqs. 13 and 18, https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..checks import check_filled


def contrastive_loss(phi_x: Tensor, phi_y: Tensor) -> Tensor:
    r"""Returns :math:`\mathbb{E}_x \Phi(x) - \mathbb{E}_y \Phi(y)`.

    Its gradient in the potential's parameters is minus that of the log-likelihood.

    Arguments:
        phi_x: The potential of the chains' samples, with shape :math:`(M)`.
        phi_y: The potential of real samples, with shape :math:`(N)`.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(phi_x=phi_x, phi_y=phi_y)
    return phi_x.mean() - phi_y.mean()


def transport_cost(
    potential: Callable[[Tensor], Tensor], before: Tensor, after: Tensor, zeta: Tensor | float
) -> Tensor:
    r"""Returns the transport cost of one step of the flow (Eq. 13)

    .. math:: \zeta \, \mathbb{E} \|\nabla \Phi(x_{t-1})\|^2
        + (1 - \zeta) \, \mathbb{E} \|\nabla \Phi(x_t)\|^2

    Squared norms are sums over elements. Gradients flow into the potential's parameters, not into
    the points. The inner gradient is float32 at least, also under autocast.

    Arguments:
        potential: The potential :math:`\Phi`, from :math:`(B, *)` to :math:`(B)`; each value must
            depend on its own point only.
        before: The points :math:`x_{t-1}`, with shape :math:`(M, *)`.
        after: The points :math:`x_t`, with shape :math:`(M, *)`.
        zeta: The weight :math:`\zeta`, a scalar in [0, 1].

    Returns:
        The cost, a scalar.

    Raises:
        ValueError: If the shapes differ, or there are no points.
    """
    check_filled(before=before)
    if before.shape != after.shape:
        raise ValueError(
            f"'before' and 'after' should have one shape, got {tuple(before.shape)} and "
            f"{tuple(after.shape)}."
        )
    a = torch.cat([before, after]).detach()
    a = a.to(torch.promote_types(a.dtype, torch.float32)).requires_grad_()
    with torch.enable_grad(), torch.autocast(a.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(potential(a).sum(), a, create_graph=True)
        first, last = gradient.flatten(1).square().sum(1).chunk(2)
        return zeta * first.mean() + (1 - zeta) * last.mean()


def magnitude(phi_x: Tensor, phi_y: Tensor) -> Tensor:
    r"""Returns the mean of :math:`\Phi^2` over both sets.

    Added to the loss with a small weight, it keeps the potential near zero. The contrastive loss
    alone determines :math:`\Phi` only up to a constant.

    Arguments:
        phi_x: The potential of the chains' samples, with shape :math:`(M)`.
        phi_y: The potential of real samples, with shape :math:`(N)`.

    Returns:
        The mean, a scalar.

    References:
        Implicit Generation and Generalization in Energy-Based Models (Du and Mordatch, 2019),
        https://arxiv.org/abs/1903.08689

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(phi_x=phi_x, phi_y=phi_y)
    return torch.cat([phi_x, phi_y]).square().mean()


def gap_share(phi_x: Tensor, phi_y: Tensor, weight: float) -> Tensor:
    r"""Returns the energy gap as a share of the largest gap that the penalty allows

    .. math:: \frac{m}{2} \left[ \mathbb{E}_y \Phi(y) - \mathbb{E}_x \Phi(x) \right]

    With the weight :math:`m` on :func:`magnitude`, and densities :math:`p` of :math:`y` and
    :math:`q` of :math:`x`, the loss

    .. math:: \int \Phi \, (q - p) + \frac{m}{2} \Phi^2 (p + q)

    is smallest at :math:`\Phi = (p - q) / m (p + q)`, where the share is

    .. math:: \frac{1}{2} \int \frac{(p - q)^2}{p + q}

    the squared Le Cam distance: 0 if both densities are equal, and 1, for a gap of :math:`2 / m`,
    if they do not overlap. For other potentials the share has no bound.

    Arguments:
        phi_x: The potential of the chains' samples, with shape :math:`(M)`.
        phi_y: The potential of real samples, with shape :math:`(N)`.
        weight: The weight :math:`m`; with the weight 0 the gap has no bound, and the share is 0.

    Returns:
        The share, a scalar without a dimension.

    References:
        Regularizing Generative Adversarial Networks under Limited Data (Tseng et al., 2021),
        https://arxiv.org/abs/2104.03310

    Raises:
        ValueError: If a batch is empty.
    """
    return weight / 2 * -contrastive_loss(phi_x, phi_y)
