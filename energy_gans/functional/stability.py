r"""The stability of a discriminator's features, mode by mode (Proposition 2 of the EIEG paper).

Let features in the plane be spread evenly, but for a small wave :math:`u(x, t)`. Raising the elastic
energy :math:`E`, with a repulsion :math:`h` of strength :math:`\lambda` beside it, turns the wave into

.. math::
    \hat u_t = \sigma(k) \hat u, \qquad
    \sigma(k) = 2 |k|^2 \hat K(k) - 2 \lambda |k|^2 \hat h(k)

Without :math:`h` it grows, the faster the shorter the wave. Of :math:`r^{-1}` the transform is
:math:`2 \pi / |k|`; with the cut-off :math:`e`, inside of which :math:`K_e = \frac{3}{2e} - \frac{r^2}{2 e^3}`,

.. math:: \hat K_e(k) = \frac{2 \pi}{|k|} - 2 \pi \int_0^e (r^{-1} - K_e(r)) J_0(|k| r) r \, dr

This is negative for some :math:`|k| e > 4.0037`: there :math:`h` makes the wave grow, too, and no
:math:`\lambda` stops it. So the critical :math:`\lambda` of the proposition exists up to a largest
wave number only, which is what features in a bounded domain at a finite resolution have.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), Eqs. 26 to 38, https://arxiv.org/abs/2303.10553
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..checks import check_positive

# Points of the midpoint rule beyond a quarter of the phase.
_MARGIN = 16
# Terms of the power series, for arguments up to one.
_TERMS = 10


def elastic_transform(k: Tensor, cutoff: float | None = None) -> Tensor:
    r"""Returns the Fourier transform :math:`\hat K_e(k)` of the elastic kernel in the plane.

    Arguments:
        k: The wave numbers :math:`|k| > 0`, in reciprocal data units, with shape :math:`(*)`.
        cutoff: The cut-off :math:`e`, in data units; `None` for the kernel :math:`r^{-1}` itself.

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
    r"""Returns what the cut-off takes away, in units of it,

    .. math:: \int_0^1 m(s) J_0(\kappa s) \, ds
        = \frac{2}{\pi} \int_0^{\pi / 2} \int_0^1 m(s) \cos(\kappa s \sin \theta) \, ds \, d\theta
        \qquad m(s) = 1 - \frac{3}{2} s + \frac{1}{2} s^3

    The inner integral is elementary. The outer one is of a smooth periodic function, for which the
    midpoint rule converges faster than any power once its points resolve the phase. (The Bessel
    function of torch 2.14 would be wrong by up to 4e-7, more than all of the transform at large
    wave numbers.)

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
    r"""Returns :math:`\int_0^1 m(s) \cos(t s) \, ds = \frac{3}{2 t^2} - \frac{3 \sin t}{t^3} + \frac{3 (1 - \cos t)}{t^4}`."""
    # Near zero by its power series, as the three terms cancel.
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
    r"""Returns the growth rate :math:`\sigma(k)` (Eq. 37) of waves in the discriminator's features.

    Arguments:
        k: The wave numbers :math:`|k| > 0`, with shape :math:`(*)`.
        coefficient: The strength :math:`\lambda` of the stabilizer.
        cutoff: The cut-off of :math:`K`; `None` for none.
        stabilizer_cutoff: The cut-off of the stabilizer's kernel :math:`h`; `None` for none.

    Returns:
        The rates, with shape :math:`(*)`, float64; waves with a positive one grow.
    """
    difference = elastic_transform(k, cutoff) - coefficient * elastic_transform(
        k, stabilizer_cutoff
    )
    return 2 * k.double().square() * difference


def critical_coefficient(
    largest: float, cutoff: float | None = 0.1, stabilizer_cutoff: float | None = 0.8
) -> float:
    r"""Returns the smallest :math:`\lambda` with which no wave up to a wave number grows.

    Where :math:`\hat h > 0` it has to be at least :math:`\hat K / \hat h`, which is one for the longest
    waves. Where :math:`\hat h < 0` it can be that at most, so that there may be none.

    Arguments:
        largest: The largest wave number :math:`|k|`.
        cutoff: The cut-off of :math:`K`; `None` for none.
        stabilizer_cutoff: The cut-off of the stabilizer's kernel :math:`h`; `None` for none.

    Returns:
        The critical coefficient of the wave numbers on a fine grid that ends with `largest`,
        infinite if there is none.

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
    # Negative, and so below the least, where the kernel's transform is positive.
    most = ratio[stabilizer < 0]
    return math.inf if len(most) > 0 and most.min().item() < least else least
