r"""Batches that worker processes read, in an order that the main process gives."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .base import Batch


def index_lists(order: Iterable[Tensor]) -> Iterator[list[int]]:
    r"""Yields the indices of the samples in each batch, as lists."""
    return (i.tolist() for i in order)


class WorkerLoader:
    r"""Loader of batches that worker processes read and decode.

    Iterating raises a `ValueError` if the data returns one in place of a batch.

    Arguments:
        data: The data, which returns the batch of each key.
        order: The indices of the samples in each batch.
        num_workers: The number of worker processes, of which there are at most as many as CPUs; 0
            reads in the process that iterates.
        keys: A function that yields the keys of batches, given their order.
    """

    def __init__(
        self,
        data: Dataset,
        order: Iterable[Tensor],
        num_workers: int = 0,
        keys: Callable[[Iterable[Tensor]], Iterable[Any]] = index_lists,
    ) -> None:
        self.data, self.order, self.num_workers, self.keys = data, order, num_workers, keys

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        # Lightning would replace the sampler of a DataLoader. The order given here is already that
        # of this process, so the DataLoader is hidden from Lightning.
        loader = DataLoader(
            self.data,
            batch_size=None,
            sampler=self.keys(self.order),
            num_workers=min(self.num_workers, os.cpu_count() or 1),
            worker_init_fn=_ignore_interrupts,
        )
        for batch in loader:
            if isinstance(batch, ValueError):
                raise batch
            yield batch


def _ignore_interrupts(worker: int) -> None:
    r"""Ignores Ctrl-C in a worker: the process that trains handles it and finishes its step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
