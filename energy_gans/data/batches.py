r"""Which samples are in which batch.

The training set is shuffled anew in every epoch. The permutation is a function of (seed, epoch),
and the batch of a step is a function of the step, so a resumed run continues with the next batch
without any saved state of a loader. With several processes, process :math:`r` of :math:`W` reads
the samples :math:`r, r + W, ...` of the global batch.

Held-out sets are read in a random order that is the same for all runs: many sets are sorted by
class, and what is measured on a batch of one class says nothing about the set. Process :math:`r`
reads the whole batches :math:`r, r + W, ...`, so that a batch does not depend on the number of
processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..functional import keyed_generator, keyed_subset

EVALUATION_BATCH = 500


class StepOrder:
    r"""Order in which a training set is read: an iterable of index tensors, one a batch.

    Iterating yields the batches of the current epoch from the current step on.

    Arguments:
        length: The number of samples in the set.
        batch_size: The size of the global batch.
        seed: The seed of the run.
        step: Returns the number of batches that were read already.
        rank: The index of this process.
        world_size: The number of processes.
        repeat: How often an epoch contains each sample.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        step: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
        repeat: int = 1,
    ) -> None:
        self.length, self.batch_size, self.seed, self.step = length, batch_size, seed, step
        self.rank, self.world_size, self.repeat = rank, world_size, repeat

    def __len__(self) -> int:
        return self.length * self.repeat // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        epoch, first = divmod(self.step(), len(self))
        random = keyed_generator(self.seed, "order", epoch)
        order = torch.randperm(self.length * self.repeat, generator=random) % self.length
        for i in range(first, len(self)):
            batch = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield batch[self.rank :: self.world_size]


def held_out_batches(length: int) -> list[Tensor]:
    r"""Returns the indices in each batch of a held-out set of `length` samples, in random order.

    A last batch of one sample is merged into the batch before it, since unbiased estimates over
    pairs of samples need two.
    """
    *batches, last = keyed_subset(length, length, 0, "batches").split(EVALUATION_BATCH)
    if len(last) == 1 and batches:
        last = torch.cat([batches.pop(), last])
    return [*batches, last]


def share_of_batches(
    batches: list[Tensor], limit: int | float, rank: int, world_size: int
) -> list[Tensor]:
    r"""Returns the batches of one process, with empty batches at the end.

    The processes wait for each other in every step, so each needs the same number of batches.

    Arguments:
        batches: The batches of all processes.
        limit: The number of batches that are read, or the fraction of them if it is a float. A
            trainer applies the fraction to the batches of each process, so empty batches are added
            until it reads enough.
        rank: The index of this process.
        world_size: The number of processes.
    """
    number = min(limit, len(batches)) if isinstance(limit, int) else int(limit * len(batches))
    # A trainer raises its own error if a limit leaves none of several batches.
    batches = batches[:number] or batches
    steps = length = -(-len(batches) // world_size)
    while isinstance(limit, float) and number and int(limit * length) < steps:
        length += 1
    share = batches[rank::world_size]
    return share + [torch.arange(0)] * (length - len(share))
