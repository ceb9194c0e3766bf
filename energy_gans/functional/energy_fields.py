r"""The field of the energy distance, without a matrix of pairs.

The energy distance is twice the interaction energy of the kernel :math:`-\|a - b\|`. The field of
its potential,

.. math:: V(a) = \mathbb{E}_y \frac{y - a}{\|y - a\|} - \mathbb{E}_x \frac{x - a}{\|x - a\|}

has a long range: a far mode attracts as strongly as a near one. Two estimates need no matrix of
pairs.

**Scattering** takes one real and one generated sample for each point,

.. math:: S = \frac{y - a}{\|y - a\|} - \frac{x - a}{\|x - a\|} \qquad \mathbb{E}[S \mid a] = V(a)

**Slices** project all samples onto random directions :math:`\xi`, even on the sphere. On a line,
the mean of signs is a rank, and :math:`u / \|u\| = c_d \, \mathbb{E}_\xi [\xi \,
\text{sign}(\xi \cdot u)]`, so that

.. math::
    V(a) = \frac{c_d}{P} \sum_p \xi_p \left[ \frac{\#\{y > a\} - \#\{y < a\}}{N}
        - \frac{\#\{x > a\} - \#\{x < a\}}{M} \right]_{\text{along } \xi_p}
    \qquad c_d = \frac{\sqrt{\pi} \, \Gamma(\frac{d + 1}{2})}{\Gamma(\frac{d}{2})}

The slices' error falls as :math:`P^{-1/2}`. Orthogonal directions have no error of their
covariance, :math:`\sum_p \xi_p \xi_p^\top = I` for :math:`P = d`: particles that follow the field
can take larger steps.

References:
    On scattering: https://arxiv.org/abs/2607.18198
    Generative Sliced MMD Flows with Riesz Kernels (Hertrich et al., 2023),
    https://arxiv.org/abs/2305.11463
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..checks import check_count, check_positive
from .fields import check_sets

# The largest number of projected samples that are held at a time.
_PROJECTED = 2**20


def scattering_field(a: Tensor, y: Tensor, x: Tensor, attraction: float = 1.0) -> Tensor:
    r"""Returns the difference :math:`S` of unit vectors to one real and one generated sample.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: A real sample for each point, with shape :math:`(B, *)`.
        x: A generated sample for each point, with shape :math:`(B, *)`, independent of it.
        attraction: The factor on the part of real samples.

    Returns:
        The field, with shape :math:`(B, *)`. A sample that coincides with its point adds nothing.

    Raises:
        ValueError: If the sets differ in size, or `attraction` is not positive.
    """
    check_positive("attraction", attraction)
    if not a.shape == y.shape == x.shape:
        raise ValueError(
            "'a', 'y' and 'x' should have one shape, got "
            f"{tuple(a.shape)}, {tuple(y.shape)} and {tuple(x.shape)}."
        )
    dtype = torch.promote_types(a.dtype, torch.float32)
    u, v, w = (s.flatten(1).to(dtype) for s in (a, y, x))
    tiny = torch.finfo(dtype).tiny
    towards_y = attraction * normalize(v - u, eps=tiny)
    return (towards_y - normalize(w - u, eps=tiny)).reshape(a.shape)


def sliced_field(
    a: Tensor,
    y: Tensor,
    x: Tensor,
    slices: int,
    random: torch.Generator | None = None,
    attraction: float = 1.0,
    orthogonal: bool = False,
) -> Tensor:
    r"""Returns the field of the energy distance by ranks along random directions.

    The cost of a slice is that of sorting, :math:`O((B + N + M) \log (N + M))`.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`. If they are the points themselves,
            the pair of a sample with itself adds nothing.
        slices: The number :math:`P` of directions.
        random: The generator of the directions.
        attraction: The factor on the part of real samples. With any factor but 1, the field does
            not vanish for equal sets.
        orthogonal: Whether each :math:`d` directions are orthogonal to one another. The estimate
            is as unbiased, and its error smaller.

    Returns:
        An unbiased estimate of the field, with shape :math:`(B, *)`, float32 at least.

    Raises:
        ValueError: If a number is not positive, or a set is empty.
    """
    check_count("slices", slices)
    check_positive("attraction", attraction)
    check_sets(a, y, x)
    dtype = torch.promote_types(a.dtype, torch.float32)
    u, v = a.flatten(1).to(dtype), y.flatten(1).to(dtype)
    w = u if x is a else x.flatten(1).to(dtype)
    d = u.shape[1]
    xi = torch.randn(slices, d, generator=random, device=u.device, dtype=dtype)
    with torch.autocast(u.device.type, enabled=False):
        xi = orthonormal(xi) if orthogonal else normalize(xi)
        total = sum_over_directions(u, v, w, xi, attraction)
    return (total * (energy_scale(d) / slices)).reshape(a.shape)


def energy_scale(d: int) -> float:
    r"""Returns the factor :math:`c_d` between the mean of slices and the field.

    Arguments:
        d: The dimension of the samples.
    """
    return math.sqrt(math.pi) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))


def orthonormal(xi: Tensor) -> Tensor:
    r"""Returns orthonormal directions, even on the sphere up to the sign, from normal numbers.

    Arguments:
        xi: Normal numbers, with shape :math:`(P, d)`, of which each :math:`d` rows become
            orthogonal.
    """
    return torch.cat([torch.linalg.qr(rows.T).Q.T for rows in xi.split(xi.shape[1])])


def sum_over_directions(a: Tensor, y: Tensor, x: Tensor, xi: Tensor, attraction: float) -> Tensor:
    r"""Returns the sum over directions of the difference of mean signs, with shape :math:`(B, d)`.

    Not more than :math:`2^{20}` projected samples of a set are held at a time.

    Arguments:
        a: The points, with shape :math:`(B, d)`.
        y: The real samples, with shape :math:`(N, d)`.
        x: The generated samples, with shape :math:`(M, d)`.
        xi: The directions, with shape :math:`(P, d)`.
        attraction: The factor on the part of real samples.
    """
    total = torch.zeros_like(a)
    for some in xi.split(max(1, _PROJECTED // max(len(a), len(y), len(x)))):
        projected = some @ a.T
        sets = (some @ y.T, projected if x is a else some @ x.T)
        towards_y, towards_x = _mean_signs(projected, *sets)
        total += (attraction * towards_y - towards_x).T @ some
    return total


def _mean_signs(a: Tensor, *sets: Tensor) -> Iterator[Tensor]:
    r"""Yields the mean over each set :math:`b` of :math:`\text{sign}(b - a)` in each row.

    Arguments:
        a: Numbers, with shape :math:`(P, B)`.
        sets: Numbers, each with shape :math:`(P, N)`.

    Returns:
        The mean signs for each set, with shape :math:`(P, B)`.
    """
    count = _count_on_cpu if a.device.type == "cpu" else _count
    points = a.detach()
    others = [points if b is a else b.detach() for b in sets]
    for b, counts in zip(sets, count(points, others), strict=True):
        yield 1 - counts.to(a.dtype) / b.shape[1]


def _count(a: Tensor, sets: Sequence[Tensor]) -> Iterator[Tensor]:
    r"""Yields :math:`\#\{b < a\} + \#\{b \leq a\}` in each row, with shape :math:`(P, B)`."""
    for b in sets:
        ordered = b.sort(1).values
        below, up_to = (torch.searchsorted(ordered, a, right=right) for right in (False, True))
        yield below + up_to


def _count_on_cpu(a: Tensor, sets: Sequence[Tensor]) -> Iterator[Tensor]:
    r"""Yields what :func:`_count` does, several times as fast on a CPU.

    NumPy sorts without keeping indices, and numbers in ascending order are found from the cache.
    """
    order = np.argsort(a.numpy(), 1)
    ascending = np.take_along_axis(a.numpy(), order, 1)
    for b in sets:
        counts = np.empty(order.shape, np.int64)
        if b is a:
            np.put_along_axis(counts, order, _ranks(ascending), 1)
        else:
            for row, i, values, others in zip(counts, order, ascending, b.numpy(), strict=True):
                row[i] = _places(values, np.sort(others))
        yield torch.from_numpy(counts)


def _ranks(values: np.ndarray) -> np.ndarray:
    r"""Returns the number of smaller values plus that of smaller or equal ones, in each row.

    Arguments:
        values: Numbers, in ascending order in each row, with shape :math:`(P, B)`.
    """
    new = np.ones(values.shape, bool)
    np.not_equal(values[:, 1:], values[:, :-1], out=new[:, 1:])
    starts = np.flatnonzero(new)
    lengths = np.diff(starts, append=values.size)
    return np.repeat(2 * (starts % values.shape[1]) + lengths, lengths).reshape(values.shape)


def _places(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    r"""Returns the number of smaller others plus that of smaller or equal ones, both ascending."""
    below = others.searchsorted(values)
    up_to = below.copy()
    tied = np.flatnonzero(others.take(below, mode="clip") == values)
    up_to[tied] = others.searchsorted(values[tied], "right")
    return below + up_to
