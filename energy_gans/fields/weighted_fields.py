r"""Fields that are differences of weighted means of samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from ..functional import drifting_fields, mean_shift_fields, mean_shift_potential, sinkhorn_field
from ..functional.mean_shift import MeanShiftKernel
from .base import ParticleField


class _BandwidthField(ParticleField):
    r"""A field with one bandwidth or several, whose fields are added in units of their size."""

    bandwidths: list[float]

    @property
    def count(self) -> int:
        return len(self.bandwidths)


class MeanShiftField(_BandwidthField):
    r"""The mean shift to real samples minus that to generated ones (:func:`mean_shift_field`).

    References:
        Generative Modeling via Drifting (Deng et al., 2026), https://arxiv.org/abs/2602.04770
        On the Gaussian mean shift: https://arxiv.org/abs/2603.07514
        On the sharp normaliser of the Laplace kernel: https://arxiv.org/abs/2604.06333

    Arguments:
        bandwidth: The bandwidth of the kernel, in the unit of the points; or several, whose fields
            are added in units of their root mean square.
        kernel: The kernel: `"laplace"`, `"gaussian"`, or `"sharp"`.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If a number is not positive, there are none, or the kernel is unknown.
    """

    def __init__(
        self,
        bandwidth: float | Sequence[float],
        kernel: MeanShiftKernel = "sharp",
        attraction: float = 1.0,
    ) -> None:
        self.bandwidths = _bandwidths(bandwidth)
        a = torch.zeros(1, 1)
        mean_shift_fields(a, a, a, self.bandwidths, kernel, attraction=attraction)
        self.kernel, self.attraction = kernel, attraction

    def fields_at(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> list[Tensor]:
        return mean_shift_fields(a, y, x, self.bandwidths, self.kernel, own, self.attraction)

    def potential(self, a: Tensor, y: Tensor, x: Tensor) -> Tensor:
        if self.kernel == "laplace" or self.attraction != 1 or self.count > 1:
            return super().potential(a, y, x)
        return mean_shift_potential(a, y, x, self.bandwidths[0], self.kernel)


class DriftingField(_BandwidthField):
    r"""The field of Drifting Models, Algorithm 2 (:func:`drifting_field`).

    References:
        Generative Modeling via Drifting (Deng et al., 2026), https://arxiv.org/abs/2602.04770

    Arguments:
        bandwidth: The temperature, in the unit of the points; or several, whose fields are added
            in units of their root mean square.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If a number is not positive, or there are none.
    """

    def __init__(self, bandwidth: float | Sequence[float], attraction: float = 1.0) -> None:
        self.bandwidths = _bandwidths(bandwidth)
        check_positive("attraction", attraction)
        self.attraction = attraction

    def fields_at(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> list[Tensor]:
        return drifting_fields(a, y, x, self.bandwidths, own, self.attraction)


class SinkhornField(ParticleField):
    r"""The difference of two entropic transport maps (:func:`sinkhorn_field`).

    References:
        Learning Generative Models with Sinkhorn Divergences (Genevay et al., 2018),
        https://arxiv.org/abs/1706.00292

    Arguments:
        epsilon: The entropic regularisation, in squared units of the points.
        iterations: The number of Sinkhorn's iterations.
        tolerance: The largest accepted error of a plan's columns, in [0, 2], or `None` for any.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If a number is not positive.
    """

    independent = True

    def __init__(
        self,
        epsilon: float,
        iterations: int = 20,
        tolerance: float | None = None,
        attraction: float = 1.0,
    ) -> None:
        check_positive("epsilon", epsilon)
        check_count("iterations", iterations)
        if tolerance is not None:
            check_positive("tolerance", tolerance)
        check_positive("attraction", attraction)
        self.epsilon, self.iterations = epsilon, iterations
        self.tolerance, self.attraction = tolerance, attraction

    def velocity(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> Tensor:
        return sinkhorn_field(
            a, y, x, self.epsilon, self.iterations, self.tolerance, self.attraction
        )


def _bandwidths(bandwidth: float | Sequence[float]) -> list[float]:
    r"""Returns one or several bandwidths as a list.

    Raises:
        ValueError: If one is not positive, or there are none.
    """
    bandwidths = [*bandwidth] if isinstance(bandwidth, Sequence) else [bandwidth]
    if not bandwidths:
        raise ValueError("'bandwidth' should hold at least one number, got none.")
    for one in bandwidths:
        check_positive("bandwidth", one)
    return bandwidths
