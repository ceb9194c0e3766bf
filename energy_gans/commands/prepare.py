r"""`energy-gans data prepare` and `energy-gans data verify`: one command for each data set.

A prepared set holds the images decoded, cropped and resized, in files that training opens without
reading them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..data.prepared import sources
from ..data.prepared.pipeline import Pipeline
from ..data.prepared.preprocessing import Crop, Preprocessing
from ..data.prepared.reader import verify as verify_set
from ..data.prepared.sources import Labels
from ..data.prepared.sources.text import file_source
from ..data.prepared.text import TextPipeline
from .prepared_sets import PreparedSet, PreparedText, VerifiedSet


def celeba(
    source: str | os.PathLike,
    out: str | os.PathLike,
    size: int = 64,
    crop: Crop = "rows",
    hold_out: int = 20,
    **kwargs: Any,
) -> PreparedSet:
    r"""Prepares CelebA: the aligned faces, in the official partition.

    Arguments:
        source: img_align_celeba.zip, or the folder, archive or parquet shards of 000001.jpg to
            202599.jpg.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        crop: rows (20:-20, then 178x178: VAPO), center140 (VAPO's code), face (108x108: GGCN,
            Coulomb GAN) or none (stretched: EIEG).
        hold_out: One in this many images of each class is held out, if there are only training
            images.
        kwargs: The other arguments of :class:`Pipeline`.

    Returns:
        The folder of the set, its manifest, and how training reads it.

    Raises:
        ValueError: If the source has another layout, or an argument is out of its range.
        OSError: If a file can not be read or written.
    """
    pipeline = Pipeline("celeba", str(source), str(out), Preprocessing(size, crop), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.celeba_source(path, hold_out))
    return _prepared(out, manifest, "CelebA", crop=crop)


def lsun(
    source: str | os.PathLike,
    out: str | os.PathLike,
    size: int = 64,
    category: str | None = None,
    crop: Crop = "square",
    hold_out: int = 20,
    **kwargs: Any,
) -> PreparedSet:
    r"""Prepares one category of LSUN.

    Arguments:
        source: The folder that holds CATEGORY_train_lmdb and CATEGORY_val_lmdb, or their .zip, or
            one of those, or pictures or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        category: The category, if `source` holds several or does not say.
        crop: square (the centre of the shorter side) or none (stretched).
        hold_out: One in this many images of each class is held out, if there are only training
            images.
        kwargs: The other arguments of :class:`Pipeline`.

    Returns:
        The folder of the set, its manifest, and how training reads it.

    Raises:
        ValueError: If the source has another layout, or an argument is out of its range.
        OSError: If a file can not be read or written.
    """
    pipeline = Pipeline("lsun", str(source), str(out), Preprocessing(size, crop), **kwargs)
    manifest = pipeline.run(
        lambda path, scratch: sources.lsun_source(path, category, hold_out, scratch)
    )
    return _prepared(out, manifest, "LSUN", category=manifest["classes"][0], crop=crop)


def tinyimagenet(
    source: str | os.PathLike,
    out: str | os.PathLike,
    size: int = 64,
    hold_out: int = 20,
    **kwargs: Any,
) -> PreparedSet:
    r"""Prepares Tiny ImageNet, with the labels of its 200 classes.

    Arguments:
        source: tiny-imagenet-200.zip, its folder, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        hold_out: One in this many images of each class is held out, if there are only training
            images.
        kwargs: The other arguments of :class:`Pipeline`.

    Returns:
        The folder of the set, its manifest, and how training reads it.

    Raises:
        ValueError: If the source has another layout, or an argument is out of its range.
        OSError: If a file can not be read or written.
    """
    pipeline = Pipeline(
        "tinyimagenet", str(source), str(out), Preprocessing(size, "none"), **kwargs
    )
    manifest = pipeline.run(lambda path, _: sources.tiny_imagenet_source(path, hold_out))
    return _prepared(out, manifest, "TinyImageNet")


def folder(
    source: str | os.PathLike,
    out: str | os.PathLike,
    size: int = 64,
    crop: Crop = "square",
    labels: Labels = "first",
    hold_out: int = 20,
    **kwargs: Any,
) -> PreparedSet:
    r"""Prepares your own pictures.

    Arguments:
        source: A folder, zip or tar of {train,val,test}/CLASS/*.jpg, CLASS/*.jpg or *.jpg (or PNG,
            WebP), or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        crop: square (the centre of the shorter side), none (stretched), or one of CelebA's.
        labels: The class of a picture: the first folder, within the split's if there is one; the
            last, which holds the picture; or none.
        hold_out: One in this many images of each class is held out, if there is no held-out split.
        kwargs: The other arguments of :class:`Pipeline`.

    Returns:
        The folder of the set, its manifest, and how training reads it.

    Raises:
        ValueError: If the source has another layout, or an argument is out of its range.
        OSError: If a file can not be read or written.
    """
    pipeline = Pipeline("folder", str(source), str(out), Preprocessing(size, crop), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.folder_source(path, hold_out, labels))
    return _prepared(out, manifest, "ImageFolder")


def cifar10(
    source: str | os.PathLike, out: str | os.PathLike, size: int = 32, **kwargs: Any
) -> PreparedSet:
    r"""Prepares CIFAR-10; its test set is held out.

    Arguments:
        source: cifar-10-python.tar.gz, cifar-10-binary.tar.gz, their folders, pictures in
            {train,test}/CLASS, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        kwargs: The other arguments of :class:`Pipeline`.

    Returns:
        The folder of the set, its manifest, and how training reads it.

    Raises:
        ValueError: If the source has another layout, or an argument is out of its range.
        OSError: If a file can not be read or written.
    """
    pipeline = Pipeline("cifar10", str(source), str(out), Preprocessing(size, "none"), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.cifar_source(path, 10))
    return _prepared(out, manifest, "CIFAR10")


def cifar100(
    source: str | os.PathLike, out: str | os.PathLike, size: int = 32, **kwargs: Any
) -> PreparedSet:
    r"""Prepares CIFAR-100 with its fine labels; its test set is held out.

    Arguments:
        source: cifar-100-python.tar.gz, cifar-100-binary.tar.gz, their folders, pictures in
            {train,test}/CLASS, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        kwargs: The other arguments of :class:`Pipeline`.

    Returns:
        The folder of the set, its manifest, and how training reads it.

    Raises:
        ValueError: If the source has another layout, or an argument is out of its range.
        OSError: If a file can not be read or written.
    """
    pipeline = Pipeline("cifar100", str(source), str(out), Preprocessing(size, "none"), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.cifar_source(path, 100))
    return _prepared(out, manifest, "CIFAR100")


def svhn(
    source: str | os.PathLike, out: str | os.PathLike, size: int = 32, **kwargs: Any
) -> PreparedSet:
    r"""Prepares SVHN's cropped digits; its test set is held out.

    Arguments:
        source: The folder of train_32x32.mat and test_32x32.mat, pictures in {train,test}/CLASS,
            or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        kwargs: The other arguments of :class:`Pipeline`.

    Returns:
        The folder of the set, its manifest, and how training reads it.

    Raises:
        ValueError: If the source has another layout, or an argument is out of its range.
        OSError: If a file can not be read or written.
    """
    pipeline = Pipeline("svhn", str(source), str(out), Preprocessing(size, "none"), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.svhn_source(path))
    return _prepared(out, manifest, "SVHN")


def text(
    source: str | os.PathLike,
    out: str | os.PathLike,
    length: int = 32,
    symbols: int = 128,
    characters: str | None = None,
    hold_out: int = 20,
    overwrite: bool = False,
) -> PreparedText:
    r"""Prepares lines of text, one sample a line.

    Arguments:
        source: A text file in UTF-8, a .gz file, or a folder of such files, such as the shards of
            Billion Word.
        out: The folder of the prepared set.
        length: The number of characters of a line; longer lines are cut, shorter ones padded.
        symbols: The number of symbols, from 3 to 256, two of which are padding and unknown
            characters.
        characters: The characters of the vocabulary; by default the most frequent ones.
        hold_out: One in this many lines is held out, by the contents of the line.
        overwrite: Whether a prepared set in `out` may be replaced.

    Returns:
        The folder of the set, its manifest, and how training reads it.

    Raises:
        ValueError: If the source is no text that can be used, or an argument is out of its range.
        OSError: If a file can not be read or written.
    """
    lines = file_source(Path(source), length, symbols, characters, hold_out)
    manifest = TextPipeline(str(source), str(out), overwrite).run(lines)
    return PreparedText(Path(out), manifest)


def verify(root: str | os.PathLike) -> VerifiedSet:
    r"""Checks a prepared set against the checksums in its manifest.

    Arguments:
        root: The folder of the prepared set.

    Returns:
        The folder of the set and its manifest.

    Raises:
        ValueError: If a byte differs.
    """
    return VerifiedSet(Path(root), verify_set(Path(root)))


def _prepared(
    out: str | os.PathLike, manifest: dict[str, Any], module: str, **arguments: Any
) -> PreparedSet:
    r"""Returns the result of a preparation.

    Arguments:
        out: The folder of the set.
        manifest: The manifest of the set.
        module: The name of the data module that reads the set.
        arguments: The data module's arguments besides `root` and `size`.
    """
    size = manifest["preprocessing"]["size"]
    return PreparedSet(Path(out), manifest, module, {"root": str(out), **arguments, "size": size})
