r"""Kernels: how strongly a charge at :math:`b` is felt at :math:`a`.

A kernel here is, but for the polynomial one, a function of the squared distance
:math:`r^2 = \|a - b\|^2`. It takes two sets of points, :math:`(N, *)` and :math:`(M, *)`, to the
matrix :math:`k(a_i, b_j)` of shape :math:`(N, M)`. Trailing dimensions are flattened, so images are points too.

Numerics. Squared distances are written once, in :func:`squared_distances`. Results are float32 at
least, whatever the inputs' type and also under autocast: kernels compare small differences of
large sums, which half precision does not survive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from .checks import check_count, check_positive

# Below this fraction of |a|^2 + |b|^2, r^2 is recomputed from a - b: the matrix form has lost
# about 24 of float64's 53 bits there, so what it returns is still good to 1e-7 elsewhere.
CANCELLATION = 2.0**-24
# Up to this many dimensions, adding the squares up one by one is faster than the matrix form.
FEW_DIMENSIONS = 4
# Largest number of scalars held at a time while the pairs that nearly coincide are recomputed.
CHUNK = 2**22


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns the squared distances :math:`\|a_i - b_j\|^2`.

    In more than a few dimensions the matrix form :math:`|a|^2 + |b|^2 - 2 a \cdot b` is evaluated
    in float64 around the mean of :math:`b`, and the pairs for which it cancels are recomputed from
    :math:`a_i - b_j`. No :math:`N \times M \times D` tensor is ever made, the result is exact for
    coincident points, and it is differentiable any number of times.

    Arguments:
        a: The first points, with shape :math:`(N, *)`.
        b: The second points, with shape :math:`(M, *)`.

    Returns:
        The squared distances, with shape :math:`(N, M)`, float64 for float64 inputs, else float32.

    Raises:
        ValueError: If the points of `a` and `b` differ in size.

    Example:
        >>> a = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> squared_distances(a, a)
        tensor([[ 0., 25.],
                [25.,  0.]])
    """
    check_points(a, b)
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    a, b = a.flatten(1).to(dtype), b.flatten(1).to(dtype)
    with torch.autocast(a.device.type, enabled=False):
        if a.shape[1] <= FEW_DIMENSIONS:
            coordinates = zip(a.unbind(1), b.unbind(1), strict=True)
            return reduce(torch.add, ((u[:, None] - v).square() for u, v in coordinates))
        return matrix_form(a.double(), b.double()).to(dtype)


def check_points(a: Tensor, b: Tensor) -> None:
    r"""Raises a `ValueError` unless the points of `a` and `b` are of one shape."""
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"'a' and 'b' should hold points of one shape, got {tuple(a.shape[1:])} and {tuple(b.shape[1:])}."
        )


def matrix_form(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns :math:`|a|^2 + |b|^2 - 2 a \cdot b`, recomputed from :math:`a - b` where it cancels.

    Arguments:
        a: The first points, float64, with shape :math:`(N, D)`.
        b: The second points, float64, with shape :math:`(M, D)`.
    """
    origin = b.detach().mean(0)
    u, v = a - origin, b - origin
    scale = u.square().sum(1)[:, None] + v.square().sum(1)
    r2 = torch.addmm(scale, u, v.T, alpha=-2)
    i, j = torch.nonzero(r2.detach() <= CANCELLATION * scale.detach(), as_tuple=True)
    if len(i) == 0:
        return r2
    pairs = max(1, CHUNK // a.shape[1])
    near = [
        (a[m] - b[n]).square().sum(1) for m, n in zip(i.split(pairs), j.split(pairs), strict=True)
    ]
    return r2.index_put((i, j), torch.cat(near))


def plummer(a: Tensor, b: Tensor, power: float = 1.0, epsilon: float = 1.0) -> Tensor:
    r"""Returns the Plummer kernel

    .. math:: k(a, b) = (\|a - b\|^2 + \epsilon^2)^{-p / 2}

    It is strictly positive definite in every dimension, with :math:`k(a, a) = \epsilon^{-p}` and its
    largest force at :math:`r = \epsilon / \sqrt{p + 1}`. The Coulomb GAN paper writes :math:`p = d`,
    its authors' code computes :math:`p = d - 2`, both with :math:`d = 3`; the default here is the
    code's, with which the paper's results were made.

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
        ValueError: If `power` or `epsilon` is not positive.

    Example:
        >>> plummer(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]))
        tensor([[0.7071]])
    """
    check_positive("power", power)
    check_positive("epsilon", epsilon)
    # Whole powers up to 3 of an inverse root are much faster than a power of -p / 2.
    return (squared_distances(a, b) + epsilon**2).rsqrt().pow(power)


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
    if len(bandwidths) == 0:
        raise ValueError("'bandwidths' should hold at least one value, got none.")
    for sigma in bandwidths:
        check_positive("bandwidths", sigma)
    r2 = squared_distances(a, b)
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
