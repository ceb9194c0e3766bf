r"""What can be asked of a generative model besides samples.

Each method overrides the members that mean something for it and says so itself: callers ask
`model.supports("trajectory")` and never for a class.

| member | of methods with |
|---|---|
| `potential_at` | a potential: a discriminator, a descriptor, or the charges of a minibatch |
| `trajectory` | samples that move: Langevin chains, or the flow of a potential |
| `fill` | chains or a generator that fill holes of images |
| `features` | a discriminator that maps samples to features |

A method with latents has a `latent_network`, by which `decode` maps them to samples. All members but
`features` use the weights that `sample` uses, in evaluation mode: those of the moving average where
there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor


class Frame(NamedTuple):
    r"""The state of moving samples at one time.

    Arguments:
        time: The step of a chain, an integer, or the time of a flow.
        x: The samples, with shape :math:`(B, *)`.
        potential: Their potential, with shape :math:`(B)`.
        speed: The norm of the score of chains, or of the velocity of a flow, with shape :math:`(B)`.
        potential_time: The time that the potential is evaluated at, or `None` if it knows no time.
    """

    time: float
    x: Tensor
    potential: Tensor
    speed: Tensor
    potential_time: float | None = None


class Capabilities:
    r"""Defines the optional members of a generative model, each with an error where it has no meaning.

    Attributes:
        dynamics: How samples move, by Langevin `"chains"` or along a `"flow"`; `None` if they do not.
        time_conditioned: Whether the potential depends on the time.
        potential_needs_label: Whether the potential is defined for a given class only.
        fill_steps: The number of the chains' steps by which :meth:`fill` fills holes by default.
        latent_path: The path between two latents, `"linear"` or `"spherical"`, and the bound that
            latents are clipped to, 0 for none, by which samples are interpolated.
    """

    dynamics: ClassVar[Literal["chains", "flow"] | None] = None
    time_conditioned: bool = False
    fill_steps: int = 0
    latent_path: ClassVar[tuple[Literal["linear", "spherical"], float]] = ("spherical", 0.0)

    @classmethod
    def supports(cls, member: str) -> bool:
        r"""Returns whether a method has an optional member, by its name."""
        return getattr(cls, member) is not getattr(Capabilities, member)

    @property
    def potential_needs_label(self) -> bool:
        return False

    def check_conditions(
        self, label: int | Tensor | None, time: float | Tensor | None = None
    ) -> None:
        r"""Raises a `ValueError` unless a label and a time are what the potential depends on."""
        if label is None and self.potential_needs_label:
            raise ValueError(
                f"'label' should be given, from 0 to {self.classes - 1}: each class of a "
                f"{type(self).__name__} has a potential of its own."
            )
        for name, value, known in (
            ("label", label, self.classes is not None),
            ("time", time, self.time_conditioned),
        ):
            if value is not None and not known:
                raise ValueError(
                    f"{name!r} should be left out: the potential of this {type(self).__name__} knows "
                    f"none, got {value}."
                )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        r"""The shape of one sample."""
        return tuple(self.sample(1).shape[1:])

    def potential_at(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        r"""Returns the potential, high where real data is, of the weights that :meth:`sample` uses.

        Arguments:
            a: The points, with shape :math:`(B, *)`. Gradients flow to them.
            label: Their class or classes, with shape :math:`(B)`, for class-conditional potentials.
            time: Their time or times in [0, 1], with shape :math:`(B)`, for potentials that depend on
                it; 1 if `None`.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.

        Raises:
            ValueError: If the method has no potential, or a label or a time does not fit it.
        """
        raise ValueError(f"{type(self).__name__} has no potential.")

    def starting_points(
        self,
        n: int,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
        start: str | None = None,
    ) -> Tensor:
        r"""Returns `n` points, with shape :math:`(n, *)`, where the trajectories of samples start.

        Arguments:
            n: The number of points.
            label: Their classes, with shape :math:`(n)`, for class-conditional models.
            random: The generator to draw from, or `None` for a new one of arbitrary seed.
            start: `"noise"`, or `"generator"` for samples of a generator; what :meth:`sample` starts
                from if `None`.

        Raises:
            ValueError: If samples of the method do not move, or do not start there.
        """
        raise ValueError(f"Samples of {type(self).__name__} do not move.")

    def trajectory(
        self,
        x: Tensor,
        frames: int | Sequence[int] = 10,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
    ) -> Iterator[Frame]:
        r"""Yields the states of samples on their way, the first one included.

        Arguments:
            x: Where they start, with shape :math:`(B, *)`, as :meth:`starting_points` gives it.
            frames: The number of states after the first one, evenly spaced in time; or, of chains, the
                steps after which states are yielded.
            label: Their classes, with shape :math:`(B)`, for class-conditional models.
            random: The generator of the chains' noise, or `None` for a new one of arbitrary seed.

        Raises:
            ValueError: If samples of the method do not move.
        """
        raise ValueError(f"Samples of {type(self).__name__} do not move.")

    def fill(
        self,
        y: Tensor,
        known: Tensor,
        label: Tensor | None = None,
        steps: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        r"""Returns images whose holes are filled, clipped to [-1, 1], with shape :math:`(B, C, H, W)`.

        Arguments:
            y: The images in [-1, 1], with shape :math:`(B, C, H, W)`; pixels in holes do not matter.
            known: The masks, 1 where a pixel is known, with shape :math:`(B, 1, H, W)`.
            label: The images' classes, with shape :math:`(B)`, for class-conditional models.
            steps: The number of the chains' steps; that of :attr:`fill_steps` if `None`.
            random: The generator to draw from, or `None` for a new one of arbitrary seed.

        Raises:
            ValueError: If the method fills no holes.
        """
        raise ValueError(f"{type(self).__name__} fills no holes.")

    def features(self, a: Tensor) -> Tensor:
        r"""Returns the features :math:`D(a)` of points :math:`(B, *)`, with shape :math:`(B, n)`.

        Raises:
            ValueError: If the method has no feature space.
        """
        raise ValueError(f"{type(self).__name__} has no feature space.")
