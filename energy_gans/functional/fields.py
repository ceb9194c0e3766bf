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

from collections.abc import Callable, Iterator
from functools import reduce

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
    check_positive("bandwidth", bandwidth)
    check_positive("attraction", attraction)
    check_sets(a, y, x)
    check_own(a, x, own)
    m, samples = len(x), torch.cat([x, y])
    u, v = centred(a, samples)

    def logits() -> Iterator[Tensor]:
        for start, part in blocks_of(u, len(v)):
            log = -distances(part, v) / bandwidth
            yield torch.cat([without_self(log[:, :m], start), log[:, m:]], 1) if own else log

    with torch.autocast(a.device.type, enabled=False):
        held = [*logits()] if len(u) * len(v) <= _BLOCK else None
        columns = reduce(torch.logaddexp, (log.logsumexp(0) for log in held or logits()))
        moves = []
        for log, (_, part) in zip(held or logits(), blocks_of(u, len(v)), strict=True):
            w = torch.exp(log - (log.logsumexp(1, keepdim=True) + columns) / 2)
            w_x, w_y = w[:, :m], w[:, m:]
            s_x, s_y = w_x.sum(1, keepdim=True), w_y.sum(1, keepdim=True)
            towards_y = s_x * (w_y @ v[m:] - s_y * part)
            moves.append(attraction * towards_y - s_y * (w_x @ v[:m] - s_x * part))
    return torch.cat(moves).reshape(a.shape)


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
