r"""How features are spread: their extent, their dimensions, and how far classes lie apart.

Of features :math:`u_1, \dots, u_N` with mean :math:`\bar u` and covariance :math:`C`, with
eigenvalues :math:`\lambda_1, \dots, \lambda_n`, the extent is
:math:`\sqrt{\operatorname{tr} C}`, the root mean squared distance from the mean, and

.. math:: \frac{1}{n} \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}

is the share of dimensions in use: 1 if all have the same variance, :math:`1/n` if all features lie on
a line. Classes :math:`c` with means :math:`\bar u_c` lie

.. math::
    \frac{\operatorname{mean}_{c < c'} \|\bar u_c - \bar u_{c'}\|}
    {\sqrt{\operatorname{mean}_i \|u_i - \bar u_{c(i)}\|^2}}

apart, in units of their own extent. The last two do not depend on the unit of length.
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
    return (u - u.mean(0)).square().sum(1).mean().sqrt()


def share_of_dimensions(u: Tensor) -> Tensor:
    r"""Returns the share of dimensions in use, between :math:`1/n` and 1, a scalar, float64.

    It is not a number if all features are the same.

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
    r"""Returns the mean distance of classes' means in units of the classes' extent, a scalar, float64.

    It is not a number if there are fewer than two classes.

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
