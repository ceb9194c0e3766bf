r"""Nearest neighbours in a feature space: how much of one set the other covers.

With :math:`B_k(y_i)` the open ball around :math:`y_i` whose rim is its :math:`k`-th nearest other
point, and :math:`\bar B_k(y_i)` the same ball with its rim, for :math:`N` real :math:`y` and
:math:`M` generated :math:`x`,

.. math::
    \text{precision} & = \tfrac{1}{M} \, \# \{ j : x_j \in \cup_i \bar B_k(y_i) \} &
    \text{recall} & = \tfrac{1}{N} \, \# \{ i : y_i \in \cup_j \bar B_k(x_j) \} \\
    \text{density} & = \tfrac{1}{k M} \sum_j \# \{ i : x_j \in B_k(y_i) \} &
    \text{coverage} & = \tfrac{1}{N} \, \# \{ i : \exists j : x_j \in B_k(y_i) \}

Precision and density ask whether samples are like data, recall and coverage whether data is like
samples. The rim counts where the code of the papers counts it: for precision and recall
(Kynkäänniemi et al., `<=`), not for density and coverage (Naeem et al., `prdc`, `<`). It matters
where samples equal real ones: a set has the density 1 from itself, and with the rim 1 + 1/k.
Matrices of distances are never whole in memory.

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

from ...checks import check_filled
from ..distances import squared_distances

# Distances are computed in tiles of this many points by this many.
_TILE = 1024


def tile_slices(n: int) -> Iterator[slice]:
    r"""Yields the slices that cut `n` points into tiles."""
    return (slice(i, min(i + _TILE, n)) for i in range(0, n, _TILE))


def _nearest_squared(x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Returns the squared distances to the :math:`k` nearest points, nearest first, and their indices.

    Arguments:
        x: The points, with shape :math:`(M, D)`.
        y: The set that is searched, with shape :math:`(N, D)`.
        k: How many.
    """
    found = [(x.new_empty(0, k), torch.empty(0, k, dtype=torch.long, device=x.device))]
    for i in tile_slices(len(x)):
        r2 = x.new_empty(i.stop - i.start, 0)
        index = torch.empty_like(r2, dtype=torch.long)
        for j in tile_slices(len(y)):
            tile, place = squared_distances(x[i], y[j]), torch.arange(j.start, j.stop)
            r2 = torch.cat([r2, tile], 1)
            index = torch.cat([index, place.to(index.device).expand(len(tile), -1)], 1)
            r2, best = r2.topk(min(k, r2.shape[1]), largest=False, sorted=True)
            index = index.gather(1, best)
        found.append((r2, index))
    r2, index = (torch.cat(part) for part in zip(*found, strict=True))
    return r2, index


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
    return _nearest_squared(y, y, k + 1)[0][:, 1:]


def precision_recall(y: Tensor, x: Tensor, r_y: Tensor, r_x: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the improved precision and recall; the balls' rims count.

    Arguments:
        y: The real samples' features, with shape :math:`(N, D)`.
        x: The generated samples' features, with shape :math:`(M, D)`.
        r_y: The squared radii of the balls around `y`, with shape :math:`(N)`.
        r_x: The squared radii of the balls around `x`, with shape :math:`(M)`.

    Raises:
        ValueError: If a set is empty.
    """
    check_filled(y=y, x=x)
    precise = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    recalled = torch.zeros(len(y), dtype=torch.bool, device=x.device)
    for i in tile_slices(len(x)):
        for j in tile_slices(len(y)):
            r2 = squared_distances(x[i], y[j])
            precise[i] |= (r2 <= r_y[j]).any(1)
            recalled[j] |= (r2 <= r_x[i, None]).any(0)
    return precise.double().mean(), recalled.double().mean()


def density_coverage(y: Tensor, x: Tensor, r_y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Returns density and coverage; the balls' rims do not count.

    Arguments:
        y: The real samples' features, with shape :math:`(N, D)`.
        x: The generated samples' features, with shape :math:`(M, D)`.
        r_y: The squared radii of the balls :math:`B_k` around `y`, with shape :math:`(N)`.
        k: Which neighbour the balls reach.

    Raises:
        ValueError: If a set is empty.
    """
    check_filled(y=y, x=x)
    inside = torch.zeros(len(y), dtype=torch.long, device=x.device)
    for i in tile_slices(len(x)):
        for j in tile_slices(len(y)):
            inside[j] += (squared_distances(x[i], y[j]) < r_y[j]).sum(0)
    return inside.sum().double() / (k * len(x)), (inside > 0).double().mean()


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
    r2, index = _nearest_squared(x, y, k)
    return r2.sqrt(), index
