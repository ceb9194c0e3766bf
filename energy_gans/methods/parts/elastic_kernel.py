r"""The elastic kernel with its parameters, which are checked before training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import check_positive
from ...functional import ElasticTerm, elastic_power, elastic_profile, unit_length
from ...functional.elastic_kernels import Softening

Profile = Callable[[Tensor], Tensor]


class Elastic:
    r"""The elastic kernel.

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
        r"""Returns a multiple of the kernel in `n` dimensions, as a term of a loss."""
        return ElasticTerm(coefficient, self.cutoff, elastic_power(self.power, n))

    def profile(self, n: int, *r2: Tensor) -> Profile:
        r"""Returns the kernel as a function of squared distances in `n` dimensions.

        The values of the kernel are float64, because near a charge they exceed float32 at high
        powers. The unit of length is the smallest of given distances.

        Arguments:
            n: The number of dimensions.
            r2: The squared distances that determine the unit of length.
        """
        power, unit = elastic_power(self.power, n), unit_length(self.cutoff, *r2)

        def profile(r2: Tensor) -> Tensor:
            return elastic_profile(r2.double(), self.cutoff, power, self.softening, unit)

        return profile
