r"""Mixtures of Gaussians: sets whose modes are known, so that lost ones can be counted.

A sample is :math:`y = \mu_m + \sigma \epsilon` with :math:`\epsilon \sim \mathcal{N}(0, I)` and the
mode :math:`m` drawn with probability :math:`w_m`. Data is drawn once, from a seed of its own, and
then read like any other set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from ..functional import keyed_generator
from .base import Batch, TensorDataModule


class GaussianMixture(TensorDataModule):
    r"""Creates a mixture of isotropic Gaussians. Labels are the modes.

    Arguments:
        means: The means :math:`\mu_m`, :math:`K` points of :math:`D` coordinates each.
        std: The standard deviation :math:`\sigma` of every mode, in data units.
        weights: The weights :math:`w_m`, proportional to the modes' probabilities; equal if `None`.
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples.
        data_seed: The seed that the set is drawn from.

    Raises:
        ValueError: If the means are no points, or the weights no weights of them.
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
        super().__init__(batch_size)
        check_positive("std", std)
        if len(means) == 0 or len({len(mean) for mean in means}) != 1:
            raise ValueError(f"'means' should be points of one dimension, got {means!r}.")
        weights = [1.0] * len(means) if weights is None else list(weights)
        if len(weights) != len(means) or min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(
                f"'weights' should be {len(means)} non-negative numbers, one a mode, got {weights!r}."
            )
        check_count("samples", samples)
        self.means = torch.tensor(means, dtype=torch.float32)
        self.std = std
        self.weights = torch.tensor(weights, dtype=torch.float32) / sum(weights)
        self.samples = samples
        self.data_seed = data_seed

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.means.shape[1],)

    def load(self, split: str) -> Batch:
        random = keyed_generator(self.data_seed, split)
        n = self.samples if split == "train" else min(self.samples, 10_000)
        label = torch.multinomial(self.weights, n, replacement=True, generator=random)
        y = self.means[label] + self.std * torch.randn(n, *self.shape, generator=random)
        return y, label


class Ring(GaussianMixture):
    r"""Creates Gaussians on a circle.

    Arguments:
        modes: The number of modes.
        radius: The radius of the circle, in data units.
        std: The standard deviation of every mode, in data units.
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples.
    """

    def __init__(
        self,
        modes: int = 8,
        radius: float = 1.0,
        std: float = 0.05,
        batch_size: int = 256,
        samples: int = 100_000,
    ) -> None:
        angles = [2 * math.pi * m / modes for m in range(modes)]
        means = [[radius * math.cos(t), radius * math.sin(t)] for t in angles]
        super().__init__(means, std, batch_size=batch_size, samples=samples)


class Grid(GaussianMixture):
    r"""Creates Gaussians on a square grid around the origin.

    Arguments:
        side: The number of modes along a side.
        spacing: The distance of neighbours, in data units. The paper's grid of 25 modes with
            variance 1 from -21 to 21 has spacing 10.5 and std 1.
        std: The standard deviation of every mode, in data units.
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples.
    """

    def __init__(
        self,
        side: int = 5,
        spacing: float = 0.7,
        std: float = 0.07,
        batch_size: int = 256,
        samples: int = 100_000,
    ) -> None:
        ticks = [spacing * (i - (side - 1) / 2) for i in range(side)]
        means = [[u, v] for u in ticks for v in ticks]
        super().__init__(means, std, batch_size=batch_size, samples=samples)


class TwoModes(GaussianMixture):
    r"""Creates two Gaussians far from each other, at :math:`(\mp \text{distance} / 2, 0)`.

    A generator that sits on one of them, where no samples lie between, is the paper's example of a
    local Nash equilibrium of conventional GANs (Appendix A.1).

    Arguments:
        distance: The distance of the means, in data units.
        std: The standard deviation of both modes, in data units.
        weights: The weights of the left and the right mode.
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples.
    """

    def __init__(
        self,
        distance: float = 4.0,
        std: float = 0.1,
        weights: tuple[float, float] = (0.5, 0.5),
        batch_size: int = 256,
        samples: int = 100_000,
    ) -> None:
        means = [[-distance / 2, 0.0], [distance / 2, 0.0]]
        super().__init__(means, std, weights, batch_size=batch_size, samples=samples)


class Curves(TensorDataModule):
    r"""Creates points around curves; labels say which curve.

    A set implements :meth:`curve`.

    Arguments:
        std: The standard deviation of the noise around the curves, in data units.
        batch_size: The size of the global batch of a training step.
        samples: The number of training samples.
        data_seed: The seed that the set is drawn from.
    """

    shape = (2,)

    def __init__(
        self,
        std: float = 0.05,
        batch_size: int = 256,
        samples: int = 100_000,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        check_count("samples", samples)
        if not 0 <= std < math.inf:
            raise ValueError(f"'std' should be finite and not negative, got {std!r}.")
        self.std, self.samples, self.data_seed = std, samples, data_seed

    def curve(self, t: Tensor) -> Tensor:
        r"""Returns the points, with shape :math:`(N, 2)`, of the first curve at times in [0, 1]."""
        raise NotImplementedError

    def load(self, split: str) -> Batch:
        random = keyed_generator(self.data_seed, split)
        n = self.samples if split == "train" else min(self.samples, 10_000)
        label = torch.randint(2, (n,), generator=random)
        points = self.curve(torch.rand(n, generator=random))
        # The second curve is the first one, turned by half a turn around the origin.
        y = torch.where(label[:, None] == 0, points, -points)
        return y + self.std * torch.randn(n, 2, generator=random), label


class Spirals(Curves):
    r"""Creates two spirals that wind around each other within the unit circle."""

    def curve(self, t: Tensor) -> Tensor:
        r, angle = t.sqrt(), 3 * math.pi * t.sqrt()
        return torch.stack([r * angle.cos(), r * angle.sin()], 1)


class Moons(Curves):
    r"""Creates two interleaved half circles of radius 1."""

    def curve(self, t: Tensor) -> Tensor:
        angle = math.pi * t
        return torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], 1)
