r"""The source of each data set: the files it accepts, and how it reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from .cifar import cifar_classes, load_cifar
from .folders import Labels, folder_layout
from .parquet import parquet_files, parquet_source
from .picture_files import celeba_layout, file_source, tiny_imagenet_layout
from .records import TEST_IS_VAL, Record, Source
from .svhn import FILES, load_svhn

# For CIFAR and SVHN, which have a test set of their own: used only if it is missing.
HOLD_OUT = 20
_FOLDER_LAYOUT = "pictures {train,val}/<class>/*.jpg, <class>/*.jpg or *.jpg (or PNG, WebP)"


def celeba_source(path: Path, hold_out: int) -> Source:
    r"""Returns the source of CelebA's aligned faces.

    Arguments:
        path: `img_align_celeba.zip`, or the folder, archive or parquet shards of `000001.jpg` to
            `202599.jpg`.
        hold_out: One in `hold_out` images is held out if there are only training images.
    """
    if parquet_files(path):
        return parquet_source(path, hold_out, labelled=False, celeba=True)
    looked_for = "pictures 000001.jpg to 202599.jpg (img_align_celeba.zip, or its folder)"
    return file_source(path, celeba_layout, looked_for, hold_out)


def tiny_imagenet_source(path: Path, hold_out: int) -> Source:
    r"""Returns the source of Tiny ImageNet's training and validation images.

    Arguments:
        path: `tiny-imagenet-200.zip`, its folder, or parquet shards.
        hold_out: One in `hold_out` images is held out if there are only training images.
    """
    if parquet_files(path):
        return parquet_source(path, hold_out)
    looked_for = "pictures train/<wnid>/images/*.JPEG (tiny-imagenet-200.zip, or its folder)"
    return file_source(path, tiny_imagenet_layout, looked_for, hold_out)


def folder_source(path: Path, hold_out: int, labels: Labels = "first") -> Source:
    r"""Returns the source of pictures in folders.

    Arguments:
        path: A folder or archive of `{train,val,test}/<class>/*`, `<class>/*` or `*`, or parquet
            shards.
        hold_out: One in `hold_out` images is held out if there is no held-out split.
        labels: Which folder is a picture's class, as in :func:`.folders.folder_layout`. For
            shards, `"none"` ignores the column of labels.
    """
    layout = folder_layout(labels)
    if parquet_files(path):
        source = parquet_source(path, hold_out, labelled=labels != "none")
    else:
        source = file_source(path, layout, _FOLDER_LAYOUT, hold_out)
    return replace(source, options={"labels": labels})


def cifar_source(path: Path, classes: int) -> Source:
    r"""Returns the source of CIFAR-10 or CIFAR-100.

    Arguments:
        path: The original folder or archive of batches, a folder that holds one, pictures in
            `{train,test}/<class>`, or parquet shards.
        classes: 10 or 100.
    """
    if parquet_files(path):
        return parquet_source(path, HOLD_OUT)
    try:
        sets = {split: load_cifar(path, split, classes) for split in ("train", "val")}
    except FileNotFoundError as error:
        return _pictures_source(path, error)
    return _array_source("batches", sets, cifar_classes(path, classes))


def svhn_source(path: Path) -> Source:
    r"""Returns the source of SVHN's cropped digits.

    Arguments:
        path: The folder of `train_32x32.mat` and `test_32x32.mat`, pictures in
            `{train,test}/<class>`, or parquet shards.
    """
    if not any((path / file).is_file() for file in FILES.values()):
        named = " and ".join(FILES.values())
        return _pictures_source(path, FileNotFoundError(f"{str(path)!r} should hold {named}."))
    sets = {split: load_svhn(path, split) for split in FILES}
    return _array_source("mat", sets, [str(i) for i in range(10)])


def _pictures_source(path: Path, error: FileNotFoundError) -> Source:
    r"""Returns the source of pictures in folders, for a set whose original files are missing.

    Arguments:
        path: The folder or archive.
        error: The error about the original files.

    Raises:
        FileNotFoundError: If there are no pictures either.
    """
    try:
        return folder_source(path, HOLD_OUT)
    except (FileNotFoundError, ValueError) as no_pictures:
        raise FileNotFoundError(
            f"'source' = {str(error).rstrip('.')}, or pictures {{train,test}}/<class>/*.jpg, or "
            f"parquet shards. ({no_pictures})"
        ) from error


def _array_source(kind: str, sets: dict[str, tuple[Tensor, Tensor]], classes: list[str]) -> Source:
    r"""Returns the source of images in memory.

    Arguments:
        kind: The kind of the source, for the manifest.
        sets: The images, uint8 with shape :math:`(N, 3, H, W)`, and the labels of each split.
        classes: The names of the classes.
    """
    splits = [split for split, (images, _) in sets.items() for _ in images]
    return Source(kind, splits, TEST_IS_VAL, classes, _array_records(sets))


def _array_records(sets: dict[str, tuple[Tensor, Tensor]]) -> Iterator[Record]:
    r"""Yields the records of images in memory, split by split."""
    for split, (images, labels) in sets.items():
        pixels = np.ascontiguousarray(images.numpy().transpose(0, 2, 3, 1))
        for i, (image, label) in enumerate(zip(pixels, labels.tolist(), strict=True)):
            yield Record(f"{split} {i}", split, label, image)
