r"""The elastic kernel :math:`r^{-p}`, its profile and its force.

A *profile* is the kernel as a function of squared distances of any shape. The kernel can be scaled
in logarithms, because its values and their scale may each be beyond float64.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ..checks import check_positive
from .distances import squared_distances

Softening = Literal["cap", "plummer"]


def elastic(
    a: Tensor,
    b: Tensor,
    cutoff: float,
    power: float | None = None,
    softening: Softening = "cap",
    unit: float | Tensor = 1.0,
) -> Tensor:
    r"""Returns the elastic interaction kernel :math:`r^{-p}`, made finite near :math:`r = 0`.

    With the cut-off :math:`e`, and in units of :math:`\ell^{-p}`, the kernel is

    .. math::
        K_e(r) = \begin{cases} r^{-p} & r > e \\
            e^{-p} \left( 1 + \frac{p}{2} - \frac{p}{2} \frac{r^2}{e^2} \right) & r \leq e
        \end{cases}
        \qquad \text{or} \qquad K_e(r) = (r^2 + e^2)^{-p / 2}

    The first form, `"cap"`, is the paper's. It is once continuously differentiable, and its force
    falls linearly to zero within the cut-off. It is **not** positive definite: its Fourier
    transform changes sign beyond :math:`|k| e \approx 4`. The energy of two different sets may
    therefore be negative or zero; if all pairs lie within :math:`e`, it depends only on the means
    of the sets. The second form, `"plummer"`, is strictly positive definite; near zero its force
    is that of the first form. With :math:`e = \sigma \sqrt{p}` and a high power, it is nearly a
    multiple of the Gaussian kernel with the bandwidth :math:`\sigma`.

    High powers approach the range of float32: :math:`K_e(0) = 1.7 \cdot 10^{32}` at
    :math:`p = 31, e = 0.1`. If :math:`\ell` is the smallest distance of the points
    (:func:`unit_length`), the largest values are of order one. Losses scale by forces instead
    (:func:`elastic_sums`).

    References:
        Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et
        al., 2023), Eq. 4, https://arxiv.org/abs/2303.10553, for :math:`p = n - 1`. Other powers
        between 0 and :math:`n`, those of Riesz kernels, are our extension.

    Arguments:
        a: The evaluation points, with shape :math:`(N, *)`.
        b: The charges, with shape :math:`(M, *)`.
        cutoff: The cut-off :math:`e > 0`, in data units.
        power: The exponent :math:`p`, between 0 and the dimension :math:`n` of the points;
            :math:`n - 1`, the paper's, if `None`.
        softening: How the kernel is made finite: `"cap"` or `"plummer"`.
        unit: The unit of length :math:`\ell`, a scalar, in data units.

    Returns:
        The kernel matrix, with shape :math:`(N, M)`.

    Raises:
        ValueError: If points have only one coordinate, an argument is out of its range, or
            :math:`K_e(0)` overflows the type of the result; the last is checked if `unit` is a
            number.

    Example:
        >>> b = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 2.0]])
        >>> elastic(torch.zeros(1, 2), b, cutoff=0.1)
        tensor([[15.0000, 10.0000,  0.5000]])
    """
    power = elastic_power(power, a.shape[1:].numel())
    return elastic_profile(squared_distances(a, b), cutoff, power, softening, unit)


def elastic_power(power: float | None, n: int) -> float:
    r"""Returns the elastic kernel's exponent in :math:`n` dimensions, :math:`n - 1` for `None`.

    Arguments:
        power: The exponent :math:`p`, or `None`.
        n: The dimension :math:`n` of the points, at least 2.

    Raises:
        ValueError: If there is only one dimension, or the exponent is not in :math:`(0, n)`.
    """
    if n < 2:
        raise ValueError(f"The elastic kernel needs points of at least 2 coordinates, got {n}.")
    if power is not None and not 0 < power < n:
        raise ValueError(f"'power' should be between 0 and the dimension {n}, got {power!r}.")
    return float(n - 1 if power is None else power)


def elastic_profile(
    r2: Tensor,
    cutoff: float,
    power: float,
    softening: Softening = "cap",
    unit: float | Tensor = 1.0,
) -> Tensor:
    r"""Returns the kernel of :func:`elastic` at squared distances of any shape.

    Arguments:
        r2: The squared distances, of any shape.
        cutoff: The cut-off :math:`e > 0`, in data units.
        power: The exponent :math:`p > 0`.
        softening: How the kernel is made finite: `"cap"` or `"plummer"`.
        unit: The unit of length :math:`\ell`, a scalar, in data units.

    Returns:
        The values of the kernel, with the shape of `r2`.

    Raises:
        ValueError: If an argument is out of its range, or :math:`K_e(0)` overflows the type of the
            result; the last is checked if `unit` is a number.
    """
    _check_elastic(cutoff, power, softening)
    if isinstance(unit, Tensor):
        log_unit = unit.double().log()
    else:
        check_positive("unit", unit)
        log_unit = math.log(unit)
        _check_finite_at_zero(r2.dtype, cutoff, power, softening, unit)
    return scaled_elastic(r2, cutoff, power, softening, power * log_unit).to(r2.dtype)


def scaled_elastic(
    r2: Tensor, cutoff: float, power: float, softening: Softening, log_scale: float | Tensor
) -> Tensor:
    r"""Returns :math:`s K_e(r)` at squared distances, in float64, for any factor :math:`s`.

    Arguments:
        r2: The squared distances, of any shape; the kernel is zero where they are infinite.
        cutoff: The cut-off :math:`e`.
        power: The exponent :math:`p`.
        softening: `"cap"` or `"plummer"`.
        log_scale: The logarithm of :math:`s`.
    """
    r2, e2 = r2.double(), cutoff**2
    # A sum of logarithms, because the factor and the power of a length may each overflow float64.
    if softening == "plummer":
        return torch.exp(log_scale - power / 2 * torch.log(r2 + e2))
    outside = torch.exp(log_scale - power / 2 * torch.log(r2.clamp_min(e2)))
    inside = outside.detach() * (1 + power / 2 * (1 - r2.clamp_max(e2) / e2))
    return torch.where(r2 > e2, outside, inside)


def elastic_log_force(
    r2: Tensor, cutoff: float, power: float, softening: Softening = "cap"
) -> Tensor:
    r"""Returns :math:`\ln |K_e'(r)|`, the logarithm of the elastic kernel's force, float64.

    With :math:`m = \max(r, e)` or :math:`m = \sqrt{r^2 + e^2}` the force is
    :math:`p r / m^{p + 2}`. For points that coincide and for infinite distances the force is zero,
    and its logarithm minus infinity.

    Arguments:
        r2: The squared distances, of any shape.
        cutoff: The cut-off :math:`e`, in data units.
        power: The exponent :math:`p`.
        softening: `"cap"` or `"plummer"`.

    Returns:
        The logarithms, float64, with the shape of `r2`.

    Raises:
        ValueError: If an argument is out of its range.
    """
    _check_elastic(cutoff, power, softening)
    r2, e2 = r2.double(), cutoff**2
    m2 = r2 + e2 if softening == "plummer" else r2.clamp_min(e2)
    force = math.log(power) + r2.log() / 2 - (power / 2 + 1) * m2.log()
    return force.masked_fill(r2.isinf(), -torch.inf)


def _check_elastic(cutoff: float, power: float, softening: Softening) -> None:
    r"""Raises a `ValueError` unless the numbers are positive and the softening is known."""
    check_positive("cutoff", cutoff)
    check_positive("power", power)
    if softening not in ("cap", "plummer"):
        raise ValueError(f"'softening' should be 'cap' or 'plummer', got {softening!r}.")


def _check_finite_at_zero(
    dtype: torch.dtype, cutoff: float, power: float, softening: Softening, unit: float
) -> None:
    r"""Raises a `ValueError` if :math:`K_e(0)` overflows a type."""
    cap = 1 + power / 2 if softening == "cap" else 1.0
    if math.log(cap) + power * math.log(unit / cutoff) > math.log(torch.finfo(dtype).max):
        raise ValueError(
            f"The elastic kernel at distance 0 is beyond {dtype} for 'power' = {power!r}, "
            f"'cutoff' = {cutoff!r} and 'unit' = {unit!r}: 'power' or 'unit' should be smaller or "
            "'cutoff' larger."
        )
