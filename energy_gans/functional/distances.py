r"""Distances between two sets of points, :math:`(N, *)` and :math:`(M, *)`.

Trailing dimensions are flattened, so images are points too. All squared distances of the package
are computed here. They are float32 at least, for every input type and also under autocast: kernels
compare small differences of large sums, for which half precision is too coarse.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

# Below this fraction of |a|^2 + |b|^2, r^2 is recomputed from a - b: there the matrix form has
# lost about 24 of float64's 53 bits. Elsewhere its relative error stays below 1e-7.
CANCELLATION = 2.0**-24
# Up to this many dimensions, adding the squares up one by one is faster than the matrix form.
FEW_DIMENSIONS = 4
# The largest number of scalars held at a time when pairs that nearly coincide are recomputed.
CHUNK = 2**22


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns the squared distances :math:`\|a_i - b_j\|^2`.

    In more than four dimensions the matrix form :math:`|a|^2 + |b|^2 - 2 a \cdot b` is evaluated
    in float64 around the mean of :math:`b`, and pairs for which it cancels are recomputed from
    :math:`a_i - b_j`. No :math:`N \times M \times D` tensor is allocated. The result is exact for
    coincident points, and differentiable any number of times.

    Arguments:
        a: The first points, with shape :math:`(N, *)`.
        b: The second points, with shape :math:`(M, *)`.

    Returns:
        The squared distances, with shape :math:`(N, M)`, float64 for float64 inputs, else float32.

    Raises:
        ValueError: If the points of `a` and `b` differ in size.

    Example:
        >>> a = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> squared_distances(a, a)
        tensor([[ 0., 25.],
                [25.,  0.]])
    """
    check_points(a, b)
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    a, b = a.flatten(1).to(dtype), b.flatten(1).to(dtype)
    with torch.autocast(a.device.type, enabled=False):
        if a.shape[1] <= FEW_DIMENSIONS:
            coordinates = zip(a.unbind(1), b.unbind(1), strict=True)
            return reduce(torch.add, ((u[:, None] - v).square() for u, v in coordinates))
        if isinstance(a, FakeTensor):
            # A traced graph can not choose by values, as the matrix form does.
            return (a[:, None] - b).square().sum(2)
        return _matrix_form(a.double(), b.double()).to(dtype)


def check_points(a: Tensor, b: Tensor) -> None:
    r"""Raises a `ValueError` unless the points of `a` and `b` have the same shape."""
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"'a' and 'b' should hold points of one shape, got {tuple(a.shape[1:])} and "
            f"{tuple(b.shape[1:])}."
        )


def _matrix_form(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns :math:`|a|^2 + |b|^2 - 2 a \cdot b`, from :math:`a - b` where that would cancel.

    Arguments:
        a: The first points, float64, with shape :math:`(N, D)`.
        b: The second points, float64, with shape :math:`(M, D)`.
    """
    origin = b.detach().mean(0)
    u, v = a - origin, b - origin
    scale = u.square().sum(1)[:, None] + v.square().sum(1)
    r2 = torch.addmm(scale, u, v.T, alpha=-2)
    i, j = torch.nonzero(r2.detach() <= CANCELLATION * scale.detach(), as_tuple=True)
    if len(i) == 0:
        return r2
    pairs = max(1, CHUNK // a.shape[1])
    near = [
        (a[m] - b[n]).square().sum(1) for m, n in zip(i.split(pairs), j.split(pairs), strict=True)
    ]
    return r2.index_put((i, j), torch.cat(near))


def distances(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns the distances :math:`\|a_i - b_j\|`; at distance zero the gradient is zero.

    Arguments:
        a: The first points, with shape :math:`(N, *)`.
        b: The second points, with shape :math:`(M, *)`.

    Returns:
        The distances, with shape :math:`(N, M)`, of the type that :func:`squared_distances` has.

    Raises:
        ValueError: If the points of `a` and `b` differ in size.
    """
    r2 = squared_distances(a, b)
    return r2.clamp_min(torch.finfo(r2.dtype).tiny).sqrt()


def distinct(r2: Tensor, first: int = 0) -> Tensor:
    r"""Returns the squared distances of a set to itself with an infinite diagonal.

    Kernels that vanish at infinity then give zero, without a gradient, for the pairs of a point
    with itself.

    Arguments:
        r2: The squared distances, with shape :math:`(N, N)`, or some rows of them.
        first: The index of the first row.

    Returns:
        The squared distances, with the shape of `r2`.
    """
    own = torch.zeros_like(r2, dtype=torch.bool)
    own.diagonal(first).fill_(True)
    return r2.masked_fill(own, torch.inf)


def median_distance(*r2: Tensor, total: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    r"""Returns the median of distances, a detached scalar.

    Arguments:
        r2: Squared distances, of any shapes. Infinite ones and zeros are ignored: points that
            coincide say nothing about the scale.
        total: For distances that several processes share, the sum of counts over the processes.

    Returns:
        The median, zero if all points coincide.

    Raises:
        ValueError: If there is no finite squared distance.
    """
    pairs = torch.cat([s.detach().flatten() for s in r2])
    pairs = pairs[pairs.isfinite()]
    if total is not None:
        return _shared_median(pairs[pairs > 0], total).sqrt()
    if len(pairs) == 0:
        raise ValueError("'r2' should hold at least one finite squared distance, got none.")
    apart = pairs[pairs > 0]
    return apart.median().sqrt() if len(apart) else pairs[0]


def _shared_median(values: Tensor, total: Callable[[Tensor], Tensor]) -> Tensor:
    r"""Returns the lower median of the values of all processes, zero if there are none.

    Positive floats have the order of their bits. The bits of the median are found byte by byte,
    from the numbers of values with each byte: an exact median of any number of values for a few
    numbers sent.

    Arguments:
        values: The positive values of this process, with shape :math:`(N)`.
        total: The sum of counts over the processes.
    """
    dtype, size = values.dtype, values.element_size()
    bits = values.view({4: torch.int32, 8: torch.int64}[size])
    rank, found = None, bits.new_zeros(1)
    for shift in range(8 * (size - 1), -1, -8):
        byte = (bits >> shift) & 255
        counts = total(torch.bincount(byte, minlength=256))
        rank = (counts.sum() - 1).clamp_min(0) // 2 if rank is None else rank
        up_to = counts.cumsum(0)
        digit = (up_to <= rank).sum() * (counts.sum() > 0)
        rank = rank - (up_to - counts)[digit]
        bits, found = bits[byte == digit], found + (digit << shift).to(found.dtype)
    return found.view(dtype)[0]
