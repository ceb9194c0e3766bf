r"""Folders of images: prepared once, or read from disk by workers."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets
from torchvision.transforms import v2

from .base import Batch, Samples
from .stored import StoredImages


class FolderLoader:
    r"""Creates a loader of images whose batches follow an order of indices.

    Arguments:
        data: The set of images and labels.
        order: The batches' indices.
        num_workers: The number of processes that read.
    """

    def __init__(self, data: Dataset, order: Iterable[Tensor], num_workers: int = 0) -> None:
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


class ImageFolder(StoredImages):
    r"""Creates a data module of image files, one folder a class.

    `root` holds any prepared set, or the files themselves. These are read as they are needed,
    which takes far longer than training small networks on them: resized until their shorter side
    fits, cropped to the centre square.

    Arguments:
        root: The folder that holds a prepared set, or `train/<class>/*.jpg` and
            `val/<class>/*.jpg` (or PNG, WebP).
        size: The width and height of the images, in pixels.
        num_workers: The number of processes that read files.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: If a folder is missing or holds no images.
        ValueError: If a set was prepared at another size.
    """

    command = "folder"

    def __init__(self, root: str, size: int = 64, num_workers: int = 4, **kwargs: Any) -> None:
        super().__init__(root, size, **kwargs)
        self.num_workers = num_workers

    def transform(self) -> Callable:
        r"""Returns the transform from a file's image to a uint8 tensor, with shape :math:`(3, S, S)`."""
        return v2.Compose(
            [v2.PILToTensor(), v2.Resize(self.size, antialias=True), v2.CenterCrop(self.size)]
        )

    @property
    def classes(self) -> list[str]:
        return super().classes if self.manifest is not None else self.contents("train")[0].classes

    def read(self, split: str) -> Samples:
        try:
            files = datasets.ImageFolder(self.root / split, self.transform())
        except FileNotFoundError as error:
            out = Path(f"{self.root}_{self.size}")
            raise FileNotFoundError(
                f"'data.init_args.root' = {str(self.root)!r} should hold {split}/<class>/*.jpg, or "
                f"a prepared set, as {self.prepare('FOLDER', out)!r} makes one: {error}"
            ) from error
        return files, torch.tensor(files.targets)

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[Batch]:
        if self.manifest is not None:
            return super().loader(split, order)
        return FolderLoader(self.contents(split)[0], order, self.num_workers)

    def fingerprint(self, split: str) -> str:
        r"""Returns a SHA-256 of the files' names, sizes and times, and of what is done to them."""
        if self.manifest is not None:
            return super().fingerprint(split)
        digest = hashlib.sha256(f"centre square at {self.size}".encode())
        for path, label in self.contents(split)[0].samples[: self.length(split)]:
            found = Path(path).stat()
            name = Path(path).relative_to(self.root)
            digest.update(f"{name} {label} {found.st_size} {found.st_mtime_ns}\n".encode())
        return digest.hexdigest()
