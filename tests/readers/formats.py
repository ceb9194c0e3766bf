r"""Every reader of files in the package: a small valid file of its format, and the call."""

import gzip
import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from scipy.io import savemat

from energy_gans.commands.compare import compare
from energy_gans.commands.config_files import check_config_files
from energy_gans.commands.inpaint.masks import choose_mask
from energy_gans.commands.inputs import open_samples
from energy_gans.commands.study.cells import read_state
from energy_gans.commands.study.pictures import read_samples
from energy_gans.commands.study.plan import read_study
from energy_gans.data.prepared.manifest import SUM_KEY, is_prepared, manifest_digest
from energy_gans.data.prepared.preprocessing import Preprocessing
from energy_gans.data.prepared.reader import file_digest, open_prepared, verify
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
from energy_gans.metrics import reference
from energy_gans.metrics.features import DomainClassifier, TrainedEncoder
from energy_gans.metrics.statistics import Statistics
from energy_gans.storage.checkpoint import load_checkpoint, load_model, step_of
from energy_gans.storage.curves import MetricsFile, read_curves
from energy_gans.storage.export import write_export
from energy_gans.storage.saved_run import run_data
from energy_gans.storage.stamps import find_metrics, read_metrics, write_metrics

from ..data.prepared.sources.test_cifar import python3
from ..data.prepared.sources.test_lsun import write as write_lmdb, zipped
from ..data.prepared.sources.test_mnist import idx
from ..data.prepared.sources.test_parquet import rows, shard
from ..data.prepared.sources.writing import pack, picture
from ..metrics.features.conftest import classifier_file, encoder_file

CHECKPOINT = Path(__file__).parents[1] / "data/checkpoints/CoulombGAN"
PICTURES = {
    f"{split}/{c}/{i}.png": picture(10 * i)
    for split in ("train", "val")
    for c in "ab"
    for i in (1, 2)
}


@dataclass(frozen=True)
class Reader:
    r"""A reader of files.

    Arguments:
        write: Writes valid files to an empty folder.
        read: Reads them.
        files: The names of the files that are damaged.
        archives: Those of `files` that are zip archives, whose members are damaged, too.
        trees: Those of `files` that hold nested values: how they are read and written.
    """

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    files: tuple[str, ...]
    archives: tuple[str, ...] = ()
    trees: Mapping[str, tuple[Callable, Callable]] = field(default_factory=dict)


# Nested values


def load_json(path: Path) -> Any:
    return json.loads(path.read_text())


def save_json(tree: Any, path: Path) -> None:
    path.write_text(json.dumps(tree))


def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def save_yaml(tree: Any, path: Path) -> None:
    path.write_text(yaml.safe_dump(tree))


def load_torch(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def save_manifest(tree: Any, path: Path) -> None:
    r"""Writes a manifest with the check sum of its changed contents."""
    if isinstance(tree, dict) and SUM_KEY in tree:
        tree = tree | {SUM_KEY: manifest_digest(tree)}
    save_json(tree, path)


JSON, YAML, TORCH = (load_json, save_json), (load_yaml, save_yaml), (load_torch, torch.save)


# Data sets


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


# Runs, models and numbers


def write_run(root: Path) -> None:
    (root / "checkpoints").mkdir()
    shutil.copy(CHECKPOINT / "last.ckpt", root / "checkpoints")
    shutil.copy(CHECKPOINT / "config.yaml", root)
    table = "epoch,loss,step,val\n0,1.5,0,\n0,,1,2.5\n0,0.5,2,\n"
    (root / "metrics.csv").write_text(table)


def read_run(root: Path) -> None:
    step_of(root / "checkpoints/last.ckpt")
    load_model(root)
    run_data(root)
    read_curves(root / "metrics.csv")


def resume_curves(root: Path) -> None:
    file = MetricsFile(str(root), 2)
    file.log_metrics({"loss": 1.0}, 2)
    file.save()


def write_numbers(root: Path) -> None:
    protocol = {"extractor": {"name": "pixels"}, "n": 4, "reference": {"n": 4}, "dtype": "float"}
    real = {"value": 1.0, "protocol": protocol | {"n": 2}, "matched": {"value": 2.0, "low": 1.0}}
    real["matched"]["high"] = 3.0
    numbers = {"fid": {"value": 3.0, "std": 0.5, "protocol": protocol, "real": real}}
    for name in ("a", "b"):
        write_metrics(numbers, {"sha256": name}, root / f"metrics.{name}.json")


def read_numbers(root: Path) -> None:
    find_metrics(root, "b")
    read_metrics(str(root / "metrics.a.json"))
    compare([str(root / f"metrics.{name}.json") for name in "ab"])


def write_model(root: Path) -> None:
    (root / "model").mkdir()
    origin = {"versions": {}}
    write_export(root / "model", load_model(CHECKPOINT), load_checkpoint(CHECKPOINT), origin)


def read_model(root: Path, sealed: bool = False) -> None:
    r"""Reads an exported model, if `sealed` with the SHA-256 of its changed weights."""
    config = root / "model/config.json"
    if sealed:
        tree = load_json(config)
        tree["weights"]["sha256"] = file_digest(root / "model/model.safetensors")
        save_json(tree, config)
    load_model(root / "model")
    run_data(root / "model")


def write_samples(root: Path) -> None:
    x = np.linspace(-1, 1, 4 * 48, dtype=np.float32).reshape(4, 3, 4, 4)
    np.savez_compressed(root / "a.npz", samples=x)
    np.savez(root / "b.npz", samples=(x * 127 + 128).astype(np.uint8))
    np.save(root / "c.npy", x)
    torch.save({"samples": torch.from_numpy(x)}, root / "d.pt")
    pack(root / "e", {"0.png": picture(1), "1.png": picture(2)})


def read_each(root: Path, name: str) -> None:
    samples = open_samples(root / name, None, 3)
    samples.at(torch.arange(samples.n))
    samples.origin()


STUDY = {
    "settings": {"ring": ["base.yaml"]},
    "methods": {"one": ["base.yaml"]},
    "seeds": [0],
    "budget": {"steps": 20},
    "measures": {"val/modes": "modes"},
    "evaluate": {"n": 100},
    "curves": ["loss"],
    "samples": 20,
}


def write_study(root: Path) -> None:
    (root / "base.yaml").write_text("model: {class_path: x}\n")
    (root / "study.yaml").write_text(yaml.safe_dump(STUDY))
    (root / "done.json").write_text(json.dumps({"digest": "0", "config": {"fit": {"a": 1}}}))
    np.savez_compressed(root / "samples.npz", samples=np.zeros((3, 2), np.float32))


def read_study_files(root: Path) -> None:
    check_config_files(["fit", "--config", str(root / "base.yaml")])
    read_study(root / "study.yaml")
    assert isinstance(read_state(root)[1], dict)
    read_samples(root)


def read_mask(root: Path) -> None:
    choose_mask(str(root / "mask.png"), None, None, (8, 8), 1, torch.Generator())


def read_statistics(root: Path) -> None:
    found = reference._read_cache(root / "cache.npz", "key")
    if found is not None:
        sizes = {found.mean.shape[0], *found.covariance.shape, found.features.shape[1]}
        assert len(sizes) == 1 and found.n > 0


def write_statistics(root: Path) -> None:
    x = torch.arange(12.0).reshape(4, 3)
    made = Statistics(4, x.double().mean(0), x.double().T.cov(), x, torch.zeros(0))
    reference._write_cache(made, root / "cache.npz", "key")


def write_encoders(root: Path) -> None:
    classifier_file(1, root / "a.pt")
    encoder_file(1, None, root / "b.pt", kind="contrastive")


def read_encoders(root: Path) -> None:
    DomainClassifier(str(root / "a.pt"))
    TrainedEncoder(str(root / "b.pt"))


IDX = [f"raw/{name}" for name in MNIST["train"]]
ARRAYS = ("a.npz", "b.npz", "c.npy", "d.pt", "e/0.png")
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
PREPARED = ("manifest.json", "train.images.npy", "val.labels.npy", "train.sums.npy")


def write_formats(root: Path) -> None:
    pack(root / "images", {f"{kind}.{kind.lower()}": picture(9, kind) for kind in FORMATS})


READERS: dict[str, Reader] = {
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
    "run": Reader(
        write_run,
        read_run,
        ("checkpoints/last.ckpt", "config.yaml", "metrics.csv"),
        ("checkpoints/last.ckpt",),
        {"checkpoints/last.ckpt": TORCH, "config.yaml": YAML},
    ),
    "resumed curves": Reader(write_run, resume_curves, ("metrics.csv",)),
    "metrics": Reader(
        write_numbers,
        read_numbers,
        ("metrics.a.json", "metrics.b.json"),
        trees={"metrics.a.json": JSON, "metrics.b.json": JSON},
    ),
    "export": Reader(
        write_model,
        read_model,
        ("model/config.json", "model/model.safetensors"),
        trees={"model/config.json": JSON},
    ),
    "export, sealed": Reader(
        write_model, partial(read_model, sealed=True), ("model/model.safetensors",)
    ),
    **{
        f"samples, {name}": Reader(
            write_samples,
            partial(read_each, name=name.split("/")[0]),
            (name,),
            (name,) if name.endswith(("npz", "pt")) else (),
            {name: TORCH} if name.endswith("pt") else {},
        )
        for name in ARRAYS
    },
    "statistics": Reader(write_statistics, read_statistics, ("cache.npz",), ("cache.npz",)),
    "encoders": Reader(
        write_encoders, read_encoders, ("a.pt", "b.pt"), ("a.pt",), {"a.pt": TORCH, "b.pt": TORCH}
    ),
    "study": Reader(
        write_study,
        read_study_files,
        ("study.yaml", "base.yaml", "done.json", "samples.npz"),
        ("samples.npz",),
        {"study.yaml": YAML, "base.yaml": YAML, "done.json": JSON},
    ),
    "mask": Reader(
        lambda root: Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(root / "mask.png"),
        read_mask,
        ("mask.png",),
    ),
}
