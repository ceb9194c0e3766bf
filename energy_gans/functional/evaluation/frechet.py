r"""Gaussians fitted to samples, and the distance between two of them.

The Fréchet distance of two feature distributions is the squared 2-Wasserstein distance of the
Gaussians with the same means :math:`\mu` and covariances :math:`C`,

.. math:: d^2 = \|\mu_y - \mu_x\|^2 + \operatorname{Tr} C_y + \operatorname{Tr} C_x
    - 2 \operatorname{Tr} (C_y^{1/2} C_x C_y^{1/2})^{1/2}

All computations are in float64: covariances are differences of large sums, and the last trace is a
sum of square roots.

References:
    The Fréchet Distance between Multivariate Normal Distributions (Dowson and Landau, 1982)
    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et
    al., 2017), https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

import torch
from torch import Tensor


def moments(total: Tensor, outer: Tensor, n: int) -> tuple[Tensor, Tensor]:
    r"""Returns the mean and the unbiased covariance of samples, from their sums.

    Arguments:
        total: The sum :math:`\sum_i x_i`, float64, with shape :math:`(D)`.
        outer: The sum :math:`\sum_i x_i x_i^T`, float64, with shape :math:`(D, D)`.
        n: The number of samples, at least 2.

    Returns:
        The mean, with shape :math:`(D)`, and the covariance, with shape :math:`(D, D)`.

    Raises:
        ValueError: If there are fewer than two samples.
    """
    if n < 2:
        raise ValueError(f"'n' should be at least 2 for a covariance, got {n}.")
    mean = total / n
    return mean, (outer - n * mean[:, None] * mean) / (n - 1)


def frechet_distance(mean_y: Tensor, cov_y: Tensor, mean_x: Tensor, cov_x: Tensor) -> Tensor:
    r"""Returns the squared Fréchet distance of two Gaussians.

    The trace of the square root is computed from the eigenvalues of the symmetric
    :math:`R^T C_x R`, for any :math:`R` with :math:`R R^T = C_y`. Covariances may be singular, as
    they are for fewer samples than dimensions.

    Arguments:
        mean_y: The first mean, with shape :math:`(D)`.
        cov_y: The first covariance, with shape :math:`(D, D)`.
        mean_x: The second mean, with shape :math:`(D)`.
        cov_x: The second covariance, with shape :math:`(D, D)`.

    Returns:
        The distance, a float64 scalar, which rounding errors can make slightly negative.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> frechet_distance(torch.zeros(2), torch.eye(2), torch.ones(2), 4 * torch.eye(2))
        tensor(4., dtype=torch.float64)
    """
    size = len(mean_y)
    if mean_x.shape != (size,) or cov_y.shape != (size, size) or cov_x.shape != (size, size):
        raise ValueError(
            "The means should have shape (D) and the covariances (D, D) with one D, got "
            f"{tuple(mean_y.shape)}, {tuple(cov_y.shape)}, {tuple(mean_x.shape)}, "
            f"{tuple(cov_x.shape)}."
        )
    mean_y, cov_y, mean_x, cov_x = (t.double() for t in (mean_y, cov_y, mean_x, cov_x))
    root = _square_root(cov_y)
    cross = torch.linalg.eigvalsh(root.T @ cov_x @ root).clamp_min(0).sqrt().sum()
    return (mean_y - mean_x).square().sum() + cov_y.trace() + cov_x.trace() - 2 * cross


def _square_root(cov: Tensor) -> Tensor:
    r"""Returns a matrix :math:`R` with :math:`R R^T = C`, with shape :math:`(D, D)`."""
    root, failed = torch.linalg.cholesky_ex(cov)
    if not failed:
        return root
    values, vectors = torch.linalg.eigh(cov)
    return vectors * values.clamp_min(0).sqrt()
