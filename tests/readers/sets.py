r"""Every reader of data sets: small valid files of its format, and the call."""

import gzip
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.io import savemat

from energy_gans.data import TextLines
from energy_gans.data.prepared.manifest import is_prepared
from energy_gans.data.prepared.preprocessing import Preprocessing
from energy_gans.data.prepared.reader import open_prepared, verify
from energy_gans.data.prepared.sources import (
    Source,
    cifar_source,
    folder_source,
    lsun_source,
    svhn_source,
    tiny_imagenet_source,
)
from energy_gans.data.prepared.sources.mnist import FILES as MNIST, load_mnist
from energy_gans.data.prepared.writer import PreparedWriter

from ..data.prepared.sources.test_cifar import python3
from ..data.prepared.sources.test_lsun import write as write_lmdb, zipped
from ..data.prepared.sources.test_mnist import idx
from ..data.prepared.sources.test_parquet import rows, shard
from ..data.prepared.sources.writing import pack, picture
from .reader import Reader, load_json, save_manifest

TEXT = "".join(f"line {i} of text, äöü\n" for i in range(40))
PICTURES = {
    f"{split}/{c}/{i}.png": picture(10 * i)
    for split in ("train", "val")
    for c in "ab"
    for i in (1, 2)
}


def consume(source: Source) -> None:
    r"""Reads all images of a source as `data prepare` does, with `--on_error skip`."""
    preprocess = Preprocessing(8)
    for record in source.records:
        try:
            if isinstance(record.image, ValueError):
                raise record.image
            preprocess(record.image)
        except ValueError:
            pass
    assert all(isinstance(name, str) for name in source.classes)


def write_mnist(root: Path, packed: bool) -> None:
    (root / "raw").mkdir()
    for split, names in MNIST.items():
        for name, values in zip(
            names, (np.ones((3, 4, 4), np.uint8), np.ones(3, np.uint8)), strict=True
        ):
            if packed:
                (root / "raw" / f"{name}.gz").write_bytes(gzip.compress(idx(values), mtime=0))
            elif split == "train":
                (root / "raw" / name).write_bytes(idx(values))


def write_processed(root: Path) -> None:
    (root / "processed").mkdir()
    images = torch.ones(3, 4, 4, dtype=torch.uint8), torch.ones(3, dtype=torch.int64)
    torch.save(images, root / "processed/training.pt")


CIFAR = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"]


def cifar_files(folder: str, protocol: int = 2, binary: bool = False) -> dict[str, bytes]:
    pixels, end = np.full((2, 3072), 7, np.uint8), ".bin" if binary else ""
    batch = bytes([3]) + pixels[0].tobytes() if binary else python3(protocol)(pixels, [1, 2], 10)
    names = [f"kind {i}" for i in range(10)]
    meta = "\n".join(names).encode() if binary else pickle.dumps({"label_names": names}, 2)
    files = {f"{folder}{name}{end}": batch for name in [*CIFAR, "test_batch"]}
    return files | {f"{folder}batches.meta{'.txt' if binary else ''}": meta}


def write_svhn(root: Path, compressed: bool = False) -> None:
    for split in ("train", "test"):
        contents = {"X": np.full((32, 32, 3, 2), 9, np.uint8), "y": np.array([[1], [10]])}
        savemat(root / f"{split}_32x32.mat", contents, do_compression=compressed)


def write_lsun(root: Path, archived: bool = False) -> None:
    for split, values in (("train", [10, 20, 30]), ("val", [40])):
        folder = write_lmdb(root / f"bedroom_{split}_lmdb", values)
        (folder / "lock.mdb").unlink()
        if archived:
            zipped(folder)


def read_lsun(root: Path) -> None:
    scratch = root.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    consume(lsun_source(root, None, 20, scratch))


def write_shards(root: Path) -> None:
    words = {"image": rows(3, 4), "label": ["cat", "dog"]}
    shard(root / "train-0.parquet", {"image": rows(1, 2, 3), "label": [0, 1, 0]}, ["a", "b"])
    shard(root / "words/train-1.parquet", words)


def read_shards(root: Path) -> None:
    consume(folder_source(root / "train-0.parquet", 2))
    consume(folder_source(root / "words", 2))


def write_tiny(root: Path) -> None:
    files = {"train/n1/images/n1_0.png": picture(1), "val/images/val_0.png": picture(2)}
    pack(root / "tiny.zip", files | {"val/val_annotations.txt": b"val_0.png\tn1\t0\t0\t1\t1\n"})


def write_prepared(root: Path) -> None:
    with PreparedWriter(root / "set") as writer:
        for split, n in (("train", 4), ("val", 2)):
            writer.append(split, np.full((n, 3, 4, 4), 5, np.uint8), np.arange(n) % 2)
        preprocessing = {"size": 4, "crop": "none"}
        about = {"name": "CelebA", "source": {"path": "x"}, "preprocessing": preprocessing}
        writer.finish({**about, "classes": ["a", "b"]})


def read_prepared(root: Path) -> None:
    assert is_prepared(root / "set") in (True, False)
    for split in ("train", "val"):
        opened = open_prepared(root / "set", split)
        opened.check_rows(torch.arange(len(opened.images)))
    verify(root / "set")


IDX = [f"raw/{name}" for name in MNIST["train"]]
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
PREPARED = ("manifest.json", "train.images.npy", "val.labels.npy", "train.sums.npy")


def write_formats(root: Path) -> None:
    pack(root / "images", {f"{kind}.{kind.lower()}": picture(9, kind) for kind in FORMATS})


SETS: dict[str, Reader] = {
    "text": Reader(
        lambda root: (root / "text.txt").write_text(TEXT, encoding="utf-8"),
        lambda root: TextLines(str(root / "text.txt"), length=9, symbols=40, hold_out=3).text,
        ("text.txt",),
    ),
    "text.gz": Reader(
        lambda root: (root / "text.gz").write_bytes(gzip.compress(TEXT.encode(), mtime=0)),
        lambda root: TextLines(str(root / "text.gz"), length=9, symbols=40, hold_out=3).text,
        ("text.gz",),
    ),
    "idx": Reader(
        partial(write_mnist, packed=False), lambda root: load_mnist(root, "train"), (*IDX,)
    ),
    "idx.gz": Reader(
        partial(write_mnist, packed=True),
        lambda root: load_mnist(root, "train"),
        tuple(f"{name}.gz" for name in IDX),
    ),
    "processed": Reader(
        write_processed,
        lambda root: load_mnist(root, "train"),
        ("processed/training.pt",),
        ("processed/training.pt",),
    ),
    **{
        f"cifar, protocol {n}": Reader(
            lambda root, n=n: pack(root, cifar_files("cifar-10-batches-py/", n)),
            lambda root: consume(cifar_source(root, 10)),
            ("cifar-10-batches-py/data_batch_3", "cifar-10-batches-py/batches.meta"),
        )
        for n in (2, 4, 5)
    },
    "cifar, binary": Reader(
        lambda root: pack(root, cifar_files("cifar-10-batches-bin/", binary=True)),
        lambda root: consume(cifar_source(root, 10)),
        ("cifar-10-batches-bin/test_batch.bin", "cifar-10-batches-bin/batches.meta.txt"),
    ),
    "cifar, archive": Reader(
        lambda root: pack(root / "cifar-10-python.tar.gz", cifar_files("cifar-10-batches-py/")),
        lambda root: consume(cifar_source(root, 10)),
        ("cifar-10-python.tar.gz",),
    ),
    "svhn": Reader(write_svhn, lambda r: consume(svhn_source(r)), ("train_32x32.mat",)),
    "svhn, compressed": Reader(
        partial(write_svhn, compressed=True),
        lambda root: consume(svhn_source(root)),
        ("test_32x32.mat",),
    ),
    "zip": Reader(
        lambda root: pack(root / "a.zip", PICTURES),
        lambda root: consume(folder_source(root / "a.zip", 2)),
        ("a.zip",),
        ("a.zip",),
    ),
    **{
        kind: Reader(
            lambda root, kind=kind: pack(root / f"a.{kind}", PICTURES),
            lambda root, kind=kind: consume(folder_source(root / f"a.{kind}", 2)),
            (f"a.{kind}",),
        )
        for kind in ("tar", "tar.gz")
    },
    "pictures": Reader(
        write_formats,
        lambda root: consume(folder_source(root / "images", 2)),
        tuple(f"images/{kind}.{kind.lower()}" for kind in FORMATS),
    ),
    "tiny imagenet": Reader(
        write_tiny,
        lambda root: consume(tiny_imagenet_source(root / "tiny.zip", 2)),
        ("tiny.zip",),
        ("tiny.zip",),
    ),
    "lmdb": Reader(write_lsun, read_lsun, ("bedroom_train_lmdb/data.mdb",)),
    "lmdb, zip": Reader(
        partial(write_lsun, archived=True),
        read_lsun,
        ("bedroom_train_lmdb.zip",),
        ("bedroom_train_lmdb.zip",),
    ),
    "parquet": Reader(write_shards, read_shards, ("train-0.parquet", "words/train-1.parquet")),
    "prepared": Reader(
        write_prepared,
        read_prepared,
        tuple(f"set/{name}" for name in PREPARED),
        trees={"set/manifest.json": (load_json, save_manifest)},
    ),
}
