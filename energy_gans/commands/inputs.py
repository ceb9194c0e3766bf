r"""Samples to be measured: of a model, or of any program in a folder, a file or an array.

Samples are read in batches by number, so that processes can share them, pictures can read a few
again, and memory never holds more than a batch. The order of samples is random, and so is the
choice if only some of them are measured. Samples that were written class by class are thus mixed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..data.prepared.preprocessing import decode
from ..data.prepared.reader import file_digest
from ..data.prepared.sources.containers import Folder
from ..data.prepared.sources.limits import LARGEST, read_regular
from ..data.prepared.sources.picture_files import picture_names
from ..functional import keyed_generator, keyed_subset
from ..methods import GenerativeModule
from ..metrics.features.fingerprint import fingerprint
from ..metrics.images import to_uint8
from ..metrics.reference import MEASURE_BATCH
from ..storage.arrays import TensorImages, open_array
from .models import model_origin

Convert = Literal["grey", "rgb"]
# Images: a folder of pictures, a file of an array, or in Python an array itself.
Images = str | os.PathLike | Tensor | np.ndarray
# The weights of red, green and blue in the luma of ITU-R BT.601, times 2^16 as in Pillow.
LUMA = (19595, 38470, 7471)


class Samples:
    r"""Samples in batches of 100.

    Subclasses implement :meth:`images` and :meth:`origin`.

    Arguments:
        n: The number of samples.
        convert: The colours to convert the samples to, `"grey"` or `"rgb"`, or `None`.
    """

    def __init__(self, n: int, convert: Convert | None = None) -> None:
        self.n, self.convert = n, convert
        self.places = _random_order(n, n)

    def __len__(self) -> int:
        return -(-self.n // MEASURE_BATCH)

    def images(self, j: int) -> Tensor:
        r"""Returns batch `j` before conversion, uint8, with shape :math:`(B, C, H, W)`."""
        raise NotImplementedError

    def batch(self, j: int) -> Tensor:
        r"""Returns batch `j`, uint8, with shape :math:`(B, C, H, W)`."""
        return _convert_channels(self.images(j), self.convert)

    def origin(self) -> dict[str, Any]:
        r"""Returns the origin of the samples, for a stamp."""
        raise NotImplementedError

    def share(self, rank: int, world_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        r"""Yields a process's share of the batches, with the indices of their samples."""
        for j in range(rank, len(self), world_size):
            yield self.batch(j), self.places[j * MEASURE_BATCH : (j + 1) * MEASURE_BATCH]

    def at(self, index: Tensor) -> Tensor:
        r"""Returns samples by index, with shape :math:`(N, C, H, W)`."""
        index = self.places.argsort()[index]
        batches = {j: self.batch(j) for j in sorted({i // MEASURE_BATCH for i in index.tolist()})}
        return torch.stack(
            [batches[i // MEASURE_BATCH][i % MEASURE_BATCH] for i in index.tolist()]
        )


class ModelSamples(Samples):
    r"""Samples of a model: a batch is a function of the seed and the number of the batch.

    Arguments:
        model: The model, on the device that computes.
        n: The number of samples.
        seed: The seed of the latents.
        path: The path of the model's checkpoint, or the model itself.
        convert: As for :class:`Samples`.
    """

    def __init__(
        self,
        model: GenerativeModule,
        n: int,
        seed: int,
        path: Path | GenerativeModule,
        convert: Convert | None = None,
    ) -> None:
        super().__init__(n, convert)
        self.model, self.seed, self.path = model, seed, path

    def images(self, j: int) -> Tensor:
        random = keyed_generator(self.seed, "evaluate", j, device=self.model.device)
        x = self.model.sample(MEASURE_BATCH, random=random)
        return to_uint8(x[: self.n - j * MEASURE_BATCH]).cpu()

    def origin(self) -> dict[str, Any]:
        return model_origin(self.path) | {"seed": self.seed}


class _FolderSamples(Samples):
    r"""The pictures in a folder, in the order of their names.

    Arguments:
        path: The folder, with its subfolders.
        n: The number of pictures, or `None` for all.
        channels: The number of channels of the data, 1 or 3.
        convert: As for :class:`Samples`.

    Raises:
        ValueError: If there are none, or fewer than `n`.
    """

    def __init__(
        self, path: Path, n: int | None, channels: int, convert: Convert | None = None
    ) -> None:
        self.path = path
        # Pictures are decoded as RGB; grey data needs one of the three equal channels.
        self.grey = channels == 1 and convert is None
        files = [path / name for name, _ in picture_names(Folder(path).names)]
        super().__init__(_sample_count(n, len(files), f"'samples' = {str(path)!r}"), convert)
        self.files = [files[i] for i in _random_order(len(files), self.n).sort().values]
        self.shape: tuple[int, ...] | None = None

    def images(self, j: int) -> Tensor:
        return torch.stack(
            [self.read(p) for p in self.files[j * MEASURE_BATCH : (j + 1) * MEASURE_BATCH]]
        )

    def read(self, path: Path) -> Tensor:
        r"""Returns a picture, with shape :math:`(C, H, W)`."""
        try:
            image = decode(read_regular(path, LARGEST))
        except ValueError as error:
            raise ValueError(f"The sample {path} can not be read: {error}.") from error
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        if self.grey:
            if not (x == x[:1]).all():
                raise ValueError(
                    f"The sample {path} has colours, and the data is grey: `evaluate` makes "
                    "samples grey with --convert grey."
                )
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


class _ArraySamples(Samples):
    r"""The samples in an `.npz`, `.npy` or `.pt` file, read a batch at a time, or in memory.

    A file holds one array or tensor, or one with the name `samples` (or `arr_0`). Elements are
    uint8, or floats in [-1, 1], the shape is :math:`(N, C, H, W)` or :math:`(N, H, W, C)`.

    Arguments:
        source: The file, or the array.
        n: The number of samples, or `None` for all.
        convert: As for :class:`Samples`.

    Raises:
        ValueError: If the file can not be read, or holds anything else, or fewer than `n` samples.
    """

    def __init__(
        self, source: Path | Tensor, n: int | None, convert: Convert | None = None
    ) -> None:
        self.source, self.name = source, "'samples'"
        if isinstance(source, Path):
            self.name += f" = {str(source)!r}"
            self.array = open_array(source)
        else:
            self.array = TensorImages(source, self.name)
        super().__init__(_sample_count(n, len(self.array), self.name), convert)
        self.taken = _random_order(len(self.array), self.n).sort().values

    def images(self, j: int) -> Tensor:
        x = self.array.rows(self.taken[j * MEASURE_BATCH : (j + 1) * MEASURE_BATCH].numpy())
        if j == 0 and x.is_floating_point() and x.min() >= 0:
            raise ValueError(
                f"{self.name} should hold uint8, or floats in [-1, 1], got "
                f"floats none of which is below 0, in [{x.min():.4g}, {x.max():.4g}]."
            )
        channels_last = x.shape[1] not in (1, 3) and x.shape[3] in (1, 3)
        try:
            return to_uint8(x.permute(0, 3, 1, 2) if channels_last else x).cpu()
        except ValueError as error:
            raise ValueError(f"{self.name} can not be used: {error}") from error

    def origin(self) -> dict[str, Any]:
        if isinstance(self.source, Path):
            return {"samples": str(self.source), "sha256": file_digest(self.source)}
        return {"samples": "an array in memory", "sha256": fingerprint(samples=self.source)}


def open_samples(
    images: Images, n: int | None, channels: int, convert: Convert | None = None
) -> Samples:
    r"""Returns samples: of a folder of pictures, an `.npz`, `.npy` or `.pt` file, or an array.

    Arguments:
        images: The folder, the file, or the array.
        n: The number of samples, or `None` for all.
        channels: The number of channels of the data.
        convert: As for :class:`Samples`.

    Raises:
        FileNotFoundError: If there is no such folder or file.
    """
    if isinstance(images, (Tensor, np.ndarray)):
        return _ArraySamples(torch.as_tensor(images), n, convert)
    place = Path(images)
    if place.is_dir():
        return _FolderSamples(place, n, channels, convert)
    if place.is_file():
        return _ArraySamples(place, n, convert)
    raise FileNotFoundError(
        "'samples' should be a folder of pictures or an .npz, .npy or .pt file, and "
        f"{str(images)!r} is neither."
    )


def _convert_channels(x: Tensor, convert: Convert | None) -> Tensor:
    r"""Returns images converted to grey by their luma, or to RGB by repetition.

    Arguments:
        x: The images, uint8, with shape :math:`(N, C, H, W)`.
        convert: `"grey"`, `"rgb"`, or `None` for no conversion.
    """
    if convert == "rgb":
        return x.expand(-1, 3, -1, -1)
    if convert == "grey" and x.shape[1] == 3:
        luma = sum(weight * x[:, i].int() for i, weight in enumerate(LUMA))
        return ((luma + 2**15) >> 16).to(torch.uint8)[:, None]
    return x


def _random_order(there: int, n: int) -> Tensor:
    r"""Returns `n` of the numbers below `there`, in a fixed random order."""
    return keyed_subset(there, n, 0, "samples")


def _sample_count(n: int | None, there: int, name: str) -> int:
    r"""Returns the number of samples to be measured, all if `n` is `None`.

    Arguments:
        n: The number that was asked for.
        there: The number that there is.
        name: The name of the samples in errors.

    Raises:
        ValueError: If there are none, or fewer than `n`.
    """
    if there == 0 or (n is not None and n > there):
        raise ValueError(f"{name} should hold {n or 'some'} samples, got {there}.")
    return n or there
