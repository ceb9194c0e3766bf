r"""Discrepancies of two samples by a kernel, and what two networks make of them.

With real features :math:`u` and generated ones :math:`v`, :math:`m` of each, the squared maximum
mean discrepancy by a kernel :math:`k`, which for the elastic kernel is the EIEG metric, is

.. math::
    E(u, v) = \frac{1}{m^2} \sum_{ij} k(u_i, u_j) + \frac{1}{m^2} \sum_{ij} k(v_i, v_j)
        - \frac{2}{m^2} \sum_{ij} k(u_i, v_j)

A generator moves :math:`v` to lower it. Who learns the features raises it, or, after Wang et al.,
makes generated features alike and real ones unlike: then the two sets do not run apart.

Functions here take matrices of kernel values. Self terms :math:`k(u_i, u_i)` are constants; they are
left out as zeros (see :func:`~energy_gans.functional.distinct`), the factors :math:`1 / m^2` stay.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), https://arxiv.org/abs/2303.10553
    MMD GAN: Towards Deeper Understanding of Moment Matching Network (Li et al., 2017),
    https://arxiv.org/abs/1705.08584
    Improving MMD-GAN Training with Repulsive Loss Function (Wang et al., 2019),
    https://arxiv.org/abs/1812.09916
"""

from __future__ import annotations

import torch
from torch import Tensor


def discrepancy(uu: Tensor, vv: Tensor, uv: Tensor) -> Tensor:
    r"""Returns the discrepancy :math:`E` (Eq. 6 of the EIEG paper), but for self terms.

    Arguments:
        uu: The kernel between real features, with shape :math:`(N, N)`, its diagonal zero.
        vv: The kernel between generated features, with shape :math:`(M, M)`, likewise.
        uv: The kernel between both, with shape :math:`(N, M)`.

    Returns:
        The discrepancy, a scalar. Without the self terms it may be negative.
    """
    return uu.mean() + vv.mean() - 2 * uv.mean()


def matching_loss(vv: Tensor, uv: Tensor) -> Tensor:
    r"""Returns the generator's loss (Eqs. 7 and 10), the part of :math:`E` that depends on :math:`v`

    .. math:: L_G = \frac{1}{m^2} \sum_{ij} k(v_i, v_j) - \frac{2}{m^2} \sum_{ij} k(u_i, v_j)

    Arguments:
        vv: The kernel between generated features, with shape :math:`(M, M)`, its diagonal zero.
        uv: The kernel between real and generated features, with shape :math:`(N, M)`.
    """
    return vv.mean() - 2 * uv.mean()


def repulsive_loss(uu: Tensor, vv: Tensor) -> Tensor:
    r"""Returns the discriminator's repulsive loss (Eq. 4 of Wang et al.)

    .. math:: L_D = \frac{1}{m^2} \sum_{ij} k(u_i, u_j) - \frac{1}{m^2} \sum_{ij} k(v_i, v_j)

    which drives real features apart and generated ones together.

    Arguments:
        uu: The kernel between real features, with shape :math:`(N, N)`, its diagonal zero.
        vv: The kernel between generated features, with shape :math:`(M, M)`, likewise.
    """
    return uu.mean() - vv.mean()


def unit_length(cutoff: float, *r2: Tensor) -> Tensor:
    r"""Returns the smallest distance of distinct pairs, the cut-off at least: a detached scalar.

    In this unit of length all values of a kernel :math:`r^{-p}` are of order one, whatever the
    power. As one factor :math:`\ell^p` on all terms of a loss it changes no ratio between them.

    Arguments:
        cutoff: The cut-off :math:`e`.
        r2: Squared distances, of any shapes; infinite ones do not count.
    """
    smallest = torch.stack([s.detach().amin() for s in r2]).amin().sqrt()
    return torch.where(smallest.isfinite(), smallest, 1.0).clamp_min(cutoff)


def share_within(cutoff: float, *r2: Tensor) -> Tensor:
    r"""Returns the share of distinct pairs that lie within a cut-off, a detached scalar.

    Of pairs within the cap of an elastic kernel only the means of the sets are felt: where this
    share is near one, the discrepancy is blind to all else.

    Arguments:
        cutoff: The cut-off :math:`e`.
        r2: Squared distances, of any shapes; infinite ones do not count.
    """
    pairs = torch.cat([s.detach().flatten() for s in r2])
    return (pairs <= cutoff**2).sum() / pairs.isfinite().sum().clamp_min(1)
