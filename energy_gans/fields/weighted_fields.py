r"""Fields that are differences of weighted means of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from ..functional import drifting_field, mean_shift_field, mean_shift_potential, sinkhorn_field
from ..functional.mean_shift import MeanShiftKernel
from .base import ParticleField


class MeanShiftField(ParticleField):
    r"""The mean shift to real samples minus that to generated ones (`mean_shift_field`).

    Arguments:
        bandwidth: The bandwidth of the kernel, in the unit of the points.
        kernel: The kernel: `"laplace"`, `"gaussian"`, or `"sharp"`.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If a number is not positive, or the kernel is unknown.
    """

    def __init__(
        self, bandwidth: float, kernel: MeanShiftKernel = "sharp", attraction: float = 1.0
    ) -> None:
        a = torch.zeros(1, 1)
        mean_shift_field(a, a, a, bandwidth, kernel, attraction=attraction)
        self.bandwidth, self.kernel, self.attraction = bandwidth, kernel, attraction

    def velocity(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> Tensor:
        return mean_shift_field(a, y, x, self.bandwidth, self.kernel, own, self.attraction)

    def potential(self, a: Tensor, y: Tensor, x: Tensor) -> Tensor:
        if self.kernel == "laplace" or self.attraction != 1:
            return super().potential(a, y, x)
        return mean_shift_potential(a, y, x, self.bandwidth, self.kernel)


class DriftingField(ParticleField):
    r"""The field of Drifting Models, Algorithm 2 (`drifting_field`).

    Arguments:
        bandwidth: The temperature, in the unit of the points.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(self, bandwidth: float, attraction: float = 1.0) -> None:
        check_positive("bandwidth", bandwidth)
        check_positive("attraction", attraction)
        self.bandwidth, self.attraction = bandwidth, attraction

    def velocity(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> Tensor:
        return drifting_field(a, y, x, self.bandwidth, own, self.attraction)


class SinkhornField(ParticleField):
    r"""The difference of two entropic transport maps (`sinkhorn_field`).

    Arguments:
        epsilon: The entropic regularisation, in squared units of the points.
        iterations: The number of Sinkhorn's iterations.
        tolerance: The largest accepted error of a plan's columns, or `None` for any.
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
