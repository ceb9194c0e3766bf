r"""The batch contract: what is drawn and gathered for the global batch of all processes.

Under DDP each of :math:`W` processes holds every :math:`W`-th sample of the global batch. Noise is
drawn for the global batch and shared out in the same way, and the samples that act as charges are
gathered. Another number of processes therefore gives the same run up to rounding, which training
amplifies. In validation each process takes every :math:`W`-th batch of held-out samples as a
whole, so that the measured numbers do not depend on the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from ...functional import keyed_generator
from ...functional.pair_rows import SharedPoints


class GlobalBatchMixin:
    r"""Gives a LightningModule draws and samples of the global batch.

    Arguments:
        kwargs: The arguments of the next base class.

    Attributes:
        seed: The seed of the run.
        random: The generator that the noise of a step is drawn from, the same in all processes.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = torch.initial_seed()
        self.random = torch.Generator()

    @property
    def world_size(self) -> int:
        r"""The number of processes that train this model, 1 without a trainer."""
        return 1 if self._trainer is None else self._trainer.world_size

    def noise(self, n: int, *shape: int) -> Tensor:
        r"""Returns this process's share of standard normal noise, with shape :math:`(n, *)`."""
        return self.share_of(torch.randn, n, *shape)

    def uniform(self, n: int, *shape: int) -> Tensor:
        r"""Returns this process's share of uniform noise in [0, 1), with shape :math:`(n, *)`."""
        return self.share_of(torch.rand, n, *shape)

    def share_of(self, draw: Callable[..., Tensor], n: int, *shape: int) -> Tensor:
        r"""Returns this process's share of a draw for the global minibatch.

        Arguments:
            draw: A function of a shape, a generator and a device, such as `torch.randn`.
            n: The number of samples of this process.
            shape: The shape of a sample.

        Returns:
            Every :math:`W`-th sample of the draw, with shape :math:`(n, *)`.
        """
        z = draw(n * self.world_size, *shape, generator=self.random, device=self.random.device)
        return z[self.global_rank :: self.world_size].to(self.device)

    def gather(self, x: Tensor) -> Tensor:
        r"""Returns the samples of the global minibatch, in order and detached.

        Arguments:
            x: The samples of this process, with shape :math:`(B, *)`.

        Returns:
            The samples of all processes, with shape :math:`(W B, *)`.
        """
        x = x.detach()
        return x if self.world_size == 1 else self._every(x).transpose(0, 1).flatten(0, 1)

    def gather_columns(self, x: Tensor) -> SharedPoints:
        r"""Returns the samples of this process with those of all processes, for losses of pairs.

        Every process computes its rows of the pairs (:mod:`energy_gans.functional.pair_rows`).

        Arguments:
            x: The samples of this process, with shape :math:`(B, *)`.
        """
        if self.world_size == 1:
            return SharedPoints(x, x)
        every = self._every(x.detach()).flatten(0, 1)
        return SharedPoints(x, every, self.global_rank * len(x))

    def total(self, x: Tensor) -> Tensor:
        r"""Returns the sum of a detached tensor over the processes.

        Returns:
            The sum, with the shape of `x`.
        """
        return self._reduce(x, torch.distributed.ReduceOp.SUM)

    def largest(self, x: Tensor) -> Tensor:
        r"""Returns the elementwise maximum of a detached tensor over the processes.

        Returns:
            The maximum, with the shape of `x`.
        """
        return self._reduce(x, torch.distributed.ReduceOp.MAX)

    def means_over_processes(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        r"""Returns the means of detached scalars over the processes."""
        if self.world_size == 1 or not values:
            return values
        means = self.total(torch.stack([value.float() for value in values.values()]))
        return dict(zip(values, means / self.world_size, strict=True))

    def _reduce(self, x: Tensor, operation: torch.distributed.ReduceOp) -> Tensor:
        if self.world_size > 1:
            x = x.clone()
            torch.distributed.all_reduce(x, operation)
        return x

    def gather_attached(self, x: Tensor) -> Tensor:
        r"""Returns the samples of all processes, of which those of this process carry gradients.

        Every process computes the whole of a loss that couples all samples. DDP averages the
        gradients of the processes where their sum is meant, so this function multiplies them by
        the number of processes.

        Arguments:
            x: The samples of this process, with shape :math:`(B, *)`.

        Returns:
            The samples, with shape :math:`(W B, *)`, process after process.
        """
        if self.world_size == 1:
            return x
        parts = list(self._every(x.detach()))
        parts[self.global_rank] = x.detach() + self.world_size * (x - x.detach())
        return torch.cat(parts)

    def _every(self, x: Tensor) -> Tensor:
        r"""Returns detached samples of all processes, with shape :math:`(W, B, *)`."""
        every = x.new_empty(self.world_size, *x.shape)
        torch.distributed.all_gather(list(every), x.contiguous())
        return every

    def place_of_batch(self, batch_idx: int) -> int:
        r"""Returns the index of a batch of held-out samples among those of all processes."""
        return batch_idx * self.world_size + self.global_rank

    def observing(self, *keys: int | str) -> torch.Generator:
        r"""Returns a generator for observers, which leaves training unchanged.

        The generator is the same in all processes. An observer whose work is shared out among
        processes puts the index of its part, such as :meth:`place_of_batch`, among the keys.

        Arguments:
            keys: The keys that, with the seed, determine the generator.
        """
        # The last key used to be the rank. A 0 keeps the numbers of runs of a single process.
        return keyed_generator(self.seed, *keys, 0, device=self.device)
