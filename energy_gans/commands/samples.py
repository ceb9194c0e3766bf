r"""Samples to be measured: a checkpoint's, or what another program left in a folder or an array.

All are cut into the same batches, and a batch can be had again by its number: so processes share
them out, pictures look a few up again, and no more than a batch is ever held. Their places among all
are drawn at random, and so are those that are taken if not all are wanted: what looks at the first
samples only does not see the first classes of samples that were written class by class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.prepared import file_digest
from ..data.preprocessing import decode
from ..data.sources.containers import LARGEST, Folder
from ..data.sources.files import pictures
from ..data.sources.limits import read_regular
from ..functional import keyed_generator
from ..methods import GenerativeModule
from ..metrics.images import to_uint8
from .arrays import ImageArray

BATCH = 100


class Samples:
    r"""Creates a view of `n` samples in batches of 100.

    A kind of samples implements :meth:`batch` and :meth:`origin`.

    Arguments:
        n: The number of samples.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.places = shuffled(n, n)

    def __len__(self) -> int:
        return -(-self.n // BATCH)

    def batch(self, j: int) -> Tensor:
        r"""Returns the samples of a batch, uint8, with shape :math:`(B, C, H, W)`."""
        raise NotImplementedError

    def origin(self) -> dict[str, Any]:
        r"""Returns where the samples come from, for a stamp."""
        raise NotImplementedError

    def share(self, rank: int, world_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        r"""Yields a process's share of the batches, and its samples' places among all."""
        for j in range(rank, len(self), world_size):
            yield self.batch(j), self.places[j * BATCH : (j + 1) * BATCH]

    def at(self, index: Tensor) -> Tensor:
        r"""Returns the samples at some places, with shape :math:`(N, C, H, W)`."""
        index = self.places.argsort()[index]
        batches = {j: self.batch(j) for j in sorted({i // BATCH for i in index.tolist()})}
        return torch.stack([batches[i // BATCH][i % BATCH] for i in index.tolist()])


class ModelSamples(Samples):
    r"""Creates samples of a model: those of a batch are a function of the seed and its number.

    Arguments:
        model: The model, on the device that computes.
        n: The number of samples.
        seed: The seed of the latents.
        path: The path of its checkpoint.
    """

    def __init__(self, model: GenerativeModule, n: int, seed: int, path: Path) -> None:
        super().__init__(n)
        self.model, self.seed, self.path = model, seed, path

    def batch(self, j: int) -> Tensor:
        random = keyed_generator(self.seed, "evaluate", j, device=self.model.device)
        x = self.model.sample(BATCH, random=random)
        return to_uint8(x[: self.n - j * BATCH]).cpu()

    def origin(self) -> dict[str, Any]:
        return {"checkpoint": str(self.path), "sha256": file_digest(self.path), "seed": self.seed}


class FolderSamples(Samples):
    r"""Creates the pictures in a folder, in the order of their names.

    Arguments:
        path: The folder; its subfolders are looked through, too.
        n: How many of them, or `None` for all.
        channels: The number of channels of the data they are compared with, 1 or 3.

    Raises:
        ValueError: If there are none, or fewer than `n`.
    """

    def __init__(self, path: Path, n: int | None, channels: int) -> None:
        self.path, self.channels = path, channels
        files = [path / name for name, _ in pictures(Folder(path).names)]
        super().__init__(wanted(n, len(files), path))
        self.files = [files[i] for i in shuffled(len(files), self.n).sort().values]
        self.shape: tuple[int, ...] | None = None

    def batch(self, j: int) -> Tensor:
        return torch.stack([self.read(p) for p in self.files[j * BATCH : (j + 1) * BATCH]])

    def read(self, path: Path) -> Tensor:
        r"""Returns a picture, with shape :math:`(C, H, W)`."""
        try:
            image = decode(read_regular(path, LARGEST))
        except ValueError as error:
            raise ValueError(f"The sample {path} can not be read: {error}") from error
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        if self.channels == 1:
            if not (x == x[:1]).all():
                raise ValueError(f"The sample {path} has colours, and the data is grey.")
            x = x[:1]
        self.shape = self.shape or tuple(x.shape)
        if x.shape != self.shape:
            raise ValueError(
                f"The sample {path} has shape {tuple(x.shape)}, and the first one {self.shape}: "
                "samples should be of one shape."
            )
        return x

    def origin(self) -> dict[str, Any]:
        sums = "".join(f"{p.relative_to(self.path)} {file_digest(p)}\n" for p in self.files)
        return {"samples": str(self.path), "sha256": hashlib.sha256(sums.encode()).hexdigest()}


class ArraySamples(Samples):
    r"""Creates the samples in an array of an `.npz` file, read a batch at a time.

    The array is called `samples` or `arr_0` or is the only one, and holds uint8, or floats in
    [-1, 1], with shape :math:`(N, C, H, W)` or :math:`(N, H, W, C)`.

    Arguments:
        path: The file.
        n: How many of them, or `None` for all.

    Raises:
        ValueError: If the file can not be read, or holds something else, or fewer than `n`.
    """

    def __init__(self, path: Path, n: int | None) -> None:
        self.path, self.array = path, ImageArray(path)
        super().__init__(wanted(n, len(self.array), path))
        self.taken = shuffled(len(self.array), self.n).sort().values

    def batch(self, j: int) -> Tensor:
        x = torch.from_numpy(self.array.rows(self.taken[j * BATCH : (j + 1) * BATCH].numpy()))
        if j == 0 and x.is_floating_point() and x.min() >= 0:
            raise ValueError(
                f"'samples' = {str(self.path)!r} should hold uint8, or floats in [-1, 1], got floats "
                f"none of which is below 0, in [{x.min():.4g}, {x.max():.4g}]."
            )
        channels_last = x.shape[1] not in (1, 3) and x.shape[3] in (1, 3)
        return to_uint8(x.permute(0, 3, 1, 2) if channels_last else x)

    def origin(self) -> dict[str, Any]:
        return {"samples": str(self.path), "sha256": file_digest(self.path)}


def open_samples(path: str, n: int | None, channels: int) -> Samples:
    r"""Returns the samples in a folder of pictures or in an `.npz` file.

    Arguments:
        path: The folder or the file.
        n: How many of them, or `None` for all.
        channels: The number of channels of the data they are compared with.

    Raises:
        FileNotFoundError: If there is neither.
    """
    if Path(path).is_dir():
        return FolderSamples(Path(path), n, channels)
    if Path(path).is_file():
        return ArraySamples(Path(path), n)
    raise FileNotFoundError(
        f"'samples' should be a folder of pictures or an .npz file, and {path!r} is neither."
    )


def shuffled(there: int, n: int) -> Tensor:
    r"""Returns `n` of the numbers below another, in random order, the same ones always."""
    return torch.randperm(there, generator=keyed_generator(0, "samples"))[:n]


def wanted(n: int | None, there: int, path: Path) -> int:
    r"""Returns how many samples are taken of those that are there."""
    if there == 0 or (n is not None and n > there):
        raise ValueError(
            f"'samples' = {str(path)!r} should hold {n or 'some'} samples, got {there}."
        )
    return n or there
