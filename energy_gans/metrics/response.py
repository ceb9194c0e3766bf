r"""The response distance: the difference of mean filter responses to real and generated images.

.. math::
    R = \frac{1}{K} \sum_k \left| \frac{1}{N} \sum_i F_k(y_i) - \frac{1}{M} \sum_j F_k(x_j) \right|

:math:`F_k` is the spatial mean of the rectified response of filter :math:`k`. :math:`R` is zero
for all sets with equal mean responses, so it measures marginal statistics and no diversity.
:math:`R` scales with the filters, so values for different filters can not be compared. Values for
the learned filters of a model mean little.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric

from ..functional.filters import filter_bank, responses


class ResponseDistance(Metric):
    r"""The response distance of images in [-1, 1]; NaN until real and generated ones are added.

    Arguments:
        channels: The number of image channels :math:`C`: 1 or 3 without `filters`, any with
            `filters`.
        filters: The filters, a function from images :math:`(B, C, H, W)` to inner products
            :math:`(B, K, H', W')` before rectification. If `None`, the fixed bank of
            :func:`filter_bank`, for images of at least 13 pixels.

    Raises:
        ValueError: If `filters` is `None` and `channels` is neither 1 nor 3.

    Example:
        >>> metric, x = ResponseDistance(channels=1), torch.zeros(2, 1, 28, 28)
        >>> metric.update(x, real=True)
        >>> metric.update(x + 0.5, real=False)
        >>> f"{metric.compute():.3f}"
        '0.000'
    """

    full_state_update = False
    higher_is_better = False

    def __init__(
        self, channels: int = 3, filters: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.filters = filters
        if filters is None:
            self.register_buffer("bank", filter_bank(channels))
        # The sums are scalars until the number of filters is known.
        for name in ("real_sum", "real_count", "fake_sum", "fake_count"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, x: Tensor, real: bool) -> None:
        r"""Adds images.

        Arguments:
            x: The images as floats in [-1, 1], with shape :math:`(B, C, H, W)`.
            real: Whether the images are real.

        Raises:
            ValueError: If the images are not floats of four dimensions, or do not fit the bank.
        """
        if x.ndim != 4 or not x.is_floating_point():
            raise ValueError(
                f"'x' should be floats of shape (B, C, H, W), got {x.dtype} of shape "
                f"{tuple(x.shape)}."
            )
        f = self.responses(x).double()
        # Not in place: a sum is initially a scalar.
        if real:
            self.real_sum, self.real_count = self.real_sum + f.sum(0), self.real_count + len(f)
        else:
            self.fake_sum, self.fake_count = self.fake_sum + f.sum(0), self.fake_count + len(f)

    def responses(self, x: Tensor) -> Tensor:
        r"""Returns the mean responses to images, with shape :math:`(B, K)`."""
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            if self.filters is None:
                return responses(x.to(self.bank), self.bank)
            return self.filters(x).relu().mean((2, 3))

    def compute(self) -> Tensor:
        real, fake = self.real_sum / self.real_count, self.fake_sum / self.fake_count
        return (real - fake).abs().mean().float()
