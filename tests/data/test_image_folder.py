r"""Tests for the energy_gans.data.image_folder module."""

import shutil
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from energy_gans.cli import main
from energy_gans.data import ImageFolder

TRAIN, VAL = 12, 5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    r"""Writes wide images of two classes, whose grey value at the centre is ten times their index."""
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


@pytest.mark.parametrize("step", [1, 2])
def test_a_run_that_is_resumed_reads_the_rest(root: Path, step: int) -> None:
    assert read(folder(root, step=step)) == read(folder(root))[step:]


def test_epochs_differ_in_their_order(root: Path) -> None:
    assert read(folder(root)) != read(folder(root, step=3))


def test_processes_share_a_batch(root: Path) -> None:
    shares = [read(folder(root, rank=rank, world_size=2)) for rank in (0, 1)]
    whole = torch.tensor(shares).movedim(0, 2).flatten(1)
    assert whole.tolist() == read(folder(root))


def test_the_held_out_set_is_read_in_order(root: Path) -> None:
    ((y, label),) = folder(root).val_dataloader()
    assert (y[:, 0, 4, 4].long() // 10).tolist() == [0, 2, 4, 1, 3]
    assert label.tolist() == [0, 0, 0, 1, 1]


def test_grey_images_get_three_channels(root: Path) -> None:
    for i in range(VAL):
        Image.new("L", (8, 8), 7).save(root / "val" / "odd" / f"grey{i}.png")
    ((y, _),) = folder(root).val_dataloader()
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


# What identifies files that were not read


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


# The command that prepares them


def test_prepared_images_are_those_of_the_files(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main(["data", "prepare", "folder", f"--source={root}", f"--out={out}", "--size=8"])
    for split in ("train", "val"):
        read = [
            next(iter(ImageFolder(str(place), 8, 0).loader(split, [torch.arange(5)])))
            for place in (root, out)
        ]
        # The files' own names sort them in both; filters differ by a rounding.
        assert (read[0][0].int() - read[1][0].int()).abs().max() <= 1
        assert torch.equal(read[0][1], read[1][1])
    assert ImageFolder(str(out), 8).classes == ["even", "odd"]
