r"""Methods that match distributions of features, by a discriminator :math:`D` to a feature space.

A kernel :math:`k` acts between real features :math:`u = D(y)` and generated features
:math:`v = D(G(z))`. The generator lowers their discrepancy,

.. math:: L_G = \frac{1}{m^2} \sum_{ij} k(v_i, v_j) - \frac{2}{m^2} \sum_{ij} k(u_i, v_j)

The map has one of two objectives, to which a method may add terms:

.. math::
    L_D & = - \frac{1}{m^2} \sum_{ij} \left[ k(u_i, u_j) + k(v_i, v_j) - 2 k(u_i, v_j) \right]
        && \text{attractive} \\
    L_D & = \frac{1}{m^2} \sum_{ij} \left[ k(u_i, u_j) - k(v_i, v_j) \right] && \text{repulsive}

The sums are over all pairs of the global minibatch.

References:
    MMD GAN: Towards Deeper Understanding of Moment Matching Network (Li et al., 2017),
    https://arxiv.org/abs/1705.08584
    Improving MMD-GAN Training with Repulsive Loss Function (Wang et al., 2019),
    https://arxiv.org/abs/1812.09916
    Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
import torch.nn as nn
from torch import Tensor

from ...functional import (
    discrepancy,
    gradient_penalty,
    kernel_within,
    matching_loss,
    median_distance,
    repulsive_loss,
)
from ...functional.pair_rows import SharedPoints, pairs_between, pairs_within
from ...functional.potentials import Kernel
from ..parts.elastic_kernel import Profile
from ..parts.networks import check_output_shape, fixed_parameters
from .adversarial import AdversarialModule
from .own_kernel import check_kernel, fixed_kernel
from .witness import WitnessMixin

Pairs = tuple[Tensor, Tensor, Tensor]


class FeatureGAN(WitnessMixin, AdversarialModule):
    r"""A method whose discriminator maps samples to features.

    A method implements :meth:`profile`, the kernel. A method that scales its losses overrides
    :meth:`kernels`, too. Its argument `kernel` replaces both.

    Arguments:
        discriminator: The feature map :math:`D`, from :math:`(B, *)` to :math:`(B, n)`.
        kernel: The kernel :math:`k(a, b)` of features, a function or a module of points
            :math:`(N, n)` and :math:`(M, n)` with values :math:`(N, M)`, in place of that of the
            method. A module is saved with the model, and not trained.
        objective: The objective of the discriminator: `"attractive"` raises the discrepancy,
            `"repulsive"` moves real features apart and generated features together.
        normalize: Whether features are divided by the median distance of the minibatch's distinct
            features, which carries no gradient. If all features are equal, they remain unchanged:
            there is no force between them at any scale.
        gradient_penalty: The factor on :math:`\mathbb{E} (\|\nabla_a \Phi(D(a))\| - 1)^2`, where
            the witness :math:`\Phi` is the potential of the minibatch's features, held fixed, and
            :math:`a` lies between real and generated samples; 0 for none.
        accumulate: 1, as the loss couples all pairs of a minibatch.
        kwargs: The arguments of :class:`AdversarialModule`.

    Raises:
        ValueError: If a number is out of its range, or `accumulate` is not 1: the loss couples all
            pairs of a minibatch.
    """

    def __init__(
        self,
        kernel: Kernel | nn.Module | None = None,
        objective: Literal["attractive", "repulsive"] = "attractive",
        normalize: bool = False,
        gradient_penalty: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if objective not in ("attractive", "repulsive"):
            raise ValueError(
                f"'objective' should be 'attractive' or 'repulsive', got {objective!r}."
            )
        if gradient_penalty < 0:
            raise ValueError(f"'gradient_penalty' should not be negative, got {gradient_penalty}.")
        check_not_accumulated(self.accumulate)
        self.own_kernel = fixed_kernel(kernel)
        self.objective = objective
        self.normalize = normalize
        self.gradient_penalty = gradient_penalty

    # The kernel

    def profile(self, n: int, *r2: Tensor) -> Profile:
        r"""Returns the kernel as a function of squared distances.

        Arguments:
            n: The number of features.
            r2: The squared distances of the minibatch, of any shapes, which may determine a unit
                of length.
        """
        raise NotImplementedError

    def kernels(self, n: int, *r2: Tensor) -> list[Tensor]:
        r"""Returns the kernel of the sets of pairs that one loss consists of.

        Arguments:
            n: The number of features.
            r2: The squared distances of each set of pairs, of any shapes.

        Returns:
            The values of the kernel for each set, with the shape of its distances, all of them up
            to one detached factor.
        """
        k = self.profile(n, *r2)
        return [k(s) for s in r2]

    def features(self, a: Tensor) -> Tensor:
        r"""Returns the features :math:`D(a)`, in float32 at least.

        Arguments:
            a: The points, with shape :math:`(B, *)`.

        Returns:
            The features, with shape :math:`(B, n)`.
        """
        d = self.discriminator(a).flatten(1)
        return d.to(torch.promote_types(d.dtype, torch.float32))

    def pair_distances(self, u: SharedPoints, v: SharedPoints) -> tuple[Pairs, Tensor | float]:
        r"""Returns squared distances in units of a length, and the length.

        With several processes, the distances are this process's rows, and the length is that of
        the pairs of all processes.

        Arguments:
            u: The real features.
            v: The generated features.

        Returns:
            The squared distances of real pairs, of generated pairs, and between both, with shape
            :math:`(N, M)` for :math:`N` and :math:`M` features. The length, a scalar; 1 without
            `normalize`.
        """
        uu, vv, uv = pairs_within(u), pairs_within(v), pairs_between(u, v)
        if not self.normalize:
            return (uu, vv, uv), 1.0
        # The rows of both sets would hold each pair between them twice.
        median = median_distance(uu, vv, uv[: len(uu)], total=None if u.alone else self.total)
        # The square of the length has to be a float32.
        least = torch.finfo(median.dtype).tiny ** 0.5
        length = torch.where(median > 0, median.clamp_min(least), 1.0)
        return (uu / length**2, vv / length**2, uv / length**2), length

    # The losses

    def separating_loss(self, n: int, uu: Tensor, vv: Tensor, uv: Tensor) -> Tensor:
        r"""Returns the discriminator's loss of the squared distances of `n` features, a scalar.

        Arguments:
            n: The number of features.
            uu: The squared distances of real features, with shape :math:`(N, N)`.
            vv: The squared distances of generated features, with shape :math:`(M, M)`.
            uv: The squared distances between both, with shape :math:`(N, M)`.
        """
        if self.objective == "repulsive":
            return repulsive_loss(*self.kernels(n, uu, vv))
        return -discrepancy(*self.kernels(n, uu, vv, uv))

    def separating_loss_of_own(self, uu: Tensor, vv: Tensor, uv: Tensor) -> Tensor:
        r"""Returns the discriminator's loss of matrices of the given kernel, a scalar.

        Arguments:
            uu: The kernel between real features, with shape :math:`(N, N)`.
            vv: The kernel between generated features, with shape :math:`(M, M)`.
            uv: The kernel between both, with shape :math:`(N, M)`.
        """
        if self.objective == "repulsive":
            return repulsive_loss(uu, vv)
        return -discrepancy(uu, vv, uv)

    def own_kernels(self, u: Tensor, v: Tensor) -> Pairs:
        r"""Returns the given kernel between real features, generated ones, and both.

        Every process computes all pairs.

        Arguments:
            u: The real features of this process, with shape :math:`(B, n)`.
            v: The generated features of this process, with shape :math:`(B, n)`.
        """
        u, v = self.gather_attached(u), self.gather_attached(v)
        if self.normalize:
            _, length = self.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
            u, v = u / length, v / length
        k = self.own_kernel
        return kernel_within(u, k), kernel_within(v, k), k(u, v)

    def discriminator_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        # One pass for each set, as batch norm should not mix them.
        u, v = self.features(y), self.features(x)
        if self.own_kernel is not None:
            loss = self.separating_loss_of_own(*self.own_kernels(u, v))
            penalized = self.gradient_penalty > 0
            witness = self.witness(self.gather(u), self.gather(v)) if penalized else None
        else:
            loss, witness = self._separate(self.gather_columns(u), self.gather_columns(v))
        if witness is not None:
            penalty = gradient_penalty(witness, y, x, self.uniform(len(y)))
            self.note(penalty=penalty)
            loss = loss + self.gradient_penalty * penalty
        yield loss + self.feature_loss((y, x), (u, v))

    def feature_loss(
        self, samples: tuple[Tensor, Tensor], features: tuple[Tensor, Tensor]
    ) -> Tensor | float:
        r"""Returns what a method adds to the discriminator's loss, a scalar; 0 by default.

        Arguments:
            samples: The real and the generated samples, each with shape :math:`(B, *)`.
            features: Their features, each with shape :math:`(B, n)`.
        """
        return 0.0

    def _separate(
        self, u: SharedPoints, v: SharedPoints
    ) -> tuple[Tensor, Callable[[Tensor], Tensor] | None]:
        r"""Returns the discriminator's loss of features, and the witness if it is penalised."""
        pairs, length = self.pair_distances(u, v)
        n = u.own.shape[1]
        loss = self.separating_loss(n, *pairs)
        if not self.gradient_penalty:
            return loss, None
        nearest = torch.stack([r2.detach().amin() for r2 in pairs]).amin(0, keepdim=True)
        k = self.profile(n, -self.largest(-nearest))
        return loss, self.witness_of(u.every.detach(), v.every.detach(), k, length)

    def generator_losses(self, y: Tensor) -> Iterator[Tensor]:
        with fixed_parameters(self.discriminator):
            x = self.generator(self.noise(len(y), self.latent_dim))
            with torch.no_grad():
                u = self.features(y)
            v = self.features(x)
            self.charges = (y, x.detach())
            if self.own_kernel is not None:
                yield matching_loss(*self.own_kernels(u, v)[1:])
                return
            u, v = self.gather_columns(u), self.gather_columns(v)
            (_, vv, uv), _ = self.pair_distances(u, v)
            yield matching_loss(*self.kernels(v.own.shape[1], vv, uv))

    @property
    def has_gradient_in_loss(self) -> bool:
        return self.gradient_penalty > 0

    @property
    def smallest_minibatch(self) -> int:
        # The repulsive loss consists of pairs of real samples and of generated samples alone.
        return 2 if self.objective == "repulsive" else 1

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        # With the penalty, a constant would shift the features of points against the fixed
        # features. A given kernel may depend on more than distances.
        return [] if self.gradient_penalty or self.own_kernel is not None else [self.features(y)]

    def check_discriminator(self, y: Tensor) -> None:
        b, shape = len(y), tuple(y.shape[1:])
        message = (
            f"'model.init_args.discriminator' should map the shape of 'data', {(b, *shape)}, to "
            f"features, {(b, 'n')}"
        )
        check_output_shape(lambda: self.discriminator(y).flatten(1)[:, :0], (b, 0), message)
        if self.own_kernel is not None:
            check_kernel(self.own_kernel, self.features(y))


def check_not_accumulated(accumulate: int) -> None:
    r"""Raises a `ValueError` if minibatches are split into parts."""
    if accumulate != 1:
        raise ValueError(
            "'accumulate' should be 1 for a loss that couples all pairs of a minibatch, "
            f"got {accumulate}."
        )
