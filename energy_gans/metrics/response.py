r"""The response distance: how far the mean responses of filters lie apart on real and generated images.

.. math::
    R = \frac{1}{K} \sum_k \left| \frac{1}{N} \sum_i F_k(y_i) - \frac{1}{M} \sum_j F_k(x_j) \right|

:math:`F_k` is the spatial mean of a filter's rectified response. :math:`R` is zero for equal sets, and for
any sets that the filters do not tell apart: it sees marginal statistics, not diversity. Its scale is
that of the filters, so numbers of different filters can not be compared; a model's own filters, which
it learns, say little.

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
    r"""Creates the response distance of images in [-1, 1]; nan until both kinds of images came.

    Arguments:
        channels: The number of image channels :math:`C`; any number with filters of one's own.
        filters: The filters, a function from :math:`(B, C, H, W)` to inner products
            :math:`(B, K, H', W')`, of which the positive parts count; the fixed bank of
            :func:`filter_bank` if `None`, which needs images of 13 pixels or more.

    Raises:
        ValueError: If there is no bank for `channels`.

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
        # Sums are scalars until the filters have shown how many they are.
        for name in ("real_sum", "real_count", "fake_sum", "fake_count"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, x: Tensor, real: bool) -> None:
        r"""Adds images.

        Arguments:
            x: The images as floats in [-1, 1], with shape :math:`(B, C, H, W)`.
            real: Whether they are real.

        Raises:
            ValueError: If the images are not floats of four dimensions, or do not fit the bank.
        """
        if x.ndim != 4 or not x.is_floating_point():
            raise ValueError(
                f"'x' should be floats of shape (B, C, H, W), got {x.dtype} of shape "
                f"{tuple(x.shape)}."
            )
        f = self.responses(x).double()
        # Not in place: a sum is a scalar at first.
        if real:
            self.real_sum, self.real_count = self.real_sum + f.sum(0), self.real_count + len(f)
        else:
            self.fake_sum, self.fake_count = self.fake_sum + f.sum(0), self.fake_count + len(f)

    def responses(self, x: Tensor) -> Tensor:
        r"""Returns the filters' responses, with shape :math:`(B, K)`, of images :math:`(B, C, H, W)`."""
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            if self.filters is None:
                return responses(x.to(self.bank), self.bank)
            return self.filters(x).relu().mean((2, 3))

    def compute(self) -> Tensor:
        real, fake = self.real_sum / self.real_count, self.fake_sum / self.fake_count
        return (real - fake).abs().mean().float()
