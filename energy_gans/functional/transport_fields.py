r"""The field of entropic optimal transport.

The entropic plan of two sets :math:`a` and :math:`b` of equal weights, with the cost
:math:`\frac{1}{2} \|a_i - b_j\|^2`, is

.. math:: P_{ij} = \frac{1}{B N} e^{(f_i + g_j - \|a_i - b_j\|^2 / 2) / \varepsilon}

Sinkhorn's iterations find the potentials :math:`f` and :math:`g` for which the rows of :math:`P`
sum to :math:`1 / B` and its columns to :math:`1 / N`. The barycentric map moves a point to the
mean of its row, :math:`T(a_i) = B \sum_j P_{ij} b_j`. The field

.. math:: V(a) = T_{a \to y}(a) - T_{a \to x}(a)

is the difference of the maps to real and to generated samples, the gradient of the Sinkhorn
divergence up to the sign. For :math:`\varepsilon \to \infty` it is the difference of the means,
for :math:`\varepsilon \to 0` that of two assignments.

References:
    Learning Generative Models with Sinkhorn Divergences (Genevay et al., 2018),
    https://arxiv.org/abs/1706.00292
    Stabilized Sparse Scaling Algorithms for Entropy Regularized Transport Problems (Schmitzer,
    2019), https://arxiv.org/abs/1610.06519
    On fields of Sinkhorn maps for one-step generators: https://arxiv.org/abs/2603.12366,
    https://arxiv.org/abs/2605.11755
"""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from .distances import squared_distances
from .fields import blocks_of, centred, check_sets

# Scalings of a plan that are larger, or smaller than its inverse, become a part of the plan.
_EXTREME = 1e10


class Transport(NamedTuple):
    r"""The barycentric map of an entropic plan.

    Arguments:
        target: The points :math:`T(a)`, with shape :math:`(B, *)`.
        error: The sum of absolute errors of the plan's columns, a scalar in [0, 2]; its rows are
            exact.
    """

    target: Tensor
    error: Tensor


def transport(a: Tensor, b: Tensor, epsilon: float, iterations: int = 20) -> Transport:
    r"""Returns the barycentric map from one set of points to another by Sinkhorn's iterations.

    An iteration takes two products of the plan and a vector, as long as these scalings stay
    moderate, and logarithms otherwise. If there are too many costs to be held, all iterations take
    logarithms, and recompute the costs in blocks of rows.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        b: The samples, with shape :math:`(N, *)`.
        epsilon: The entropic regularisation :math:`\varepsilon > 0`, in squared data units.
        iterations: The number of iterations.

    Returns:
        The map at the points, and the error of its plan.

    Raises:
        ValueError: If a number is out of its range, or a set is empty.
    """
    check_positive("epsilon", epsilon)
    check_count("iterations", iterations)
    check_sets(a, b, b)
    if len(a) == 0:
        raise ValueError("'a' should hold at least one point, got none.")
    u, v = centred(a, b)
    with torch.autocast(a.device.type, enabled=False):
        cost = _Costs(u, v, epsilon)
        f, g = _potentials(cost, iterations)
        moved, error = cost.map(v, f, g)
    return Transport(a + (moved - u).reshape(a.shape), error)


def sinkhorn_field(
    a: Tensor,
    y: Tensor,
    x: Tensor,
    epsilon: float,
    iterations: int = 20,
    tolerance: float | None = None,
    attraction: float = 1.0,
) -> Tensor:
    r"""Returns the difference of the transport maps to real and to generated samples.

    Arguments:
        a: The points, with shape :math:`(B, *)`.
        y: The real samples, with shape :math:`(N, *)`.
        x: The generated samples, with shape :math:`(M, *)`, drawn independently of `a`: to itself
            a set is transported by the identity if :math:`\varepsilon` is small.
        epsilon: The entropic regularisation :math:`\varepsilon > 0`, in squared data units.
        iterations: The number of Sinkhorn's iterations.
        tolerance: The largest accepted error of a plan's columns, in [0, 2], or `None` for any.
        attraction: The factor on the part of real samples. With any factor but 1, the field does
            not vanish for equal sets.

    Returns:
        The field, with shape :math:`(B, *)`, in data units.

    Raises:
        ValueError: If a number is out of its range, a set is empty, or an error exceeds
            `tolerance`.
    """
    check_positive("attraction", attraction)
    check_sets(a, y, x)
    maps = [transport(a, b, epsilon, iterations) for b in (y, x)]
    if tolerance is not None:
        error = max(plan.error.item() for plan in maps)
        if not error <= tolerance:
            raise ValueError(
                f"Sinkhorn's iterations did not converge: the columns' error is {error:.2g} after "
                f"{iterations} 'iterations', and 'tolerance' is {tolerance!r}. A larger 'epsilon' "
                "converges faster."
            )
    y_target, x_target = (plan.target for plan in maps)
    return y_target - x_target + (attraction - 1) * (y_target - a)


def _potentials(cost: _Costs, iterations: int) -> tuple[Tensor, Tensor]:
    r"""Returns :math:`f / \varepsilon` and :math:`g / \varepsilon` after some iterations.

    The potentials of the last iteration by logarithms are part of the plan that the scalings
    :math:`u` and :math:`v` of later ones multiply (stabilised scaling, Schmitzer, 2019).
    """
    f = cost.rows(cost.b.new_zeros(len(cost.b)))
    plan, u = None, torch.ones_like(f)
    for _ in range(iterations):
        scalings = None if plan is None else _scale(plan, u)
        if scalings is None:
            g = cost.columns(f + u.log())
            f = cost.rows(g)
            plan, u, v = cost.plan(f, g), torch.ones_like(f), torch.ones_like(g)
        else:
            u, v = scalings
    return f + u.log(), g + v.log()


def _scale(plan: Tensor, u: Tensor) -> tuple[Tensor, Tensor] | None:
    r"""Returns the next scalings of a plan's rows and columns, or `None` if they are extreme."""
    v = len(plan) / (u @ plan)
    u = plan.shape[1] / (plan @ v)
    both = torch.cat([u, v])
    return (u, v) if both.min() > 1 / _EXTREME and both.max() < _EXTREME else None


class _Costs:
    r"""Costs over epsilon, in blocks of rows, and sums over rows and columns.

    Arguments:
        a: The points, with shape :math:`(B, D)`.
        b: The samples, with shape :math:`(N, D)`.
        epsilon: The regularisation.
    """

    def __init__(self, a: Tensor, b: Tensor, epsilon: float) -> None:
        self.a, self.b, self.epsilon = a, b, epsilon
        self.parts = [part for _, part in blocks_of(a, len(b))]
        self.held = self.block(a) if len(self.parts) == 1 else None

    def block(self, a: Tensor) -> Tensor:
        r"""Returns the costs of some rows over epsilon, with a minus sign."""
        return squared_distances(a, self.b) / (-2 * self.epsilon)

    def blocks(self) -> list[Tensor] | map:
        r"""Returns all blocks, which are computed one at a time if they are not held."""
        return map(self.block, self.parts) if self.held is None else [self.held]

    def rows(self, g: Tensor) -> Tensor:
        r"""Returns :math:`f / \varepsilon` for given :math:`g / \varepsilon`."""
        n = math.log(len(self.b))
        return torch.cat([n - (block + g).logsumexp(1) for block in self.blocks()])

    def columns(self, f: Tensor) -> Tensor:
        r"""Returns :math:`g / \varepsilon` for given :math:`f / \varepsilon`."""
        sizes = [len(part) for part in self.parts]
        sums = (
            (block + own[:, None]).logsumexp(0)
            for block, own in zip(self.blocks(), f.split(sizes), strict=True)
        )
        return math.log(len(self.a)) - reduce(torch.logaddexp, sums)

    def plan(self, f: Tensor, g: Tensor) -> Tensor | None:
        r"""Returns the plan, times the numbers of points and samples, if its costs are held."""
        return None if self.held is None else torch.exp(self.held + f[:, None] + g)

    def map(self, values: Tensor, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        r"""Returns the barycentric map, and the sum of absolute errors of the columns' sums."""
        targets, sums, start, n = [], 0, 0, len(self.b)
        for block in self.blocks():
            own = f[start : start + len(block)]
            start += len(block)
            w = torch.exp(block + own[:, None] + g) / n
            targets.append(w @ values)
            sums = sums + w.sum(0)
        return torch.cat(targets), (sums / len(self.a) - 1 / n).abs().sum()
