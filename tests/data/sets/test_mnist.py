r"""Tests for the energy_gans.data.sets.mnist module."""

import gzip
import shutil
from pathlib import Path

import pytest
import torch

from energy_gans.data import MNIST, FashionMNIST
from energy_gans.data.images import resize_to

SHARED = Path(__file__).parents[3].parent / "shared" / "data"
SETS = [MNIST, FashionMNIST]

every_set = pytest.mark.parametrize("source", SETS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r"""Unpacks the files that the tests of the real sets need."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} does not exist.")
    root = tmp_path_factory.mktemp("data")
    for source in SETS:
        raw = root / source.__name__ / "raw"
        raw.mkdir(parents=True)
        for file in (SHARED / source.__name__ / "raw").glob("*.gz"):
            with gzip.open(file) as packed, open(raw / file.stem, "wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
    return root


# The means and standard deviations that are commonly used to normalise these sets.
@pytest.mark.parametrize(
    "source, mean, std, labels",
    [(MNIST, 0.1307, 0.3081, [5, 0, 4, 1, 9]), (FashionMNIST, 0.2860, 0.3530, [9, 0, 0, 3, 0])],
)
def test_the_training_set(
    root: Path, source: type[MNIST], mean: float, std: float, labels: list[int]
) -> None:
    data = source(str(root))
    y, label = data.load("train")
    assert y.shape == (60_000, *data.shape)
    assert y.dtype == torch.uint8
    values = torch.arange(256, dtype=torch.float64) / 255
    share = torch.bincount(y.flatten(), minlength=256).double() / y.numel()
    assert (share @ values).item() == pytest.approx(mean, abs=5e-5)
    variance = share @ values.square() - (share @ values) ** 2
    assert variance.sqrt().item() == pytest.approx(std, abs=5e-5)
    assert label[:5].tolist() == labels


@pytest.mark.parametrize(
    "source, counts",
    [
        (MNIST, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
        (FashionMNIST, [1000] * 10),
    ],
)
def test_the_held_out_set(root: Path, source: type[MNIST], counts: list[int]) -> None:
    y, label = source(str(root)).load("val")
    assert y.shape == (10_000, 1, 28, 28)
    assert torch.bincount(label).tolist() == counts


def test_images_are_padded_with_black(root: Path) -> None:
    data = MNIST(str(root), size=32)
    y, _ = data.load("val")
    assert y.shape == (10_000, *data.shape) == (10_000, 1, 32, 32)
    assert torch.equal(y[..., 2:-2, 2:-2], MNIST(str(root)).load("val")[0])
    assert y.long().sum() == y[..., 2:-2, 2:-2].long().sum()


@pytest.mark.parametrize("size", [28, 32, 64])
@every_set
def test_images_are_resized(root: Path, source: type[MNIST], size: int) -> None:
    data = source(str(root), size=size, resize=True)
    y, _ = data.load("val")
    assert y.shape[1:] == data.shape == (1, size, size)
    assert torch.equal(y, resize_to(source(str(root)).load("val")[0], size))


def test_what_is_resized_differs_from_what_is_padded_in_its_fingerprint(root: Path) -> None:
    prints = {MNIST(str(root), 32, resize=resize).fingerprint("val") for resize in (True, False)}
    assert len(prints) == 2


@every_set
def test_ten_classes_have_names(source: type[MNIST]) -> None:
    assert len(set(source("nowhere").classes)) == 10


@every_set
def test_few_samples_fill_batches(root: Path, source: type[MNIST]) -> None:
    data = source(str(root), limit=3, repeat=5, batch_size=15)
    ((_, label),) = data.train_dataloader()
    assert sorted(label.tolist()) == sorted(5 * data.contents("train")[1][:3].tolist())


@pytest.mark.parametrize("size", [27, 26, 29])
def test_other_sizes_are_refused(root: Path, size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be 28 or larger .* got {size}"):
        MNIST(str(root), size=size).load("val")


@pytest.mark.parametrize(
    "file",
    [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ],
)
@every_set
def test_missing_files_are_named(tmp_path: Path, source: type[MNIST], file: str) -> None:
    data = source(str(tmp_path))
    data.prepare_data()
    with pytest.raises(FileNotFoundError) as error:
        data.setup("fit")
    folder = tmp_path / source.__name__ / "raw"
    assert all(name in str(error.value) for name in (file, str(folder), "data.init_args.root"))


@every_set
@pytest.mark.parametrize("download", [False, True])
def test_a_truncated_file_is_said_to_be_one(
    tmp_path: Path, source: type[MNIST], download: bool
) -> None:
    raw = tmp_path / source.__name__ / "raw"
    raw.mkdir(parents=True)
    for file in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (raw / file).write_bytes(b"")
    data = source(str(tmp_path), download=download)
    with pytest.raises(ValueError, match="train-images-idx3-ubyte is truncated: it has 0 bytes"):
        data.prepare_data()
        data.setup("fit")


@every_set
def test_downloads_are_asked_for_where_files_are_missing(
    tmp_path: Path, source: type[MNIST], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, bool]] = []
    dataset = type(source.__name__, (), {})
    dataset.__init__ = lambda self, root, download: asked.append((root, download))
    monkeypatch.setattr(source, "dataset", dataset)
    source(str(tmp_path)).prepare_data()
    assert asked == []
    source(str(tmp_path), download=True).prepare_data()
    assert asked == [(tmp_path, True)]
