r"""Kernels: the potential at :math:`a` of a unit charge at :math:`b`.

All kernels except the polynomial one are functions of the squared distance
:math:`r^2 = \|a - b\|^2`. A kernel maps two sets of points, :math:`(N, *)` and :math:`(M, *)`, to
the matrix :math:`k(a_i, b_j)` with shape :math:`(N, M)`. Trailing dimensions are flattened, so
images are points too. A *profile* is the kernel as a function of squared distances of any shape.
Results are float32 at least.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from .distances import check_points, squared_distances


def plummer(a: Tensor, b: Tensor, power: float = 1.0, epsilon: float = 1.0) -> Tensor:
    r"""Returns the Plummer kernel

    .. math:: k(a, b) = (\|a - b\|^2 + \epsilon^2)^{-p / 2}

    It is strictly positive definite in every dimension, with :math:`k(a, a) = \epsilon^{-p}` and
    the largest force at :math:`r = \epsilon / \sqrt{p + 1}`. The text and the code of the Coulomb
    GAN paper disagree: the text has :math:`p = d`, the authors' code :math:`p = d - 2`, both with
    :math:`d = 3`. The default here follows the code, which produced the paper's results.

    References:
        Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al.,
        2018), Eq. 5, https://arxiv.org/abs/1708.08819

    Arguments:
        a: The evaluation points, with shape :math:`(N, *)`.
        b: The charges, with shape :math:`(M, *)`.
        power: The exponent :math:`p > 0`.
        epsilon: The softening length :math:`\epsilon > 0`, in data units.

    Returns:
        The kernel matrix, with shape :math:`(N, M)`.

    Raises:
        ValueError: If `power` or `epsilon` is not positive, or `epsilon` is so small that the
            gradient at a charge overflows.

    Example:
        >>> plummer(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]))
        tensor([[0.7071]])
    """
    check_positive("power", power)
    check_positive("epsilon", epsilon)
    r2 = squared_distances(a, b)
    _check_softening(r2.dtype, power, epsilon)
    # Integer powers up to 3 of the inverse root are much faster than the power -p / 2.
    return (r2 + epsilon**2).rsqrt().pow(power)


def _check_softening(dtype: torch.dtype, power: float, epsilon: float) -> None:
    r"""Raises a `ValueError` if the derivative of Plummer's kernel overflows at zero.

    The derivative by :math:`r^2` at zero is :math:`\frac{p}{2} \epsilon^{-(p + 2)}`; its factors
    are checked, too.
    """
    least = (max(1.0, power / 2) / torch.finfo(dtype).max) ** (1 / (max(power, 1.0) + 2))
    if epsilon < least:
        raise ValueError(
            f"'epsilon' should be at least {least:.1e} in {dtype} for 'power' = {power!r}, "
            f"got {epsilon!r}."
        )


def gaussian(a: Tensor, b: Tensor, bandwidths: Sequence[float] = (1.0,)) -> Tensor:
    r"""Returns the mean of Gaussian kernels

    .. math:: k(a, b) = \frac{1}{S} \sum_{s} \exp \left( -\frac{\|a - b\|^2}{2 \sigma_s^2} \right)

    References:
        A Kernel Two-Sample Test (Gretton et al., 2012), https://jmlr.org/papers/v13/gretton12a.html

    Arguments:
        a: The evaluation points, with shape :math:`(N, *)`.
        b: The charges, with shape :math:`(M, *)`.
        bandwidths: The standard deviations :math:`\sigma_s > 0`, in data units.

    Returns:
        The kernel matrix, with shape :math:`(N, M)`.

    Raises:
        ValueError: If there are no bandwidths or one is not positive.
    """
    return gaussian_profile(squared_distances(a, b), bandwidths)


def gaussian_profile(r2: Tensor, bandwidths: Sequence[float] = (1.0,)) -> Tensor:
    r"""Returns the kernel of :func:`gaussian` at squared distances of any shape.

    Arguments:
        r2: The squared distances, of any shape.
        bandwidths: The standard deviations :math:`\sigma_s > 0`, in data units.

    Returns:
        The values of the kernel, with the shape of `r2`.

    Raises:
        ValueError: If there are no bandwidths or one is not positive.
    """
    if len(bandwidths) == 0:
        raise ValueError("'bandwidths' should hold at least one value, got none.")
    for sigma in bandwidths:
        check_positive("bandwidths", sigma)
    return torch.stack([torch.exp(-r2 / (2 * sigma**2)) for sigma in bandwidths]).mean(0)


def polynomial(a: Tensor, b: Tensor, degree: int = 3) -> Tensor:
    r"""Returns the polynomial kernel of the Kernel Inception Distance

    .. math:: k(a, b) = (a \cdot b / D + 1)^{n}

    References:
        Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401

    Arguments:
        a: The evaluation points, with shape :math:`(N, *)`.
        b: The charges, with shape :math:`(M, *)`.
        degree: The degree :math:`n`.

    Returns:
        The kernel matrix, with shape :math:`(N, M)`, float32 at least.

    Raises:
        ValueError: If `degree` is not positive or the points of `a` and `b` differ in size.
    """
    check_count("degree", degree)
    check_points(a, b)
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    a, b = a.flatten(1).to(dtype), b.flatten(1).to(dtype)
    with torch.autocast(a.device.type, enabled=False):
        return (a @ b.T / a.shape[1] + 1).pow(degree)
