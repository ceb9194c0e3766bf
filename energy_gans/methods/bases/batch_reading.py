r"""How a method reads the batches of any loader, and what it refuses before the first step.

Data modules of this package give pairs `(y, label)`. In a plain trainer, batches may come from any
`DataLoader`: see :mod:`energy_gans.batch_formats`.

With several processes, each reads its own samples, and the potential is that of the samples of all
of them. The trainer shares out a data set with a length. It repeats a sample if the processes can
not share the data set equally.
"""

from __future__ import annotations

import traceback
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset

from ...batch_formats import check_samples, split_labels, to_unit_range
from ..parts.constant_shifts import shift_parameters
from ..parts.networks import check_label, evaluation_mode


class BatchReadingMixin:
    r"""Gives a :class:`GenerativeModule` batches `(y, label)`, and checks of the first one.

    Attributes:
        batch_length: The number of samples of this process in the last batch, 0 before the first.
    """

    batch_length = 0

    def read_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        r"""Returns the samples of a batch, floats of the model's type, and their labels.

        The samples have the shape :math:`(B, *)`, the labels :math:`(B)`.
        Labels that are not one a sample become `None` if the model is unconditional.

        Raises:
            ValueError: If the samples can not be told from other parts.
        """
        y, label = split_labels(batch)
        if not isinstance(y, Tensor):
            check_samples(y)
        if self.classes is None and not (
            isinstance(label, Tensor) and label.shape[:1] == y.shape[:1]
        ):
            label = None
        # The trainer's plugin for float64 converts floats only, and images arrive as uint8.
        return to_unit_range(y).to(self.dtype), label

    def check_data(self, batch: Any) -> None:
        r"""Checks the first batch of the training, as the loader gave it, and the loader.

        Raises:
            ValueError: If the loader gives no batches, the batches can not be split into equal
                parts, values or labels are not those of the model, or processes read the same
                samples.
        """
        loader = self.trainer.train_dataloader
        if isinstance(loader, Dataset) and not isinstance(loader, IterableDataset):
            raise ValueError(
                f"The training data should come in batches, got {type(loader).__name__}, a data "
                "set: pass DataLoader(dataset, batch_size, shuffle=True, drop_last=True), or "
                "datamodule=energy_gans.data.FromDataset(dataset)."
            )
        y, label = split_labels(batch)
        check_samples(y)
        self.check_batch_size(len(y))
        self.batch_length = len(y)
        if self.classes is not None:
            check_label(label, self.classes, len(y))
        if self.world_size > 1:
            self.check_processes(len(y))
        if isinstance(loader, DataLoader):
            self.check_shares(loader, y)
            self.check_last_batch(loader)

    def check_batch(self, y: Tensor) -> None:
        r"""Checks the networks on the first batch, and finds the parameters of no loss.

        Arguments:
            y: The samples of the batch, with shape :math:`(B, *)`.

        Raises:
            ValueError: If the batch does not fit the networks.
        """
        self.check_networks(y)
        with (
            torch.enable_grad(),
            evaluation_mode(self),
            torch.autocast(y.device.type, enabled=False),
        ):
            outputs = self.shift_invariant_outputs(y[:2])
            self.unseen = [p for output in outputs for p in shift_parameters(output)]
        self.checked = True

    def check_networks(self, y: Tensor) -> None:
        r"""Raises a `ValueError` if the networks do not fit a batch of shape :math:`(B, *)`."""
        # In inference mode, as a trainer validates, no potential could be differentiated.
        with torch.inference_mode(False), torch.no_grad(), evaluation_mode(self):
            self.check(y[:2].clone())

    def check_length(self, n: int) -> None:
        r"""Raises a `ValueError` unless a later batch of `n` samples a process can be split."""
        try:
            self.check_batch_size(n)
        except ValueError as error:
            raise ValueError(
                f"A batch of {n} samples, such as the last of an epoch, should be left out by "
                f"drop_last=True of the DataLoader: {error}"
            ) from error

    def check_last_batch(self, loader: DataLoader) -> None:
        r"""Checks the last batch of an epoch, which may be smaller, before it is read.

        Raises:
            ValueError: If the batch will be read, and can not be split.
        """
        known = loader.batch_size is not None and not isinstance(loader.dataset, IterableDataset)
        if not known or loader.drop_last or self.trainer.num_training_batches < len(loader):
            return
        if last := len(loader.sampler) % loader.batch_size:
            self.check_length(last)

    def check_processes(self, n: int) -> None:
        r"""Checks that all processes have one seed and batches of one size.

        Arguments:
            n: The number of samples of this process.

        Raises:
            ValueError: If they do not.
        """
        own = torch.tensor([n, self.seed % 2**62], device=self.device)
        lengths, seeds = self.all_gather(own).unbind(1)
        if len(seeds.unique()) > 1:
            raise ValueError(
                "All processes should have one seed: call lightning.seed_everything(seed) before "
                "the model is constructed."
            )
        if len(lengths.unique()) > 1:
            raise ValueError(
                f"The batches of all processes should have one size, got {lengths.tolist()}: give "
                "the DataLoader drop_last=True."
            )

    def check_shares(self, loader: DataLoader, y: Tensor) -> None:
        r"""Checks that the processes read different samples. Warns of samples that are repeated.

        Arguments:
            loader: The loader of this process.
            y: Its first batch, with shape :math:`(B, *)`.

        Raises:
            ValueError: If two processes read the same batch.
        """
        batches = self.all_gather(y) if self.world_size > 1 else [y]
        if any(torch.equal(batches[0], other) for other in batches[1:]):
            raise ValueError(
                "Each process should read its own samples, and two read the same: leave the "
                "trainer's use_distributed_sampler true, shard an IterableDataset by rank, or use "
                "energy_gans.data.FromDataset."
            )
        sampler = loader.sampler
        if isinstance(sampler, DistributedSampler) and sampler.total_size > len(sampler.dataset):
            rank_zero_warn(
                f"{sampler.num_replicas} processes can not share {len(sampler.dataset)} samples "
                "equally, so each epoch repeats some: energy_gans.data.FromDataset repeats none."
            )

    def configure_callbacks(self) -> list[Callback]:
        known = any(isinstance(c, _CollationErrors) for c in self.trainer.callbacks)
        return [] if known or self.trainer.datamodule is not None else [_CollationErrors()]


class _CollationErrors(Callback):
    r"""Says what to do if a `DataLoader` can not make a batch of the items of its data set."""

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if "_utils/collate.py" not in "".join(traceback.format_exception(exception)):
            return
        text = str(exception)
        if "stack expects" in text or "resize storage" in text:
            exception.args = (
                "The DataLoader can not stack samples of different shapes: crop or resize images "
                "in the data set's transform, or pass PIL images by "
                "energy_gans.data.FromDataset(dataset, size=32).",
            )
        elif "found <class" in text:
            found = text.rpartition("found <class '")[2].partition("'")[0]
            exception.args = (
                f"The DataLoader can not stack items of {found}: convert images to tensors in the "
                "data set's transform, for example by torchvision.transforms.v2.PILToTensor(), or "
                "pass the data set as energy_gans.data.FromDataset(dataset).",
            )
