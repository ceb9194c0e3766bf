r"""The last samples that a method saw, which it keeps to sample from."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor


class RecentSamples(nn.Module):
    r"""Creates an empty shelf of samples, a part of the model: it is saved and loaded with it.

    Arguments:
        size: The number of samples.
        shape: The shape of a sample.
    """

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("samples", torch.zeros(size, *shape))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def keep(self, x: Tensor) -> None:
        r"""Keeps samples, with shape :math:`(B, *)`, in place of the oldest."""
        places = (self.seen + torch.arange(len(x), device=x.device)) % len(self.samples)
        self.samples[places] = x
        self.seen += len(x)

    def draw(self, n: int, random: torch.Generator) -> Tensor:
        r"""Returns samples drawn evenly from those that are kept, with shape :math:`(n, *)`.

        Raises:
            ValueError: If there are none.
        """
        known = min(int(self.seen), len(self.samples))
        if known == 0:
            raise ValueError("Samples start at images of the training, and there was none yet.")
        place = torch.randint(known, (n,), generator=random, device=random.device)
        return self.samples[place.to(self.samples.device)]
