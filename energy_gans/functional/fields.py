r"""Fields: velocities that move generated samples towards real ones.

A field :math:`V(a)` of real samples :math:`y` and generated samples :math:`x` vanishes if both
sets are equal, and changes its sign if they are exchanged. A generated sample at :math:`a` moves
along :math:`V(a)`.

**Potential fields** are gradients of the potential of a kernel
(:mod:`energy_gans.functional.potentials`), :math:`V = \nabla \Phi`.

**Drifting** (Algorithm 2 of Deng et al.) weights pairs by

.. math:: A = \sqrt{\text{softmax}_\text{rows}(-D / \tau) \,
    \text{softmax}_\text{columns}(-D / \tau)}

of the distances :math:`D` from the points :math:`a` to all samples together, and multiplies the
weights of each set by the row's sum over the other.

All sums are computed in blocks of rows: no :math:`B \times N \times D` tensor is allocated, and of
a matrix of pairs only a block is held. Softmaxes are float32 at least, also under autocast.

References:
    Generative Modeling via Drifting (Deng et al., 2026), https://arxiv.org/abs/2602.04770
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from ..checks import check_positive
from .distances import check_points, distances
from .potentials import Kernel, field

# A field: the points a, the real and the generated samples, to the velocities at a.
Field = Callable[[Tensor, Tensor, Tensor], Tensor]

# The largest number of pairs whose weights are held at a time.
_BLOCK = 2**23


def potential_field(
    a: Tensor, y: Tensor, x: Tensor, kernel: Kernel, attraction: float = 1.0
) -> Tensor:
    r"""Returns the gradient :math:`\nabla \Phi(a)` of the potential of a kernel.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`.
        kernel: The kernel :math:`k(a, b)`.
        attraction: The factor on the part of real samples. With any factor but 1, the field does
            not vanish for equal sets.

    Returns:
        The field, with shape :math:`(B, *)`.

    Raises:
        ValueError: If `attraction` is not positive, or a set is empty.
    """
    check_positive("attraction", attraction)
    check_sets(a, y, x)

    def velocity(part: Tensor) -> Tensor:
        v = -field(part, y, x, kernel)
        if attraction == 1:
            return v
        towards_y = torch.func.grad(lambda a: kernel(a, y).mean(1).sum())(part)
        return v + (attraction - 1) * towards_y.to(v.dtype)

    return torch.cat([velocity(part) for _, part in blocks_of(a, len(y) + len(x))])


def drifting_field(
    a: Tensor,
    y: Tensor,
    x: Tensor,
    bandwidth: float,
    own: bool = False,
    attraction: float = 1.0,
) -> Tensor:
    r"""Returns the field of Drifting Models (Algorithm 2).

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`.
        bandwidth: The temperature :math:`\tau > 0`, in data units.
        own: Whether the points are the first of the samples `x`. Then the pair of a sample with
            itself is left out.
        attraction: The factor on the part of real samples. With any factor but 1, the field does
            not vanish for equal sets.

    Returns:
        The field, with shape :math:`(B, *)`, in data units.

    Raises:
        ValueError: If a number is not positive, or there are too few samples.
    """
    return drifting_fields(a, y, x, [bandwidth], own, attraction)[0]


def drifting_fields(
    a: Tensor,
    y: Tensor,
    x: Tensor,
    bandwidths: Sequence[float],
    own: bool = False,
    attraction: float = 1.0,
) -> list[Tensor]:
    r"""Returns :func:`drifting_field` for several temperatures, with distances computed once.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`.
        bandwidths: The temperatures :math:`\tau > 0`, in data units.
        own: See :func:`drifting_field`.
        attraction: The factor on the part of real samples, see :func:`drifting_field`.

    Returns:
        The field of each temperature, with shape :math:`(B, *)`, in data units.

    Raises:
        ValueError: If a number is not positive, or there are too few samples.
    """
    for bandwidth in bandwidths:
        check_positive("bandwidth", bandwidth)
    check_positive("attraction", attraction)
    check_sets(a, y, x)
    check_own(a, x, own)
    u, v = centred(a, torch.cat([x, y]))
    with torch.autocast(a.device.type, enabled=False):
        blocks = partial(_negative_distances, u, v, own)
        held = [*blocks()] if len(u) * len(v) <= _BLOCK else None
        columns = v.new_full((len(bandwidths), len(v)), -torch.inf)
        for _, d in held or blocks():
            sums = torch.stack([(d / tau).logsumexp(0) for tau in bandwidths])
            columns = torch.logaddexp(columns, sums)
        # A single point has a column without another point; its own weight is 0 all the same.
        columns = columns.where(columns > -torch.inf, 0)
        moves: list[list[Tensor]] = [[] for _ in bandwidths]
        for part, d in held or blocks():
            for move, tau, column in zip(moves, bandwidths, columns, strict=True):
                move.append(_drift(part, v, len(x), d / tau, column, attraction))
    return [torch.cat(move).reshape(a.shape) for move in moves]


def _negative_distances(a: Tensor, b: Tensor, own: bool) -> Iterator[tuple[Tensor, Tensor]]:
    r"""Yields blocks of points, and their distances to all samples with a minus sign.

    Arguments:
        a: The points, with shape :math:`(B, D)`.
        b: The samples, with shape :math:`(N, D)`.
        own: Whether the points are the first of the samples.
    """
    for start, part in blocks_of(a, len(b)):
        d = -distances(part, b)
        yield part, without_self(d, start) if own else d


def _drift(
    a: Tensor, b: Tensor, m: int, log: Tensor, columns: Tensor, attraction: float
) -> Tensor:
    r"""Returns the field at a block of points.

    Arguments:
        a: The points, with shape :math:`(B, D)`.
        b: The generated samples and then the real ones, with shape :math:`(M + N, D)`.
        m: The number of generated samples.
        log: The negative distances over the temperature, with shape :math:`(B, M + N)`.
        columns: The logarithms of the sums over all points, with shape :math:`(M + N)`.
        attraction: The factor on the part of real samples.
    """
    w = torch.exp(log - (log.logsumexp(1, keepdim=True) + columns) / 2)
    w_x, w_y = w[:, :m], w[:, m:]
    s_x, s_y = w_x.sum(1, keepdim=True), w_y.sum(1, keepdim=True)
    towards_y = s_x * (w_y @ b[m:] - s_y * a)
    return attraction * towards_y - s_y * (w_x @ b[:m] - s_x * a)


def centred(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns both sets around the mean of the second, flattened, float32 at least.

    Arguments:
        a: The first points, with shape :math:`(B, *)`.
        b: The second points, with shape :math:`(N, *)`.

    Returns:
        The points, with shapes :math:`(B, D)` and :math:`(N, D)`.
    """
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    u, v = a.flatten(1).to(dtype), b.flatten(1).to(dtype)
    origin = v.detach().mean(0)
    return u - origin, v - origin


def blocks_of(a: Tensor, n: int) -> Iterator[tuple[int, Tensor]]:
    r"""Yields the first index and the points of each block of rows of a matrix with `n` columns.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        n: The number of columns.
    """
    start = 0
    for part in a.split(max(1, _BLOCK // n)):
        yield start, part
        start += len(part)


def check_sets(a: Tensor, y: Tensor, x: Tensor) -> None:
    r"""Raises a `ValueError` unless sets are filled, with samples of one shape."""
    if len(y) == 0 or len(x) == 0:
        raise ValueError(
            f"'y' and 'x' should hold at least one sample each, got {len(y)} and {len(x)}."
        )
    check_points(a, y)
    check_points(a, x)


def check_own(a: Tensor, b: Tensor, own: bool) -> None:
    r"""Raises a `ValueError` unless each point has samples besides itself."""
    if len(b) < 1 + own:
        raise ValueError(
            f"'b' should hold at least {1 + own} samples{' where own = True' if own else ''}, "
            f"got {len(b)}."
        )
    if own and len(b) < len(a):
        raise ValueError(
            "'own' should be False unless the points are the first of the samples, got "
            f"{len(a)} points and {len(b)} samples."
        )


def without_self(log: Tensor, start: int) -> Tensor:
    r"""Returns logarithms of weights, with minus infinity for the pairs of a point with itself.

    Arguments:
        log: A block of rows, with shape :math:`(B, N)`.
        start: The index of its first row, whose own sample is in the column of that index.
    """
    rows = torch.arange(len(log), device=log.device)
    return log.index_put((rows, rows + start), log.new_tensor(-torch.inf))
