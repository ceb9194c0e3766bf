r"""The EIEG GAN: generated samples move in the elastic field of real samples.

The elastic interaction energy of the difference of two distributions, by the kernel
:math:`K_e(r) = r^{-p}` beyond a cut-off :math:`e` (:func:`~energy_gans.functional.elastic`), is

.. math:: E(u, v) = \frac{1}{m^2} \sum_{ij} K_e(u_i, u_j) + \frac{1}{m^2} \sum_{ij} K_e(v_i, v_j)
        - \frac{2}{m^2} \sum_{ij} K_e(u_i, v_j)

A generator lowers the energy between samples themselves (Section 2.3), which is possible in few
dimensions, or between features :math:`u = D(y)` and :math:`v = D(G(z))`, which :math:`D` learns:

.. math::
    L_G & = \frac{1}{m^2} \sum_{ij} K_e(v_i, v_j) - \frac{2}{m^2} \sum_{ij} K_e(u_i, v_j)  \\
    L_D & = - E(u, v) + \lambda L_s \qquad
    L_s = \frac{1}{m^2} \sum_{ij} \left[ K_{e_s}(u_i, u_j) + K_{e_s}(v_i, v_j) \right]

The stabilising term :math:`L_s` keeps features from collapsing. Near uniform features, the growth
rate of the frequency :math:`k` is :math:`2 |k|^2 (\hat K_e - \lambda \hat K_{e_s})`. For equal
cut-offs, :math:`\lambda = 1` is therefore just enough; for the paper's cut-offs, 0.1 and 0.8, it
is not.

All terms of a loss are multiplied by one detached factor, chosen such that the strongest force
between two points of the minibatch is one (:func:`~energy_gans.functional.elastic_sums`). Without
the factor, the paper's forces range from :math:`10^{-30}` to :math:`10^{33}` at :math:`n = 32`,
while Adam, which divides gradients by their size, adds :math:`10^{-8}` to the size. The force that
is set to one is that of all terms together: beyond both cut-offs, :math:`E` and the stabilising
term cancel at :math:`\lambda = 1`, and such pairs contribute as little as coinciding points. The
factor leaves the ratio of any two terms as it is in the paper. It varies from batch to batch, so
that all batches have the same weight in Adam's averages.

Three choices are ours, as the equations are missing from the paper's text: :math:`L_s` covers both
sets by default, and the form with real features alone is an option; the power of :math:`L_s` is a
parameter of its own; and the power :math:`p`, which is :math:`n - 1` in the paper, may be any in
:math:`(0, n)`.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), https://arxiv.org/abs/2303.10553
"""

from __future__ import annotations

from typing import Literal

import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..checks import check_positive
from ..functional import (
    ElasticTerm,
    discrepancy,
    elastic_power,
    elastic_sums,
    repulsive_loss,
    share_within,
)
from ..functional.elastic_kernels import Softening
from ..functional.potentials import Kernel
from .bases.arguments import base_arguments
from .bases.feature_gan import FeatureGAN
from .bases.optimizers import ADAM, SLOW_ADAM
from .bases.own_kernel import check_left_out
from .parts.elastic_kernel import Elastic, Profile


class EIEGGAN(FeatureGAN):
    r"""The EIEG GAN of Yin et al.

    The defaults are those of the paper. The paper also normalises features into a finite domain,
    but its text does not say how. With the paper's parameters alone, features of images collapse
    or diverge. The shipped configs state how features are bounded, and list the paper's
    parameters.

    Arguments:
        kernel: The kernel :math:`k(a, b)` of features, a function or a module of points
            :math:`(N, *)` and :math:`(M, *)` with values :math:`(N, M)`, in place of the elastic
            kernel, also in the stabilising term. A module is saved with the model, and not
            trained.
        cutoff: The cut-off :math:`e` of the kernel, in units of features.
        power: The exponent :math:`p` of the kernel; :math:`n - 1` for :math:`n` features if
            `None`.
        softening: How the kernel is made finite: `"cap"`, as in the paper, or `"plummer"`.
        stabilizer: The coefficient :math:`\lambda` of the stabilising term; 0 for none.
        stabilizer_cutoff: The cut-off :math:`e_s` of the stabilising term, in units of features.
        stabilizer_power: The exponent of the stabilising term; that of the kernel if `None`.
        stabilizer_scope: The features that the stabilising term acts on: `"real"` features, or
            `"both"` sets, each among themselves. The strict form is `"both"`, with
            `stabilizer_cutoff` equal to `cutoff` and `stabilizer` above 1.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        kernel: Kernel | nn.Module | None = None,
        cutoff: float = 0.1,
        power: float | None = None,
        softening: Softening = "cap",
        stabilizer: float = 1.0,
        stabilizer_cutoff: float = 0.8,
        stabilizer_power: float | None = None,
        stabilizer_scope: Literal["real", "both"] = "both",
        objective: Literal["attractive", "repulsive"] = "attractive",
        normalize: bool = False,
        gradient_penalty: float = 0.0,
        generator_optimizer: OptimizerCallable = SLOW_ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        discriminator_optimizer: OptimizerCallable = ADAM,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(EIEGGAN, locals()))
        names = ("cutoff", "power", "softening", "stabilizer_cutoff", "stabilizer_power")
        check_left_out(EIEGGAN, locals(), names, "elastic")
        if stabilizer < 0:
            raise ValueError(f"'stabilizer' should not be negative, got {stabilizer!r}.")
        if stabilizer_scope not in ("real", "both"):
            raise ValueError(
                f"'stabilizer_scope' should be 'real' or 'both', got {stabilizer_scope!r}."
            )
        self.kernel = Elastic(cutoff, power, softening)
        if stabilizer_power is None:
            stabilizer_power = power
        else:
            check_positive("stabilizer_power", stabilizer_power)
        self.stabilizer_kernel = Elastic(stabilizer_cutoff, stabilizer_power, softening)
        self.stabilizer = stabilizer
        self.stabilizer_scope = stabilizer_scope

    def profile(self, n: int, *r2: Tensor) -> Profile:
        return self.kernel.profile(n, *r2)

    def kernels(self, n: int, *r2: Tensor) -> list[Tensor]:
        term = self.kernel.term(n)
        return elastic_sums([(s, [term]) for s in r2], self.kernel.softening, self.largest)

    def separating_loss(self, n: int, uu: Tensor, vv: Tensor, uv: Tensor) -> Tensor:
        # The rows of both sets would hold each pair between them twice.
        self.note(within_cutoff=share_within(self.kernel.cutoff, uu, vv, uv[: len(uu)]))
        if self.stabilizer == 0:
            return super().separating_loss(n, uu, vv, uv)
        repulsive = self.objective == "repulsive"
        u_terms = self.stabilized_terms(n, 1 if repulsive else -1)
        v_terms = self.stabilized_terms(n, -1) if self.stabilizer_scope == "both" else u_terms[:1]
        sets = [(uu, u_terms), (vv, v_terms)]
        if repulsive:
            return repulsive_loss(*elastic_sums(sets, self.kernel.softening, self.largest))
        sets.append((uv, [self.kernel.term(n)]))
        return -discrepancy(*elastic_sums(sets, self.kernel.softening, self.largest))

    def separating_loss_of_own(self, uu: Tensor, vv: Tensor, uv: Tensor) -> Tensor:
        # The stabilising term is a multiple of the same kernel.
        uu = uu * (1 + self.stabilizer * (1 if self.objective == "repulsive" else -1))
        if self.stabilizer_scope == "both":
            vv = vv * (1 - self.stabilizer)
        return super().separating_loss_of_own(uu, vv, uv)

    def stabilized_terms(self, n: int, sign: int) -> list[ElasticTerm]:
        r"""Returns the kernel with the stabilising term, :math:`K_e \pm \lambda K_{e_s}` (Eq. 9).

        Arguments:
            n: The number of features.
            sign: The sign of the kernel in the loss, the factor 1 or -1. The loss multiplies both
                terms by it.
        """
        return [self.kernel.term(n), self.stabilizer_kernel.term(n, sign * self.stabilizer)]

    def check_discriminator(self, y: Tensor) -> None:
        super().check_discriminator(y)
        if self.own_kernel is not None:
            return
        n = self.discriminator(y).flatten(1).shape[1]
        elastic_power(self.kernel.power, n)
        elastic_power(self.stabilizer_kernel.power, n)
