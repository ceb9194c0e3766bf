r"""The birthday test: how large a set a generator draws from.

Two independent samples are duplicates with the collision probability :math:`q`, and :math:`K = 1/q`
is the size of a uniform set that would repeat itself as often: the size of the support. Among
:math:`s` samples there are :math:`P = s (s - 1) / 2` pairs, of which :math:`c` are found to be
duplicates, so :math:`\hat K = P / c`. For few duplicates :math:`c` is Poisson distributed, which
gives the interval. Duplicates become as likely as not at :math:`s = \sqrt{2 K \ln 2}`.

What counts as a duplicate needs a scale. Images are never equal to the bit; a pair is one if it is
as close as the closest few of a million pairs of real images.

References:
    Do GANs Actually Learn the Distribution? An Empirical Study (Arora and Zhang, 2017),
    https://arxiv.org/abs/1706.08224
    Coulomb GANs (Unterthiner et al., 2018), Section 3.1, https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import squared_distances
from .neighbours import parts


def closest_pairs(x: Tensor, k: int, radius: float = 0.0) -> tuple[Tensor, Tensor, int]:
    r"""Returns the closest pairs among points, and how many pairs are within a radius.

    Arguments:
        x: The points, with shape :math:`(N, D)`.
        k: How many of the closest pairs.
        radius: The largest distance at which pairs are counted.

    Returns:
        The pairs' distances, closest first, with shape :math:`(k)`, their indices, with shape
        :math:`(k, 2)`, and the number of pairs within `radius`.

    Raises:
        ValueError: If there are fewer than `k` pairs.
    """
    n = len(x)
    if not 1 <= k <= n * (n - 1) // 2:
        raise ValueError(f"'k' should be between 1 and {n * (n - 1) // 2}, got {k!r}.")
    count, r, pairs = 0, x.new_empty(0), torch.empty(0, 2, dtype=torch.long, device=x.device)
    for i in parts(n):
        for j in (j for j in parts(n) if j.start >= i.start):
            index = torch.ones(i.stop - i.start, j.stop - j.start, device=x.device)
            index = index.triu(1 if i == j else -n).nonzero()
            tile = squared_distances(x[i], x[j])[tuple(index.T)].sqrt()
            count += int((tile <= radius).sum())
            best = tile.topk(min(k, len(tile)), largest=False).indices
            offset = index.new_tensor([i.start, j.start])
            r, pairs = torch.cat([r, tile[best]]), torch.cat([pairs, index[best] + offset])
            best = r.argsort(stable=True)[:k]
            r, pairs = r[best], pairs[best]
    return r, pairs, count


def support_size(
    duplicates: int, samples: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    r"""Returns the support size :math:`\hat K` and the ends of its interval.

    Arguments:
        duplicates: The number of pairs that are duplicates, :math:`c`.
        samples: The number of samples, :math:`s`, at least 2.
        confidence: The probability with which the interval holds the size.

    Returns:
        The size, infinite without duplicates, and the exact Poisson interval (Garwood, 1936).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> support_size(0, 1024)[0], round(support_size(0, 1024)[1])
        (inf, 141988)
    """
    pairs = samples * (samples - 1) // 2
    if samples < 2 or not 0 <= duplicates <= pairs:
        raise ValueError(
            f"'samples' should be at least 2 and 'duplicates' between 0 and {max(pairs, 0)}, the "
            f"number of pairs, got {samples!r} and {duplicates!r}."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"'confidence' should be in (0, 1), got {confidence!r}.")
    tail = (1 - confidence) / 2
    high = gamma_quantile(duplicates + 1, 1 - tail)
    if duplicates == 0:
        return torch.inf, pairs / high, torch.inf
    return pairs / duplicates, pairs / high, pairs / gamma_quantile(duplicates, tail)


def gamma_quantile(shape: float, probability: float) -> float:
    r"""Returns where the distribution function of a gamma variable of unit scale reaches a probability."""
    low, high = 0.0, shape + 20 * shape**0.5 + 20
    order = torch.tensor(float(shape), dtype=torch.float64)
    for _ in range(100):
        middle = (low + high) / 2
        below = torch.special.gammainc(order, order.new_tensor(middle)) < probability
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2
