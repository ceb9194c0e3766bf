r"""Kernel discrepancies between two sets of samples, and the losses of two networks.

For :math:`m` real features :math:`u` and :math:`m` generated features :math:`v`, the squared
maximum mean discrepancy with a kernel :math:`k`, which for the elastic kernel is the EIEG metric,
is

.. math::
    E(u, v) = \frac{1}{m^2} \sum_{ij} k(u_i, u_j) + \frac{1}{m^2} \sum_{ij} k(v_i, v_j)
        - \frac{2}{m^2} \sum_{ij} k(u_i, v_j)

The generator lowers :math:`E`. The network that maps to features raises it, or uses the repulsive
loss of Wang et al., which attracts generated features to each other and repels real ones from each
other, so that the two sets do not diverge.

Elastic kernels of high powers overflow float32. :func:`elastic_sums` returns matrices of kernel
values that are all multiplied by one factor, for which the strongest force is one.

Losses take matrices of kernel values. The self terms :math:`k(u_i, u_i)` are constants and are set
to zero (see :func:`~energy_gans.functional.distinct`); the factors :math:`1 / m^2` stay.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), https://arxiv.org/abs/2303.10553
    MMD GAN: Towards Deeper Understanding of Moment Matching Network (Li et al., 2017),
    https://arxiv.org/abs/1705.08584
    Improving MMD-GAN Training with Repulsive Loss Function (Wang et al., 2019),
    https://arxiv.org/abs/1812.09916
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..checks import check_filled
from .elastic_kernels import Softening, elastic_log_force, scaled_elastic
from .potentials import Kernel


def discrepancy(uu: Tensor, vv: Tensor, uv: Tensor) -> Tensor:
    r"""Returns the discrepancy :math:`E` (Eq. 6 of the EIEG paper), without the self terms.

    Arguments:
        uu: The kernel between real features, with shape :math:`(N, N)`, its diagonal zero.
        vv: The kernel between generated features, with shape :math:`(M, M)`, its diagonal zero.
        uv: The kernel between both, with shape :math:`(N, M)`.

    Returns:
        The discrepancy, a scalar. Without the self terms it may be negative.

    Raises:
        ValueError: If a matrix is empty.
    """
    check_filled(uu=uu, vv=vv, uv=uv)
    return uu.mean() + vv.mean() - 2 * uv.mean()


def kernel_within(u: Tensor, kernel: Kernel) -> Tensor:
    r"""Returns the kernel between the points of a set, with a diagonal of zeros.

    Arguments:
        u: The points, with shape :math:`(N, *)`.
        kernel: The kernel :math:`k(a, b)`.

    Returns:
        The matrix, with shape :math:`(N, N)`.
    """
    k = kernel(u, u)
    return k.masked_fill(torch.eye(len(u), dtype=torch.bool, device=k.device), 0)


def matching_loss(vv: Tensor, uv: Tensor) -> Tensor:
    r"""Returns the generator's loss (Eqs. 7 and 10), the terms of :math:`E` that contain :math:`v`

    .. math:: L_G = \frac{1}{m^2} \sum_{ij} k(v_i, v_j) - \frac{2}{m^2} \sum_{ij} k(u_i, v_j)

    Arguments:
        vv: The kernel between generated features, with shape :math:`(M, M)`, its diagonal zero.
        uv: The kernel between real and generated features, with shape :math:`(N, M)`.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If a matrix is empty.
    """
    check_filled(vv=vv, uv=uv)
    return vv.mean() - 2 * uv.mean()


def repulsive_loss(uu: Tensor, vv: Tensor) -> Tensor:
    r"""Returns the discriminator's repulsive loss (Eq. 4 of Wang et al.)

    .. math:: L_D = \frac{1}{m^2} \sum_{ij} k(u_i, u_j) - \frac{1}{m^2} \sum_{ij} k(v_i, v_j)

    which repels real features from each other and attracts generated ones to each other.

    Arguments:
        uu: The kernel between real features, with shape :math:`(N, N)`, its diagonal zero.
        vv: The kernel between generated features, with shape :math:`(M, M)`, its diagonal zero.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If a matrix is empty.
    """
    check_filled(uu=uu, vv=vv)
    return uu.mean() - vv.mean()


class ElasticTerm(NamedTuple):
    r"""A multiple of an elastic kernel, :math:`c K_e(r)` with the exponent :math:`p`.

    Arguments:
        coefficient: The factor :math:`c`, not zero.
        cutoff: The cut-off :math:`e`, in the unit of the distances.
        power: The exponent :math:`p`.
    """

    coefficient: float
    cutoff: float
    power: float


def elastic_sums(
    sets: Sequence[tuple[Tensor, Sequence[ElasticTerm]]],
    softening: Softening = "cap",
    largest: Callable[[Tensor], Tensor] | None = None,
) -> list[Tensor]:
    r"""Returns sums of elastic kernels for sets of pairs, times one factor for all sets

    .. math:: s \sum_t c_t K_{e_t}(r) \qquad
        s^{-1} = \max_{\text{sets, pairs}} \Big| \sum_t c_t K_{e_t}'(r) \Big|

    so that the strongest force between two points, of all terms together, is one. The factor is
    detached: ratios of terms and pairs do not depend on it, and the gradient has the same size for
    every power and every unit of length. Pairs without a force, which coincide or whose terms
    cancel, do not affect the factor. Their sums are constants and are set to zero like self terms.

    Arguments:
        sets: For each set of pairs, the squared distances, of any shape, and the terms. Pairs at
            an infinite distance are ignored.
        softening: How all kernels are made finite: `"cap"` or `"plummer"`.
        largest: For pairs that several processes share, the largest of a number over the
            processes.

    Returns:
        The sums of each set, with the shape and type of the squared distances.

    Raises:
        ValueError: If a set is empty, or an argument is out of its range.
    """
    for r2, _ in sets:
        check_filled(sets=r2)
    # Sets with the same terms are joined: for small matrices, the number of operations decides the
    # time.
    parts: dict[tuple[ElasticTerm, ...], list[Tensor]] = {}
    for r2, terms in sets:
        parts.setdefault(tuple(terms), []).append(r2.flatten())
    joined = {terms: torch.cat(r2) for terms, r2 in parts.items()}
    forces = {terms: _log_net_force(r2.detach(), terms, softening) for terms, r2 in joined.items()}
    strongest = torch.stack([force.amax() for force in forces.values()]).amax()
    strongest = strongest if largest is None else largest(strongest)
    log_scale = torch.where(strongest.isfinite(), -strongest, 0.0)
    sums = {}
    for terms, r2 in joined.items():
        active = r2.masked_fill(forces[terms] == -torch.inf, torch.inf)
        total = sum(c * scaled_elastic(active, e, p, softening, log_scale) for c, e, p in terms)
        sums[terms] = iter(total.to(r2.dtype).split([len(part) for part in parts[terms]]))
    return [next(sums[tuple(terms)]).view_as(r2) for r2, terms in sets]


def _log_net_force(r2: Tensor, terms: Sequence[ElasticTerm], softening: Softening) -> Tensor:
    r"""Returns :math:`\ln |\sum_t c_t K_{e_t}'(r)|` in float64, minus infinity if terms cancel."""
    logs = [
        elastic_log_force(r2, cutoff, power, softening) + math.log(abs(c))
        for c, cutoff, power in terms
    ]
    if len(logs) == 1:
        return logs[0]
    largest = torch.stack(logs).amax(0)
    shares = [
        math.copysign(1.0, term.coefficient) * torch.exp(log - largest)
        for term, log in zip(terms, logs, strict=True)
    ]
    return torch.where(largest == -torch.inf, largest, largest + sum(shares).abs().log())


def unit_length(cutoff: float, *r2: Tensor) -> Tensor:
    r"""Returns the smallest distance of distinct pairs, at least the cut-off: a detached scalar.

    In this unit of length the largest value of a kernel :math:`r^{-p}` is of order one for every
    power. Its gradients may be smaller, where the nearest pairs coincide or their terms cancel:
    losses use :func:`elastic_sums`.

    Arguments:
        cutoff: The cut-off :math:`e`, in data units.
        r2: Squared distances, of any shapes; infinite ones are ignored.

    Raises:
        ValueError: If there are no squared distances.
    """
    for s in r2:
        check_filled(r2=s)
    smallest = torch.stack([s.detach().amin() for s in r2]).amin().sqrt()
    return torch.where(smallest.isfinite(), smallest, 1.0).clamp_min(cutoff)


def share_within(cutoff: float, *r2: Tensor) -> Tensor:
    r"""Returns the share of distinct pairs that lie within a cut-off, a detached scalar.

    If all pairs lie within the cap of an elastic kernel, the discrepancy depends only on the means
    of the two sets. A share near one warns of that.

    Arguments:
        cutoff: The cut-off :math:`e`, in data units.
        r2: Squared distances, of any shapes; infinite ones are ignored.
    """
    pairs = torch.cat([s.detach().flatten() for s in r2])
    return (pairs <= cutoff**2).sum() / pairs.isfinite().sum().clamp_min(1)
