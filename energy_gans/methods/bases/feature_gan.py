r"""Methods that match distributions of features: the discriminator is a map :math:`D` into a space.

There a kernel :math:`k` acts between real features :math:`u = D(y)` and generated ones
:math:`v = D(G(z))`, and the generator lowers their discrepancy

.. math:: L_G = \frac{1}{m^2} \sum_{ij} k(v_i, v_j) - \frac{2}{m^2} \sum_{ij} k(u_i, v_j)

The map learns by one of two objectives, besides what a method adds to it:

.. math::
    L_D & = - \frac{1}{m^2} \sum_{ij} \left[ k(u_i, u_j) + k(v_i, v_j) - 2 k(u_i, v_j) \right]
        && \text{attractive} \\
    L_D & = \frac{1}{m^2} \sum_{ij} \left[ k(u_i, u_j) - k(v_i, v_j) \right] && \text{repulsive}

The sums are over all pairs of the minibatch, of all processes together.

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
    distinct,
    gradient_penalty,
    matching_loss,
    median_distance,
    potential,
    repulsive_loss,
    squared_distances,
)
from ..parts.networks import check_output_shape, frozen
from .adversarial import AdversarialModule

Profile = Callable[[Tensor], Tensor]
Pairs = tuple[Tensor, Tensor, Tensor]


class FeatureGAN(AdversarialModule):
    r"""Creates a method whose discriminator maps samples to features.

    A method implements :meth:`profile`, the kernel. One whose losses have to be scaled replaces
    :meth:`kernels`, too.

    Arguments:
        objective: What the discriminator does: raise the discrepancy, `"attractive"`, or drive
            real features apart and generated ones together, `"repulsive"`.
        normalize: Whether features are measured in units of their median distance in the minibatch,
            of those that differ, which carries no gradient. Features that are all the same stay as
            they are: between them there is no force in any unit.
        gradient_penalty: The factor on :math:`\mathbb{E} (\|\nabla_a \Phi(D(a))\| - 1)^2`, where
            the witness :math:`\Phi` is the potential of the minibatch's features, held fixed, and
            :math:`a` lies between real and generated samples; 0 for none.
        kwargs: The arguments of :class:`AdversarialModule`. The discriminator maps :math:`(B, *)`
            to :math:`(B, n)`.

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
        check_whole(self.accumulate)
        self.objective = objective
        self.normalize = normalize
        self.gradient_penalty = gradient_penalty

    def profile(self, n: int, *r2: Tensor) -> Profile:
        r"""Returns the kernel as a function of squared distances.

        Arguments:
            n: The number of features.
            r2: The squared distances of the minibatch, of which a unit of length may be taken.
        """
        raise NotImplementedError

    def kernels(self, n: int, *r2: Tensor) -> list[Tensor]:
        r"""Returns the kernel of sets of pairs of `n` features, the pairs of one loss.

        Arguments:
            n: The number of features.
            r2: The squared distances of each set of pairs.

        Returns:
            The kernel's values of each set, all of them up to one detached factor.
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

    def pairs(self, u: Tensor, v: Tensor) -> tuple[Pairs, Tensor | float]:
        r"""Returns squared distances, of real pairs, of generated pairs and between both, in units
        of a length, and that length."""
        uu, vv = (distinct(squared_distances(a, a)) for a in (u, v))
        uv = squared_distances(u, v)
        if not self.normalize:
            return (uu, vv, uv), 1.0
        median = median_distance(uu, vv, uv)
        # Squared it has to be a float32.
        least = torch.finfo(median.dtype).tiny ** 0.5
        length = torch.where(median > 0, median.clamp_min(least), 1.0)
        return (uu / length**2, vv / length**2, uv / length**2), length

    def separating_loss(self, n: int, uu: Tensor, vv: Tensor, uv: Tensor) -> Tensor:
        r"""Returns the discriminator's loss of the squared distances of `n` features."""
        if self.objective == "repulsive":
            return repulsive_loss(*self.kernels(n, uu, vv))
        return -discrepancy(*self.kernels(n, uu, vv, uv))

    def discriminator_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        # One pass for each, as batch norm should not mix them.
        u, v = (self.gather_attached(self.features(a)) for a in (y, x))
        pairs, _ = self.pairs(u, v)
        loss = self.separating_loss(u.shape[1], *pairs)
        if self.gradient_penalty:
            penalty = gradient_penalty(
                self.witness(u.detach(), v.detach()), y, x, self.uniform(len(y))
            )
            self.note(penalty=penalty)
            loss = loss + self.gradient_penalty * penalty
        yield loss

    def generator_losses(
        self, y: Tensor, generated: list[Tensor] | None = None
    ) -> Iterator[Tensor]:
        with frozen(self.discriminator):
            x = self.generator(self.noise(len(y), self.latent_dim))
            with torch.no_grad():
                u = self.gather(self.features(y))
            v = self.gather_attached(self.features(x))
            self.charges = (y, x.detach())
            (_, vv, uv), _ = self.pairs(u, v)
            yield matching_loss(*self.kernels(v.shape[1], vv, uv))

    @property
    def smallest_minibatch(self) -> int:
        # Without pairs of real samples or of generated ones nothing is left of the repulsive loss.
        return 2 if self.objective == "repulsive" else 1

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        # The penalty's features move, and those that it holds fixed do not.
        return [] if self.gradient_penalty else [self.features(y)]

    def witness(self, u: Tensor, v: Tensor) -> Callable[[Tensor], Tensor]:
        r"""Returns the potential :math:`\Phi(D(a))` of real and generated features, held fixed."""
        pairs, length = self.pairs(u, v)
        k = self.profile(u.shape[1], *pairs)

        def kernel(a: Tensor, b: Tensor) -> Tensor:
            return k(squared_distances(a, b) / length**2)

        return lambda a: potential(self.features(a), u, v, kernel)

    def potential(self, a: Tensor) -> Tensor:
        r"""Returns the potential of the features of the last minibatch, high where real data is.

        Its unit depends on the minibatch.

        Arguments:
            a: The points, with shape :math:`(B, *)`.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.
        """
        with torch.no_grad():
            u, v = (self.features(charges.to(a.device)) for charges in self.known_charges())
        return self.witness(u, v)(a)

    def check_discriminator(self, y: Tensor) -> None:
        b, shape = len(y), tuple(y.shape[1:])
        wanted = (
            f"'model.init_args.discriminator' should map the shape of 'data', {(b, *shape)}, to "
            f"features, {(b, 'n')}"
        )
        check_output_shape(lambda: self.discriminator(y).flatten(1)[:, :0], (b, 0), wanted)


def check_whole(accumulate: int) -> None:
    r"""Raises a `ValueError` unless minibatches are left whole."""
    if accumulate != 1:
        raise ValueError(
            "'accumulate' should be 1 for a loss that couples all pairs of a minibatch, "
            f"got {accumulate}."
        )
