r"""What data modules of images share: few-sample runs, horizontal flips and sizes.

Which images of a global batch are flipped is a function of (seed, step), and each process flips
the images it reads, on its device. Like the order, flips need no saved state and are the same for
any number of processes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from ..checks import check_count
from ..functional import keyed_generator
from .base import Batch, TensorDataModule


class ImageDataModule(TensorDataModule):
    r"""Base class of data modules of images.

    Arguments:
        batch_size: The size of the global batch of a training step, over all processes.
        limit: The number of training images: the first ones of the set are used; `None` for all.
        repeat: How often an epoch contains each training image, so that few images fill a batch.
        flip: Whether training images are flipped horizontally, each with probability 1/2.

    Raises:
        ValueError: If `batch_size`, `limit` or `repeat` is not positive.
    """

    def __init__(
        self,
        batch_size: int = 128,
        limit: int | None = None,
        repeat: int = 1,
        flip: bool = False,
    ) -> None:
        super().__init__(batch_size)
        if limit is not None:
            check_count("limit", limit)
        check_count("repeat", repeat)
        self.limit, self.repeat, self.flip = limit, repeat, flip

    def length(self, split: str) -> int:
        r"""Returns the number of images in a split; for training images, at most `limit`.

        Raises:
            ValueError: If the training set has fewer images than `limit`.
        """
        n = super().length(split)
        if split != "train" or self.limit is None:
            return n
        if self.limit > n:
            raise ValueError(
                f"'limit' should be at most the number of training images, {n}, got {self.limit}."
            )
        return self.limit

    def flip_mask(self) -> Tensor:
        r"""Returns which images of this process are flipped in the current step.

        Returns:
            The mask, booleans, with shape :math:`(B)`.
        """
        rank, world_size = self.processes()
        random = keyed_generator(self.seed, "flip", self.step())
        return (torch.rand(self.batch_size, generator=random) < 0.5)[rank::world_size]

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        y, label = batch
        if self.flip and self.trainer is not None and self.trainer.training:
            # Selecting each image from the batch or its mirror image is much faster than
            # torch.where.
            i = torch.arange(len(y)) + len(y) * self.flip_mask()
            y = torch.cat([y, y.flip(-1)]).index_select(0, i.to(y.device, non_blocking=True))
        return super().on_after_batch_transfer((y, label), dataloader_idx)


def image_shape(data: object, reader: str) -> tuple[int, ...]:
    r"""Returns the shape of a data module's images.

    Arguments:
        data: The data module, or `None` if a trainer was given loaders.
        reader: What reads the images, for errors.

    Raises:
        ValueError: If there is no data module with a `shape`, or its samples are no images.
    """
    if not hasattr(data, "shape"):
        raise ValueError(
            f"{reader} needs a data module with a shape, got "
            f"{'loaders' if data is None else type(data).__name__}: pass the data set as "
            "datamodule=energy_gans.data.FromDataset(dataset)."
        )
    if len(data.shape) != 3:
        raise ValueError(f"{reader} measures images, got samples of shape {data.shape}.")
    return tuple(data.shape)


def pad_to(y: Tensor, size: int) -> Tensor:
    r"""Pads images with zeros, equally on all sides.

    Arguments:
        y: The images as uint8, with shape :math:`(N, C, H, H)`.
        size: The width and height of the result, :math:`S`.

    Returns:
        The images, uint8, with shape :math:`(N, C, S, S)`.

    Raises:
        ValueError: If `size` is smaller than the images, or larger by an odd number of pixels.
    """
    margin = size - y.shape[-1]
    if margin < 0 or margin % 2 != 0:
        raise ValueError(
            f"'size' should be {y.shape[-1]} or larger by an even number of pixels, got {size}."
        )
    return torch.nn.functional.pad(y, [margin // 2] * 4)


def resize_to(y: Tensor, size: int) -> Tensor:
    r"""Resizes images by antialiased bilinear interpolation.

    Arguments:
        y: The images as uint8, with shape :math:`(N, C, H, H)`.
        size: The width and height of the result, :math:`S`.

    Returns:
        The images, uint8, with shape :math:`(N, C, S, S)`.
    """
    if size == y.shape[-1]:
        return y
    out = y.new_empty(*y.shape[:2], size, size)
    # In parts, since interpolating all images at once takes many times their memory.
    for part, images in zip(out.split(1000), y.split(1000), strict=True):
        part.copy_(resize(images, [size, size], antialias=True))
    return out
