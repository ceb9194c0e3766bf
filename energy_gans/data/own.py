r"""Data of the user's own: data sets, tensors and arrays, and loaders.

:class:`FromDataset` keeps the contracts of all data modules: the order of the training samples is
a function of (seed, step), a run that is killed and resumed gives the same bits, and the processes
of a run share one global batch. :class:`FromLoader` reads a loader as it is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.core.mixins import hparams_mixin
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from ..batch_formats import check_values, scale, split_labels, to_unit_range
from .base import Batch, Samples
from .batches import EVALUATION_BATCH
from .images import ImageDataModule
from .own_samples import DatasetSamples, TensorSamples, seeded_keys, source_of
from .prepared.preprocessing import Preprocessing
from .workers import WorkerLoader

# One sample in as many is held out, as of the embedded digits.
_HELD_OUT = 10
ValueRange = tuple[float, float]


class FromDataset(ImageDataModule):
    r"""Data module of a data set of the user's own.

    The data are tensors or arrays of samples, a pair `(samples, labels)` of them, or any data set
    with `len(dataset)` and `dataset[i]`, of torch, torchvision or Hugging Face. Its items are
    samples, pairs `(sample, label)` or dictionaries. A sample is an image, a tensor or an array of
    shape :math:`(C, H, W)` or a PIL image, or a point, with shape :math:`(D)`. Images are uint8 or
    floats in [-1, 1]. Floats of another range, such as [0, 1], need `value_range`: it is never
    guessed.

    Random transforms of the data set draw numbers of torch, NumPy and Python that are a function
    of (seed, step) for any number of worker processes.

    Arguments:
        train: The training data.
        val: The held-out data. If `None`, every tenth sample of `train` is held out, with the
            transforms of `train`.
        batch_size: The size of the global batch of a training step, over all processes.
        value_range: The values that become -1 and 1, of data of floats; no values are changed if
            `None`. The values of uint8 are always mapped from 0 to 255.
        image_key: The key of the samples in dictionaries; by default `"image"`, `"images"`,
            `"img"`, `"pixel_values"` or `"x"`.
        label_key: The key of the labels in dictionaries; by default `"label"`, `"labels"`,
            `"target"` or `"targets"`, and none if there is no such key.
        size: The width and height to which PIL images are cropped and resized, as RGB, in pixels.
            If `None`, they keep their sizes, grey or RGB.
        num_workers: The number of worker processes that read a data set.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        ValueError: If the data have another format.
    """

    @property
    def not_saved(self) -> tuple[str, ...]:
        # On the command line, hyper-parameters are class paths, in Python the data themselves.
        return () if hparams_mixin._given_hyperparameters.get() else ("train", "val")

    def __init__(
        self,
        train: Dataset | Any,
        val: Dataset | Any = None,
        batch_size: int = 128,
        value_range: ValueRange | None = None,
        image_key: str | None = None,
        label_key: str | None = None,
        size: int | None = None,
        num_workers: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size, **kwargs)
        _check_value_range(value_range)
        self.sources = {"train": source_of("train", train)}
        if val is not None:
            self.sources["val"] = source_of("val", val)
        self.value_range, self.num_workers = value_range, num_workers
        self.keys = image_key, label_key
        self.decoding = None if size is None else Preprocessing(size)
        self.fingerprints: dict[str, str] = {}

    @cached_property
    def shape(self) -> tuple[int, ...]:
        samples, _ = self.contents("train")
        return samples.shape

    def rows(self, split: str) -> Tensor:
        r"""Returns the indices of a split's samples in their source, with shape :math:`(N)`.

        Raises:
            ValueError: If there are too few samples to hold some out.
        """
        if "val" in self.sources:
            return torch.arange(len(self.sources[split]))
        n = len(self.sources["train"])
        # Unbiased estimates over pairs of held-out samples need two.
        if n <= _HELD_OUT:
            raise ValueError(
                f"'val' should be given for fewer than {_HELD_OUT + 1} training samples, got {n}: "
                "every tenth sample would be held out, which is only one."
            )
        held_out = torch.arange(n) % _HELD_OUT == 0
        return torch.nonzero(held_out if split == "val" else ~held_out).flatten()

    def load(self, split: str) -> Samples:
        source = self.sources[split if "val" in self.sources else "train"]
        rows = self.rows(split)
        if isinstance(source, TensorDataset):
            if self.decoding is not None or self.keys != (None, None):
                raise ValueError(
                    "'size', 'image_key' and 'label_key' should be left out for tensors, got "
                    f"{self.decoding and self.decoding.size}, {self.keys[0]!r}, {self.keys[1]!r}."
                )
            samples, *label = source.tensors
            return (
                TensorSamples(samples, rows, self.value_range),
                label[0][rows] if label else None,
            )
        return DatasetSamples(source, rows, self.value_range, self.keys, self.decoding), None

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[Batch]:
        samples, _ = self.contents(split)
        if isinstance(samples, DatasetSamples):
            return WorkerLoader(samples, order, self.num_workers, seeded_keys)
        return super().loader(split, order)

    def fingerprint(self, split: str) -> str:
        r"""Returns a SHA-256 of the samples and the labels. The first call reads all of them."""
        if split not in self.fingerprints:
            digest, n = hashlib.sha256(), self.length(split)
            for batch in self.loader(split, torch.arange(n).split(EVALUATION_BATCH)):
                for part in batch:
                    if isinstance(part, Tensor):
                        digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
                        digest.update(part.contiguous().numpy())
                    else:
                        digest.update(repr(part).encode())
            self.fingerprints[split] = digest.hexdigest()
        return self.fingerprints[split]

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        if self.flip and batch[0].ndim != 4:
            raise ValueError(
                "'flip' should be false for samples that are no images, got samples of shape "
                f"{tuple(batch[0].shape[1:])}."
            )
        return super().on_after_batch_transfer(batch, dataloader_idx)


class FromLoader(LightningDataModule):
    r"""Data module of loaders of the user's own, for batches that need a range or keys.

    The loaders decide on the order and the size of batches. A loader has no state that a
    checkpoint could hold, so a run that is resumed reads other batches than a run without
    interruption. With several processes, each reads batches of the loader's size, and the trainer
    gives them different samples of a data set with a length; a data set without one has to do so
    itself. :class:`FromDataset` has none of these limits.

    Arguments:
        train: A `DataLoader`, or another iterable of batches.
        val: The loader of held-out batches; no validation if `None`.
        value_range: The values that become -1 and 1, of batches of floats; no values are changed
            if `None`. The values of uint8 are always mapped from 0 to 255.
        image_key: The key of the samples in dictionaries, as of :class:`FromDataset`.
        label_key: The key of the labels in dictionaries, as of :class:`FromDataset`.

    Raises:
        ValueError: If `value_range` is no range, or the values of a batch exceed it.
    """

    def __init__(
        self,
        train: Iterable[Any],
        val: Iterable[Any] | None = None,
        value_range: ValueRange | None = None,
        image_key: str | None = None,
        label_key: str | None = None,
    ) -> None:
        super().__init__()
        _check_value_range(value_range)
        self.train, self.val = train, val
        self.value_range, self.keys = value_range, (image_key, label_key)

    def train_dataloader(self) -> Iterable[Any]:
        return self.train

    def val_dataloader(self) -> Iterable[Any]:
        return [] if self.val is None else self.val

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        y, label = split_labels(batch, *self.keys)
        check_values(y, self.value_range)
        return (to_unit_range(scale(y, self.value_range)), label)


def _check_value_range(value_range: Any) -> None:
    r"""Raises a `ValueError` unless a range is `None`, or two finite numbers in order."""
    if value_range is None:
        return
    try:
        low, high = map(float, value_range)
        valid = low < high and math.isfinite(low) and math.isfinite(high)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            "'value_range' should be two finite numbers, the lower first, such as (0, 1), got "
            f"{value_range!r}."
        )
