r"""Folders of images, read from disk by workers: for sets that do not fit in memory."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets
from torchvision.transforms import v2

from .base import Batch, StepOrder, TensorDataModule


class FolderLoader:
    r"""Creates a loader of images whose batches follow an order of indices.

    Arguments:
        data: The set of images and labels.
        order: The batches' indices.
        num_workers: The number of processes that read.
    """

    def __init__(
        self, data: Dataset, order: StepOrder | list[Tensor], num_workers: int = 0
    ) -> None:
        self.data, self.order, self.num_workers = data, order, num_workers

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        # Lightning leaves a loader that is no DataLoader alone: the order is already that of its
        # process, and a function of the step.
        batches = [i.tolist() for i in self.order]
        loader = DataLoader(
            self.data,
            batch_sampler=batches,
            num_workers=self.num_workers,
            worker_init_fn=ignore_interrupts,
        )
        return iter(loader)


def ignore_interrupts(worker: int) -> None:
    r"""Leaves Ctrl-C, which reaches every process, to the one that trains: it finishes its step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class ImageFolder(TensorDataModule):
    r"""Creates a data module of image files, one folder a class, read as they are needed.

    Images are resized until their shorter side fits, cropped to the centre square, and given in
    [-1, 1].

    Arguments:
        root: The folder that holds `train/<class>/*.jpg` and `val/<class>/*.jpg` (or PNG, WebP).
        size: The width and height of the images, in pixels.
        batch_size: The size of the global batch of a training step.
        num_workers: The number of processes that read.

    Raises:
        FileNotFoundError: If a folder is missing or holds no images.
    """

    def __init__(
        self, root: str, size: int = 64, batch_size: int = 128, num_workers: int = 4
    ) -> None:
        super().__init__(batch_size)
        self.root, self.size, self.num_workers = Path(root), size, num_workers
        self.folders: dict[str, datasets.ImageFolder] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.size, self.size)

    def transform(self) -> Callable:
        r"""Returns the transform from a file's image to a uint8 tensor, with shape :math:`(3, S, S)`."""
        return v2.Compose(
            [v2.PILToTensor(), v2.Resize(self.size, antialias=True), v2.CenterCrop(self.size)]
        )

    def setup(self, stage: str | None = None) -> None:
        for split in ("train", "val"):
            try:
                self.folders[split] = datasets.ImageFolder(self.root / split, self.transform())
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f"'data.init_args.root' = {str(self.root)!r} should hold "
                    f"{split}/<class>/*.jpg: {error}"
                ) from error

    def train_dataloader(self) -> FolderLoader:
        data = self.folders["train"]
        return FolderLoader(data, self.step_order(len(data)), self.num_workers)

    def val_dataloader(self) -> FolderLoader:
        data = self.folders["val"]
        return FolderLoader(data, self.held_out_order(len(data)), self.num_workers)
