r"""Measures by nearest neighbours in a feature space: precision, recall, density and coverage.

Let :math:`B_k(y_i)` be the open ball around :math:`y_i` with the :math:`k`-th nearest other point
on its boundary, and :math:`\bar B_k(y_i)` the closed ball. For :math:`N` real samples :math:`y`
and :math:`M` generated samples :math:`x`,

.. math::
    \text{precision} & = \tfrac{1}{M} \, \# \{ j : x_j \in \cup_i \bar B_k(y_i) \} &
    \text{recall} & = \tfrac{1}{N} \, \# \{ i : y_i \in \cup_j \bar B_k(x_j) \} \\
    \text{density} & = \tfrac{1}{k M} \sum_j \# \{ i : x_j \in B_k(y_i) \} &
    \text{coverage} & = \tfrac{1}{N} \, \# \{ i : \exists j : x_j \in B_k(y_i) \}

Precision and density measure how realistic samples are, recall and coverage how much of the data
they cover. Open or closed balls follow the code of the papers: `<=` for precision and recall
(Kynkäänniemi et al.), `<` for density and coverage (Naeem et al., `prdc`). The difference matters
for samples that equal real ones: the density of a set measured against itself is 1 with open balls
and 1 + 1/k with closed ones. Distance matrices are computed in tiles, never as a whole.

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
    r"""Yields slices that split `n` points into tiles."""
    return (slice(i, min(i + _TILE, n)) for i in range(0, n, _TILE))


def _nearest_squared(x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` smallest squared distances, in ascending order, and their indices.

    Arguments:
        x: The query points, with shape :math:`(M, D)`.
        y: The points to search, with shape :math:`(N, D)`.
        k: The number of neighbours :math:`k`.
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
        k: The number of neighbours :math:`k`.

    Returns:
        The squared distances, in ascending order, with shape :math:`(N, k)`. The last column holds
        the squared radii of :math:`B_k`, the column before it those of :math:`B_{k - 1}`.

    Raises:
        ValueError: If `k` is not between 1 and the number of other points.
    """
    if not 1 <= k < len(y):
        raise ValueError(f"'k' should be between 1 and {len(y) - 1}, got {k!r}.")
    # The nearest of all points is the point itself.
    return _nearest_squared(y, y, k + 1)[0][:, 1:]


def precision_recall(y: Tensor, x: Tensor, r_y: Tensor, r_x: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the improved precision and recall, with closed balls.

    Arguments:
        y: The real samples' features, with shape :math:`(N, D)`.
        x: The generated samples' features, with shape :math:`(M, D)`.
        r_y: The squared radii of the balls around `y`, with shape :math:`(N)`.
        r_x: The squared radii of the balls around `x`, with shape :math:`(M)`.

    Returns:
        The precision and the recall, two scalars in [0, 1].

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
    r"""Returns density and coverage, with open balls.

    Arguments:
        y: The real samples' features, with shape :math:`(N, D)`.
        x: The generated samples' features, with shape :math:`(M, D)`.
        r_y: The squared radii of the balls :math:`B_k` around `y`, with shape :math:`(N)`.
        k: The index :math:`k` of the neighbour on the boundary of the balls.

    Returns:
        The density, which is at least 0, and the coverage, in [0, 1], two scalars.

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
    r"""Returns the :math:`k` nearest points of `y` to every point of `x`.

    Arguments:
        x: The query points, with shape :math:`(M, D)`.
        y: The points to search, with shape :math:`(N, D)`.
        k: The number of neighbours :math:`k`.

    Returns:
        The distances, in ascending order, and the indices into `y`, both with shape
        :math:`(M, k)`.

    Raises:
        ValueError: If `k` is not between 1 and the size of the set.
    """
    if not 1 <= k <= len(y):
        raise ValueError(f"'k' should be between 1 and {len(y)}, got {k!r}.")
    r2, index = _nearest_squared(x, y, k)
    return r2.sqrt(), index
