r"""Points around curves in the plane, to play with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..checks import check_count
from ..functional import keyed_generator
from .base import Batch, TensorDataModule


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
