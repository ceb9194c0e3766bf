r"""Filters in closed form, and the responses of images to them.

A Gabor filter is a wave of wavelength :math:`\lambda` under a Gaussian window. At the offset
:math:`p` from its centre, with :math:`n = (\cos \vartheta, \sin \vartheta)`, its even and odd
phases are

.. math::
    g_0(p) \propto e^{-\|p\|^2 / 2 s^2}
        \left( \cos(2 \pi \langle n, p \rangle / \lambda) - c \right)
    \qquad g_1(p) \propto e^{-\|p\|^2 / 2 s^2} \sin(2 \pi \langle n, p \rangle / \lambda)
    \qquad s = \lambda / 2

where :math:`c` makes the mean zero. A difference of Gaussians,
:math:`d(p) \propto \mathcal{N}(p; 0, \sigma^2) - \mathcal{N}(p; 0, (1.6 \sigma)^2)`, has no
orientation. The FRAME model constrains the mean responses of generated textures to such filters to
equal those of real textures.

All filters have zero mean, so that responses do not depend on brightness, and unit :math:`L_2`
norm, so that the responses of white noise have the noise's standard deviation, before they are
rectified. Photographs, with pixels in [-1, 1], have mean rectified responses of 0.01 to 0.4. The
negative of a filter has about the same mean response, so orientations cover half a turn.

References:
    Filters, Random Fields and Maximum Entropy (FRAME): Towards a Unified Theory for Texture
    Modeling (Zhu, Wu and Mumford, 1998)
    Learning Sparse FRAME Models for Natural Image Patterns (Xie et al., 2015)
    Theory of Edge Detection (Marr and Hildreth, 1980), for the ratio 1.6
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive

# Orthogonal directions of RGB: brightness, red against green, and yellow against blue.
_OPPONENTS = ((1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (1.0, 1.0, -2.0))


def gabor(size: int, wavelengths: Sequence[float], orientations: int = 4) -> Tensor:
    r"""Returns Gabor filters of several wavelengths and orientations, in even and odd phase.

    Arguments:
        size: The width and height :math:`S` of the filters, in pixels.
        wavelengths: The wavelengths :math:`\lambda`, in pixels.
        orientations: The number :math:`O` of angles, from 0 in steps of :math:`\pi / O`. At the
            angle 0 the wave runs along the width, at :math:`\pi / 2` along the height.

    Returns:
        The filters, with shape :math:`(2 L O, 1, S, S)` for :math:`L` wavelengths: for each
        wavelength and angle, the even and then the odd filter.

    Raises:
        ValueError: If `size` is below 3, there are no wavelengths or orientations, or a wavelength
            is not above 2 pixels, the Nyquist limit.

    Example:
        >>> gabor(3, [3.0], 1)[1, 0, 1]
        tensor([-0.4681,  0.0000,  0.4681])
    """
    check_count("orientations", orientations)
    _check_nonempty("wavelengths", wavelengths)
    filters = []
    for wavelength in wavelengths:
        if not 2 < wavelength < math.inf:
            raise ValueError(f"'wavelengths' should be above 2 and finite, got {wavelength!r}.")
        window = _gaussian_window(size, wavelength / 2)
        for turn in range(orientations):
            phase = (
                2 * math.pi / wavelength * _coordinates_along(size, math.pi * turn / orientations)
            )
            even = window * (phase.cos() - (window * phase.cos()).sum() / window.sum())
            filters += [even, window * phase.sin()]
    return _stack_normalized(filters)


def difference_of_gaussians(size: int, stds: Sequence[float], ratio: float = 1.6) -> Tensor:
    r"""Returns filters with a bright centre and a dark surround.

    Arguments:
        size: The width and height :math:`S` of the filters, in pixels.
        stds: The standard deviations :math:`\sigma` of the centres, in pixels.
        ratio: The ratio of the surround's standard deviation to that of the centre.

    Returns:
        The filters, with shape :math:`(K, 1, S, S)` for :math:`K` standard deviations.

    Raises:
        ValueError: If `size` is below 3, there are no standard deviations, one is not positive, or
            `ratio` is not above 1.
    """
    if not 1 < ratio < math.inf:
        raise ValueError(f"'ratio' should be above 1 and finite, got {ratio!r}.")
    _check_nonempty("stds", stds)
    filters = []
    for std in stds:
        check_positive("stds", std)
        centre, surround = _gaussian_window(size, std), _gaussian_window(size, ratio * std)
        filters.append(centre / centre.sum() - surround / surround.sum())
    return _stack_normalized(filters)


def filter_bank(channels: int, size: int = 13) -> Tensor:
    r"""Returns a fixed bank of 18 filters for grey images, or of 54 filters for RGB.

    The bank holds Gabor filters of wavelengths 3 and 6, four angles and two phases, and
    differences of Gaussians of standard deviations 1 and 2. For RGB, each filter is applied to
    three channel combinations of unit norm: brightness, red against green, and yellow against
    blue.

    Arguments:
        channels: The number of image channels :math:`C`, 1 or 3.
        size: The width and height :math:`S` of the filters, in pixels; 13 pixels hold two of the
            longest wavelengths.

    Returns:
        The filters, with shape :math:`(18, 1, S, S)` or :math:`(54, 3, S, S)`.

    Raises:
        ValueError: If `channels` is neither 1 nor 3, or `size` is below 3.
    """
    if channels not in (1, 3):
        raise ValueError(f"'channels' should be 1 or 3, got {channels!r}.")
    filters = torch.cat([gabor(size, (3.0, 6.0)), difference_of_gaussians(size, (1.0, 2.0))])
    if channels == 1:
        return filters
    opponents = torch.nn.functional.normalize(torch.tensor(_OPPONENTS))
    return torch.einsum("oc,kij->okcij", opponents, filters[:, 0]).flatten(0, 1)


def responses(x: Tensor, filters: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Returns the mean responses of images to filters,

    .. math:: F_k(x) = \frac{1}{P} \sum_p \max(\langle x, w_k \rangle_p + b_k, 0)

    over all :math:`P` positions at which a filter lies within the image.

    Arguments:
        x: The images, with shape :math:`(N, C, H, W)`.
        filters: The filters :math:`w`, with shape :math:`(K, C, S, S)`.
        bias: The thresholds :math:`b`, with shape :math:`(K)`; zero if `None`.

    Returns:
        The responses, with shape :math:`(N, K)`.

    Raises:
        ValueError: If the images are smaller than the filters, or have another number of channels.
    """
    _, c, s, _ = filters.shape
    if x.ndim != 4 or x.shape[1] != c or min(x.shape[2:]) < s:
        raise ValueError(
            f"'x' should have shape (N, {c}, H, W) with H and W of at least {s}, got "
            f"{tuple(x.shape)}."
        )
    return torch.nn.functional.conv2d(x, filters, bias).relu().mean((2, 3))


def response_distance(f_obs: Tensor, f_syn: Tensor) -> Tensor:
    r"""Returns the distance between the mean responses of two sets of images,

    .. math::
        R = \frac{1}{K} \sum_k \left| \frac{1}{N} \sum_i F_k(x_i^{\text{obs}})
            - \frac{1}{M} \sum_j F_k(x_j^{\text{syn}}) \right|

    References:
        Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et
        al., 2019), https://arxiv.org/abs/1910.14216

    Arguments:
        f_obs: The responses of observed images, with shape :math:`(N, K)`.
        f_syn: The responses of synthesised images, with shape :math:`(M, K)`.

    Returns:
        The distance, a scalar.

    Raises:
        ValueError: If a set is empty or the numbers of filters differ.
    """
    shapes = tuple(f_obs.shape), tuple(f_syn.shape)
    if f_obs.ndim != 2 or f_syn.ndim != 2 or shapes[0][1] != shapes[1][1] or 0 in sum(shapes, ()):
        raise ValueError(
            f"'f_obs' and 'f_syn' should have shapes (N, K) and (M, K), none of them 0, got "
            f"{shapes[0]} and {shapes[1]}."
        )
    return (f_obs.mean(0) - f_syn.mean(0)).abs().mean()


def _check_nonempty(name: str, values: Sequence[float]) -> None:
    r"""Raises a `ValueError` that names the argument if there are no values."""
    if len(values) == 0:
        raise ValueError(f"{name!r} should hold at least one value, got none.")


def _coordinates_along(size: int, angle: float) -> Tensor:
    r"""Returns :math:`\langle n, p \rangle` at every pixel, in pixels from the centre, float64.

    Arguments:
        size: The width and height :math:`S`.
        angle: The angle :math:`\vartheta` between :math:`n` and the width.

    Raises:
        ValueError: If `size` is below 3.
    """
    if size < 3:
        raise ValueError(f"'size' should be at least 3, got {size!r}.")
    p = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return math.cos(angle) * p[None, :] + math.sin(angle) * p[:, None]


def _gaussian_window(size: int, std: float) -> Tensor:
    r"""Returns :math:`e^{-\|p\|^2 / 2 s^2}` at every pixel, with shape :math:`(S, S)`, float64."""
    r2 = _coordinates_along(size, 0).square() + _coordinates_along(size, math.pi / 2).square()
    return torch.exp(-r2 / (2 * std**2))


def _stack_normalized(filters: Sequence[Tensor]) -> Tensor:
    r"""Returns filters stacked and scaled to unit norm, with shape :math:`(K, 1, S, S)`, float32.

    Arguments:
        filters: The filters, each with shape :math:`(S, S)`.
    """
    stacked = torch.stack(list(filters))[:, None]
    return (stacked / stacked.flatten(1).norm(dim=1)[:, None, None, None]).float()
