r"""Potentials of two sets of charges, and the energy of their interaction.

Real samples :math:`y` attract, generated samples :math:`x` repel. The charge density
:math:`\rho = p_y - p_x` and a kernel :math:`k` give, for finite samples,

.. math::
    \Phi(a) & = \frac{1}{N} \sum_i k(a, y_i) - \frac{1}{M} \sum_j k(a, x_j) \\
    E(a) & = -\nabla_a \Phi(a) \\
    F & = \frac{1}{2} \left[ \frac{1}{N^2} \sum_{ij} k(y_i, y_j)
        + \frac{1}{M^2} \sum_{ij} k(x_i, x_j) - \frac{2}{N M} \sum_{ij} k(y_i, x_j) \right]

the potential, its field and the interaction energy. A potential is high where real data is. A
generated sample has a negative charge, so the force on it is :math:`-E = \nabla \Phi`: it climbs
the potential. That lowers the energy, as :math:`\nabla_{x_i} F = -\frac{1}{M} \nabla \Phi(x_i)`.
The energy is half the squared maximum mean discrepancy. For a strictly positive definite kernel it
is zero if and only if the empirical distributions of the two samples are equal.

A :math:`k` is any callable from :math:`(N, *)` and :math:`(M, *)` to :math:`(N, M)`.

References:
    Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al., 2018),
    https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ..checks import check_filled
from .distances import distances

# The largest number of elements of a kernel matrix that is held at a time.
_BLOCK = 2**21

Kernel = Callable[[Tensor, Tensor], Tensor]


def potential(a: Tensor, attract: Tensor, repel: Tensor, kernel: Kernel) -> Tensor:
    r"""Returns the potential :math:`\Phi(a)` (Eq. 8) of two sets of point charges.

    A charge that is also an evaluation point is not left out: the self term :math:`k(a, a)` is
    part of the sum, as in the paper. The two sets may differ in size.

    Arguments:
        a: The evaluation points, with shape :math:`(B, *)`.
        attract: The charges that attract, :math:`y`, with shape :math:`(N, *)`.
        repel: The charges that repel, :math:`x`, with shape :math:`(M, *)`.
        kernel: The kernel :math:`k(a, b)`.

    Returns:
        The potential, with shape :math:`(B)`, high where attracting charges are.

    Raises:
        ValueError: If one set of charges is empty.
    """
    if len(attract) == 0 or len(repel) == 0:
        raise ValueError(
            "'attract' and 'repel' should hold at least one charge each, "
            f"got {len(attract)} and {len(repel)}."
        )
    charges = torch.cat([attract, repel])
    parts = []
    for part in a.split(max(1, _BLOCK // len(charges))):
        k = kernel(part, charges)
        # In float64, because the difference of two means of similar size is taken.
        y, x = k[:, : len(attract)], k[:, len(attract) :]
        parts.append((y.mean(1, dtype=torch.float64) - x.mean(1, dtype=torch.float64)).to(k.dtype))
    return torch.cat(parts)


def field(a: Tensor, attract: Tensor, repel: Tensor, kernel: Kernel) -> Tensor:
    r"""Returns the field :math:`E(a) = -\nabla_a \Phi(a)` (Eq. 6) of fixed charges.

    Arguments:
        a: The evaluation points, with shape :math:`(B, *)`.
        attract: The charges that attract, :math:`y`, with shape :math:`(N, *)`.
        repel: The charges that repel, :math:`x`, with shape :math:`(M, *)`.
        kernel: The kernel :math:`k(a, b)`.

    Returns:
        The field, with shape :math:`(B, *)`. The force on a generated sample is its negative.
    """
    return -torch.func.grad(lambda a: potential(a, attract, repel, kernel).sum())(a)


def interaction_energy(
    y: Tensor, x: Tensor, kernel: Kernel, estimator: Literal["v", "u"] = "v"
) -> Tensor:
    r"""Returns the interaction energy :math:`F` (Eq. 33) of real and generated samples.

    Arguments:
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`.
        kernel: The kernel :math:`k(a, b)`.
        estimator: `"v"`, the sum over all pairs, as in the paper, is never negative for a positive
            definite kernel, and biased by the self terms. `"u"`, the sum over distinct pairs, is
            unbiased, and has the mean zero if the distributions are equal.

    Returns:
        The energy, a scalar.

    Raises:
        ValueError: If `estimator` is unknown or has too few samples.
    """
    if estimator not in ("v", "u"):
        raise ValueError(f"'estimator' should be 'v' or 'u', got {estimator!r}.")
    least = 1 if estimator == "v" else 2
    if len(y) < least or len(x) < least:
        raise ValueError(
            f"'y' and 'x' should hold at least {least} samples for estimator {estimator!r}, "
            f"got {len(y)} and {len(x)}."
        )
    # In float64, because differences of means of similar size are taken.
    yy, xx, yx = (kernel(a, b).double() for a, b in ((y, y), (x, x), (y, x)))
    mean = Tensor.mean if estimator == "v" else _off_diagonal_mean
    energy = (mean(yy) + mean(xx)) / 2 - yx.mean()
    return energy.to(torch.promote_types(torch.promote_types(y.dtype, x.dtype), torch.float32))


def energy_distance(y: Tensor, x: Tensor) -> Tensor:
    r"""Returns an unbiased estimate of the squared energy distance

    .. math:: 2 \mathbb{E} \|y - x\| - \mathbb{E} \|y - y'\| - \mathbb{E} \|x - x'\|

    which is twice the interaction energy of the kernel :math:`-r`, and has no parameters.

    References:
        Energy Statistics: A Class of Statistics Based on Distances (Székely and Rizzo, 2013)

    Arguments:
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`.

    Returns:
        The squared distance, a scalar, in data units.
    """
    return 2 * interaction_energy(y, x, lambda a, b: -distances(a, b), "u")


def _off_diagonal_mean(k: Tensor) -> Tensor:
    r"""Returns the mean of the off-diagonal elements of a matrix, with shape :math:`(N, N)`.

    The diagonal is left out, not subtracted: it may be infinite, or so large that digits would be
    lost.
    """
    n = len(k)
    # Without the first element, rows of length N + 1 have the diagonal in their last column.
    return k.flatten()[1:].view(n - 1, n + 1)[:, :n].mean()


def potential_loss(d: Tensor, phi: Tensor) -> Tensor:
    r"""Returns the discriminator's loss :math:`\frac{1}{2} \mathbb{E}[(D - \Phi)^2]` (Eq. 9).

    The potential is a target: no gradient flows into it.

    Arguments:
        d: The learned potential :math:`D(a)`, with shape :math:`(B)`.
        phi: The potential :math:`\Phi(a)`, with shape :math:`(B)`.

    Raises:
        ValueError: If the shapes differ, or there are no potentials.
    """
    check_filled(d=d)
    if d.shape != phi.shape:
        raise ValueError(
            f"'d' and 'phi' should have one shape, got {tuple(d.shape)} and {tuple(phi.shape)}."
        )
    return (d - phi.detach()).square().mean() / 2


def climbing_loss(d: Tensor) -> Tensor:
    r"""Returns the generator's loss :math:`-\frac{1}{2} \mathbb{E}[D(G(z))]` (Eq. 10).

    Arguments:
        d: The learned potential of generated samples :math:`D(G(z))`, with shape :math:`(B)`.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(d=d)
    return -d.mean() / 2
