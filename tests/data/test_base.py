r"""Tests for the energy_gans.data.base module."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from energy_gans.data import TensorDataModule
from energy_gans.data.base import Batch, to_unit_range


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Ramp(TensorDataModule):
    r"""Grey images whose value is their index."""

    shape = (1, 2, 2)

    def __init__(self, batch_size: int, length: int = 20, held_out: int = 1203) -> None:
        super().__init__(batch_size)
        self.size, self.held_out, self.loads = length, held_out, []

    def load(self, split: str) -> Batch:
        self.loads.append(split)
        label = torch.arange(self.size if split == "train" else self.held_out)
        return (label % 256).to(torch.uint8)[:, None, None, None].expand(-1, *self.shape), label


def ramp(batch_size: int = 4, rank: int = 0, world_size: int = 1, step: int = 0) -> Ramp:
    data = Ramp(batch_size)
    data.trainer = SimpleNamespace(
        global_rank=rank, world_size=world_size, global_step=step, limit_val_batches=1.0
    )
    data.setup()
    return data


def test_samples_and_labels_stay_together() -> None:
    loader = ramp().train_dataloader()
    assert len(loader) == 5
    for y, label in loader:
        assert torch.equal(y[:, 0, 0, 0].long(), label)
        assert y.shape == (4, 1, 2, 2)


@pytest.mark.parametrize("step", [1, 5, 8])
def test_training_goes_on_at_the_step_of_the_trainer(step: int) -> None:
    data, resumed = ramp(), ramp(step=step)
    read = []
    while len(read) < step + 1:
        for _, label in data.train_dataloader():
            read.append(label)
            data.trainer.global_step += 1
    _, label = next(iter(resumed.train_dataloader()))
    assert torch.equal(label, read[step])


def test_the_order_follows_the_seed_of_the_run() -> None:
    orders = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        orders.append(torch.cat([label for _, label in ramp().train_dataloader()]))
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_without_a_trainer_there_is_one_process_at_step_0() -> None:
    data = Ramp(4)
    data.setup()
    alone = torch.cat([label for _, label in data.train_dataloader()])
    assert torch.equal(alone, torch.cat([label for _, label in ramp().train_dataloader()]))


def test_processes_share_a_batch() -> None:
    _, whole = next(iter(ramp().train_dataloader()))
    shares = [next(iter(ramp(rank=rank, world_size=2).train_dataloader()))[1] for rank in (0, 1)]
    assert torch.equal(torch.stack(shares, 1).flatten(), whole)


@pytest.mark.parametrize("world_size", [2, 3, 5])
def test_processes_share_the_batches_of_the_held_out_set(world_size: int) -> None:
    alone = [label for _, label in ramp().val_dataloader()]
    assert torch.cat(alone).sort().values.equal(torch.arange(1203))
    loaders = [ramp(rank=r, world_size=world_size).val_dataloader() for r in range(world_size)]
    in_turn = [label for step in zip(*loaders, strict=True) for _, label in step]
    assert [part.tolist() for part in in_turn if len(part)] == [part.tolist() for part in alone]


@pytest.mark.parametrize("loader", ["test_dataloader", "predict_dataloader"])
def test_the_held_out_set_is_also_that_of_tests(loader: str) -> None:
    data = ramp()
    one, other = list(data.val_dataloader()), list(getattr(data, loader)())
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "stages, splits",
    [
        ([None], []),
        (["validate"], ["val"]),
        (["test", "predict"], ["val"]),
        (["fit", "validate", "fit"], ["train", "val"]),
    ],
)
def test_a_split_is_loaded_once_and_when_it_is_needed(
    stages: list[str | None], splits: list[str]
) -> None:
    data = Ramp(4)
    for stage in stages:
        data.setup(stage)
    assert data.loads == splits


def test_asking_for_a_split_loads_it_alone() -> None:
    data = Ramp(4)
    assert (data.length("train"), data.length("train"), data.loads) == (20, 20, ["train"])


def test_a_split_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'split' should be one of 'train', 'val', got 'test'"):
        Ramp(4).length("test")


def test_batches_are_those_that_are_asked_for() -> None:
    order = [torch.tensor([1202, 3]), torch.tensor([5])]
    found = list(Ramp(4).loader("val", iter(order)))
    for (y, label), i in zip(found, order, strict=True):
        assert torch.equal(label, i)
        assert torch.equal(y[:, 0, 0, 0].long(), i % 256)


class Examined(Ramp):
    r"""A set with a test split."""

    splits = ("train", "val", "test")

    def load(self, split: str) -> Batch:
        y, label = super().load(split)
        return (y[:7], label[:7]) if split == "test" else (y, label)


def test_a_split_for_tests_is_what_tests_read() -> None:
    data = Examined(4)
    data.setup("test")
    assert data.loads == ["test"]
    ((_, label),) = data.test_dataloader()
    assert sorted(label.tolist()) == list(range(7))


class Fixed(TensorDataModule):
    r"""A set of given samples and labels."""

    def __init__(self, y: Tensor, label: Tensor) -> None:
        super().__init__(1)
        self.given = y, label

    def load(self, split: str) -> Batch:
        return self.given


def test_fingerprints_tell_samples_labels_types_and_shapes_apart() -> None:
    y, label = torch.arange(12).view(4, 3).to(torch.uint8), torch.tensor([0, 1, 0, 1])
    sets = [
        (y, label),
        (y.flip(0), label),
        (y, label.flip(0)),
        (y.view(4, 1, 3), label),
        (y.view(torch.int8), label),
        (y[:3], label[:3]),
    ]
    prints = [Fixed(*contents).fingerprint("train") for contents in sets]
    assert len(set(prints)) == len(sets)
    assert {len(bytes.fromhex(fingerprint)) for fingerprint in prints} == {32}
    assert Fixed(y.T.contiguous().T, label.clone()).fingerprint("train") == prints[0]


def test_splits_differ_in_their_fingerprints() -> None:
    assert Ramp(4).fingerprint("train") != Ramp(4).fingerprint("val")


def test_images_come_to_the_device_as_uint8_and_to_the_model_in_the_unit_range() -> None:
    data = ramp(batch_size=20)
    batch = next(iter(data.train_dataloader()))
    assert batch[0].dtype == torch.uint8
    y, label = data.on_after_batch_transfer(batch, 0)
    assert y.dtype == torch.float32
    assert torch.equal(label, batch[1])
    torch.testing.assert_close((y[:, 0, 0, 0] + 1) / 2 * 255, label.float())


def test_black_is_minus_one_and_white_is_one() -> None:
    y = torch.tensor([0, 255], dtype=torch.uint8)
    assert to_unit_range(y).tolist() == [-1, 1]
    assert y.tolist() == [0, 255]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_are_left_alone(dtype: torch.dtype) -> None:
    y = 100 * torch.randn(3, 2, dtype=dtype)
    assert to_unit_range(y) is y


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_of_nothing_are_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"'batch_size' should be at least 1, got {batch_size}"):
        Ramp(batch_size)


def test_a_batch_larger_than_the_set_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'batch_size' .* training samples, 20, got 21"):
        ramp(batch_size=21).train_dataloader()


def test_a_batch_that_processes_can_not_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'batch_size' .* number of processes, 3, got 4"):
        ramp(batch_size=4, world_size=3).train_dataloader()
