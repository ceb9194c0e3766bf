r"""Nearest neighbours in a feature space: how much of one set the other covers.

With :math:`B_k(y_i)` the ball around :math:`y_i` that just reaches its :math:`k`-th nearest other
point, for :math:`N` real :math:`y` and :math:`M` generated :math:`x`,

.. math::
    \text{precision} & = \tfrac{1}{M} \, \# \{ j : x_j \in \cup_i B_k(y_i) \} &
    \text{recall} & = \tfrac{1}{N} \, \# \{ i : y_i \in \cup_j B_k(x_j) \} \\
    \text{density} & = \tfrac{1}{k M} \sum_j \# \{ i : x_j \in B_k(y_i) \} &
    \text{coverage} & = \tfrac{1}{N} \, \# \{ i : \exists j : x_j \in B_k(y_i) \}

Precision and density ask whether samples are like data, recall and coverage whether data is like
samples. Matrices of distances are never whole in memory.

References:
    Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al.,
    2019), https://arxiv.org/abs/1904.06991
    Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020),
    https://arxiv.org/abs/2002.09797
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .kernels import squared_distances

# Largest number of distances that is held at a time.
BLOCK = 2**22


def rows(n: int, columns: int) -> Iterator[slice]:
    r"""Yields slices of `n` rows such that a block of them by `columns` stays small."""
    step = max(1, BLOCK // columns)
    return (slice(i, i + step) for i in range(0, n, step))


def neighbour_radii(y: Tensor, k: int) -> Tensor:
    r"""Returns the squared distances of every point to its :math:`k` nearest other points.

    Arguments:
        y: The points, with shape :math:`(N, D)`.
        k: How many neighbours.

    Returns:
        The squared distances, nearest first, with shape :math:`(N, k)`: the last column is the
        squared radius of :math:`B_k`, the one before it that of :math:`B_{k - 1}`.

    Raises:
        ValueError: If `k` is not between 1 and the number of other points.
    """
    if not 1 <= k < len(y):
        raise ValueError(f"'k' should be between 1 and {len(y) - 1}, got {k!r}.")
    # The point itself is the nearest of all.
    parts = [
        squared_distances(y[i], y).topk(k + 1, largest=False, sorted=True).values[:, 1:]
        for i in rows(len(y), len(y))
    ]
    return torch.cat(parts)


def precision_recall(y: Tensor, x: Tensor, r_y: Tensor, r_x: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the improved precision and recall.

    Arguments:
        y: The real samples' features, with shape :math:`(N, D)`.
        x: The generated samples' features, with shape :math:`(M, D)`.
        r_y: The squared radii of the balls around `y`, with shape :math:`(N)`.
        r_x: The squared radii of the balls around `x`, with shape :math:`(M)`.
    """
    precise, recalled = [], torch.zeros(len(y), dtype=torch.bool, device=y.device)
    for j in rows(len(x), len(y)):
        r2 = squared_distances(x[j], y)
        precise.append((r2 <= r_y).any(1))
        recalled |= (r2 <= r_x[j, None]).any(0)
    return torch.cat(precise).double().mean(), recalled.double().mean()


def density_coverage(y: Tensor, x: Tensor, r_y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Returns density and coverage.

    Arguments:
        y: The real samples' features, with shape :math:`(N, D)`.
        x: The generated samples' features, with shape :math:`(M, D)`.
        r_y: The squared radii of the balls :math:`B_k` around `y`, with shape :math:`(N)`.
        k: Which neighbour the balls reach.
    """
    inside, covered = 0, torch.zeros(len(y), dtype=torch.bool, device=y.device)
    for j in rows(len(x), len(y)):
        hit = squared_distances(x[j], y) <= r_y
        inside += hit.sum()
        covered |= hit.any(0)
    return inside.double() / (k * len(x)), covered.double().mean()


def nearest(x: Tensor, y: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` nearest points of a set to every point of another.

    Arguments:
        x: The points, with shape :math:`(M, D)`.
        y: The set that is searched, with shape :math:`(N, D)`.
        k: How many.

    Returns:
        The distances, nearest first, and the indices into `y`, both with shape :math:`(M, k)`.

    Raises:
        ValueError: If `k` is not between 1 and the size of the set.
    """
    if not 1 <= k <= len(y):
        raise ValueError(f"'k' should be between 1 and {len(y)}, got {k!r}.")
    parts = [
        squared_distances(x[j], y).topk(k, largest=False, sorted=True)
        for j in rows(len(x), len(y))
    ]
    r2, index = (torch.cat(part) for part in zip(*parts, strict=True))
    return r2.sqrt(), index
