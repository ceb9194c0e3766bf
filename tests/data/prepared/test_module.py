r"""Tests for the energy_gans.data.prepared.module module, for all data modules."""

import hashlib
import io
import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule
from PIL import Image

import energy_gans.data
from energy_gans.cli import main
from energy_gans.data import CIFAR10, CIFAR100, LSUN, SVHN, CelebA, ImageFolder, TinyImageNet
from energy_gans.data.prepared.manifest import SUM_KEY, manifest_digest, read_manifest
from energy_gans.data.prepared.module import StoredImages

Writer = Callable[..., Path]
CONFIGS = Path(__file__).parents[3] / "configs"

# The preprocessing of a set that the class's defaults expect, besides the size.
SAID: dict[type[StoredImages], dict[str, Any]] = {
    CelebA: {"crop": "rows"},
    LSUN: {"category": "bedroom", "crop": "square", "classes": ("bedroom",)},
    TinyImageNet: {"classes": ("n01", "n02")},
    CIFAR10: {"classes": tuple("0123456789")},
    CIFAR100: {"classes": tuple("0123456789")},
    SVHN: {"classes": tuple("0123456789")},
    ImageFolder: {"crop": "face", "classes": ("cats", "dogs")},
}

every_set = pytest.mark.parametrize("stored", SAID)


@pytest.fixture
def root(prepared: Writer, stored: type[StoredImages]) -> Path:
    return prepared(stored.command, **SAID[stored])


@every_set
def test_a_prepared_set_is_read(root: Path, stored: type[StoredImages]) -> None:
    data = stored(str(root), size=8, batch_size=4)
    images, labels = np.load(root / "train.images.npy"), np.load(root / "train.labels.npy")
    assert data.shape == images.shape[1:]
    assert (data.length("train"), data.length("val")) == (12, 5)
    assert data.splits == ("train", "val")
    order = [torch.tensor([3, 11, 3]), torch.tensor([0])]
    for (y, label), i in zip(data.loader("train", order), order, strict=True):
        assert y.dtype == torch.uint8 and label.dtype == torch.int64
        assert np.array_equal(y.numpy(), images[i.numpy()])
        assert np.array_equal(label.numpy(), labels[i.numpy()])


@every_set
def test_an_epoch_reads_every_image_once(root: Path, stored: type[StoredImages]) -> None:
    data = stored(str(root), size=8, batch_size=4)
    data.setup("fit")
    read = torch.cat([y for y, _ in data.train_dataloader()])
    images = np.load(root / "train.images.npy")
    assert sorted(map(bytes, read.numpy())) == sorted(map(bytes, images))


@every_set
def test_classes_have_names(root: Path, stored: type[StoredImages]) -> None:
    assert stored(str(root), size=8).classes == list(SAID[stored].get("classes", ()))


@every_set
def test_shapes_are_known_without_files(tmp_path: Path, stored: type[StoredImages]) -> None:
    assert stored(str(tmp_path / "nowhere"), size=48).shape == (3, 48, 48)


@every_set
def test_a_set_of_another_size_is_refused(root: Path, stored: type[StoredImages]) -> None:
    data = stored(str(root), size=16)
    with pytest.raises(ValueError) as error:
        data.setup("fit")
    message = str(error.value)
    assert "'data.init_args.size' is 16" in message and "with 8" in message
    assert str(root) in message
    command = shlex.split(message.split("another set: ")[1])
    assert command[:4] == ["energy-gans", "data", "prepare", stored.command]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options["--source"] == "the original"
    assert options["--out"] == f"{root}_16"
    assert options["--size"] == "16"


@pytest.mark.parametrize("stored", [s for s in SAID if s is not ImageFolder])
def test_another_set_is_refused(prepared: Writer, stored: type[StoredImages]) -> None:
    root = prepared("folder", **SAID[stored])
    with pytest.raises(ValueError, match=f"holds the set 'folder', not '{stored.command}'"):
        stored(str(root), size=8).length("val")


def test_a_folder_of_images_may_be_any_set(prepared: Writer) -> None:
    assert ImageFolder(str(prepared("celeba", crop="rows")), size=8).length("val") == 5


@pytest.mark.parametrize("stored", [CelebA, TinyImageNet, LSUN, CIFAR10])
def test_tests_read_the_split_for_tests(prepared: Writer, stored: type[StoredImages]) -> None:
    root = prepared(stored.command, **SAID[stored], counts={"test": 3, "train": 4, "val": 2})
    data = stored(str(root), size=8)
    data.setup("test")
    assert data.splits == ("train", "val", "test")
    ((y, _),) = data.test_dataloader()
    expected = np.load(root / "test.images.npy")
    assert sorted(map(bytes, y.numpy())) == sorted(map(bytes, expected))


@pytest.mark.parametrize("stored", [CelebA, TinyImageNet, LSUN, SVHN])
def test_few_samples_are_the_first_ones(root: Path, stored: type[StoredImages]) -> None:
    data = stored(str(root), size=8, batch_size=6, limit=2, repeat=3)
    ((y, _),) = data.train_dataloader()
    images = np.load(root / "train.images.npy")[:2]
    assert sorted(map(bytes, y.numpy())) == sorted([*map(bytes, images)] * 3)


@every_set
def test_fingerprints_go_with_the_contents(
    root: Path, stored: type[StoredImages], tmp_path: Path
) -> None:
    def fingerprint(folder: Path, **options: Any) -> str:
        return stored(str(folder), size=8, **options).fingerprint("train")

    copy = shutil.copytree(root, tmp_path / "copy")
    assert fingerprint(copy) == fingerprint(root) == fingerprint(root, batch_size=2, flip=True)
    assert fingerprint(root) != fingerprint(root, limit=3)
    assert fingerprint(root) != stored(str(root), size=8).fingerprint("val")


def rewritten(root: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    r"""Returns a copy of a set with a changed manifest and a correct checksum."""
    shutil.copytree(root, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    if SUM_KEY in manifest:
        manifest[SUM_KEY] = manifest_digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_fingerprints_go_with_what_the_manifest_says_of_the_images(
    prepared: Writer, tmp_path: Path
) -> None:
    root = prepared("folder", classes=("cats", "dogs"), crop="square")
    changes = {
        "classes": lambda m: m["classes"].reverse(),
        "crop": lambda m: m["preprocessing"].update(crop="none"),
        "name": lambda m: m.update(name="celeba"),
        "path": lambda m: m["source"].update(path="elsewhere"),
    }
    prints = {
        name: ImageFolder(str(rewritten(root, tmp_path / name, change)), size=8).fingerprint("val")
        for name, change in changes.items()
    }
    first = ImageFolder(str(root), size=8).fingerprint("val")
    # The place that the images came from does not identify them.
    assert prints.pop("path") == first
    assert len({first, *prints.values()}) == 4


def test_fingerprints_of_sets_without_a_sum_are_what_they_were(
    prepared: Writer, tmp_path: Path
) -> None:
    root = prepared("folder", classes=("cats", "dogs"))
    old = rewritten(root, tmp_path / "old", lambda m: m.pop(SUM_KEY))
    said = read_manifest(root)["splits"]["val"]
    digest = hashlib.sha256((said["sha256"] + said["labels_sha256"]).encode()).hexdigest()
    expected = hashlib.sha256(f"{digest} 5".encode()).hexdigest()
    assert ImageFolder(str(old), size=8).fingerprint("val") == expected


@pytest.mark.parametrize(("option", "other"), [("crop", "face"), ("labels", "last")])
def test_a_folder_that_was_prepared_otherwise_is_refused(
    prepared: Writer, option: str, other: str
) -> None:
    root = prepared("folder", **{"crop": "square", "labels": "first", option: other})
    assert ImageFolder(str(root), size=8).length("val") == 5
    assert ImageFolder(str(root), size=8, **{option: other}).length("val") == 5
    with pytest.raises(
        ValueError, match=rf"'data.init_args.{option}' is 'none', .* with '{other}'"
    ):
        ImageFolder(str(root), size=8, **{option: "none"}).length("val")


def test_a_torn_set_is_refused(prepared: Writer) -> None:
    root = prepared("celeba", crop="rows")
    images = root / "train.images.npy"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(ValueError, match="train.images.npy is incomplete"):
        CelebA(str(root), size=8).setup("fit")


@pytest.mark.parametrize("size", [0, -1])
@every_set
def test_images_of_no_size_are_refused(stored: type[StoredImages], size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be at least 1, got {size}"):
        stored("nowhere", size=size)


@every_set
def test_the_command_line_knows_all_options(stored: type[StoredImages]) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    options = {"root": "there", "size": 16, "batch_size": 2, "limit": 3, "repeat": 4, "flip": True}
    args = [f"--data={stored.__module__}.{stored.__name__}"]
    args += [f"--data.{name}={value}" for name, value in options.items()]
    data = parser.instantiate_classes(parser.parse_args(args)).data
    assert {name: getattr(data, name) for name in options} == options | {"root": Path("there")}
    assert data.hparams.items() >= options.items()


# Messages about missing sets


def said(data: StoredImages) -> str:
    with pytest.raises(FileNotFoundError) as error:
        data.setup("fit")
    return str(error.value)


@pytest.mark.parametrize(
    "data, words",
    [
        (
            CelebA("data/faces", size=48, crop="face"),
            [
                "img_align_celeba.zip",
                "'Align&Cropped Images' on the CelebA page",
                "put it into 'data'",
                "energy-gans data prepare celeba --source data/img_align_celeba.zip "
                "--out data/faces --crop face --size 48",
            ],
        ),
        (
            LSUN("data/churches", "church_outdoor", size=128),
            [
                "church_outdoor_train_lmdb.zip and church_outdoor_val_lmdb.zip",
                "LSUN's download script",
                "put it into 'data'",
                "energy-gans data prepare lsun --source data --out data/churches "
                "--category church_outdoor --crop square --size 128",
            ],
        ),
        (
            TinyImageNet("my data/tiny", size=32),
            [
                "tiny-imagenet-200.zip",
                "CS231n",
                "put it into 'my data'",
                "energy-gans data prepare tinyimagenet --source 'my data/tiny-imagenet-200.zip' "
                "--out 'my data/tiny' --size 32",
            ],
        ),
        (
            CIFAR10("there", size=64),
            [
                "'there': it should hold cifar-10-python.tar.gz",
                "'CIFAR-10 python version' on the CIFAR page",
                "'data.init_args.download' to true",
                "energy-gans data prepare cifar10 --source there --out there/cifar10_64 --size 64",
            ],
        ),
        (
            CIFAR100("there"),
            [
                "'there': it should hold cifar-100-python.tar.gz",
                "'CIFAR-100 python version' on the CIFAR page",
                "'data.init_args.download' to true",
                "energy-gans data prepare cifar100 --source there --out there/cifar100_32 "
                "--size 32",
            ],
        ),
        (
            SVHN("there"),
            [
                "'there': it should hold train_32x32.mat and test_32x32.mat",
                "'Format 2: Cropped Digits' on the SVHN page",
                "'data.init_args.download' to true",
                "energy-gans data prepare svhn --source there --out there/svhn_32 --size 32",
            ],
        ),
        (
            ImageFolder("there", size=16),
            [
                "'there' should hold train/<class>/*.jpg",
                "energy-gans data prepare folder --source FOLDER --out there --size 16",
            ],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_missing_files_are_named(
    data: StoredImages, words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    data.prepare_data()
    message = said(data)
    for part in [repr(str(data.root)), "data.init_args.root", *words]:
        assert part in message
    assert "\n" not in message


def test_a_prepared_set_is_made_beside_a_folder_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"--out {tmp_path}_16 --size 16'"):
        ImageFolder(str(tmp_path), size=16).length("train")


def picture(value: int, width: int, height: int, kind: str = "JPEG") -> bytes:
    r"""Returns an encoded picture of one grey value."""
    contents = io.BytesIO()
    Image.new("RGB", (width, height), (value,) * 3).save(contents, kind)
    return contents.getvalue()


def pack(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)


def get_celeba(folder: Path) -> None:
    numbers = {1: 10, 2: 20, 162771: 30, 182638: 40}
    files = {f"img_align_celeba/{n:06}.jpg": picture(v, 178, 218) for n, v in numbers.items()}
    pack(folder / "img_align_celeba.zip", files)


def get_lsun(folder: Path) -> None:
    for split, values in (("train", (10, 20)), ("val", (30,))):
        store = folder / f"bedroom_{split}_lmdb"
        with lmdb.open(str(store)) as env, env.begin(write=True) as transaction:
            for value in values:
                transaction.put(f"key {value}".encode(), picture(value, 300, 256, "WEBP"))
        files = {f"{store.name}/data.mdb": (store / "data.mdb").read_bytes()}
        pack(folder / f"{store.name}.zip", files)
        shutil.rmtree(store)


def get_tiny_imagenet(folder: Path) -> None:
    top = "tiny-imagenet-200"
    train = {f"{top}/train/n0{i}/images/n0{i}_0.JPEG": picture(10 * i, 64, 64) for i in (1, 2)}
    notes = {f"{top}/val/val_annotations.txt": b"val_0.JPEG\tn02\t0\t0\t62\t62\n"}
    val = {f"{top}/val/images/val_0.JPEG": picture(30, 64, 64)}
    pack(folder / f"{top}.zip", train | notes | val)


@pytest.mark.parametrize(
    "stored, get, tests",
    [(CelebA, get_celeba, 1), (LSUN, get_lsun, 0), (TinyImageNet, get_tiny_imagenet, 0)],
)
def test_what_is_said_helps(
    stored: type[StoredImages], get: Callable[[Path], None], tests: int, tmp_path: Path
) -> None:
    root = tmp_path / "prepared"
    command = said(stored(str(root))).split("run: ")[1]
    get(tmp_path)
    main(shlex.split(command)[1:])
    data = stored(str(root), batch_size=2)
    ((y, _),) = data.train_dataloader()
    assert sorted(y[:, 0, 32, 32].tolist()) == [10, 20]
    ((y, _),) = data.val_dataloader()
    assert (y == 30).all()
    assert len(data.splits) == 2 + tests


# Configs


def commands_of(config: Path) -> list[str]:
    return re.findall("energy-gans data prepare .*", config.read_text())


@pytest.mark.parametrize(
    "config",
    [c for c in sorted(CONFIGS.glob("*/*.yaml")) if commands_of(c)],
    ids=lambda path: f"{path.parent.name}_{path.stem}",
)
def test_configs_say_the_command_that_their_data_needs(config: Path) -> None:
    data = yaml.safe_load(config.read_text())["data"]
    stored = getattr(energy_gans.data, data["class_path"].rpartition(".")[2])
    message = stored(**data["init_args"]).missing_message()
    assert all(message.endswith(command) for command in commands_of(config))


# Downloads


@pytest.mark.parametrize(
    "stored, files",
    [
        (CIFAR10, ["cifar-10-python.tar.gz"]),
        (CIFAR100, ["cifar-100-python.tar.gz"]),
        (SVHN, ["train_32x32.mat", "test_32x32.mat"]),
    ],
)
def test_downloads_are_asked_for(
    stored: type[StoredImages],
    files: list[str],
    prepared: Writer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple] = []
    module = f"{stored.__module__}.download_url"
    monkeypatch.setattr(module, lambda *args: asked.append(args))
    there = prepared(stored.command, **SAID[stored])
    stored(str(tmp_path / "nowhere")).prepare_data()
    stored(str(there), size=8, download=True).prepare_data()
    assert asked == []
    stored(str(tmp_path / "nowhere"), download=True).prepare_data()
    assert [args[2] for args in asked] == files
    for url, root, file, md5 in asked:
        assert url.startswith("http") and url.endswith(file)
        assert root == tmp_path / "nowhere"
        assert re.fullmatch("[0-9a-f]{32}", md5)


@pytest.mark.parametrize("stored", [CIFAR10, CIFAR100])
def test_what_is_unpacked_is_not_downloaded(
    stored: type[StoredImages], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_gans.data.sets.cifar.download_url", None)
    (tmp_path / stored.dataset.base_folder).mkdir()
    stored(str(tmp_path), download=True).prepare_data()
