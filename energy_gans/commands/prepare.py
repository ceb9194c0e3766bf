r"""`energy-gans data prepare` and `energy-gans data verify`: one command for each data set.

A prepared set holds the images decoded, cropped and resized, in files that training opens without
reading them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..data.prepared import sources
from ..data.prepared.manifest import SUM_KEY
from ..data.prepared.pipeline import Pipeline
from ..data.prepared.preprocessing import Crop, Preprocessing
from ..data.prepared.reader import verify as verify_set
from ..data.prepared.sources import Labels
from ..terminal import PRINTED, print_first, say


def celeba(
    source: str,
    out: str,
    size: int = 64,
    crop: Crop = "rows",
    hold_out: int = 20,
    **kwargs: Any,
) -> None:
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
    pipeline = Pipeline("celeba", source, out, Preprocessing(size, crop), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.celeba_source(path, hold_out))
    _print_report(out, manifest, "CelebA", crop=crop)


def lsun(
    source: str,
    out: str,
    size: int = 64,
    category: str | None = None,
    crop: Crop = "square",
    hold_out: int = 20,
    **kwargs: Any,
) -> None:
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
    pipeline = Pipeline("lsun", source, out, Preprocessing(size, crop), **kwargs)
    manifest = pipeline.run(
        lambda path, scratch: sources.lsun_source(path, category, hold_out, scratch)
    )
    _print_report(out, manifest, "LSUN", category=manifest["classes"][0], crop=crop)


def tinyimagenet(source: str, out: str, size: int = 64, hold_out: int = 20, **kwargs: Any) -> None:
    r"""Prepares Tiny ImageNet, with the labels of its 200 classes.

    Arguments:
        source: tiny-imagenet-200.zip, its folder, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        hold_out: One in this many images of each class is held out, if there are only training
            images.
        kwargs: The other arguments of :class:`Pipeline`.
    """
    pipeline = Pipeline("tinyimagenet", source, out, Preprocessing(size, "none"), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.tiny_imagenet_source(path, hold_out))
    _print_report(out, manifest, "TinyImageNet")


def folder(
    source: str,
    out: str,
    size: int = 64,
    crop: Crop = "square",
    labels: Labels = "first",
    hold_out: int = 20,
    **kwargs: Any,
) -> None:
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
    pipeline = Pipeline("folder", source, out, Preprocessing(size, crop), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.folder_source(path, hold_out, labels))
    _print_report(out, manifest, "ImageFolder")


def cifar10(source: str, out: str, size: int = 32, **kwargs: Any) -> None:
    r"""Prepares CIFAR-10; its test set is held out.

    Arguments:
        source: cifar-10-python.tar.gz, cifar-10-binary.tar.gz, their folders, pictures in
            {train,test}/CLASS, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        kwargs: The other arguments of :class:`Pipeline`.
    """
    pipeline = Pipeline("cifar10", source, out, Preprocessing(size, "none"), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.cifar_source(path, 10))
    _print_report(out, manifest, "CIFAR10")


def cifar100(source: str, out: str, size: int = 32, **kwargs: Any) -> None:
    r"""Prepares CIFAR-100 with its fine labels; its test set is held out.

    Arguments:
        source: cifar-100-python.tar.gz, cifar-100-binary.tar.gz, their folders, pictures in
            {train,test}/CLASS, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        kwargs: The other arguments of :class:`Pipeline`.
    """
    pipeline = Pipeline("cifar100", source, out, Preprocessing(size, "none"), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.cifar_source(path, 100))
    _print_report(out, manifest, "CIFAR100")


def svhn(source: str, out: str, size: int = 32, **kwargs: Any) -> None:
    r"""Prepares SVHN's cropped digits; its test set is held out.

    Arguments:
        source: The folder of train_32x32.mat and test_32x32.mat, pictures in {train,test}/CLASS,
            or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        kwargs: The other arguments of :class:`Pipeline`.
    """
    pipeline = Pipeline("svhn", source, out, Preprocessing(size, "none"), **kwargs)
    manifest = pipeline.run(lambda path, _: sources.svhn_source(path))
    _print_report(out, manifest, "SVHN")


def verify(root: str) -> None:
    r"""Checks a prepared set against the checksums in its manifest.

    Arguments:
        root: The folder of the prepared set.
    """
    manifest = verify_set(Path(root))
    counts = _describe_counts(manifest)
    say(f"{root}: {manifest['name']}, {counts}: every byte matches the manifest.")
    if SUM_KEY not in manifest:
        say(
            "The manifest has no checksum of its own, since an older version wrote it: its "
            "classes, crops and means were not checked."
        )


def _print_report(out: str, manifest: dict[str, Any], module: str, **arguments: Any) -> None:
    r"""Prints what was prepared, what was left out, and the lines of a config that use the set.

    Arguments:
        out: The folder of the set.
        manifest: The manifest of the set.
        module: The name of the data module that reads the set.
        arguments: The data module's arguments besides `root` and `size`.
    """
    about, size = manifest["source"], manifest["preprocessing"]["size"]
    classes = _describe_classes(manifest["classes"])
    say(f"{out}: {_describe_counts(manifest)} images of {size} pixels{classes}")
    skipped = [image for split in manifest["splits"].values() for image in split["skipped"]]
    print_first("images were skipped", _lines(skipped))
    print_first("names of the source were left out", _lines(about["left_out"]))
    print_first("held-out images are copies of training images", about["held_out_copies"])
    if about["copies"]:
        say(f"{about['copies']} images are copies of others in their split.")
    arguments = {"root": out, **arguments, "size": size}
    inner = ", ".join(f"{key}: {value}" for key, value in arguments.items())
    say("To train on it:")
    say(f"data:\n  class_path: energy_gans.data.{module}\n  init_args: {{{inner}}}")


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
