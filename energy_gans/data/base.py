r"""What every data module shares: splits, loaders of whole batches, and values in [-1, 1].

A split is loaded when it is first needed. Splits that fit in memory are stored as tensors, images
as uint8, and a loader yields whole batches. Images become floats in [-1, 1] on the device. The
module :mod:`.batches` says which samples are in which batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from ..batch_formats import to_unit_range
from ..checks import check_count
from .batches import StepOrder, held_out_batches, share_of_batches
from .prepared.reader import StoredArray

Batch = tuple[Tensor, Tensor | None]
Samples = tuple[Tensor | StoredArray, Tensor | None]

# The splits that Lightning reads in each stage. Without a stage, no split is loaded in advance.
_STAGES = {"fit": ("train", "val"), "validate": ("val",), "predict": ("val",)}


class _TensorLoader:
    r"""Loader of whole batches.

    Arguments:
        y: The samples, with shape :math:`(N, *)`, indexed by index tensors.
        label: The labels, with shape :math:`(N)`, or `None`.
        order: The indices of the samples in each batch.
    """

    def __init__(
        self, y: Tensor | StoredArray, label: Tensor | None, order: Iterable[Tensor]
    ) -> None:
        self.y, self.label, self.order = y, label, order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        for i in self.order:
            yield self.y[i], None if self.label is None else self.label[i]


class TensorDataModule(LightningDataModule):
    r"""Base class of the data modules, with the splits `"train"` and `"val"` at least.

    A data set implements :meth:`load` and the property `shape`.

    Arguments:
        batch_size: The size of the global batch of a training step, over all processes.

    Raises:
        ValueError: If `batch_size` is not positive.
    """

    repeat = 1
    limit: int | None = None
    # The names of arguments that checkpoints do not hold.
    not_saved: tuple[str, ...] = ()

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        check_count("batch_size", batch_size)
        self.save_hyperparameters(ignore=self.not_saved)
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
        r"""The names of the classes, by label, or `[]` if the classes have no names."""
        return []

    @property
    def vocabulary(self) -> str:
        r"""The characters of the channels of samples of text, or `""` if samples are no text."""
        return ""

    def to_samples(self, y: Tensor) -> Tensor:
        r"""Returns stored values :math:`(B, *)` as samples, with shape :math:`(B, *)`.

        By default, uint8 becomes floats in [-1, 1], and other values are not changed.
        """
        return to_unit_range(y)

    def load(self, split: str) -> Samples:
        r"""Returns the stored samples of a split, images and text as uint8, and the labels."""
        raise NotImplementedError

    # What a user calls

    def contents(self, split: str) -> Samples:
        r"""Returns the samples and the labels of a split; the first call loads them.

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
        return len(self.contents(split)[0])

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[Batch]:
        r"""Returns a loader of batches of a split, with the stored values of its samples.

        Arguments:
            split: The split.
            order: The indices of the samples in each batch, with shape :math:`(B)`.
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
        for split in (self.test_split,) if stage == "test" else _STAGES.get(stage, ()):
            self.contents(split)
        if stage == "fit":
            # An error in `train_dataloader` would leave Lightning's changes in torch's DataLoader.
            self.step_order(self.length("train"))

    def train_dataloader(self) -> Iterable[Batch]:
        return self.loader("train", self.step_order(self.length("train")))

    def step_order(self, length: int) -> StepOrder:
        r"""Returns the order in which this process reads `length` training samples.

        Raises:
            ValueError: If `batch_size` is larger than the training set, or the processes can not
                share it equally.
        """
        rank, world_size = self.processes()
        if self.batch_size > length * self.repeat:
            raise ValueError(
                "'batch_size' should be at most the number of training samples, "
                f"{length * self.repeat}, got {self.batch_size}."
            )
        if self.batch_size % world_size != 0:
            raise ValueError(
                "'batch_size' counts the samples of all processes and should be a multiple of the "
                f"number of processes, {world_size}, got {self.batch_size}."
            )
        return StepOrder(
            length, self.batch_size, self.seed, self.step, rank, world_size, self.repeat
        )

    def step(self) -> int:
        r"""Returns the number of completed training steps, 0 without a trainer."""
        return 0 if self.trainer is None else self.trainer.global_step

    def processes(self) -> tuple[int, int]:
        r"""Returns the index of this process and the number of processes, 1 without a trainer."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def held_out_loader(self, split: str, stage: str = "val") -> Iterable[Batch]:
        r"""Returns a loader of this process's batches of a split, the same in all runs.

        Arguments:
            split: The split.
            stage: The stage that reads the batches, `"val"`, `"test"` or `"predict"`. The
                trainer's limit for this stage counts the batches of all processes.
        """
        rank, world_size = self.processes()
        batches = held_out_batches(self.length(split))
        if world_size > 1:
            limit = getattr(self.trainer, f"limit_{stage}_batches")
            batches = share_of_batches(batches, limit, rank, world_size)
        return self.loader(split, batches)

    @property
    def test_split(self) -> str:
        r"""The split that tests read: `"test"` if the set has one, else `"val"`."""
        return "test" if "test" in self.splits else "val"

    def val_dataloader(self) -> Iterable[Batch]:
        return self.held_out_loader("val")

    def test_dataloader(self) -> Iterable[Batch]:
        return self.held_out_loader(self.test_split, "test")

    def predict_dataloader(self) -> Iterable[Batch]:
        return self.held_out_loader("val", "predict")

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        y, label = batch
        return (self.to_samples(y), label)
