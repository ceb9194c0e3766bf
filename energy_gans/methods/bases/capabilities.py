r"""What a generative model offers besides samples.

A method overrides the members that have a meaning for it, and :meth:`Capabilities.supports` tells
which these are. Callers ask `model.supports("trajectory")` and never for a class.

| member | of methods with |
|---|---|
| `potential_at` | a potential: a discriminator, a descriptor, or the charges of a minibatch |
| `trajectory` | samples that move: Langevin chains, or the flow of a potential |
| `fill` | chains or a generator that fill holes of images |
| `features` | a discriminator that maps samples to features |

A method with latents has a `latent_network`, and `decode` maps latents to samples. All members but
`features` use the weights that `sample` uses, in evaluation mode: those of the moving average, if
there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn as nn
from torch import Tensor

from ..parts.networks import evaluation_mode


class Frame(NamedTuple):
    r"""The state of moving samples at one time.

    Arguments:
        time: The step of a chain, an integer, or the time of a flow.
        x: The samples, with shape :math:`(B, *)`.
        potential: The potential at the samples, with shape :math:`(B)`.
        speed: The norm of a chain's score or of a flow's velocity, with shape :math:`(B)`.
        potential_time: The time at which the potential is evaluated, or `None` if it depends on
            none.
    """

    time: float
    x: Tensor
    potential: Tensor
    speed: Tensor
    potential_time: float | None = None


class Capabilities:
    r"""The optional members of a generative model, which raise errors unless overridden.

    Attributes:
        dynamics: How samples move: by Langevin `"chains"`, along a `"flow"`, or not at all,
            `None`.
        time_conditioned: Whether the potential depends on the time.
        fill_steps: The default number of the chains' steps in :meth:`fill`.
        latent_path: The path between two latents along which samples are interpolated, `"linear"`
            or `"spherical"`, and the bound that latents are clipped to, 0 for none.
    """

    dynamics: ClassVar[Literal["chains", "flow"] | None] = None
    time_conditioned: bool = False
    fill_steps: int = 0
    latent_path: ClassVar[tuple[Literal["linear", "spherical"], float]] = ("spherical", 0.0)

    @classmethod
    def supports(cls, member: str) -> bool:
        r"""Returns whether a method has an optional member, given by its name."""
        return getattr(cls, member) is not getattr(Capabilities, member)

    @property
    def potential_needs_label(self) -> bool:
        r"""Whether the potential is defined only for a given class."""
        return False

    def check_conditions(
        self, label: int | Tensor | None, time: float | Tensor | None = None
    ) -> None:
        r"""Checks that a label and a time are given if the potential depends on them.

        Arguments:
            label: The class of points, or their classes, with shape :math:`(B)`, or `None`.
            time: The time of points, or their times, with shape :math:`(B)`, in [0, 1], or `None`.

        Raises:
            ValueError: If one of them is missing, or the potential does not depend on it.
        """
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
                    f"{name!r} should be left out: the potential of this {type(self).__name__} "
                    f"depends on no {name}, got {value}."
                )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        r"""The shape of one sample."""
        return tuple(self.sample(1).shape[1:])

    def potential_at(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        r"""Returns the potential of the weights that :meth:`sample` uses, high where real data is.

        Arguments:
            a: The points, with shape :math:`(B, *)`, floats of any type. Gradients flow to the
                points.
            label: The class of all points, or the classes, with shape :math:`(B)`, of
                class-conditional potentials.
            time: The time of all points, or the times, with shape :math:`(B)`, in [0, 1], of
                potentials that depend on the time; 1 if `None`.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.

        Raises:
            ValueError: If the method has no potential, or a label or a time does not fit the
                potential.
        """
        raise ValueError(f"{type(self).__name__} has no potential.")

    def potential_function(self) -> Callable[..., Tensor]:
        r"""Returns :meth:`potential_at`, with what depends on no point computed once.

        Raises:
            ValueError: If the method has no potential.
        """
        return self.potential_at

    def starting_points(
        self,
        n: int,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
        start: str | None = None,
    ) -> Tensor:
        r"""Returns the points at which trajectories of samples start, with shape :math:`(n, *)`.

        Arguments:
            n: The number of points.
            label: Their classes, with shape :math:`(n)`, of class-conditional models.
            random: The generator to draw from, or `None` for a new one with an arbitrary seed.
            start: `"noise"`, `"generator"` for samples of a generator, or `None` for the starting
                points of :meth:`sample`.

        Raises:
            ValueError: If samples of the method do not move, or can not start there.
        """
        raise ValueError(f"Samples of {type(self).__name__} do not move.")

    def trajectory(
        self,
        x: Tensor,
        frames: int | Sequence[int] = 10,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
    ) -> Iterator[Frame]:
        r"""Yields the states of moving samples, from the first one on.

        Arguments:
            x: The points at which the samples start, with shape :math:`(B, *)`, for example those
                of :meth:`starting_points`.
            frames: The number of states after the first one, at even distances in time; or, for
                chains, the steps after which states are yielded.
            label: The classes of the samples, with shape :math:`(B)`, of class-conditional models.
            random: The generator of the chains' noise, or `None` for a new one with an arbitrary
                seed.

        Raises:
            ValueError: If samples of the method do not move, or `frames` is not positive.
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
        r"""Returns images with filled holes, clipped to [-1, 1], with shape :math:`(B, C, H, W)`.

        Arguments:
            y: The images in [-1, 1], with shape :math:`(B, C, H, W)`. Pixels in holes are ignored.
            known: The masks, 1 where a pixel is known, with shape :math:`(B, 1, H, W)`.
            label: The classes of the images, with shape :math:`(B)`, of class-conditional models.
            steps: The number of the chains' steps; :attr:`fill_steps` if `None`.
            random: The generator to draw from, or `None` for a new one with an arbitrary seed.

        Raises:
            ValueError: If the method can not fill holes.
        """
        raise ValueError(f"{type(self).__name__} fills no holes.")

    def features(self, a: Tensor) -> Tensor:
        r"""Returns the features :math:`D(a)` of points :math:`(B, *)`, with shape :math:`(B, n)`.

        Raises:
            ValueError: If the method has no feature space.
        """
        raise ValueError(f"{type(self).__name__} has no feature space.")

    # Methods with latents

    @property
    def latent_network(self) -> nn.Module | None:
        r"""The network that maps latents to samples, or `None` if the method has no latents."""
        return None

    @torch.inference_mode(False)
    @torch.no_grad()
    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns the samples of latents, with shape :math:`(B, *)`, images clipped to [-1, 1].

        Arguments:
            z: The latents, with shape :math:`(B, Z)`.
            label: The classes of the samples, with shape :math:`(B)`, of class-conditional models.

        Raises:
            ValueError: If the method has no latents.
        """
        if self.latent_network is None:
            raise ValueError(f"{type(self).__name__} has no latents to be decoded.")
        network, z = self.latent_network, z.to(self.dtype)
        with evaluation_mode(network):
            return clip_images(network(z) if label is None else network(z, label))


def clip_images(x: Tensor) -> Tensor:
    r"""Returns samples in the range of data: images clipped to [-1, 1], and points unchanged."""
    return x.clamp(-1, 1) if x.ndim == 4 else x
