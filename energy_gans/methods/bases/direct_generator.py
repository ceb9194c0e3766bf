r"""Methods of a generator alone: its samples move in the field of each minibatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..parts.networks import check_points
from .feature_gan import check_not_accumulated
from .generative import GenerativeModule
from .generator import GeneratorMixin


class DirectGeneratorModule(GeneratorMixin, GenerativeModule):
    r"""A method with a generator :math:`G` and no discriminator.

    A method implements :meth:`minibatch_potential` if its field has a potential. Otherwise, it
    does not support `potential_at`.

    Arguments:
        discriminator_steps: 1, as there is no discriminator.
        accumulate: 1, as samples move in the field of a minibatch as a whole.
        kwargs: The arguments of :class:`GeneratorMixin` and :class:`GenerativeModule`.

    Raises:
        ValueError: If `accumulate` or `discriminator_steps` is not 1: samples move in the field of
            a minibatch as a whole, and there is no discriminator.
    """

    def __init__(self, discriminator_steps: int = 1, accumulate: int = 1, **kwargs: Any) -> None:
        super().__init__(discriminator_steps=discriminator_steps, accumulate=accumulate, **kwargs)
        check_not_accumulated(self.accumulate)
        if self.discriminator_steps != 1:
            raise ValueError(
                f"'discriminator_steps' should be 1 where there is no discriminator, got "
                f"{self.discriminator_steps}."
            )

    def minibatch_potential(self) -> Callable[[Tensor], Tensor]:
        r"""Returns the potential of the last minibatch's samples as a function of points.

        Raises:
            ValueError: If the field of the method has no potential.
        """
        raise ValueError(f"{type(self).__name__} has no potential.")

    @classmethod
    def supports(cls, member: str) -> bool:
        implemented = cls.minibatch_potential is not DirectGeneratorModule.minibatch_potential
        return super().supports(member) and (implemented or member != "potential_at")

    def potential(self, a: Tensor) -> Tensor:
        r"""Returns the potential of the last minibatch's samples, high where real data is.

        The unit of the potential depends on the minibatch.

        Arguments:
            a: The points, with shape :math:`(B, *)`.

        Returns:
            The potential, with shape :math:`(B)`, float32 at least.
        """
        return self.potential_function()(a)

    def potential_function(self) -> Callable[..., Tensor]:
        minibatch_potential = self.minibatch_potential()
        shape = self.require_charges()[0].shape[1:]

        def potential_at(
            a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
        ) -> Tensor:
            self.check_conditions(label, time)
            check_points("a", a, shape)
            return minibatch_potential(a.to(self.dtype))

        return potential_at

    def potential_at(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        return self.potential_function()(a, label, time)
