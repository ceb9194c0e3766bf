r"""What every data module shares: an order that is a function of the step, and whole batches.

The training set is shuffled anew every epoch; the permutation is a function of (seed, epoch), and
the batch of a step is a function of the step. So a run that is resumed goes on with the very next
batch, without any state of a loader. Under DDP each process reads its share of the global batch:
every world-size-th of its samples.

Sets that fit in memory are held as tensors, images as uint8, and handed out a whole batch at a
time; images become floats in [-1, 1] on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from ..functional import keyed_generator
from ..functional.checks import check_count

Batch = tuple[Tensor, Tensor]

EVALUATION_BATCH = 500


class StepOrder:
    r"""Creates the order in which a training set is read: an iterable of index tensors.

    Iterating gives what is left of the present epoch, from the present step on.

    Arguments:
        length: The number of samples in the set.
        batch_size: The size of the global batch.
        seed: The seed of the run.
        step: Returns the number of batches that were read before.
        rank: The index of this process.
        world_size: The number of processes.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        step: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.length, self.batch_size, self.seed, self.step = length, batch_size, seed, step
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return self.length // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        epoch, first = divmod(self.step(), len(self))
        order = torch.randperm(self.length, generator=keyed_generator(self.seed, "order", epoch))
        for i in range(first, len(self)):
            batch = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield batch[self.rank :: self.world_size]


class TensorLoader:
    r"""Creates a loader that hands out whole batches of tensors.

    Arguments:
        y: The samples, with shape :math:`(N, *)`.
        label: The labels, with shape :math:`(N)`.
        order: The batches' indices.
    """

    def __init__(self, y: Tensor, label: Tensor, order: StepOrder | list[Tensor]) -> None:
        self.y, self.label, self.order = y, label, order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        for i in self.order:
            yield self.y[i], self.label[i]


class TensorDataModule(LightningDataModule):
    r"""Creates a data module of two sets that fit in memory.

    A data set implements :meth:`load` and the property `shape`.

    Arguments:
        batch_size: The size of the global batch of a training step: all processes together.

    Raises:
        ValueError: If `batch_size` is not positive.
    """

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        check_count("batch_size", batch_size)
        self.save_hyperparameters()
        self.batch_size = batch_size
        self.seed = torch.initial_seed()
        self.sets: dict[str, Batch] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        r"""The shape of one sample."""
        raise NotImplementedError

    def load(self, split: str) -> Batch:
        r"""Returns the samples, floats or images as uint8, and the labels of a split.

        Arguments:
            split: `"train"` or `"val"`.
        """
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        for split in ("train", "val"):
            if split not in self.sets:
                self.sets[split] = self.load(split)

    def train_dataloader(self) -> TensorLoader:
        y, label = self.sets["train"]
        return TensorLoader(y, label, self.step_order(len(y)))

    def step_order(self, length: int) -> StepOrder:
        r"""Returns the training order of a set of `length` samples under the present trainer."""
        rank, world_size = self.processes()
        if self.batch_size > length:
            raise ValueError(
                f"'batch_size' should be at most the number of training samples, {length}, "
                f"got {self.batch_size}."
            )
        if self.batch_size % world_size != 0:
            raise ValueError(
                f"'batch_size' is that of all processes together: it should be a multiple of their "
                f"number, {world_size}, got {self.batch_size}."
            )
        return StepOrder(length, self.batch_size, self.seed, self.step, rank, world_size)

    def step(self) -> int:
        r"""Returns the number of steps that were made: none, without a trainer."""
        return 0 if self.trainer is None else self.trainer.global_step

    def processes(self) -> tuple[int, int]:
        r"""Returns the index of this process and the number of them: one, without a trainer."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def val_dataloader(self) -> TensorLoader:
        y, label = self.sets["val"]
        return TensorLoader(y, label, self.held_out_order(len(y)))

    def held_out_order(self, length: int) -> list[Tensor]:
        r"""Returns the batches in which this process reads its share of a held-out set."""
        rank, world_size = self.processes()
        share = torch.arange(rank, length, world_size)
        return list(share.split(EVALUATION_BATCH))

    def test_dataloader(self) -> TensorLoader:
        return self.val_dataloader()

    def predict_dataloader(self) -> TensorLoader:
        return self.val_dataloader()

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        y, label = batch
        return (to_unit_range(y), label)


def to_unit_range(y: Tensor) -> Tensor:
    r"""Returns images in [-1, 1] of images as uint8; other samples are returned as they are."""
    return y.float().div_(127.5).sub_(1.0) if y.dtype == torch.uint8 else y


def pad_to(y: Tensor, size: int) -> Tensor:
    r"""Returns images with zeros around them, their centres kept.

    Arguments:
        y: The images as uint8, with shape :math:`(N, C, H, H)`.
        size: The width and height to reach, :math:`S`.

    Raises:
        ValueError: If `size` is smaller than the images, or can not keep them centred.
    """
    margin = size - y.shape[-1]
    if margin < 0 or margin % 2 != 0:
        raise ValueError(
            f"'size' should be {y.shape[-1]} or larger by an even number of pixels, got {size}."
        )
    return torch.nn.functional.pad(y, [margin // 2] * 4)
