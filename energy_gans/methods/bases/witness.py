r"""The potential of the features of a minibatch, held fixed, as a function of points."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...functional import potential, squared_distances
from ...functional.pair_rows import SharedPoints
from ..parts.elastic_kernel import Profile
from ..parts.networks import check_points, evaluation_mode


class WitnessMixin:
    r"""Gives a method that matches features the potential of features :math:`\Phi(D(a))`."""

    def witness(self, u: Tensor, v: Tensor) -> Callable[[Tensor], Tensor]:
        r"""Returns the potential :math:`\Phi(D(a))` of fixed features as a function of :math:`a`.

        Arguments:
            u: The real features, with shape :math:`(M, n)`.
            v: The generated features, with shape :math:`(N, n)`.
        """
        u, v = u.detach(), v.detach()
        pairs, length = self.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
        profile = None if self.own_kernel is not None else self.profile(u.shape[1], *pairs)
        return self.witness_of(u, v, profile, length)

    def witness_of(
        self, u: Tensor, v: Tensor, profile: Profile | None, length: Tensor | float
    ) -> Callable[[Tensor], Tensor]:
        r"""Returns the witness for a profile, or the given kernel, in units of a length.

        Arguments:
            u: The real features, with shape :math:`(N, n)`.
            v: The generated features, with shape :math:`(M, n)`.
            profile: The kernel as a function of squared distances; `None` for the given one.
            length: The unit of length, a scalar.
        """

        def kernel(a: Tensor, b: Tensor) -> Tensor:
            if profile is None:
                return self.own_kernel(a / length, b / length)
            return profile(squared_distances(a, b) / length**2)

        return lambda a: potential(self.features(a), u, v, kernel)

    def potential(self, a: Tensor) -> Tensor:
        r"""Returns the potential of the last minibatch's features, high where real data is.

        The unit of the potential depends on the minibatch.

        Arguments:
            a: The points, with shape :math:`(B, *)`.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.
        """
        return self.minibatch_witness()(a)

    def minibatch_witness(self) -> Callable[[Tensor], Tensor]:
        r"""Returns the potential of the last minibatch's features as a function of points.

        Raises:
            ValueError: If the model was never trained, or, by the function, if points have another
                shape than its samples.
        """
        charges = self.require_charges()
        with torch.no_grad():
            u, v = map(self.features, charges)
        witness = self.witness(u, v)

        def minibatch_witness(a: Tensor) -> Tensor:
            check_points("a", a, charges[0].shape[1:])
            return witness(a)

        return minibatch_witness

    def potential_function(self) -> Callable[..., Tensor]:
        with evaluation_mode(self.discriminator):
            witness = self.minibatch_witness()

        def potential_at(
            a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
        ) -> Tensor:
            self.check_conditions(label, time)
            with evaluation_mode(self.discriminator):
                return witness(a.to(self.dtype))

        return potential_at
