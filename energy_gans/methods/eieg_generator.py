r"""The EIEG method without a discriminator: samples move in the elastic field of real samples.

The generator lowers the elastic energy between samples themselves (Section 2.3 of the paper, see
:mod:`energy_gans.methods.eieg_gan`), which is possible in few dimensions.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), Section 2.3, https://arxiv.org/abs/2303.10553
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..functional import (
    elastic_power,
    elastic_sums,
    kernel_within,
    matching_loss,
    potential,
    share_within,
    squared_distances,
)
from ..functional.elastic_kernels import Softening
from ..functional.pair_rows import pairs_between, pairs_within
from ..functional.potentials import Kernel
from .bases.arguments import base_arguments
from .bases.direct_generator import DirectGeneratorModule
from .bases.optimizers import ADAM
from .bases.own_kernel import check_kernel, check_left_out, fixed_kernel
from .parts.elastic_kernel import Elastic


class EIEGGenerator(DirectGeneratorModule):
    r"""A generator that lowers the elastic energy between samples, without a discriminator.

    Arguments:
        kernel: The kernel :math:`k(a, b)` of samples, a function or a module of points
            :math:`(N, *)` and :math:`(M, *)` with values :math:`(N, M)`, in place of the elastic
            kernel. A module is saved with the model, and not trained.
        cutoff: The cut-off :math:`e` of the kernel, in data units.
        power: The exponent :math:`p` of the kernel; :math:`n - 1` for samples of :math:`n`
            coordinates if `None`.
        softening: How the kernel is made finite: `"cap"`, as in the paper, or `"plummer"`.
        self_interaction: Whether generated samples repel each other. If not, they collapse.

    Raises:
        ValueError: If a number is out of its range, or parameters of the elastic kernel are given
            besides a kernel.
    """

    def __init__(
        self,
        generator: nn.Module,
        latent_dim: int,
        *,
        kernel: Kernel | nn.Module | None = None,
        cutoff: float = 0.1,
        power: float | None = None,
        softening: Softening = "cap",
        self_interaction: bool = True,
        generator_optimizer: OptimizerCallable = ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(EIEGGenerator, locals()))
        check_left_out(EIEGGenerator, locals(), ("cutoff", "power", "softening"), "elastic")
        self.own_kernel = fixed_kernel(kernel)
        self.kernel = Elastic(cutoff, power, softening)
        self.self_interaction = self_interaction

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        x = self.generator(self.noise(len(y), self.latent_dim))
        self.charges = (y, x.detach())
        if self.own_kernel is not None:
            return {"loss_g": self.descend(self.optimizers(), [self.own_loss(y, x)])}
        y, x = self.gather_columns(y), self.gather_columns(x)
        xx, yx = pairs_within(x), pairs_between(y, x)
        loss = self.descend(self.optimizers(), [self.matching_loss(x.own[0].numel(), xx, yx)])
        return {"loss_g": loss, "within_cutoff": share_within(self.kernel.cutoff, xx, yx)}

    def own_loss(self, y: Tensor, x: Tensor) -> Tensor:
        r"""Returns the loss of real and generated samples with the given kernel.

        Arguments:
            y: The real samples, with shape :math:`(B, *)`.
            x: The generated samples, with shape :math:`(B, *)`.

        Returns:
            The loss, a scalar.
        """
        y, x = self.gather(y), self.gather_attached(x)
        yx = self.own_kernel(y, x)
        xx = kernel_within(x, self.own_kernel) if self.self_interaction else torch.zeros_like(yx)
        return matching_loss(xx, yx)

    def matching_loss(self, n: int, xx: Tensor, yx: Tensor) -> Tensor:
        r"""Returns the loss of the squared distances of samples of `n` coordinates, a scalar.

        Arguments:
            n: The number of coordinates.
            xx: The squared distances of generated pairs, with shape :math:`(N, N)`.
            yx: The squared distances between real and generated samples, with shape
                :math:`(M, N)`.
        """
        term = self.kernel.term(n)
        if self.self_interaction:
            sets = [(xx, [term]), (yx, [term])]
            return matching_loss(*elastic_sums(sets, self.kernel.softening, self.largest))
        (k,) = elastic_sums([(yx, [term])], self.kernel.softening, self.largest)
        return matching_loss(torch.zeros_like(xx), k)

    def minibatch_potential(self) -> Callable[[Tensor], Tensor]:
        r"""Returns the potential of the last minibatch's samples as a function of points."""
        y, x = self.require_charges()
        if self.own_kernel is not None:
            return lambda a: potential(a, y, x, self.own_kernel)
        k = self.kernel.profile(y[0].numel(), squared_distances(y, x))
        return lambda a: potential(a, y, x, lambda a, b: k(squared_distances(a, b)))

    def check(self, y: Tensor) -> None:
        super().check(y)
        if self.own_kernel is not None:
            return check_kernel(self.own_kernel, y)
        elastic_power(self.kernel.power, y[0].numel())
