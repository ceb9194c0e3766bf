r"""Tests for the energy_gans.data.batches module."""

import itertools
from collections.abc import Iterator
from unittest import mock

import pytest
import torch
from lightning.pytorch.trainer.connectors.data_connector import _parse_num_batches
from lightning.pytorch.trainer.states import RunningStage
from torch import Tensor

from energy_gans.data.batches import StepOrder, held_out_batches, share_of_batches


def batches(
    length: int, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world_size: int = 1
) -> Iterator[Tensor]:
    r"""Yields batches epoch after epoch, as a trainer reads them."""
    step = start
    order = StepOrder(length, batch_size, seed, lambda: step, rank, world_size)
    while True:
        for batch in order:
            step += 1
            yield batch


def first(n: int, *args: int, **kwargs: int) -> Tensor:
    return torch.stack(list(itertools.islice(batches(*args, **kwargs), n)))


sizes = pytest.mark.parametrize("length, batch_size", [(12, 4), (13, 4), (7, 7), (5, 1), (9, 5)])


@sizes
def test_an_epoch_is_a_permutation_but_for_its_rest(length: int, batch_size: int) -> None:
    n = length // batch_size
    order = StepOrder(length, batch_size, 0, lambda: 0)
    indices = torch.cat(list(order))
    assert len(order) == n
    assert len(indices) == len(set(indices.tolist())) == n * batch_size
    assert indices.min() >= 0 and indices.max() < length


def test_every_sample_is_read_over_epochs() -> None:
    assert set(first(60, 13, 4).flatten().tolist()) == set(range(13))


def test_epochs_and_seeds_differ_in_their_order() -> None:
    one, two = first(20, 1000, 100).chunk(2)
    other = first(10, 1000, 100, seed=1)
    for a, b in ((one, two), (one, other), (two, other)):
        assert (a == b).float().mean() < 0.02
    assert torch.equal(one, first(10, 1000, 100))


@sizes
@pytest.mark.parametrize("start", [0, 1, 2, 3, 4, 7, 100])
def test_what_starts_at_a_step_is_the_rest_of_the_whole(
    length: int, batch_size: int, start: int
) -> None:
    whole = first(start + 8, length, batch_size)
    assert torch.equal(first(8, length, batch_size, start=start), whole[start:])


@pytest.mark.parametrize("repeat", [2, 5])
def test_an_epoch_repeats_each_sample(repeat: int) -> None:
    order = StepOrder(6, 3, 0, lambda: 0, repeat=repeat)
    assert len(order) == 2 * repeat
    assert torch.bincount(torch.cat(list(order))).tolist() == [repeat] * 6


def test_an_epoch_that_is_begun_late_is_short() -> None:
    assert len(list(StepOrder(12, 4, 0, lambda: 1))) == 2
    assert len(list(StepOrder(12, 4, 0, lambda: 5))) == 1


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("start", [0, 5])
def test_the_shares_of_processes_are_the_global_batch(world_size: int, start: int) -> None:
    shares = [
        first(6, 30, 8, start=start, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert {share.shape for share in shares} == {(6, 8 // world_size)}
    assert torch.equal(torch.stack(shares, 2).flatten(1), first(6, 30, 8, start=start))


@pytest.mark.parametrize(
    "length, sizes",
    [(1203, [500, 500, 203]), (1001, [500, 501]), (500, [500]), (2, [2]), (1, [1])],
)
def test_batches_hold_each_sample_once(length: int, sizes: list[int]) -> None:
    batches = held_out_batches(length)
    assert [len(batch) for batch in batches] == sizes
    assert torch.cat(batches).sort().values.equal(torch.arange(length))


def test_a_batch_of_a_sorted_set_has_the_shares_of_its_classes() -> None:
    batches = held_out_batches(10_000)
    counts = torch.stack([torch.bincount(batch // 1000, minlength=10) for batch in batches])
    # Hypergeometric: 500 of 10,000 samples, 1,000 of each class.
    std = (500 * 0.1 * 0.9 * 9500 / 9999) ** 0.5
    assert ((counts - 50).abs() < 5 * std).all()
    assert counts.float().std().item() == pytest.approx(std, rel=0.2)
    assert all(torch.equal(*pair) for pair in zip(batches, held_out_batches(10_000), strict=True))


def read(batches: list[Tensor], limit: int | float) -> list[Tensor]:
    r"""Returns the batches of a loader that a trainer reads under a limit."""
    return batches[: _parse_num_batches(RunningStage.VALIDATING, len(batches), limit)]


@pytest.mark.parametrize("world_size", [2, 3, 7])
@pytest.mark.parametrize("limit", [1, 2, 5, 100, 0.21, 0.5, 0.7, 0.99, 1.0])
def test_processes_read_the_batches_of_one_in_as_many_steps(
    world_size: int, limit: int | float
) -> None:
    for number in range(1, 12):
        with mock.patch("energy_gans.data.batches.EVALUATION_BATCH", 2):
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
