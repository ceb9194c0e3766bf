r"""Linear stability of a discriminator's features by Fourier modes (Prop. 2 of the EIEG paper).

Let :math:`u(x, t)` be a small perturbation of a uniform density of features in the plane. Gradient
ascent on the elastic energy :math:`E`, with a stabilizing repulsion :math:`h` of strength
:math:`\lambda`, evolves its Fourier modes by

.. math::
    \hat u_t = \sigma(k) \hat u, \qquad
    \sigma(k) = 2 |k|^2 \hat K(k) - 2 \lambda |k|^2 \hat h(k)

Without :math:`h` all modes grow, short waves fastest. The transform of :math:`r^{-1}` is
:math:`2 \pi / |k|`. With the cut-off :math:`e`, within which
:math:`K_e = \frac{3}{2e} - \frac{r^2}{2 e^3}`, it is

.. math:: \hat K_e(k) = \frac{2 \pi}{|k|} - 2 \pi \int_0^e (r^{-1} - K_e(r)) J_0(|k| r) r \, dr

This is negative for some :math:`|k| e > 4.0037`. If the transform of :math:`h` is negative, then
:math:`h` makes the mode grow, and no :math:`\lambda` stabilizes it. So the critical
:math:`\lambda` of the proposition exists only for wave numbers up to a bound. Features at a finite
resolution have such a bound.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), Eqs. 26 to 38, https://arxiv.org/abs/2303.10553
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..checks import check_positive

# The number of points of the midpoint rule is this plus a quarter of the phase.
_MARGIN = 16
# The number of terms of the power series, for arguments up to one.
_TERMS = 10


def elastic_transform(k: Tensor, cutoff: float | None = None) -> Tensor:
    r"""Returns the Fourier transform :math:`\hat K_e(k)` of the elastic kernel in the plane.

    Arguments:
        k: The wave numbers :math:`|k| > 0`, in reciprocal data units, with shape :math:`(*)`.
        cutoff: The cut-off :math:`e`, in data units; `None` for the kernel :math:`r^{-1}` without
            one.

    Returns:
        The transform, with shape :math:`(*)`, float64.

    Raises:
        ValueError: If a wave number or the cut-off is not positive and finite.

    Example:
        >>> elastic_transform(torch.tensor([1.0, 2.0])) / (2 * torch.pi)
        tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    k = k.double()
    if not ((k > 0) & k.isfinite()).all():
        raise ValueError(f"'k' should be positive and finite, got values from {k.min():g} on.")
    if cutoff is None:
        return 2 * math.pi / k
    check_positive("cutoff", cutoff)
    return 2 * math.pi * (1 / k - cutoff * _cutoff_integral(k * cutoff))


def _cutoff_integral(phase: Tensor) -> Tensor:
    r"""Returns the part of the transform that the cut-off removes, divided by :math:`2 \pi e`,

    .. math:: \int_0^1 m(s) J_0(\kappa s) \, ds
        = \frac{2}{\pi} \int_0^{\pi / 2} \int_0^1 m(s) \cos(\kappa s \sin \theta) \, ds \, d\theta
        \qquad m(s) = 1 - \frac{3}{2} s + \frac{1}{2} s^3

    The inner integral is elementary. The integrand of the outer integral is smooth and periodic,
    so the midpoint rule converges faster than any power once its points resolve the phase. The
    Bessel function of torch 2.14 has errors up to 4e-7, more than the whole transform at large
    wave numbers.

    Arguments:
        phase: The phases :math:`\kappa = |k| e`, float64, with shape :math:`(*)`.
    """
    if phase.numel() == 0:
        return phase
    points = _MARGIN + math.ceil(phase.max().item() / 4)
    angles = (torch.arange(points, dtype=torch.float64) + 0.5) * (math.pi / (2 * points))
    total = torch.zeros_like(phase)
    for sine in angles.sin().tolist():
        total += _cosine_integral(phase * sine)
    return total / points


def _cosine_integral(t: Tensor) -> Tensor:
    r"""Returns the inner integral

    .. math:: \int_0^1 m(s) \cos(t s) \, ds
        = \frac{3}{2 t^2} - \frac{3 \sin t}{t^3} + \frac{3 (1 - \cos t)}{t^4}
    """
    # By its power series near zero, where the three terms cancel.
    small, series = t.clamp_max(1.0).square(), torch.zeros_like(t)
    for n in range(_TERMS - 1, -1, -1):
        moment = 1 / (2 * n + 1) - 1.5 / (2 * n + 2) + 0.5 / (2 * n + 4)
        series = moment - small / ((2 * n + 1) * (2 * n + 2)) * series
    u = t.clamp_min(1.0)
    terms = 1.5 / u**2 - 3 * u.sin() / u**3 + 3 * (1 - u.cos()) / u**4
    return torch.where(t < 1, series, terms)


def growth_rate(
    k: Tensor,
    coefficient: float,
    cutoff: float | None = 0.1,
    stabilizer_cutoff: float | None = 0.8,
) -> Tensor:
    r"""Returns the growth rate :math:`\sigma(k)` (Eq. 37) of Fourier modes of the features.

    Arguments:
        k: The wave numbers :math:`|k| > 0`, with shape :math:`(*)`.
        coefficient: The strength :math:`\lambda` of the stabilizer.
        cutoff: The cut-off of :math:`K`, in the unit of the features; `None` for none.
        stabilizer_cutoff: The cut-off of the stabilizer's kernel :math:`h`, in units of the
            features; `None` for none.

    Returns:
        The rates, with shape :math:`(*)`, float64. Modes with a positive rate grow.
    """
    difference = elastic_transform(k, cutoff) - coefficient * elastic_transform(
        k, stabilizer_cutoff
    )
    return 2 * k.double().square() * difference


def critical_coefficient(
    largest: float, cutoff: float | None = 0.1, stabilizer_cutoff: float | None = 0.8
) -> float:
    r"""Returns the smallest :math:`\lambda` for which no mode up to a largest wave number grows.

    Where :math:`\hat h > 0`, :math:`\lambda` must be at least :math:`\hat K / \hat h`, which is
    one for the longest waves. Where :math:`\hat h < 0`, :math:`\lambda` must be at most that
    ratio. If both conditions exclude each other, there is no critical value.

    Arguments:
        largest: The largest wave number :math:`|k|`, per unit of the features.
        cutoff: The cut-off of :math:`K`, in the unit of the features; `None` for none.
        stabilizer_cutoff: The cut-off of the stabilizer's kernel :math:`h`, in units of the
            features; `None` for none.

    Returns:
        The critical coefficient for wave numbers on a fine grid up to `largest`; infinite if there
        is none.

    Raises:
        ValueError: If `largest` or a cut-off is not positive and finite.

    Example:
        >>> critical_coefficient(10.0, cutoff=None, stabilizer_cutoff=None)
        1.0
    """
    check_positive("largest", largest)
    points = 500 + 20 * math.ceil(largest * max(cutoff or 0.0, stabilizer_cutoff or 0.0))
    k = torch.arange(1, points + 1, dtype=torch.float64) * (largest / points)
    kernel, stabilizer = elastic_transform(k, cutoff), elastic_transform(k, stabilizer_cutoff)
    ratio = kernel / stabilizer
    least = max(1.0, ratio[stabilizer >= 0].max().item())
    # The ratio is negative, and so below `least`, where the transform of the kernel is positive.
    most = ratio[stabilizer < 0]
    return math.inf if len(most) > 0 and most.min().item() < least else least
