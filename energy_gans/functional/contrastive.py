r"""What a potential :math:`\Phi` learns from real samples :math:`y` and those of its own chains, :math:`x`.

For the Gibbs density :math:`p \propto e^\Phi q` the slope of the log-likelihood is that of

.. math:: \mathbb{E}_y \Phi(y) - \mathbb{E}_x \Phi(x)

Generative ConvNets climb it, which is the flow of :math:`\mathrm{KL}` from one step of the chains to
the next. In the flow of Jordan, Kinderlehrer and Otto the squared Wasserstein distance stands in its
place; chains go from :math:`\rho_{t - 1}` to :math:`\rho_t` at the velocity :math:`\nabla \Phi`, so that

.. math::
    W_2^2(\rho_{t - 1}, \rho_t) \approx \zeta \, \mathbb{E}_{\rho_{t - 1}} \|\nabla \Phi\|^2
        + (1 - \zeta) \, \mathbb{E}_{\rho_t} \|\nabla \Phi\|^2 \qquad \zeta \sim \mathcal{U}[0, 1]

which the Wasserstein ConvNet keeps small: it subtracts :math:`\gamma / 2` of it from what is run_chains.
With :math:`\zeta` drawn anew every time its mean is the trapezoid rule. For an affine
:math:`\Phi` the flow's dual, :math:`\sup_b \Phi(b) - \|b - a\|^2 / 2 \gamma`, is
:math:`\Phi(a) + \frac{\gamma}{2} \|\nabla \Phi\|^2` exactly: so :math:`\gamma` is the size of a step of the
flow, and the sign is that of a penalty.

The paper's text has lost the sign and the factor of the term in Eq. 18; both are as derived above.

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
    r"""Returns :math:`\mathbb{E}_x \Phi(x) - \mathbb{E}_y \Phi(y)`, whose slope is minus the log-likelihood's.

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
    r"""Returns :math:`\zeta \, \mathbb{E} \|\nabla \Phi(x_{t-1})\|^2 + (1 - \zeta) \, \mathbb{E} \|\nabla \Phi(x_t)\|^2`.

    Norms are sums over elements. Gradients flow into the potential's parameters, not into the
    points. The inner gradient is float32 at least, also under autocast.

    Arguments:
        potential: The potential :math:`\Phi`, from :math:`(B, *)` to :math:`(B)`, each value of its
            own point.
        before: The points :math:`x_{t-1}`, with shape :math:`(M, *)`.
        after: The points :math:`x_t`, with shape :math:`(M, *)`.
        zeta: The weight :math:`\zeta`, in [0, 1].

    Returns:
        The cost (Eq. 13), a scalar.

    Raises:
        ValueError: If the points are not as many before as after, or there are none.
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

    A share of it keeps the potential near zero, which the contrastive loss does not: it knows
    :math:`\Phi` only up to a constant.

    References:
        Implicit Generation and Generalization in Energy-Based Models (Du and Mordatch, 2019),
        https://arxiv.org/abs/1903.08689

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(phi_x=phi_x, phi_y=phi_y)
    return torch.cat([phi_x, phi_y]).square().mean()


def gap_share(phi_x: Tensor, phi_y: Tensor, weight: float) -> Tensor:
    r"""Returns :math:`\frac{m}{2} \left[ \mathbb{E}_y \Phi(y) - \mathbb{E}_x \Phi(x) \right]`, the gap as a share of the largest.

    With the weight :math:`m` on :func:`magnitude`, and densities :math:`p` of :math:`y` and :math:`q` of
    :math:`x`, the loss

    .. math:: \int \Phi \, (q - p) + \frac{m}{2} \Phi^2 (p + q)

    is smallest at :math:`\Phi = (p - q) / m (p + q)`, where the share is

    .. math:: \frac{1}{2} \int \frac{(p - q)^2}{p + q}

    the squared Le Cam distance: 0 if both sets have one density, and 1, a gap of :math:`2 / m`, if they
    do not overlap. Of other potentials the share has no bound.

    Arguments:
        phi_x: The potential of the chains' samples, with shape :math:`(M)`.
        phi_y: The potential of real samples, with shape :math:`(N)`.
        weight: The weight :math:`m`; without one the gap has no bound, and the share is 0.

    References:
        Regularizing Generative Adversarial Networks under Limited Data (Tseng et al., 2021),
        https://arxiv.org/abs/2104.03310

    Raises:
        ValueError: If a batch is empty.
    """
    return weight / 2 * -contrastive_loss(phi_x, phi_y)
