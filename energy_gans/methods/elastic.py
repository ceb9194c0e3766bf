r"""The elastic kernel as a method holds it: its numbers, checked once, before any batch is seen."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..functional import elastic_power, elastic_profile, unit_length
from ..functional.checks import check_positive
from ..functional.kernels import Softening
from .feature_gan import Profile


class Elastic:
    r"""Creates an elastic kernel.

    Arguments:
        cutoff: The cut-off :math:`e`.
        power: The exponent :math:`p`; :math:`n - 1` in :math:`n` dimensions if `None`.
        softening: How the kernel is made finite: `"cap"` or `"plummer"`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, cutoff: float, power: float | None, softening: Softening) -> None:
        elastic_profile(torch.ones(1), cutoff, 1.0, softening)
        if power is not None:
            check_positive("power", power)
        self.cutoff, self.power, self.softening = cutoff, power, softening

    def unit(self, *r2: Tensor) -> Tensor:
        r"""Returns the unit of length that suits squared distances, a detached scalar."""
        return unit_length(self.cutoff, *r2)

    def profile(self, n: int, unit: Tensor) -> Profile:
        r"""Returns the kernel as a function of squared distances of points in `n` dimensions."""
        return partial(
            elastic_profile,
            cutoff=self.cutoff,
            power=elastic_power(self.power, n),
            softening=self.softening,
            unit=unit,
        )
