r"""Recent samples of the training, from which a method draws."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor


class RecentSamples(nn.Module):
    r"""Ring buffer of recent samples, saved with the model.

    Arguments:
        size: The number of samples.
        shape: The shape of a sample.
    """

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("samples", torch.zeros(size, *shape))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def keep(self, x: Tensor) -> None:
        r"""Stores samples, with shape :math:`(B, *)`, in place of the oldest samples."""
        # Of more samples than there are places, the last are kept.
        skipped = max(0, len(x) - len(self.samples))
        order = torch.arange(skipped, len(x), device=x.device)
        self.samples[(self.seen + order) % len(self.samples)] = x[skipped:]
        self.seen += len(x)

    def draw(self, n: int, random: torch.Generator) -> Tensor:
        r"""Returns samples that are drawn uniformly from the buffer, with shape :math:`(n, *)`.

        Raises:
            ValueError: If the buffer is empty.
        """
        stored = min(int(self.seen), len(self.samples))
        if stored == 0:
            raise ValueError("Samples start at images of the training, and there was none yet.")
        place = torch.randint(stored, (n,), generator=random, device=random.device)
        return self.samples[place.to(self.samples.device)]
