r"""What every data module shares: an order that is a function of the step, and whole batches.

The training set is shuffled anew every epoch; the permutation is a function of (seed, epoch), and
the batch of a step is a function of the step. So a run that is resumed goes on with the very next
batch, without any state of a loader. Under DDP each process reads its share of the global batch:
every world-size-th of its samples. Of held-out samples it reads every world-size-th batch, whole, so
what is measured of a batch does not depend on the number of processes.

A set has splits, each loaded when it is first asked for. Sets that fit in memory are held as
tensors, images as uint8, and handed out a whole batch at a time; images become floats in [-1, 1]
on the device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from ..checks import check_count
from .batches import StepOrder, held_out_batches, share_of_batches
from .prepared.reader import StoredArray

Batch = tuple[Tensor, Tensor]
Samples = tuple[Tensor | StoredArray, Tensor]

# What Lightning reads in its stages. Without a stage nothing is loaded before it is asked for.
STAGES = {"fit": ("train", "val"), "validate": ("val",), "predict": ("val",)}


class _TensorLoader:
    r"""Creates a loader that hands out whole batches.

    Arguments:
        y: The samples, with shape :math:`(N, *)`: anything that index tensors pick batches of.
        label: The labels, with shape :math:`(N)`.
        order: The batches' indices.
    """

    def __init__(self, y: Tensor | StoredArray, label: Tensor, order: Iterable[Tensor]) -> None:
        self.y, self.label, self.order = y, label, order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        for i in self.order:
            yield self.y[i], self.label[i]


class TensorDataModule(LightningDataModule):
    r"""Creates a data module of splits, `"train"` and `"val"` at least.

    A data set implements :meth:`load` and the property `shape`.

    Arguments:
        batch_size: The size of the global batch of a training step: all processes together.

    Raises:
        ValueError: If `batch_size` is not positive.
    """

    repeat = 1

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        check_count("batch_size", batch_size)
        self.save_hyperparameters()
        self.batch_size = batch_size
        self.seed = torch.initial_seed()
        self.loaded: dict[str, Samples] = {}

    # What a data set implements

    @property
    def shape(self) -> tuple[int, ...]:
        r"""The shape of one sample."""
        raise NotImplementedError

    @property
    def splits(self) -> tuple[str, ...]:
        r"""The names of the splits."""
        return ("train", "val")

    @property
    def classes(self) -> list[str]:
        r"""The names of the classes that labels count, or `[]` if labels have no names."""
        return []

    def load(self, split: str) -> Samples:
        r"""Returns the samples, floats or images as uint8, and the labels of a split."""
        raise NotImplementedError

    # What a user calls

    def contents(self, split: str) -> Samples:
        r"""Returns the samples and the labels of a split, which is loaded the first time.

        Raises:
            ValueError: If there is no such split.
        """
        if split not in self.splits:
            raise ValueError(
                f"'split' should be one of {', '.join(map(repr, self.splits))}, got {split!r}."
            )
        if split not in self.loaded:
            self.loaded[split] = self.load(split)
        return self.loaded[split]

    def length(self, split: str) -> int:
        r"""Returns the number of samples in a split."""
        return len(self.contents(split)[1])

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[Batch]:
        r"""Returns a loader of batches of a split, its samples as they are stored.

        Arguments:
            split: The split.
            order: The indices of the samples in each batch.
        """
        return _TensorLoader(*self.contents(split), order)

    def fingerprint(self, split: str) -> str:
        r"""Returns a SHA-256 that identifies the samples and the labels of a split."""
        n = self.length(split)
        y, label = (tensor[:n].contiguous() for tensor in self.contents(split))
        digest = hashlib.sha256()
        for tensor in (y, label):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy())
        return digest.hexdigest()

    # What Lightning calls

    def setup(self, stage: str | None = None) -> None:
        for split in (self.test_split,) if stage == "test" else STAGES.get(stage, ()):
            self.contents(split)

    def train_dataloader(self) -> Iterable[Batch]:
        return self.loader("train", self.step_order(self.length("train")))

    def step_order(self, length: int) -> StepOrder:
        r"""Returns the training order of a set of `length` samples under the present trainer."""
        rank, world_size = self.processes()
        if self.batch_size > length * self.repeat:
            raise ValueError(
                "'batch_size' should be at most the number of training samples, "
                f"{length * self.repeat}, got {self.batch_size}."
            )
        if self.batch_size % world_size != 0:
            raise ValueError(
                f"'batch_size' is that of all processes together: it should be a multiple of their "
                f"number, {world_size}, got {self.batch_size}."
            )
        return StepOrder(
            length, self.batch_size, self.seed, self.step, rank, world_size, self.repeat
        )

    def step(self) -> int:
        r"""Returns the number of steps that were made: none, without a trainer."""
        return 0 if self.trainer is None else self.trainer.global_step

    def processes(self) -> tuple[int, int]:
        r"""Returns the index of this process and the number of them: one, without a trainer."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def held_out_loader(self, split: str, stage: str = "val") -> Iterable[Batch]:
        r"""Returns a loader of this process's share of a split's batches, in the split's own order.

        Arguments:
            split: The split.
            stage: What reads them, `"val"`, `"test"` or `"predict"`: the trainer's limit is one of
                the batches of all processes together.
        """
        rank, world_size = self.processes()
        batches = held_out_batches(self.length(split))
        if world_size > 1:
            limit = getattr(self.trainer, f"limit_{stage}_batches")
            batches = share_of_batches(batches, limit, rank, world_size)
        return self.loader(split, batches)

    @property
    def test_split(self) -> str:
        r"""The split that tests read: `"val"`, unless there is one for tests alone."""
        return "test" if "test" in self.splits else "val"

    def val_dataloader(self) -> Iterable[Batch]:
        return self.held_out_loader("val")

    def test_dataloader(self) -> Iterable[Batch]:
        return self.held_out_loader(self.test_split, "test")

    def predict_dataloader(self) -> Iterable[Batch]:
        return self.held_out_loader("val", "predict")

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        y, label = batch
        return (to_unit_range(y), label)


def to_unit_range(y: Tensor) -> Tensor:
    r"""Returns images in [-1, 1] of images as uint8; other samples are returned as they are."""
    return y.float().div_(127.5).sub_(1.0) if y.dtype == torch.uint8 else y
