r"""Free particles: the flow of generated samples without a generator.

The gradient flow of the EIEG metric moves a density :math:`\rho` by
:math:`\partial_t \rho = \nabla \cdot (\rho \nabla \frac{\delta E}{\delta \rho})`. For :math:`M`
generated points :math:`x` and :math:`N` real points :math:`y` it is

.. math::
    \frac{dx_i}{dt} & = - \frac{M_1}{N} \sum_j f(x_i - y_j) + \frac{M_2}{M} \sum_j f(x_i - x_j) \\
    f(z) & = \frac{p z}{\max(\|z\|, e)^{p + 2}}

where :math:`f = -\nabla K_e` is the force of the elastic kernel :math:`K_e(r) = r^{-p}` with the
cut-off :math:`e` (see :func:`~energy_gans.functional.elastic`). Real points attract, generated
points repel. For equal mobilities :math:`M_1 = M_2` this is the gradient flow. For other
mobilities it is not the gradient flow of a metric: the charges do not balance, and if
:math:`M_1 > M_2`, several generated points can rest at the same real point.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), Eqs. 22 to 25, https://arxiv.org/abs/2303.10553, for :math:`p = n - 1`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from ..checks import check_positive
from .distances import CANCELLATION, CHUNK, FEW_DIMENSIONS, squared_distances
from .elastic_kernels import elastic_power

T = TypeVar("T")


def force(a: Tensor, b: Tensor, cutoff: float, power: float | None = None) -> Tensor:
    r"""Returns the mean force :math:`\frac{1}{M} \sum_j f(a_i - b_j)` (Eq. 25), a repulsion.

    The force is computed in float64, by matrix products around the mean of :math:`b`; pairs for
    which these would cancel are recomputed from :math:`a_i - b_j`. No :math:`N \times M \times D`
    tensor is allocated. Points that coincide exert no force on each other.

    Arguments:
        a: The points at which the force is evaluated, with shape :math:`(N, *)`.
        b: The charges, with shape :math:`(M, *)`, at least one.
        cutoff: The cut-off :math:`e > 0`, in data units, within which the force is linear in the
            distance.
        power: The exponent :math:`p`, between 0 and the dimension :math:`n` of the points;
            :math:`n - 1`, the paper's, if `None`.

    Returns:
        The force, with shape :math:`(N, *)` and the type of `a`, float32 at least.

    Raises:
        ValueError: If there are no charges, points differ in size, or an argument is out of its
            range or makes :math:`p e^{-(p + 2)}` overflow float64.
    """
    if len(b) == 0:
        raise ValueError("'b' should hold at least one point, got none.")
    power = elastic_power(power, b[0].numel())
    check_force(cutoff, power)
    dtype = torch.promote_types(a.dtype, torch.float32)
    with torch.autocast(a.device.type, enabled=False):
        u, v = a.flatten(1).double(), b.flatten(1).double()
        r2 = squared_distances(u, v)
        weights = power * r2.clamp_min(cutoff**2).pow(-(power + 2) / 2) / len(b)
        return _weighted_differences(u, v, weights, r2).reshape(a.shape).to(dtype)


def check_force(cutoff: float, power: float) -> None:
    r"""Raises a `ValueError` unless :math:`e > 0` and :math:`p e^{-(p + 2)}` fits float64."""
    check_positive("cutoff", cutoff)
    if math.log(power) - (power + 2) * math.log(cutoff) > math.log(torch.finfo(torch.float64).max):
        raise ValueError(
            f"The force p / e^(p + 2) is beyond float64 for 'power' = {power!r} and 'cutoff' = "
            f"{cutoff!r}: one should be smaller or the other larger."
        )


def _weighted_differences(a: Tensor, b: Tensor, weights: Tensor, r2: Tensor) -> Tensor:
    r"""Returns :math:`\sum_j w_{ij} (a_i - b_j)`, with shape :math:`(N, D)`.

    Arguments:
        a: The first points, float64, with shape :math:`(N, D)`.
        b: The second points, float64, with shape :math:`(M, D)`.
        weights: The weights :math:`w_{ij}`, with shape :math:`(N, M)`.
        r2: The squared distances, with shape :math:`(N, M)`.
    """
    if a.shape[1] <= FEW_DIMENSIONS:
        pairs = zip(a.unbind(1), b.unbind(1), strict=True)
        return torch.stack([(weights * (u[:, None] - v)).sum(1) for u, v in pairs], 1)
    origin = b.mean(0)
    u, v = a - origin, b - origin
    near = r2 <= CANCELLATION * (u.square().sum(1)[:, None] + v.square().sum(1))
    far = weights.masked_fill(near, 0.0)
    total = far.sum(1, keepdim=True) * u - far @ v
    i, j = torch.nonzero(near, as_tuple=True)
    rows = max(1, CHUNK // a.shape[1])
    for m, n in zip(i.split(rows), j.split(rows), strict=True):
        total = total.index_add(0, m, weights[m, n][:, None] * (a[m] - b[n]))
    return total


def particle_velocity(
    x: Tensor,
    y: Tensor,
    cutoff: float,
    power: float | None = None,
    attraction: float = 1.0,
    repulsion: float = 1.0,
) -> Tensor:
    r"""Returns the velocity :math:`dx_i / dt` (Eq. 24) of generated points among real ones.

    Arguments:
        x: The generated points, with shape :math:`(M, *)`.
        y: The real points, with shape :math:`(N, *)`.
        cutoff: The cut-off :math:`e > 0`, in data units.
        power: The exponent :math:`p`; :math:`n - 1` if `None`.
        attraction: The mobility :math:`M_1 > 0` in the field of the real points.
        repulsion: The mobility :math:`M_2 \geq 0` in the field of the generated points; with zero,
            the generated points do not interact.

    Returns:
        The velocity, with shape :math:`(M, *)`.

    Raises:
        ValueError: If an argument is out of its range, or a set is empty.
    """
    check_mobilities(attraction, repulsion)
    velocity = -attraction * force(x, y, cutoff, power)
    if repulsion > 0:
        velocity = velocity + repulsion * force(x, x, cutoff, power)
    return velocity


def check_mobilities(attraction: float, repulsion: float) -> None:
    r"""Raises a `ValueError` unless `attraction` is positive and `repulsion` is at least 0."""
    check_positive("attraction", attraction)
    if not (repulsion >= 0 and math.isfinite(repulsion)):
        raise ValueError(f"'repulsion' should be finite and at least 0, got {repulsion!r}.")


def evolve(
    x: Tensor,
    batches: Iterable[T],
    velocity: Callable[[Tensor, T], Tensor],
    step_size: float,
    momentum: float = 0.0,
) -> Iterator[Tensor]:
    r"""Yields the points after each step, one step per batch.

    A step is one of the explicit Euler method with momentum :math:`\mu`,

    .. math::
        v_{k + 1} = \mu v_k + V(x_k, y_k) \qquad x_{k + 1} = x_k + h v_{k + 1} \qquad v_0 = 0

    In a constant field the points reach the speed :math:`V / (1 - \mu)`.

    Where a share :math:`s` of the charges lies within the cut-off, a step is stable if
    :math:`h M_1 s p e^{-(p + 2)} < 2 (1 + \mu)`. For larger steps points oscillate, without
    momentum with an amplitude that the largest force bounds.

    Arguments:
        x: The initial points, with shape :math:`(M, *)`; not modified.
        batches: What acts in each step: the real points :math:`y`, with shape :math:`(N, *)`, or
            whatever else the velocity takes.
        velocity: The velocity :math:`V(x, y)`.
        step_size: The step size :math:`h`.
        momentum: The momentum :math:`\mu` in [0, 1).

    Yields:
        The points, with shape :math:`(M, *)`.

    Raises:
        ValueError: If a number is out of its range.
    """
    check_positive("step_size", step_size)
    check_momentum(momentum)
    v = None
    for y in batches:
        field = velocity(x, y)
        v = field if v is None or momentum == 0 else momentum * v + field
        x = x + step_size * v
        yield x


def check_momentum(momentum: float) -> None:
    r"""Raises a `ValueError` unless a momentum is in [0, 1)."""
    if not 0 <= momentum < 1:
        raise ValueError(f"'momentum' should be in [0, 1), got {momentum!r}.")
