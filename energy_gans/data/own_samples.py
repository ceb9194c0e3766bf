r"""The samples of a user's tensors or data set, as uint8 images or floats in [-1, 1]."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from PIL import Image
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    default_collate,
)

from ..batch_formats import check_values, scale, split_labels
from ..functional import fold
from .base import Batch
from .batches import StepOrder
from .prepared.preprocessing import Preprocessing

# The index of a sample, and the seed of its random transforms.
Key = tuple[int, int]


def seeded_keys(order: Iterable[Tensor]) -> Iterator[list[Key]]:
    r"""Yields the keys of the samples in each batch.

    In training, a seed is a function of the run's seed, of the step, and of the sample's place in
    the global batch. Elsewhere, it is a function of the index.

    Arguments:
        order: The indices of the samples in each batch.
    """
    trains = isinstance(order, StepOrder)
    for step, batch in enumerate(order, order.step() if trains else 0):
        if trains:
            places = range(order.rank, order.batch_size, order.world_size)
            seeds = [fold(order.seed, "sample", step, place) for place in places]
        else:
            seeds = [fold(0, "sample", i) for i in batch.tolist()]
        yield list(zip(batch.tolist(), seeds, strict=True))


def source_of(name: str, data: Any) -> Any:
    r"""Returns data as a data set with a length: tensors and arrays as a `TensorDataset`.

    Arguments:
        name: The name of the argument, for errors.
        data: Tensors, arrays, a pair of them, or a data set.

    Raises:
        ValueError: If the data are none of these.
    """
    if isinstance(data, (Tensor, np.ndarray)):
        data = (data,)
    elif isinstance(data, TensorDataset):
        data = data.tensors
    if isinstance(data, tuple) and data and isinstance(data[0], (Tensor, np.ndarray)):
        return _tensor_dataset(name, data)
    if (remedy := _remedy(name, data)) is not None:
        raise ValueError(
            f"{name!r} should be a tensor, an array, a pair (samples, labels) or a data set with "
            f"a length, got {type(data).__name__}: {remedy}."
        )
    if len(data) == 0:
        raise ValueError(f"{name!r} should hold at least one sample, got none.")
    return data


def _tensor_dataset(name: str, parts: tuple[Any, ...]) -> TensorDataset:
    r"""Returns samples and labels as a data set.

    Raises:
        ValueError: If there are other parts, or the numbers of samples and labels differ.
    """
    with warnings.catch_warnings():
        # Samples are never written to.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        tensors = [torch.as_tensor(part) for part in parts]
    lengths = [len(tensor) if tensor.ndim else 0 for tensor in tensors]
    if len(tensors) > 2 or min(lengths) == 0 or len(set(lengths)) > 1:
        raise ValueError(
            f"{name!r} should be samples, or samples and as many labels, got tensors of shapes "
            f"{', '.join(str(tuple(tensor.shape)) for tensor in tensors)}."
        )
    return TensorDataset(*tensors)


def _remedy(name: str, data: Any) -> str | None:
    r"""Returns what a user can do about data that are no data set with a length, or `None`."""
    if isinstance(data, DataLoader):
        return f"pass {name}.dataset, or use energy_gans.data.FromLoader"
    if isinstance(data, (str, Path)):
        return "energy_gans.data.ImageFolder reads a folder"
    if isinstance(data, Mapping):
        return f"choose one of its parts, {', '.join(map(repr, data))}"
    sized = hasattr(data, "__len__") and hasattr(data, "__getitem__")
    if not sized or isinstance(data, IterableDataset):
        return "energy_gans.data.FromLoader reads a DataLoader of such data"
    return None


class TensorSamples:
    r"""Rows of a tensor, indexed by index tensors.

    Arguments:
        y: The tensor, with shape :math:`(N, *)`.
        rows: The indices of the rows.
        value_range: The values that become -1 and 1, or `None`.

    Raises:
        ValueError: If :func:`check_values` refuses the tensor.
    """

    def __init__(
        self, y: Tensor, rows: Tensor, value_range: tuple[float, float] | None = None
    ) -> None:
        check_values(y, value_range)
        self.y, self.rows, self.value_range = y, rows, value_range

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        r"""The shape of one sample."""
        return tuple(self.y.shape[1:])

    def __getitem__(self, i: Tensor) -> Tensor:
        return scale(self.y[self.rows[i]], self.value_range)


class DatasetSamples(Dataset):
    r"""Samples of a data set, indexed by lists of keys, of :func:`seeded_keys`.

    If a sample can not be used, the error is returned instead of raised: the process that trains
    raises it without the traceback of a worker process.

    Arguments:
        source: The data set.
        rows: The indices of the samples in the data set.
        value_range: The values that become -1 and 1, or `None`.
        keys: The keys of the samples and of the labels in dictionaries, or `None` for known keys.
        decoding: The map from a picture to its pixels, or `None`.
    """

    def __init__(
        self,
        source: Any,
        rows: Tensor,
        value_range: tuple[float, float] | None = None,
        keys: tuple[str | None, str | None] = (None, None),
        decoding: Preprocessing | None = None,
    ) -> None:
        self.source, self.rows, self.value_range = source, rows, value_range
        self.keys, self.decoding = keys, decoding

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        r"""The shape of one sample, which reads the first."""
        y, _ = self.batch(self.items([(0, 0)]))
        return tuple(y.shape[1:])

    def __getitem__(self, keys: list[Key]) -> Batch | ValueError:
        # A batch without samples has their shape.
        items = self.items(keys or [(0, 0)])
        try:
            y, label = self.batch(items)
        except ValueError as error:
            return error
        return (y, label) if keys else (y[:0], None)

    def items(self, keys: Sequence[Key]) -> list[tuple[int, Any]]:
        r"""Returns the items of the data set with their indices there."""
        found = []
        with isolate_rng(include_cuda=False):
            for i, seed in keys:
                # Transforms draw from any of these.
                torch.default_generator.manual_seed(seed)
                np.random.seed(seed % 2**32)  # noqa: NPY002
                random.seed(seed)
                row = int(self.rows[i])
                found.append((row, self.source[row]))
        return found

    def batch(self, items: Sequence[tuple[int, Any]]) -> Batch:
        r"""Returns the samples of items as one tensor, and their labels.

        Raises:
            ValueError: If a sample can not be used, or samples differ in shape or type.
        """
        pairs = [split_labels(item, *self.keys) for _, item in items]
        samples = [_to_tensor(sample, self.decoding) for sample, _ in pairs]
        first = samples[0]
        for (row, _), sample in zip(items, samples, strict=True):
            if sample.shape != first.shape or sample.dtype != first.dtype:
                raise ValueError(
                    "The samples of a data set should have one shape and type, got "
                    f"{_describe(first)} of sample {items[0][0]} and {_describe(sample)} of "
                    f"sample {row}: 'size' makes PIL images of one size, in RGB."
                )
        y = torch.stack(samples)
        check_values(y, self.value_range)
        return scale(y, self.value_range), _stack_labels([label for _, label in pairs])


def _to_tensor(sample: Any, decoding: Preprocessing | None) -> Tensor:
    r"""Returns a sample as a tensor, images as uint8 with shape :math:`(C, H, W)`.

    Arguments:
        sample: A tensor, an array, a list of numbers, or a PIL image.
        decoding: The map from a picture to its pixels, or `None`.

    Raises:
        ValueError: If the sample is none of these, or an image of other colours than RGB and grey.
    """
    if isinstance(sample, Image.Image):
        if decoding is not None:
            return torch.from_numpy(decoding(sample))
        if sample.mode not in ("L", "RGB"):
            raise ValueError(
                f"PIL images should have mode 'RGB' or 'L', got {sample.mode!r}: 'size' makes "
                "images RGB, as image.convert('RGB') in the data set does."
            )
        pixels = torch.from_numpy(np.array(sample))
        return pixels[None] if sample.mode == "L" else pixels.permute(2, 0, 1)
    if decoding is not None:
        raise ValueError(
            f"'size' should be left out for samples that are no PIL images, got {decoding.size} "
            f"and {type(sample).__name__}: resize samples in the data set's transform."
        )
    if isinstance(sample, np.ndarray):
        sample = np.array(sample)  # torch takes no array that is read-only or reversed.
    try:
        return torch.as_tensor(sample)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            "A sample of a data set should be a tensor, an array or a PIL image, got "
            f"{type(sample).__name__}."
        ) from error


def _stack_labels(labels: list[Any]) -> Any:
    r"""Returns labels as a tensor, or as a list if they are no numbers; `None` without labels."""
    if all(label is None for label in labels):
        return None
    try:
        return default_collate(labels)
    except (TypeError, RuntimeError, KeyError):
        return labels


def _describe(y: Tensor) -> str:
    r"""Returns the shape and the type of a tensor as text."""
    return f"{tuple(y.shape)} {str(y.dtype).removeprefix('torch.')}"
