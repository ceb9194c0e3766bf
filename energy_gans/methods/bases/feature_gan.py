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
from torch import Tensor

from ...functional import (
    discrepancy,
    gradient_penalty,
    matching_loss,
    median_distance,
    potential,
    repulsive_loss,
    squared_distances,
)
from ...functional.pair_rows import SharedPoints, pairs_between, pairs_within
from ..parts.elastic_kernel import Profile
from ..parts.networks import check_output_shape, fixed_parameters
from .adversarial import AdversarialModule

Pairs = tuple[Tensor, Tensor, Tensor]


class FeatureGAN(AdversarialModule):
    r"""A method whose discriminator maps samples to features.

    A method implements :meth:`profile`, the kernel. A method that scales its losses overrides
    :meth:`kernels`, too.

    Arguments:
        discriminator: The feature map :math:`D`, from :math:`(B, *)` to :math:`(B, n)`.
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
        self.objective = objective
        self.normalize = normalize
        self.gradient_penalty = gradient_penalty

    # The kernel

    def profile(self, n: int, *r2: Tensor) -> Profile:
        r"""Returns the kernel as a function of squared distances.

        Arguments:
            n: The number of features.
            r2: The squared distances of the minibatch, which may determine a unit of length.
        """
        raise NotImplementedError

    def kernels(self, n: int, *r2: Tensor) -> list[Tensor]:
        r"""Returns the kernel of the sets of pairs that one loss consists of.

        Arguments:
            n: The number of features.
            r2: The squared distances of each set of pairs.

        Returns:
            The values of the kernel for each set, all of them up to one detached factor.
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
            The squared distances of real pairs, of generated pairs, and between both.
            The length, 1 without `normalize`.
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
        r"""Returns the discriminator's loss of the squared distances of `n` features, a scalar."""
        if self.objective == "repulsive":
            return repulsive_loss(*self.kernels(n, uu, vv))
        return -discrepancy(*self.kernels(n, uu, vv, uv))

    def discriminator_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        # One pass for each set, as batch norm should not mix them.
        u, v = (self.gather_columns(self.features(a)) for a in (y, x))
        pairs, length = self.pair_distances(u, v)
        n = u.own.shape[1]
        loss = self.separating_loss(n, *pairs)
        if self.gradient_penalty:
            nearest = torch.stack([r2.detach().amin() for r2 in pairs]).amin(0, keepdim=True)
            k = self.profile(n, -self.largest(-nearest))
            witness = self._potential_of(u.every.detach(), v.every.detach(), k, length)
            penalty = gradient_penalty(witness, y, x, self.uniform(len(y)))
            self.note(penalty=penalty)
            loss = loss + self.gradient_penalty * penalty
        yield loss

    def generator_losses(self, y: Tensor) -> Iterator[Tensor]:
        with fixed_parameters(self.discriminator):
            x = self.generator(self.noise(len(y), self.latent_dim))
            with torch.no_grad():
                u = self.gather_columns(self.features(y))
            v = self.gather_columns(self.features(x))
            self.charges = (y, x.detach())
            (_, vv, uv), _ = self.pair_distances(u, v)
            yield matching_loss(*self.kernels(v.own.shape[1], vv, uv))

    @property
    def smallest_minibatch(self) -> int:
        # The repulsive loss consists of pairs of real samples and of generated samples alone.
        return 2 if self.objective == "repulsive" else 1

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        # With the penalty, a constant would shift the features of points against the fixed
        # features.
        return [] if self.gradient_penalty else [self.features(y)]

    # The potential

    def witness(self, u: Tensor, v: Tensor) -> Callable[[Tensor], Tensor]:
        r"""Returns the potential :math:`\Phi(D(a))` of fixed features as a function of :math:`a`.

        Arguments:
            u: The real features, with shape :math:`(M, n)`.
            v: The generated features, with shape :math:`(N, n)`.
        """
        pairs, length = self.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
        return self._potential_of(u, v, self.profile(u.shape[1], *pairs), length)

    def _potential_of(
        self, u: Tensor, v: Tensor, k: Profile, length: Tensor | float
    ) -> Callable[[Tensor], Tensor]:
        r"""Returns the witness for a kernel in units of a length."""

        def kernel(a: Tensor, b: Tensor) -> Tensor:
            return k(squared_distances(a, b) / length**2)

        return lambda a: potential(self.features(a), u, v, kernel)

    def potential(self, a: Tensor) -> Tensor:
        r"""Returns the potential of the last minibatch's features, high where real data is.

        The unit of the potential depends on the minibatch.

        Arguments:
            a: The points, with shape :math:`(B, *)`.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.
        """
        with torch.no_grad():
            u, v = (self.features(charges.to(a.device)) for charges in self.require_charges())
        return self.witness(u, v)(a)

    def check_discriminator(self, y: Tensor) -> None:
        b, shape = len(y), tuple(y.shape[1:])
        message = (
            f"'model.init_args.discriminator' should map the shape of 'data', {(b, *shape)}, to "
            f"features, {(b, 'n')}"
        )
        check_output_shape(lambda: self.discriminator(y).flatten(1)[:, :0], (b, 0), message)


def check_not_accumulated(accumulate: int) -> None:
    r"""Raises a `ValueError` if minibatches are split into parts."""
    if accumulate != 1:
        raise ValueError(
            "'accumulate' should be 1 for a loss that couples all pairs of a minibatch, "
            f"got {accumulate}."
        )
