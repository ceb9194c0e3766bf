r"""`energy-gans data prepare` and `energy-gans data verify`: one command a data set.

Images are decoded once, into a set that training opens without reading it.
"""

from __future__ import annotations

from pathlib import Path

from ..data.prepared import reader as prepared, sources
from ..data.prepared.manifest import SUM_KEY
from ..data.prepared.pipeline import OnError, Preparation
from ..data.prepared.preprocessing import Crop, Preprocessing
from ..data.prepared.sources import Labels
from ..terminal import say


def celeba(
    source: str,
    out: str,
    size: int = 64,
    crop: Crop = "rows",
    hold_out: int = 20,
    workers: int = 2,
    on_error: OnError = "fail",
    overwrite: bool = False,
) -> None:
    r"""Prepares CelebA: the aligned faces, in the official partition.

    Arguments:
        source: img_align_celeba.zip, or the folder, archive or parquet shards of 000001.jpg to 202599.jpg.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        crop: rows (20:-20, then 178x178: VAPO), center140 (VAPO's code), face (108x108: GGCN, Coulomb GAN) or none (stretched: EIEG).
        hold_out: Of how many images of a class one is held out, if there are training images only.
        workers: The number of threads that decode.
        on_error: Whether an image that can not be read ends the run, or is left out and named.
        overwrite: Whether a prepared set in `out` may be replaced.
    """
    job = Preparation(
        "celeba", source, out, Preprocessing(size, crop), workers, on_error, overwrite
    )
    manifest = job.run(lambda path, _: sources.celeba_source(path, hold_out))
    job.report(manifest, "CelebA", crop=crop)


def lsun(
    source: str,
    out: str,
    size: int = 64,
    category: str | None = None,
    crop: Crop = "square",
    hold_out: int = 20,
    workers: int = 2,
    on_error: OnError = "fail",
    overwrite: bool = False,
) -> None:
    r"""Prepares a category of LSUN.

    Arguments:
        source: The folder that holds CATEGORY_train_lmdb and CATEGORY_val_lmdb, or their .zip, or one of those, or pictures or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        category: The category, if `source` holds several or does not say.
        crop: square (the centre of the shorter side) or none (stretched).
        hold_out: Of how many images of a class one is held out, if there are training images only.
        workers: The number of threads that decode.
        on_error: Whether an image that can not be read ends the run, or is left out and named.
        overwrite: Whether a prepared set in `out` may be replaced.
    """
    job = Preparation("lsun", source, out, Preprocessing(size, crop), workers, on_error, overwrite)
    manifest = job.run(lambda path, at: sources.lsun_source(path, category, hold_out, at))
    job.report(manifest, "LSUN", category=manifest["classes"][0], crop=crop)


def tinyimagenet(
    source: str,
    out: str,
    size: int = 64,
    hold_out: int = 20,
    workers: int = 2,
    on_error: OnError = "fail",
    overwrite: bool = False,
) -> None:
    r"""Prepares Tiny ImageNet, with the labels of its 200 classes.

    Arguments:
        source: tiny-imagenet-200.zip, its folder, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        hold_out: Of how many images of a class one is held out, if there are training images only.
        workers: The number of threads that decode.
        on_error: Whether an image that can not be read ends the run, or is left out and named.
        overwrite: Whether a prepared set in `out` may be replaced.
    """
    job = Preparation(
        "tinyimagenet", source, out, Preprocessing(size, "none"), workers, on_error, overwrite
    )
    manifest = job.run(lambda path, _: sources.tiny_imagenet_source(path, hold_out))
    job.report(manifest, "TinyImageNet")


def folder(
    source: str,
    out: str,
    size: int = 64,
    crop: Crop = "square",
    labels: Labels = "first",
    hold_out: int = 20,
    workers: int = 2,
    on_error: OnError = "fail",
    overwrite: bool = False,
) -> None:
    r"""Prepares pictures of your own.

    Arguments:
        source: A folder, zip or tar of {train,val,test}/CLASS/*.jpg, CLASS/*.jpg or *.jpg (or PNG, WebP), or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        crop: square (the centre of the shorter side), none (stretched), or one of CelebA's.
        labels: The class of a picture: the first folder, within the split's if there is one; the last, which holds the picture; or none.
        hold_out: Of how many images of a class one is held out, if there is no held-out split.
        workers: The number of threads that decode.
        on_error: Whether an image that can not be read ends the run, or is left out and named.
        overwrite: Whether a prepared set in `out` may be replaced.
    """
    job = Preparation(
        "folder", source, out, Preprocessing(size, crop), workers, on_error, overwrite
    )
    manifest = job.run(lambda path, _: sources.folder_source(path, hold_out, labels))
    job.report(manifest, "ImageFolder")


def cifar10(
    source: str,
    out: str,
    size: int = 32,
    workers: int = 2,
    on_error: OnError = "fail",
    overwrite: bool = False,
) -> None:
    r"""Prepares CIFAR-10; its test set is held out.

    Arguments:
        source: cifar-10-python.tar.gz, cifar-10-binary.tar.gz, their folders, pictures in {train,test}/CLASS, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        workers: The number of threads that decode.
        on_error: Whether an image that can not be read ends the run, or is left out and named.
        overwrite: Whether a prepared set in `out` may be replaced.
    """
    job = Preparation(
        "cifar10", source, out, Preprocessing(size, "none"), workers, on_error, overwrite
    )
    manifest = job.run(lambda path, _: sources.cifar_source(path, 10))
    job.report(manifest, "CIFAR10")


def cifar100(
    source: str,
    out: str,
    size: int = 32,
    workers: int = 2,
    on_error: OnError = "fail",
    overwrite: bool = False,
) -> None:
    r"""Prepares CIFAR-100 with its fine labels; its test set is held out.

    Arguments:
        source: cifar-100-python.tar.gz, cifar-100-binary.tar.gz, their folders, pictures in {train,test}/CLASS, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        workers: The number of threads that decode.
        on_error: Whether an image that can not be read ends the run, or is left out and named.
        overwrite: Whether a prepared set in `out` may be replaced.
    """
    job = Preparation(
        "cifar100", source, out, Preprocessing(size, "none"), workers, on_error, overwrite
    )
    manifest = job.run(lambda path, _: sources.cifar_source(path, 100))
    job.report(manifest, "CIFAR100")


def svhn(
    source: str,
    out: str,
    size: int = 32,
    workers: int = 2,
    on_error: OnError = "fail",
    overwrite: bool = False,
) -> None:
    r"""Prepares SVHN's cropped digits; its test set is held out.

    Arguments:
        source: The folder of train_32x32.mat and test_32x32.mat, pictures in {train,test}/CLASS, or parquet shards.
        out: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        workers: The number of threads that decode.
        on_error: Whether an image that can not be read ends the run, or is left out and named.
        overwrite: Whether a prepared set in `out` may be replaced.
    """
    job = Preparation(
        "svhn", source, out, Preprocessing(size, "none"), workers, on_error, overwrite
    )
    manifest = job.run(lambda path, _: sources.svhn_source(path))
    job.report(manifest, "SVHN")


def verify(root: str) -> None:
    r"""Reads all of a prepared set and checks it against its manifest's sums.

    Arguments:
        root: The folder of the prepared set.
    """
    manifest = prepared.verify(Path(root))
    counts = ", ".join(f"{s['count']} {name}" for name, s in manifest["splits"].items())
    say(f"{root}: {manifest['name']}, {counts}: every byte is as the manifest says.")
    if SUM_KEY not in manifest:
        say(
            "The manifest carries no sum of its own, as it was written before manifests had one: what it says "
            "of classes, crops and means was not checked."
        )
