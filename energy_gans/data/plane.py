r"""Points in the plane: mixtures of Gaussians, whose lost modes can be counted, and curves.

A sample of a mixture is :math:`y = \mu_m + \sigma \epsilon`, where :math:`\epsilon \sim
\mathcal{N}(0, I)` and the mode :math:`m` has probability :math:`w_m`. All samples of a set are
drawn once, from a seed of the set's own, and then read like any other set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from ..checks import check_count, check_positive
from ..functional import keyed_generator
from .base import Batch, TensorDataModule

# The most modes of a ring or a grid.
MODES = 10**5

HELD_OUT = 10_000


class _DrawnSamples(TensorDataModule):
    r"""Data module whose samples are drawn from a distribution, by :meth:`draw`.

    Arguments:
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples; as many, up to 10,000, are held out.
        data_seed: The seed that the set is drawn from.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, batch_size: int, samples: int, data_seed: int) -> None:
        super().__init__(batch_size)
        check_count("samples", samples)
        self.samples, self.data_seed = samples, data_seed

    def draw(self, n: int, random: Generator) -> Batch:
        r"""Returns :math:`n` samples, with shape :math:`(n, D)`, and their labels."""
        raise NotImplementedError

    def load(self, split: str) -> Batch:
        n = self.samples if split == "train" else min(self.samples, HELD_OUT)
        return self.draw(n, keyed_generator(self.data_seed, split))


class GaussianMixture(_DrawnSamples):
    r"""Mixture of isotropic Gaussians; the label of a sample is its mode.

    Points have the shape :math:`(D)`.

    Arguments:
        means: The means :math:`\mu_m`, :math:`K` points of :math:`D` coordinates each.
        std: The standard deviation :math:`\sigma` of every mode, in data units.
        weights: The weights :math:`w_m`, proportional to the modes' probabilities; equal if
            `None`.
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples; as many, up to 10,000, are held out.
        data_seed: The seed that the set is drawn from.

    Raises:
        ValueError: If the means are not points of one dimension, or `weights` does not hold one
            non-negative number for each mode.
    """

    def __init__(
        self,
        means: Sequence[Sequence[float]],
        std: float,
        weights: Sequence[float] | None = None,
        batch_size: int = 256,
        samples: int = 100_000,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, samples, data_seed)
        check_positive("std", std)
        if len(means) == 0 or len({len(mean) for mean in means}) != 1:
            raise ValueError(f"'means' should be points of one dimension, got {means!r}.")
        weights = [1.0] * len(means) if weights is None else list(weights)
        if len(weights) != len(means) or min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(
                f"'weights' should be {len(means)} non-negative numbers, one a mode, "
                f"got {weights!r}."
            )
        self.means = torch.tensor(means, dtype=torch.float32)
        self.std = std
        self.weights = torch.tensor(weights, dtype=torch.float32) / sum(weights)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.means.shape[1],)

    def draw(self, n: int, random: Generator) -> Batch:
        label = torch.multinomial(self.weights, n, replacement=True, generator=random)
        y = self.means[label] + self.std * torch.randn(n, *self.shape, generator=random)
        return y, label


class _PlaneMixture(GaussianMixture):
    r"""Mixture whose means follow from a few numbers, drawn from the data seed 0.

    Arguments:
        means: The means, :math:`K` points in the plane.
        std: The standard deviation of every mode, in data units.
        weights: The weights of the modes; equal if `None`.
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples; as many, up to 10,000, are held out.
    """

    def __init__(
        self,
        means: Sequence[Sequence[float]],
        std: float,
        weights: Sequence[float] | None,
        batch_size: int = 256,
        samples: int = 100_000,
    ) -> None:
        super().__init__(means, std, weights, batch_size, samples)


def _check_modes(name: str, value: int, largest: int) -> None:
    r"""Raises a `ValueError` unless a number of modes is at least 1 and can be listed."""
    check_count(name, value)
    if value > largest:
        raise ValueError(f"{name!r} should be at most {largest}, got {value!r}.")


class Ring(_PlaneMixture):
    r"""Gaussians on a circle around the origin.

    Points have the shape :math:`(2)`.

    Arguments:
        modes: The number of modes.
        radius: The radius of the circle, in data units.
        std: The standard deviation of every mode, in data units.
        kwargs: `batch_size` and `samples`, as for :class:`GaussianMixture`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self, modes: int = 8, radius: float = 1.0, std: float = 0.05, **kwargs: Any
    ) -> None:
        _check_modes("modes", modes, MODES)
        angles = [2 * math.pi * m / modes for m in range(modes)]
        means = [[radius * math.cos(t), radius * math.sin(t)] for t in angles]
        super().__init__(means, std, None, **kwargs)


class Grid(_PlaneMixture):
    r"""Gaussians on a square grid around the origin.

    Points have the shape :math:`(2)`.

    References:
        Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al.,
        2018), Appendix A.5, https://arxiv.org/abs/1708.08819

    Arguments:
        side: The number of modes along a side.
        spacing: The distance between neighbouring modes, in data units. The grid of the Coulomb
            GAN paper, 25 modes of variance 1 from -21 to 21, has spacing 10.5 and std 1.
        std: The standard deviation of every mode, in data units.
        kwargs: `batch_size` and `samples`, as for :class:`GaussianMixture`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self, side: int = 5, spacing: float = 0.7, std: float = 0.07, **kwargs: Any
    ) -> None:
        _check_modes("side", side, math.isqrt(MODES))
        ticks = [spacing * (i - (side - 1) / 2) for i in range(side)]
        super().__init__([[u, v] for u in ticks for v in ticks], std, None, **kwargs)


class TwoModes(_PlaneMixture):
    r"""Two distant Gaussians, at :math:`(\mp \text{distance} / 2, 0)`.

    Points have the shape :math:`(2)`.

    A generator whose samples all lie at one of the modes is the example of a local Nash
    equilibrium of conventional GANs in the Coulomb GAN paper (Appendix A.1).

    References:
        Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al.,
        2018), Appendix A.1, https://arxiv.org/abs/1708.08819

    Arguments:
        distance: The distance between the means, in data units.
        std: The standard deviation of both modes, in data units.
        weights: The weights of the left and the right mode, at least 0.
        kwargs: `batch_size` and `samples`, as for :class:`GaussianMixture`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        distance: float = 4.0,
        std: float = 0.1,
        weights: tuple[float, float] = (0.5, 0.5),
        **kwargs: Any,
    ) -> None:
        means = [[-distance / 2, 0.0], [distance / 2, 0.0]]
        super().__init__(means, std, weights, **kwargs)


class Curves(_DrawnSamples):
    r"""Points around two curves; the label of a point is its curve.

    A data set implements :meth:`curve`, the first curve. The second curve is the first one rotated
    by 180 degrees around the origin.

    Arguments:
        std: The standard deviation of the noise around the curves, in data units.
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples; as many, up to 10,000, are held out.
        data_seed: The seed that the set is drawn from.

    Raises:
        ValueError: If a number is out of its range.
    """

    shape = (2,)

    def __init__(
        self,
        std: float = 0.05,
        batch_size: int = 256,
        samples: int = 100_000,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, samples, data_seed)
        if not 0 <= std < math.inf:
            raise ValueError(f"'std' should be finite and not negative, got {std!r}.")
        self.std = std

    def curve(self, t: Tensor) -> Tensor:
        r"""Returns points of the first curve, with shape :math:`(N, 2)`, at times in [0, 1]."""
        raise NotImplementedError

    def draw(self, n: int, random: Generator) -> Batch:
        label = torch.randint(2, (n,), generator=random)
        points = self.curve(torch.rand(n, generator=random))
        y = torch.where(label[:, None] == 0, points, -points)
        return y + self.std * torch.randn(n, 2, generator=random), label


class Spirals(Curves):
    r"""Two spirals that wind around each other within the unit circle.

    Points have the shape :math:`(2)`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def curve(self, t: Tensor) -> Tensor:
        r, angle = t.sqrt(), 3 * math.pi * t.sqrt()
        return torch.stack([r * angle.cos(), r * angle.sin()], 1)


class Moons(Curves):
    r"""Two interleaved half circles of radius 1.

    Points have the shape :math:`(2)`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def curve(self, t: Tensor) -> Tensor:
        angle = math.pi * t
        return torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], 1)
