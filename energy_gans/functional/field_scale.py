r"""Units of fields and of features, so that neither depends on a network's scale.

Distances of features grow with their number :math:`C` and with the network's scale. In units of

.. math:: S = \frac{1}{\sqrt{C}} \, \mathbb{E} \|f_i - f_j\|

the mean distance is :math:`\sqrt{C}`. A field in units of its root mean square,
:math:`V / \sqrt{\mathbb{E} \|V\|^2 / C}`, moves samples by about one unit whatever its bandwidth,
so that fields of several bandwidths, or of long and short range, can be added.

The loss of a generator that follows such a field is constant. What falls as samples approach the
data is the root mean square of the field itself.

References:
    Generative Modeling via Drifting (Deng et al., 2026), https://arxiv.org/abs/2602.04770
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_filled
from .distances import check_points, distances
from .fields import blocks_of


def mean_distance(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns the mean distance of distinct points of two sets, a detached scalar.

    Arguments:
        a: The first points, with shape :math:`(N, *)`.
        b: The second points, with shape :math:`(M, *)`.

    Raises:
        ValueError: If a set is empty, or all points coincide.
    """
    check_filled(a=a, b=b)
    check_points(a, b)
    total, apart = 0.0, 0
    for _, part in blocks_of(a.detach(), len(b)):
        r = distances(part, b.detach()).double()
        apart = apart + (r > torch.finfo(torch.float32).tiny ** 0.5).sum()
        total = total + r.sum()
    if apart == 0:
        raise ValueError("'a' and 'b' should hold distinct points, and all points coincide.")
    return total / apart


def feature_unit(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns the unit :math:`S` of features, a detached scalar.

    Arguments:
        a: The first features, with shape :math:`(N, *)`.
        b: The second features, with shape :math:`(M, *)`.

    Raises:
        ValueError: If a set is empty, or all features coincide.
    """
    return mean_distance(a, b) / a[0].numel() ** 0.5


def root_mean_square(v: Tensor) -> Tensor:
    r"""Returns the root mean square :math:`\sqrt{\mathbb{E} \|V\|^2 / C}` of a field, a scalar.

    Arguments:
        v: The field, with shape :math:`(B, *)`.

    Raises:
        ValueError: If the field has no points.
    """
    check_filled(v=v)
    return torch.linalg.vector_norm(v, dtype=torch.float64) / v.numel() ** 0.5


def sum_in_units(velocities: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    r"""Returns the weighted sum of fields, each in units of its root mean square.

    Arguments:
        velocities: The fields at the same points, each with shape :math:`(B, *)`.
        weights: The factor on each field; 1 if `None`.

    Returns:
        The sum, with shape :math:`(B, *)`. A field that vanishes at all points adds nothing.

    Raises:
        ValueError: If there are no fields or no points, or not one weight for each field.
    """
    if len(velocities) == 0:
        raise ValueError("'velocities' should hold at least one field, got none.")
    weights = [1.0] * len(velocities) if weights is None else weights
    if len(weights) != len(velocities):
        raise ValueError(
            f"'weights' should hold one number for each of {len(velocities)} fields, got "
            f"{len(weights)}."
        )
    return sum(w * unit_field(v) for w, v in zip(weights, velocities, strict=True))


def unit_field(v: Tensor) -> Tensor:
    r"""Returns a field in units of its root mean square.

    Arguments:
        v: The field, with shape :math:`(B, *)`.

    Returns:
        The field, with shape :math:`(B, *)`, zero if it vanishes at all points.

    Raises:
        ValueError: If the field has no points.
    """
    scale = root_mean_square(v).clamp_min(torch.finfo(v.dtype).tiny)
    return v / scale.to(v.dtype)
