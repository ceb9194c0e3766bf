r"""The spread of features: extent, share of dimensions in use, and separation of classes.

Let features :math:`u_1, \dots, u_N` have the mean :math:`\bar u` and a covariance :math:`C` with
the eigenvalues :math:`\lambda_1, \dots, \lambda_n`. The extent is
:math:`\sqrt{\operatorname{tr} C}`, the root mean squared distance from the mean. The share of
dimensions in use is

.. math:: \frac{1}{n} \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}

which is 1 if all dimensions have the same variance, and :math:`1/n` if all features lie on a line.
The separation of classes :math:`c` with the means :math:`\bar u_c`, in units of the extent within
classes, is

.. math::
    \frac{\operatorname{mean}_{c < c'} \|\bar u_c - \bar u_{c'}\|}
    {\sqrt{\operatorname{mean}_i \|u_i - \bar u_{c(i)}\|^2}}

Share and separation do not depend on the unit of length. The shrinkage of generated features is
:math:`\max(0, 1 - E_x / E_y)`, with the extents :math:`E` of generated and of real features: 0 if
generated features spread as far as real ones, and 1 if all generated features coincide.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...checks import check_filled


def extent(u: Tensor) -> Tensor:
    r"""Returns the root mean squared distance of features from their mean, a scalar, float64.

    Arguments:
        u: The features, with shape :math:`(N, n)`.

    Raises:
        ValueError: If there are none.
    """
    check_filled(u=u)
    u = u.double()
    # The variances of dimensions, by torch.var over the first, take several times as long.
    return torch.linalg.vector_norm(u - u.mean(0)) / len(u) ** 0.5


def shrinkage(x: Tensor, y: Tensor) -> Tensor:
    r"""Returns how much less generated features spread than real ones, a scalar in [0, 1].

    Arguments:
        x: The generated features, with shape :math:`(M, n)`.
        y: The real features, with shape :math:`(N, n)`.

    Raises:
        ValueError: If a set is empty.

    Example:
        >>> shrinkage(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [4.0]]))
        tensor(0.7500, dtype=torch.float64)
    """
    return (1 - extent(x) / extent(y)).clamp_min(0)


def share_of_dimensions(u: Tensor) -> Tensor:
    r"""Returns the share of dimensions in use, between :math:`1/n` and 1, a scalar, float64.

    The share is NaN if all features are equal.

    Arguments:
        u: The features, with shape :math:`(N, n)`.

    Raises:
        ValueError: If there are none.

    Example:
        >>> share_of_dimensions(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
        tensor(1., dtype=torch.float64)
    """
    check_filled(u=u)
    u = u.double()
    u = u - u.mean(0)
    covariance = u.T @ u
    return covariance.trace() ** 2 / covariance.square().sum() / u.shape[1]


def separation(u: Tensor, label: Tensor) -> Tensor:
    r"""Returns the separation of classes, a scalar, float64.

    The separation is NaN if there are fewer than two classes.

    Arguments:
        u: The features, with shape :math:`(N, n)`.
        label: The classes, with shape :math:`(N)`.

    Raises:
        ValueError: If there are no features.
    """
    check_filled(u=u)
    u = u.double()
    _, place, count = label.unique(return_inverse=True, return_counts=True)
    means = u.new_zeros(len(count), u.shape[1]).index_add_(0, place, u) / count[:, None]
    within = (u - means[place]).square().sum(1).mean().sqrt()
    return torch.pdist(means).mean() / within
