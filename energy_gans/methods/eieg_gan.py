r"""The EIEG GAN: generated samples move in the elastic field of real ones.

The elastic interaction energy of the difference of two distributions, by the kernel
:math:`K_e(r) = r^{-p}` beyond a cut-off :math:`e` (:func:`~energy_gans.functional.elastic`), is

.. math:: E(u, v) = \frac{1}{m^2} \sum_{ij} K_e(u_i, u_j) + \frac{1}{m^2} \sum_{ij} K_e(v_i, v_j)
        - \frac{2}{m^2} \sum_{ij} K_e(u_i, v_j)

A generator can lower it between samples themselves (Section 2.3), which few dimensions allow,
or between features :math:`u = D(y)` and :math:`v = D(G(z))`, which :math:`D` learns:

.. math::
    L_G & = \frac{1}{m^2} \sum_{ij} K_e(v_i, v_j) - \frac{2}{m^2} \sum_{ij} K_e(u_i, v_j)  \\
    L_D & = - E(u, v) + \lambda L_s \qquad
    L_s = \frac{1}{m^2} \sum_{ij} \left[ K_{e_s}(u_i, u_j) + K_{e_s}(v_i, v_j) \right]

The stabilising term :math:`L_s` keeps features from collapsing. Near uniform features the growth
rate of the frequency :math:`k` is :math:`2 |k|^2 (\hat K_e - \lambda \hat K_{e_s})`, so that
:math:`\lambda = 1` is just enough for equal cut-offs and not enough for the paper's, 0.1 and 0.8.

All terms of a loss are multiplied by one detached number, with which the strongest force between two
points of the minibatch is one (:func:`~energy_gans.functional.elastic_sums`): at :math:`n = 32` the
paper's forces range from :math:`10^{-30}` to :math:`10^{33}`, and Adam, which divides by the size of
gradients, adds :math:`10^{-8}` to it. What counts is the force of all terms together: beyond both
cut-offs, :math:`E` and the stabilising term cancel at :math:`\lambda = 1`, and such pairs are as
little felt as points that coincide. The ratio of any two terms is the paper's. The number changes from
batch to batch, so that batches weigh the same in Adam's averages.

Three choices of ours where the paper's text has lost its equations: that the real-only form of
:math:`L_s` is an option and both sets the default; that its power is a number of its own; and that
the power :math:`p`, the paper's :math:`n - 1`, may be any in :math:`(0, n)`.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), https://arxiv.org/abs/2303.10553
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ..functional import (
    ElasticTerm,
    discrepancy,
    distinct,
    elastic_power,
    elastic_sums,
    matching_loss,
    potential,
    repulsive_loss,
    share_within,
    squared_distances,
)
from ..functional.kernels import Softening
from .bases.feature_gan import FeatureGAN, Profile, check_whole
from .bases.generative import GenerativeModule
from .bases.generator import GeneratorMixin
from .parts.elastic_kernel import Elastic


class EIEGGenerator(GeneratorMixin, GenerativeModule):
    r"""Creates a generator that lowers the elastic energy between samples, without a discriminator.

    Arguments:
        cutoff: The kernel's cut-off :math:`e`, in data units.
        power: The kernel's exponent :math:`p`; :math:`n - 1` for samples of :math:`n` coordinates
            if `None`.
        softening: How the kernel is made finite: `"cap"`, the paper's, or `"plummer"`.
        self_interaction: Whether generated samples repel each other. Without, they collapse.
        kwargs: The arguments of :class:`GeneratorMixin` and :class:`GenerativeModule`.

    Raises:
        ValueError: If a number is out of its range, or `accumulate` or `discriminator_steps` is
            not 1: the loss couples all pairs of a minibatch, and there is no discriminator.
    """

    def __init__(
        self,
        cutoff: float = 0.1,
        power: float | None = None,
        softening: Softening = "cap",
        self_interaction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_whole(self.accumulate)
        if self.discriminator_steps != 1:
            raise ValueError(
                f"'discriminator_steps' should be 1 where there is no discriminator, got "
                f"{self.discriminator_steps}."
            )
        self.kernel = Elastic(cutoff, power, softening)
        self.self_interaction = self_interaction

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        x = self.generator(self.noise(len(y), self.latent_dim))
        self.charges = (y, x.detach())
        y, x = self.gather(y), self.gather_attached(x)
        xx, yx = distinct(squared_distances(x, x)), squared_distances(y, x)
        loss = self.descend(self.optimizers(), [self.matching_loss(y[0].numel(), xx, yx)])
        return {"loss_g": loss, "within_cutoff": share_within(self.kernel.cutoff, xx, yx)}

    def matching_loss(self, n: int, xx: Tensor, yx: Tensor) -> Tensor:
        r"""Returns the loss of the squared distances of samples of `n` coordinates."""
        term = self.kernel.term(n)
        if self.self_interaction:
            k = elastic_sums([(xx, [term]), (yx, [term])], self.kernel.softening)
            return matching_loss(*k)
        (k,) = elastic_sums([(yx, [term])], self.kernel.softening)
        return matching_loss(torch.zeros_like(xx), k)

    def potential(self, a: Tensor) -> Tensor:
        r"""Returns the potential of the last minibatch's samples, high where real data is.

        Its unit depends on the minibatch.

        Arguments:
            a: The points, with shape :math:`(B, *)`.

        Returns:
            The potential, with shape :math:`(B)`, float64.
        """
        y, x = (charges.to(a.device) for charges in self.known_charges())
        k = self.kernel.profile(y[0].numel(), squared_distances(y, x))
        return potential(a, y, x, lambda a, b: k(squared_distances(a, b)))

    def potential_at(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        self.check_conditions(label, time)
        return self.potential(a)

    def check(self, y: Tensor) -> None:
        super().check(y)
        elastic_power(self.kernel.power, y[0].numel())


class EIEGGAN(FeatureGAN):
    r"""Creates an EIEG GAN.

    The defaults are the paper's. What it calls a normalisation into a finite domain is lost; with
    its numbers alone, features of images collapse or run apart. The shipped configs say what holds
    them, and keep the paper's numbers beside it.

    Arguments:
        cutoff: The kernel's cut-off :math:`e`, in units of features.
        power: The kernel's exponent :math:`p`; :math:`n - 1` for :math:`n` features if `None`.
        softening: How the kernel is made finite: `"cap"`, the paper's, or `"plummer"`.
        stabilizer: The coefficient :math:`\lambda` of the stabilising term; 0 for none.
        stabilizer_cutoff: The stabilising term's cut-off :math:`e_s`.
        stabilizer_power: Its exponent; that of the kernel if `None`.
        stabilizer_scope: Which features it repels: the `"real"` ones, or `"both"` sets, each among
            themselves. The strict form is both, with `stabilizer_cutoff` equal to `cutoff` and
            `stabilizer` above 1.
        kwargs: The arguments of :class:`FeatureGAN`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        cutoff: float = 0.1,
        power: float | None = None,
        softening: Softening = "cap",
        stabilizer: float = 1.0,
        stabilizer_cutoff: float = 0.8,
        stabilizer_power: float | None = None,
        stabilizer_scope: Literal["real", "both"] = "both",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if stabilizer < 0:
            raise ValueError(f"'stabilizer' should not be negative, got {stabilizer!r}.")
        if stabilizer_scope not in ("real", "both"):
            raise ValueError(
                f"'stabilizer_scope' should be 'real' or 'both', got {stabilizer_scope!r}."
            )
        self.kernel = Elastic(cutoff, power, softening)
        self.stabilizing = Elastic(stabilizer_cutoff, stabilizer_power or power, softening)
        self.stabilizer = stabilizer
        self.stabilizer_scope = stabilizer_scope

    def profile(self, n: int, *r2: Tensor) -> Profile:
        return self.kernel.profile(n, *r2)

    def kernels(self, n: int, *r2: Tensor) -> list[Tensor]:
        term = self.kernel.term(n)
        return elastic_sums([(s, [term]) for s in r2], self.kernel.softening)

    def separating_loss(self, n: int, uu: Tensor, vv: Tensor, uv: Tensor) -> Tensor:
        self.note(within_cutoff=share_within(self.kernel.cutoff, uu, vv, uv))
        if self.stabilizer == 0:
            return super().separating_loss(n, uu, vv, uv)
        repulsive = self.objective == "repulsive"
        u_terms = self.stabilized(n, 1 if repulsive else -1)
        v_terms = self.stabilized(n, -1) if self.stabilizer_scope == "both" else u_terms[:1]
        sets = [(uu, u_terms), (vv, v_terms)]
        if repulsive:
            return repulsive_loss(*elastic_sums(sets, self.kernel.softening))
        sets.append((uv, [self.kernel.term(n)]))
        return -discrepancy(*elastic_sums(sets, self.kernel.softening))

    def stabilized(self, n: int, sign: int) -> list[ElasticTerm]:
        r"""Returns the terms of :math:`K_e \pm \lambda K_{e_s}`, the kernel with the stabilising term (Eq. 9).

        Arguments:
            n: The number of features.
            sign: The sign of the kernel in the loss, 1 or -1, by which the loss multiplies both.
        """
        return [self.kernel.term(n), self.stabilizing.term(n, sign * self.stabilizer)]

    def check_discriminator(self, y: Tensor) -> None:
        super().check_discriminator(y)
        n = self.discriminator(y).flatten(1).shape[1]
        elastic_power(self.kernel.power, n)
        elastic_power(self.stabilizing.power, n)
