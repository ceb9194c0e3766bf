r"""Batches of held-out samples, and how processes share them out: whole, so that what is measured of a
batch does not depend on the number of processes.
"""

from __future__ import annotations

import torch
from torch import Tensor

EVALUATION_BATCH = 500


def held_out_batches(length: int) -> list[Tensor]:
    r"""Returns the indices in each batch of a held-out set; a last sample joins the batch before it.

    Unbiased measures compare pairs of samples, which a batch of one does not have.
    """
    *batches, last = torch.arange(length).split(EVALUATION_BATCH)
    if len(last) == 1 and batches:
        last = torch.cat([batches.pop(), last])
    return [*batches, last]


def share_of_batches(
    batches: list[Tensor], limit: int | float, rank: int, world_size: int
) -> list[Tensor]:
    r"""Returns every world-size-th of the batches that a limit leaves, and empty ones at the end.

    All processes have to take as many steps, as they wait for each other in each.

    Arguments:
        batches: The batches of all processes.
        limit: The number, or if it is a float the share of them, that are read. A trainer reads that
            share of what each process has: empty batches stand for the rest.
        rank: The index of this process.
        world_size: The number of processes.
    """
    number = min(limit, len(batches)) if isinstance(limit, int) else int(limit * len(batches))
    # A trainer that is to read nothing says so, if there is something to be read.
    batches = batches[:number] or batches
    steps = length = -(-len(batches) // world_size)
    while isinstance(limit, float) and number and int(limit * length) < steps:
        length += 1
    share = batches[rank::world_size]
    return share + [torch.arange(0)] * (length - len(share))
