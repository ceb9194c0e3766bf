r"""The elastic kernel as a method holds it: its numbers, checked once, before any batch is seen."""

from __future__ import annotations

import torch
from torch import Tensor

from ...checks import check_positive
from ...functional import ElasticTerm, elastic_power, elastic_profile, unit_length
from ...functional.kernels import Softening
from ..bases.feature_gan import Profile


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

    def term(self, n: int, coefficient: float = 1.0) -> ElasticTerm:
        r"""Returns a multiple of the kernel of points in `n` dimensions, a term of a loss."""
        return ElasticTerm(coefficient, self.cutoff, elastic_power(self.power, n))

    def profile(self, n: int, *r2: Tensor) -> Profile:
        r"""Returns the kernel as a function of squared distances of points in `n` dimensions.

        Its values are float64, as those in a charge are beyond float32 at high powers, and its unit of
        length is the smallest of some distances.

        Arguments:
            n: The number of dimensions.
            r2: The squared distances that the unit is taken of.
        """
        power, unit = elastic_power(self.power, n), unit_length(self.cutoff, *r2)

        def profile(r2: Tensor) -> Tensor:
            return elastic_profile(r2.double(), self.cutoff, power, self.softening, unit)

        return profile
