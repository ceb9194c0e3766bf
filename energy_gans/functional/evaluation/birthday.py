r"""The birthday test: an estimate of the size of a generator's support.

Two independent samples are duplicates with the collision probability :math:`q`. The support size
is defined as :math:`K = 1/q`: a uniform distribution over :math:`K` samples has this collision
probability. Among the :math:`P = s (s - 1) / 2` pairs of :math:`s` samples, :math:`c` pairs are
duplicates, so :math:`\hat K = P / c`. For few duplicates, :math:`c` is Poisson distributed, which
gives a confidence interval. If some samples have many more duplicates than others, for example
those of a collapsed mode, pairs are not independent. Then :math:`c` is a U-statistic with the
variance

.. math:: \operatorname{Var} c = P [q (1 - q) + 2 (s - 2) \zeta]

where :math:`\zeta` is the variance over samples of the probability that another sample is a
duplicate. The interval is widened by the second term. A duplicate is as likely as not at
:math:`s = \sqrt{2 K \ln 2}`.

Images are never exactly equal, so duplicates need a length scale: a pair counts as a duplicate if
it is at least as close as the closest few of a million pairs of real images.

References:
    A Class of Statistics with Asymptotically Normal Distribution (Hoeffding, 1948)
    Do GANs Actually Learn the Distribution? An Empirical Study (Arora and Zhang, 2017),
    https://arxiv.org/abs/1706.08224
    Coulomb GANs (Unterthiner et al., 2018), Section 3.1, https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..distances import squared_distances
from .neighbours import tile_slices


def closest_pairs(x: Tensor, k: int, radius: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns the closest pairs of points, and the number of points within a radius of each.

    Arguments:
        x: The points, with shape :math:`(N, D)`.
        k: The number of pairs :math:`k`.
        radius: The largest distance of a neighbour, in data units.

    Returns:
        The distances of the closest pairs, in ascending order, with shape :math:`(k)`; the indices
        of the pairs, with shape :math:`(k, 2)`; and the number of other points within `radius` of
        each point, with shape :math:`(N)`.

    Raises:
        ValueError: If there are fewer than `k` pairs.
    """
    n = len(x)
    if not 1 <= k <= n * (n - 1) // 2:
        raise ValueError(f"'k' should be between 1 and {n * (n - 1) // 2}, got {k!r}.")
    r, pairs = x.new_empty(0), torch.empty(0, 2, dtype=torch.long, device=x.device)
    degrees = torch.zeros(n, dtype=torch.long, device=x.device)
    for i in tile_slices(n):
        for j in (j for j in tile_slices(n) if j.start >= i.start):
            index = torch.ones(i.stop - i.start, j.stop - j.start, device=x.device)
            index = index.triu(1 if i == j else -n).nonzero()
            tile = squared_distances(x[i], x[j])[tuple(index.T)].sqrt()
            index += index.new_tensor([i.start, j.start])
            degrees += torch.bincount(index[tile <= radius].flatten(), minlength=n)
            best = tile.topk(min(k, len(tile)), largest=False).indices
            r, pairs = torch.cat([r, tile[best]]), torch.cat([pairs, index[best]])
            best = r.argsort(stable=True)[:k]
            r, pairs = r[best], pairs[best]
    return r, pairs, degrees


def support_size(degrees: Tensor, confidence: float = 0.95) -> tuple[float, float, float]:
    r"""Returns the support size :math:`\hat K` and its confidence interval.

    Arguments:
        degrees: The number of duplicates of each sample, with shape :math:`(s)`.
        confidence: The confidence level of the interval.

    Returns:
        The size, infinite without duplicates, and the lower and upper end of its interval: the
        exact Poisson interval (Garwood, 1936), widened by the variance that pairs share.

    Raises:
        ValueError: If there are fewer than two samples or `confidence` is not in (0, 1).

    Example:
        >>> size, low, high = support_size(torch.zeros(1024))
        >>> size, round(low), high
        (inf, 141988, inf)
    """
    s = len(degrees)
    if s < 2:
        raise ValueError(f"'degrees' should be of at least 2 samples, got {s}.")
    if not 0 < confidence < 1:
        raise ValueError(f"'confidence' should be in (0, 1), got {confidence!r}.")
    tail, pairs = (1 - confidence) / 2, s * (s - 1) / 2
    duplicates = degrees.double().sum().item() / 2
    most = _gamma_quantile(duplicates + 1, 1 - tail)
    if duplicates == 0:
        return torch.inf, pairs / most, torch.inf
    least = _gamma_quantile(duplicates, tail)
    normal = torch.special.ndtri(torch.tensor(1 - tail, dtype=torch.float64)).item()
    shared = normal * math.sqrt(_pair_variance(degrees)) / duplicates
    # The two deviations are combined in logarithms, in which sizes stay positive.
    most = duplicates * math.exp(math.hypot(math.log(most / duplicates), shared))
    least = duplicates * math.exp(-math.hypot(math.log(duplicates / least), shared))
    return pairs / duplicates, pairs / most, pairs / least


def _pair_variance(degrees: Tensor) -> float:
    r"""Returns the part :math:`2 P (s - 2) \zeta` of the variance of the number of duplicates.

    Arguments:
        degrees: The number of duplicates of each sample, with shape :math:`(s)`.
    """
    d, s = degrees.double(), len(degrees)
    q = d.mean().item() / (s - 1)
    # The variance of a binomial distribution, the same for all samples, is subtracted.
    between = d.var(correction=0).item() - (s - 1) * q * (1 - q)
    zeta = max(0.0, between) / (s - 1) ** 2
    return s * (s - 1) * (s - 2) * zeta


def _gamma_quantile(shape: float, probability: float) -> float:
    r"""Returns a quantile of the gamma distribution of unit scale."""
    low, high = 0.0, shape + 20 * shape**0.5 + 20
    order = torch.tensor(float(shape), dtype=torch.float64)
    for _ in range(100):
        middle = (low + high) / 2
        below = torch.special.gammainc(order, order.new_tensor(middle)) < probability
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2
