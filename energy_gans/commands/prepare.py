r"""`energy-gans data prepare` and `energy-gans data verify`: one command for each data set.

A prepared set holds the images decoded, cropped and resized, in files that training opens without
reading them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.prepared import sources
from ..data.prepared.manifest import SUM_KEY
from ..data.prepared.pipeline import Pipeline
from ..data.prepared.preprocessing import Crop, Preprocessing
from ..data.prepared.reader import verify as verify_set
from ..data.prepared.sources import Labels
from ..terminal import PRINTED, first_lines
from .results import Result


@dataclass(frozen=True, repr=False, eq=False)
class PreparedSet(Result):
    r"""A data set as training reads it.

    Arguments:
        root: The folder of the set.
        manifest: Its manifest: the splits with their numbers of images, the classes, the source,
            the preprocessing, and the check sums of the files.
        module: The name of the data module in `energy_gans.data` that reads the set.
        arguments: The data module's arguments.
    """

    root: Path
    manifest: dict[str, Any]
    module: str
    arguments: dict[str, Any]

    @property
    def counts(self) -> dict[str, int]:
        r"""The number of images in each split."""
        return {split: about["count"] for split, about in self.manifest["splits"].items()}

    @property
    def skipped(self) -> list[dict[str, str]]:
        r"""The `name` of each image that was skipped, and the `reason`."""
        return [one for split in self.manifest["splits"].values() for one in split["skipped"]]

    @property
    def left_out(self) -> list[dict[str, str]]:
        r"""The `name` of each file of the source that was left out, and the `reason`."""
        return self.manifest["source"]["left_out"]

    def __str__(self) -> str:
        return "\n".join(_report_lines(self))


@dataclass(frozen=True, repr=False, eq=False)
class VerifiedSet(Result):
    r"""A prepared set every byte of which matches its manifest.

    Arguments:
        root: The folder of the set.
        manifest: Its manifest.
    """

    root: Path
    manifest: dict[str, Any]

    def __str__(self) -> str:
        counts = _describe_counts(self.manifest)
        name = self.manifest["name"]
        text = f"{self.root}: {name}, {counts}: every byte matches the manifest."
        if SUM_KEY not in self.manifest:
            text += (
                "\nThe manifest has no checksum of its own, since an older version wrote it: its "
                "classes, crops and means were not checked."
            )
        return text


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
    """
    pipeline = Pipeline("svhn", str(source), str(out), Preprocessing(size, "none"), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.svhn_source(path))
    return _prepared(out, manifest, "SVHN")


def verify(root: str | os.PathLike) -> VerifiedSet:
    r"""Checks a prepared set against the checksums in its manifest.

    Arguments:
        root: The folder of the prepared set.

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


def _report_lines(made: PreparedSet) -> list[str]:
    r"""Returns what was prepared, what was left out, and a config that uses the set, in lines."""
    manifest, out = made.manifest, made.arguments["root"]
    about, size = manifest["source"], manifest["preprocessing"]["size"]
    classes = _describe_classes(manifest["classes"])
    lines = [f"{out}: {_describe_counts(manifest)} images of {size} pixels{classes}"]
    lines += first_lines("images were skipped", _lines(made.skipped))
    lines += first_lines("names of the source were left out", _lines(made.left_out))
    copies = about["held_out_copies"]
    lines += first_lines("held-out images are copies of training images", copies)
    if about["copies"]:
        lines.append(f"{about['copies']} images are copies of others in their split.")
    inner = ", ".join(f"{key}: {value}" for key, value in made.arguments.items())
    data = f"data:\n  class_path: energy_gans.data.{made.module}\n  init_args: {{{inner}}}"
    return [*lines, "To train on it:", data]


def _describe_counts(manifest: dict[str, Any]) -> str:
    r"""Returns the number of images in each split, as in `50000 train, 10000 val`."""
    return ", ".join(f"{about['count']} {split}" for split, about in manifest["splits"].items())


def _describe_classes(classes: list[str]) -> str:
    r"""Returns the number of classes and the first of their names, or `""` for fewer than two."""
    if len(classes) < 2:
        return ""
    more = ", ..." if len(classes) > PRINTED else ""
    return f", {len(classes)} classes ({', '.join(classes[:PRINTED])}{more})"


def _lines(entries: list[dict[str, str]]) -> list[str]:
    r"""Returns a line for each entry of a manifest's list of images that are not in the set."""
    return [f"{entry['name']}: {entry['reason']}" for entry in entries]
