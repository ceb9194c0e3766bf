r"""Tests for the energy_gans.data.sets.image_folder module."""

import os
import shutil
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from energy_gans.cli import main
from energy_gans.data import ImageFolder
from energy_gans.data.base import Batch

TRAIN, VAL = 12, 5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    r"""Writes wide images of two classes, grey at the centre: ten times their index."""
    for split, n in (("train", TRAIN), ("val", VAL)):
        for i in range(n):
            folder = tmp_path / split / ("even" if i % 2 == 0 else "odd")
            folder.mkdir(parents=True, exist_ok=True)
            image = Image.new("RGB", (64, 16), (255, 0, 0))
            image.paste((10 * i,) * 3, (20, 0, 44, 16))
            image.save(folder / f"{i:02}.png")
    return tmp_path


def folder(
    root: Path,
    size: int = 8,
    batch_size: int = 4,
    step: int = 0,
    rank: int = 0,
    world_size: int = 1,
    num_workers: int = 0,
) -> ImageFolder:
    torch.manual_seed(0)
    data = ImageFolder(str(root), size, num_workers, batch_size=batch_size)
    data.trainer = SimpleNamespace(global_rank=rank, world_size=world_size, global_step=step)
    data.setup("fit")
    return data


def in_order(data: ImageFolder) -> Batch:
    r"""Returns the held-out images and labels in the order of the set."""
    return next(iter(data.loader("val", [torch.arange(data.length("val"))])))


def read(data: ImageFolder) -> list[list[int]]:
    r"""Returns the indices of the images in the batches of one epoch."""
    return [(y[:, 0, 4, 4].long() // 10).tolist() for y, _ in data.train_dataloader()]


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_shapes(root: Path, size: int) -> None:
    data = folder(root, size)
    y, label = next(iter(data.train_dataloader()))
    assert y.shape == (4, *data.shape) == (4, 3, size, size)
    assert y.dtype == torch.uint8
    assert label.dtype == torch.int64


def test_images_are_centre_squares_and_labels_their_folders(root: Path) -> None:
    data = folder(root, size=16, batch_size=TRAIN)
    ((y, label),) = data.train_dataloader()
    index = y[:, 0, 8, 8].long() // 10
    assert sorted(index.tolist()) == list(range(TRAIN))
    assert torch.equal(label, index % 2)
    # The red ends of the images are cut off.
    assert torch.equal(y, y[:, :1, 8:9, 8:9].expand_as(y))


def test_images_come_to_the_model_in_the_unit_range(root: Path) -> None:
    data = folder(root, batch_size=TRAIN)
    ((y, label),) = data.train_dataloader()
    x, _ = data.on_after_batch_transfer((y, label), 0)
    assert x.min() == -1
    torch.testing.assert_close((x + 1) * 127.5, y.float())


def test_an_epoch_reads_every_image_once(root: Path) -> None:
    loader = folder(root).train_dataloader()
    assert len(loader) == 3
    assert sorted(chain(*read(folder(root)))) == list(range(TRAIN))


def test_workers_change_nothing(root: Path) -> None:
    assert read(folder(root, num_workers=1)) == read(folder(root))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_batch_may_be_empty(root: Path, num_workers: int) -> None:
    # An empty batch ends the share of a process with fewer batches than others.
    order = [torch.arange(2), torch.arange(0)]
    (y, label), (none, no_label) = folder(root, num_workers=num_workers).loader("val", order)
    assert none.shape == (0, 3, 8, 8) and no_label.shape == (0,)
    assert (none.dtype, no_label.dtype) == (y.dtype, label.dtype)


@pytest.mark.parametrize("step", [1, 2])
def test_a_run_that_is_resumed_reads_the_rest(root: Path, step: int) -> None:
    assert read(folder(root, step=step)) == read(folder(root))[step:]


def test_epochs_differ_in_their_order(root: Path) -> None:
    assert read(folder(root)) != read(folder(root, step=3))


def test_processes_share_a_batch(root: Path) -> None:
    shares = [read(folder(root, rank=rank, world_size=2)) for rank in (0, 1)]
    whole = torch.tensor(shares).movedim(0, 2).flatten(1)
    assert whole.tolist() == read(folder(root))


def test_images_are_sorted_by_class_and_name(root: Path) -> None:
    y, label = in_order(folder(root))
    assert (y[:, 0, 4, 4].long() // 10).tolist() == [0, 2, 4, 1, 3]
    assert label.tolist() == [0, 0, 0, 1, 1]


def test_grey_images_get_three_channels(root: Path) -> None:
    for i in range(VAL):
        Image.new("L", (8, 8), 7).save(root / "val" / "odd" / f"grey{i}.png")
    y, _ = in_order(folder(root))
    assert (y[-VAL:] == 7).all()


@pytest.mark.parametrize("split", ["train", "val"])
def test_missing_folders_are_named(root: Path, split: str) -> None:
    shutil.rmtree(root / split)
    with pytest.raises(FileNotFoundError, match=f"'data.init_args.root' = .*{split}/<class>"):
        folder(root)


def test_a_class_without_images_is_named(root: Path) -> None:
    (root / "train" / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"'data.init_args.root' = .*train/<class>.*empty"):
        folder(root)


def test_a_batch_larger_than_the_set_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"'batch_size' .* training samples, 12, got 13"):
        folder(root, batch_size=13).train_dataloader()


# Few samples and flips


def test_few_samples_are_the_first_files(root: Path) -> None:
    torch.manual_seed(0)
    data = ImageFolder(str(root), 8, 0, batch_size=6, limit=3, repeat=2)
    ((y, _),) = data.train_dataloader()
    assert sorted((y[:, 0, 4, 4].long() // 10).tolist()) == [0, 0, 2, 2, 4, 4]


def test_classes_are_the_folders(root: Path) -> None:
    assert folder(root).classes == ["even", "odd"]


# Fingerprints of files


def test_fingerprints_go_with_the_files(root: Path) -> None:
    def fingerprint(**options: int) -> str:
        return ImageFolder(str(root), **({"size": 8} | options)).fingerprint("train")

    first = fingerprint()
    assert fingerprint() == first == fingerprint(num_workers=2, batch_size=3)
    others = {
        ImageFolder(str(root), 8).fingerprint("val"),
        fingerprint(size=4),
        fingerprint(limit=3),
    }
    (root / "train" / "odd" / "11.png").write_bytes(b"another")
    others.add(fingerprint())
    (root / "train" / "odd" / "11.png").unlink()
    others.add(fingerprint())
    assert len({first, *others}) == 6


def test_fingerprints_go_with_what_is_done_to_the_files(root: Path) -> None:
    nested = root / "train" / "odd" / "deeper"
    nested.mkdir()
    (root / "train" / "odd" / "01.png").rename(nested / "01.png")
    options = [{}, {"crop": "none"}, {"labels": "last"}, {"labels": "none"}]
    prints = [ImageFolder(str(root), 8, **given).fingerprint("train") for given in options]
    assert len(set(prints)) == 4
    said = ImageFolder(str(root), 8, crop="square", labels="first").fingerprint("train")
    assert said == prints[0]


# Files that can not be read


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_file_that_can_not_be_read_is_one_sentence(root: Path, num_workers: int) -> None:
    (root / "train" / "odd" / "03.png").write_bytes(b"<html>")
    with pytest.raises(ValueError) as error:
        read(folder(root, num_workers=num_workers))
    assert str(error.value) == f"{root}/train/odd/03.png can not be used: it is no picture."


def test_what_is_left_out_is_told_once(root: Path) -> None:
    (root / "train" / "odd" / "again").symlink_to(root / "train" / "even")
    (root / "val" / "gone").symlink_to(root / "nowhere")
    with pytest.warns(UserWarning, match=r"2 names in .* were left out, as 'train/odd/again': t"):
        assert folder(root).length("train") == TRAIN


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"labels": "middle"}, r"'labels' should be one of .* got 'middle'"),
        ({"crop": "middle"}, r"'crop' should be one of .* got 'middle'"),
    ],
)
def test_options_are_checked_at_once(option: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageFolder("nowhere", **option)


def test_folders_that_would_be_one_class_are_named(root: Path) -> None:
    for above in "ab":
        (root / "train" / above / "games").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(root / "train" / above / "games" / "0.png")
    assert ImageFolder(str(root), labels="first").classes == ["a", "b", "even", "odd"]
    both = r"one class 'games' of the folders 'a/games' and 'b/games' of 'data.init_args.root' = "
    with pytest.raises(ValueError, match=both):
        ImageFolder(str(root), labels="last").setup("fit")


@pytest.mark.skipif(os.name == "nt", reason="There all names are Unicode.")
def test_names_that_are_not_utf_8_are_read(root: Path) -> None:
    path = os.fsencode(root / "val" / "odd") + b"/\xff.png"
    try:
        Image.new("RGB", (8, 8), (7, 7, 7)).save(root / "x.png")
        os.rename(root / "x.png", path)
    except OSError:
        pytest.skip("This file system refuses such names.")
    data = folder(root)
    y, _ = in_order(data)
    assert (y[-1] == 7).all()
    assert len(data.fingerprint("val")) == 64


# Equality with the prepared set


def pictures(folder: Path) -> None:
    r"""Writes pictures whose stored values differ from what a viewer shows."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)

    def noise(*channels: int, dtype: type = np.uint8) -> np.ndarray:
        return random.integers(0, np.iinfo(dtype).max + 1, (190, 150, *channels), dtype=dtype)

    turned = Image.Exif()
    turned[0x0112] = 6
    grey = Image.fromarray(noise())
    Image.fromarray(noise(4), "RGBA").save(folder / "rgba.png")
    Image.merge("LA", [grey, Image.fromarray(noise())]).save(folder / "la.png")
    Image.fromarray(noise(3)).quantize(16).save(folder / "p.png", transparency=3)
    Image.fromarray(noise(dtype=np.uint16)).save(folder / "16.png")
    Image.fromarray(noise(4), "CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(noise()).save(folder / "turned.jpg", exif=turned)
    grey.point(lambda v: 255 * (v > 99), "1").save(folder / "1.png")
    grey.save(folder / "l.gif")
    Image.fromarray(noise(3)).save(folder / "rgb.webp", lossless=True)


@pytest.mark.parametrize("crop", ["square", "none", "center140", "face", "rows"])
@pytest.mark.parametrize("size", [8, 64, 150])
def test_prepared_images_are_those_of_the_files(tmp_path: Path, size: int, crop: str) -> None:
    root, out = tmp_path / "files", tmp_path / "out"
    pictures(root / "train" / "b")
    if crop == "rows":
        # After its rotation is undone, the picture is wider than high.
        (root / "train" / "b" / "turned.jpg").unlink()
    shutil.copytree(root / "train" / "b", root / "val" / "a")
    command = ["data", "prepare", "folder", f"--source={root}", f"--out={out}"]
    main([*command, f"--size={size}", f"--crop={crop}"])
    n = len(os.listdir(root / "val" / "a"))
    for split in ("train", "val"):
        (y, label), (z, expected) = (
            next(iter(ImageFolder(str(at), size, 0, crop=crop).loader(split, [torch.arange(n)])))
            for at in (root, out)
        )
        assert torch.equal(y, z) and torch.equal(label, expected)
        assert y.shape == (n, 3, size, size)
        assert label.unique().tolist() == [split == "train"]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [("first", ["even", "odd"]), ("last", ["deeper", "even", "odd"]), ("none", [])],
)
def test_prepared_labels_are_those_of_the_files(
    root: Path, tmp_path: Path, labels: str, classes: list[str]
) -> None:
    for split in ("train", "val"):
        nested = root / split / "odd" / "deeper"
        nested.mkdir()
        (root / split / "odd" / "01.png").rename(nested / "01.png")
    out = tmp_path / "out"
    command = ["data", "prepare", "folder", f"--source={root}", f"--out={out}", "--size=8"]
    main([*command, f"--labels={labels}"])
    files, prepared = (ImageFolder(str(at), 8, 0, labels=labels) for at in (root, out))
    assert files.classes == prepared.classes == classes
    for split in ("train", "val"):
        assert torch.equal(files.contents(split)[1], prepared.contents(split)[1])
        order = [torch.arange(files.length(split))]
        ((y, label),), ((z, expected),) = files.loader(split, order), prepared.loader(split, order)
        assert torch.equal(y, z) and torch.equal(label, expected)


@pytest.mark.parametrize("classes", [["."], ["a", "b"]])
def test_images_are_held_out_as_those_of_a_prepared_set(
    tmp_path: Path, classes: list[str]
) -> None:
    root, out = tmp_path / "files", tmp_path / "out"
    for i in range(45):
        at = root / classes[i % len(classes)]
        at.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8), (5 * i, 0, 0)).save(at / f"{i}.png")
    main(["data", "prepare", "folder", f"--source={root}", f"--out={out}", "--size=8"])
    files, prepared = (ImageFolder(str(at), 8, 0, batch_size=4) for at in (root, out))
    held_out, expected = (next(iter(data.val_dataloader())) for data in (files, prepared))
    assert len(held_out[0]) == files.length("val") == 2
    for a, b in zip(held_out, expected, strict=True):
        assert torch.equal(a, b)
    values = [y[:, 0, 0, 0] for y, _ in files.loader("train", torch.arange(43).split(43))]
    assert sorted(torch.cat([*values, held_out[0][:, 0, 0, 0]]).tolist()) == list(range(0, 225, 5))


def test_too_few_images_to_hold_some_out_are_said(tmp_path: Path) -> None:
    for i in range(20):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    assert ImageFolder(str(tmp_path), 8, 0).length("val") == 1
    (tmp_path / "3.png").unlink()
    with pytest.raises(FileNotFoundError, match="no held-out images, and 19, fewer than 20, to"):
        ImageFolder(str(tmp_path), 8, 0).length("val")
    for i in range(20):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{i}.png")
    with pytest.raises(FileNotFoundError, match="same contents, and none can be held out"):
        ImageFolder(str(tmp_path), 8, 0).length("val")


def test_a_folder_that_is_missing_is_called_missing(tmp_path: Path) -> None:
    data = ImageFolder(str(tmp_path / "nowhere"), size=16)
    with pytest.raises(FileNotFoundError, match=r"<class>.*: there is no such folder\.$"):
        data.setup("fit")
