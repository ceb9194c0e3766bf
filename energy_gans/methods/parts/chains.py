r"""The description of Langevin chains: their parameters, where they start, and how they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...checks import check_positive
from ...functional import annealed, gibbs_score, langevin
from ...functional.langevin import Field, check_noise_std, check_step_size

Draw = Callable[..., Tensor]


@dataclass(frozen=True)
class Chains:
    r"""The description of chains of Langevin steps.

    With a reference :math:`\mathcal{N}(0, \sigma^2 I)` and otherwise the defaults, the chains are
    those of generative ConvNets (Eq. 2 of Wu et al.). The short-run recipe of energy-based models
    has no reference: it takes large steps along a clipped gradient, between bounds, with less
    noise than Langevin dynamics.

    References:
        Learning Non-Convergent Non-Persistent Short-Run MCMC Toward Energy-Based Model (Nijkamp et
        al., 2019), https://arxiv.org/abs/1904.09770

    Arguments:
        steps: The number of steps :math:`L`.
        step_size: The step size :math:`\delta`, in data units. The factor on the gradient is
            :math:`\delta^2 / 2`.
        reference_std: The standard deviation :math:`\sigma` of the reference, in data units, at
            which chains start. If `None`, there is no reference, and chains start uniformly
            between the bounds.
        bound: The absolute value to which elements are clipped after each step, in data units, or
            `None`.
        noise_std: The standard deviation of the noise of a step, in data units; the step size, as
            in Langevin dynamics, if `None`.
        clip_gradient: The absolute value to which elements of :math:`\nabla \Phi` are clipped, per
            data unit, or `None`.
        last_step_size: The size of the last step, in data units, which is approached
            geometrically; that of the first step if `None`.

    Raises:
        ValueError: If a number is out of its range, a step is unstable for the reference alone, or
            there is neither a reference nor a bound to start from.
    """

    steps: int = 30
    step_size: float = 0.1
    reference_std: float | None = None
    bound: float | None = None
    noise_std: float | None = None
    clip_gradient: float | None = None
    last_step_size: float | None = None

    def __post_init__(self) -> None:
        check_positive("step_size", self.step_size)
        if self.last_step_size is not None:
            check_positive("last_step_size", self.last_step_size)
        for size in self.step_sizes(self.steps):
            check_step_size(size, self.reference_std)
        self.score(lambda x: x)
        if self.bound is not None:
            check_positive("bound", self.bound)
        elif self.reference_std is None:
            raise ValueError(
                "'reference_std' or 'bound' should be given, as chains start at the reference or "
                "within the bound."
            )
        check_noise_std(self.noise_std)

    def score(self, gradient: Field) -> Field:
        r"""Returns the score of the density of the chains, from :math:`(B, *)` to :math:`(B, *)`.

        Arguments:
            gradient: The gradient :math:`\nabla \Phi`, from :math:`(B, *)` to :math:`(B, *)`.
        """
        return gibbs_score(gradient, self.reference_std, self.clip_gradient)

    def step_sizes(self, steps: int) -> list[float]:
        r"""Returns the sizes of a number of steps, from the first to the last."""
        last = self.step_size if self.last_step_size is None else self.last_step_size
        return annealed(self.step_size, last, steps)

    def start(self, draw: Draw, n: int, shape: tuple[int, ...]) -> Tensor:
        r"""Returns the points at which chains start, with shape :math:`(n, *)`.

        Arguments:
            draw: Draws from the distribution of its first argument, `torch.randn` or `torch.rand`.
                Its other arguments are the shape.
            n: The number of chains.
            shape: The shape of a sample.
        """
        if self.reference_std is not None:
            return self.reference_std * draw(torch.randn, n, *shape)
        return self.bound * (2 * draw(torch.rand, n, *shape) - 1)

    def run(
        self, x: Tensor, gradient: Field, draw: Draw, steps: int | None = None
    ) -> Iterator[Tensor]:
        r"""Yields the points of chains after each step.

        Arguments:
            x: The points at which the chains start, with shape :math:`(B, *)`.
            gradient: The gradient :math:`\nabla \Phi`, a function of points.
            draw: See :meth:`start`.
            steps: The number of steps; that of the description if `None`.

        Returns:
            The points of each step, with shape :math:`(B, *)`, one step after the other.
        """
        sizes = self.step_sizes(self.steps if steps is None else steps)
        score = self.score(gradient)

        def noise(x: Tensor) -> Tensor:
            return draw(torch.randn, *x.shape)

        return langevin(x, score, sizes, self.reference_std, noise, self.bound, self.noise_std)

    def end(self, *args: Any) -> Tensor:
        r"""Returns the last of the points of :meth:`run`, with the same arguments.

        Returns:
            The points, with shape :math:`(B, *)`.
        """
        *_, x = self.run(*args)
        return x


def sampler_of(random: torch.Generator, device: torch.device, dtype: torch.dtype) -> Draw:
    r"""Returns the argument `draw` of :class:`Chains` for a generator, a device and a type."""

    def draw(function: Callable[..., Tensor], *shape: int) -> Tensor:
        return function(*shape, generator=random, device=random.device).to(device, dtype)

    return draw
