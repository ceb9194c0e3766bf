r"""Squared distances of all pairs of points that several processes share, computed in rows.

Each of :math:`W` processes holds :math:`B` of the :math:`W B` points. It computes the rows of its
own points, with a column for each point of all processes: :math:`1 / W` of a matrix, in time and
in memory. The mean of a kernel over all pairs is the mean of the processes' means over their rows,
and DDP averages the gradients of the processes.

Columns carry no gradient. As a kernel :math:`k` is symmetric, each pair contributes as much to the
gradient of a point as a column as it does as a row,

.. math:: \nabla_{x_i} \sum_{jl} k(x_j, x_l) = 2 \sum_l \nabla_1 k(x_i, x_l)

so rows carry twice their gradient. Between two sets of points, the pairs are the rows of both: one
half is the transpose of the other, and twice the gradient of a mean over both is that of one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .distances import distinct, squared_distances


class SharedPoints(NamedTuple):
    r"""Points that processes share.

    Arguments:
        own: The points of this process, with shape :math:`(B, *)`.
        every: The points of all processes, process after process and detached, with shape
            :math:`(W B, *)`. With one process it is `own` itself.
        first: The index in `every` of this process's first point.
    """

    own: Tensor
    every: Tensor
    first: int = 0

    @property
    def alone(self) -> bool:
        r"""Whether a single process holds all points."""
        return self.own is self.every


def pairs_within(x: SharedPoints) -> Tensor:
    r"""Returns this process's rows of the squared distances of a set to itself.

    Arguments:
        x: The points.

    Returns:
        The squared distances, with shape :math:`(B, W B)`, infinite for a point and itself.
    """
    if x.alone:
        return distinct(squared_distances(x.own, x.own))
    return distinct(squared_distances(_twice_the_gradient(x.own), x.every), x.first)


def pairs_between(u: SharedPoints, v: SharedPoints) -> Tensor:
    r"""Returns this process's rows of the squared distances between two sets.

    Arguments:
        u: The first points. If they carry no gradient, their rows are left out.
        v: The second points.

    Returns:
        The squared distances of a single process, with shape :math:`(M, N)`. With several
        processes, the rows of both sets, with shape :math:`(2 B, W B)`, or those of `v`, with
        shape :math:`(B, W B)`. The first :math:`B` rows of all processes hold each pair once.
    """
    if u.alone:
        return squared_distances(u.own, v.own)
    if not u.own.requires_grad:
        return squared_distances(v.own, u.every)
    rows = ((u.own, v.every), (v.own, u.every))
    return torch.cat([squared_distances(_twice_the_gradient(a), b) for a, b in rows])


def _twice_the_gradient(x: Tensor) -> Tensor:
    r"""Returns the same points, which carry twice the gradient."""
    return x.detach() + 2 * (x - x.detach())
