r"""Tests for the energy_gans.data.evaluation_batches module."""

import itertools
from unittest import mock

import pytest
import torch
from lightning.pytorch.trainer.connectors.data_connector import _parse_num_batches
from lightning.pytorch.trainer.states import RunningStage
from torch import Tensor

from energy_gans.data.evaluation_batches import held_out_batches, share_of_batches


@pytest.mark.parametrize(
    "length, sizes",
    [(1203, [500, 500, 203]), (1001, [500, 501]), (500, [500]), (2, [2]), (1, [1])],
)
def test_batches_are_the_set_in_its_order(length: int, sizes: list[int]) -> None:
    batches = held_out_batches(length)
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches), torch.arange(length))


def read(batches: list[Tensor], limit: int | float) -> list[Tensor]:
    r"""Returns the batches that a trainer reads of those of a loader."""
    return batches[: _parse_num_batches(RunningStage.VALIDATING, len(batches), limit)]


@pytest.mark.parametrize("world_size", [2, 3, 7])
@pytest.mark.parametrize("limit", [1, 2, 5, 100, 0.21, 0.5, 0.7, 0.99, 1.0])
def test_processes_read_the_batches_of_one_in_as_many_steps(
    world_size: int, limit: int | float
) -> None:
    for number in range(1, 12):
        with mock.patch("energy_gans.data.evaluation_batches.EVALUATION_BATCH", 2):
            batches = held_out_batches(2 * number)
        if int(limit * number) == 0:
            continue
        shares = [
            read(share_of_batches(batches, limit, rank, world_size), limit)
            for rank in range(world_size)
        ]
        assert len({len(share) for share in shares}) == 1
        in_turn = [batch for step in zip(*shares, strict=True) for batch in step]
        alone = read(batches, limit)
        filled_up = [batch.tolist() for batch in in_turn]
        assert filled_up[: len(alone)] == [batch.tolist() for batch in alone]
        assert not any(itertools.chain(*filled_up[len(alone) :]))
        assert len(filled_up) < len(alone) + world_size


def test_a_share_that_leaves_nothing_is_for_the_trainer_to_refuse() -> None:
    share = share_of_batches(held_out_batches(1000), 0.1, 0, 2)
    with pytest.raises(Exception, match="Please increase the `limit_val_batches`"):
        read(share, 0.1)
