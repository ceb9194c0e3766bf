r"""Fields that are the gradient of a potential of a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn as nn
from torch import Tensor

from ..checks import check_positive
from ..functional import distances, elastic, gaussian, plummer, potential, potential_field
from ..functional.elastic_kernels import Softening
from ..functional.potentials import Kernel
from .base import ParticleField


class KernelField(ParticleField):
    r"""The gradient of the potential of a kernel (:func:`potential_field`).

    A point among the generated samples adds no force at itself, but is counted in the mean over
    them, as in the energies of the Coulomb GAN and of the EIEG GAN.

    Arguments:
        kernel: The kernel :math:`k(a, b)`, a function of points :math:`(N, *)` and
            :math:`(M, *)` with values :math:`(N, M)`.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If `attraction` is not positive.
    """

    def __init__(self, kernel: Kernel, attraction: float = 1.0) -> None:
        check_positive("attraction", attraction)
        self.kernel = kernel.requires_grad_(False) if isinstance(kernel, nn.Module) else kernel
        self.attraction = attraction

    def velocity(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> Tensor:
        return potential_field(a, y, x, self.kernel, self.attraction)

    def potential(self, a: Tensor, y: Tensor, x: Tensor) -> Tensor:
        phi = potential(a, y, x, self.kernel)
        if self.attraction == 1:
            return phi
        return phi + (self.attraction - 1) * self.kernel(a, y).mean(1)


class PlummerField(KernelField):
    r"""The field of the Coulomb GAN's potential, with the Plummer kernel (:func:`plummer`).

    References:
        Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al.,
        2018), https://arxiv.org/abs/1708.08819

    Arguments:
        power: The exponent of the kernel.
        epsilon: The softening length, in the unit of the points.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(self, power: float = 1.0, epsilon: float = 0.2, attraction: float = 1.0) -> None:
        check_positive("power", power)
        check_positive("epsilon", epsilon)
        super().__init__(partial(plummer, power=power, epsilon=epsilon), attraction)


class ElasticField(KernelField):
    r"""The field of the elastic energy of the EIEG method (:func:`elastic`).

    References:
        Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et
        al., 2023), https://arxiv.org/abs/2303.10553

    Arguments:
        cutoff: The cut-off of the kernel, in the unit of the points.
        power: The exponent of the kernel; :math:`n - 1` for points of :math:`n` coordinates if
            `None`.
        softening: How the kernel is made finite: `"cap"`, as in the paper, or `"plummer"`.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(
        self,
        cutoff: float = 0.1,
        power: float | None = None,
        softening: Softening = "cap",
        attraction: float = 1.0,
    ) -> None:
        check_positive("cutoff", cutoff)
        if power is not None:
            check_positive("power", power)
        kernel = partial(elastic, cutoff=cutoff, power=power, softening=softening)
        super().__init__(kernel, attraction)


class GaussianField(KernelField):
    r"""The field of the maximum mean discrepancy with Gaussian kernels (:func:`gaussian`).

    References:
        A Kernel Two-Sample Test (Gretton et al., 2012), https://jmlr.org/papers/v13/gretton12a.html

    Arguments:
        bandwidths: The standard deviations of the kernels, in the unit of the points.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(self, bandwidths: Sequence[float] = (1.0,), attraction: float = 1.0) -> None:
        gaussian(torch.zeros(1, 1), torch.zeros(1, 1), bandwidths)
        super().__init__(partial(gaussian, bandwidths=bandwidths), attraction)


class EnergyDistanceField(KernelField):
    r"""The field of the energy distance, whose kernel :math:`-\|a - b\|` has no parameter.

    References:
        Energy Statistics: A Class of Statistics Based on Distances (Székely and Rizzo, 2013)

    Arguments:
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If `attraction` is not positive.
    """

    def __init__(self, attraction: float = 1.0) -> None:
        super().__init__(_negative_distances, attraction)


def _negative_distances(a: Tensor, b: Tensor) -> Tensor:
    r"""Returns the kernel :math:`-\|a - b\|` of the energy distance, with shape :math:`(N, M)`."""
    return -distances(a, b)
