r"""Tests for the energy_gans.data.own module."""

import io
import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from energy_gans.cli import main
from energy_gans.commands.real_data import held_out_samples
from energy_gans.data import FromDataset, FromLoader
from energy_gans.data.base import to_unit_range
from energy_gans.data.prepared.preprocessing import Preprocessing
from energy_gans.metrics.features import Pixels
from energy_gans.metrics.reference import reference_statistics
from energy_gans.metrics.statistics import feature_statistics

N = 40


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def pixels(channels: int = 3) -> Tensor:
    r"""Returns images whose first value is their index."""
    random = torch.Generator().manual_seed(1)
    y = torch.randint(256, (N, channels, 8, 8), generator=random).to(torch.uint8)
    y[:, 0, 0, 0] = torch.arange(N)
    return y


def pictures(channels: int = 3) -> list[Image.Image]:
    return [Image.fromarray(y.permute(1, 2, 0).squeeze(2).numpy()) for y in pixels(channels)]


class Items(Dataset):
    r"""A data set of given items, as Hugging Face's are of dictionaries."""

    def __init__(self, items: list[Any]) -> None:
        self.given = items

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, i: int) -> Any:
        if type(i) is not int:
            raise TypeError(f"The index should be an int, got {type(i)}.")
        return self.given[i]


def place(data: FromDataset, rank: int = 0, world_size: int = 1, step: int = 0) -> FromDataset:
    r"""Places a data module in a trainer, of one of several processes, at a step."""
    data.trainer = SimpleNamespace(
        global_rank=rank,
        world_size=world_size,
        global_step=step,
        limit_val_batches=1.0,
        training=True,
    )
    return data


def assert_equal_batches(a: FromDataset, b: FromDataset) -> None:
    for loader in ("train_dataloader", "val_dataloader"):
        batches = zip(getattr(a, loader)(), getattr(b, loader)(), strict=True)
        for (y, label), (other, other_label) in batches:
            assert y.dtype == other.dtype
            assert torch.equal(y, other)
            assert torch.equal(label, other_label)


LABELS = torch.arange(N) % 4
SETS = {
    "a tensor data set": TensorDataset(pixels(), LABELS),
    "arrays": (pixels().numpy(), LABELS.numpy()),
    "pairs of tensors": Items(list(zip(pixels(), LABELS, strict=True))),
    "pairs of pictures": Items(list(zip(pictures(), LABELS.tolist(), strict=True))),
    "dictionaries of pictures": Items(
        [
            {"img": y, "label": k, "name": "a"}
            for y, k in zip(pictures(), LABELS.tolist(), strict=True)
        ]
    ),
    "dictionaries of arrays": Items(
        [
            {"labels": np.int64(k), "pixel_values": y}
            for y, k in zip(pixels().numpy(), LABELS, strict=True)
        ]
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_the_same_samples_give_the_same_batches_in_any_format(name: str) -> None:
    expected, data = (FromDataset(s, batch_size=8) for s in ((pixels(), LABELS), SETS[name]))
    assert_equal_batches(data, expected)
    assert data.shape == expected.shape == (3, 8, 8)
    for split in ("train", "val"):
        assert data.length(split) == expected.length(split)
        assert data.fingerprint(split) == expected.fingerprint(split)
    assert data.fingerprint("train") != data.fingerprint("val")


@pytest.mark.parametrize("source", [pixels(1), pictures(1)])
def test_grey_images_have_one_channel_and_no_labels(source: Any) -> None:
    y, label = next(iter(FromDataset(source, batch_size=8).train_dataloader()))
    assert y.shape == (8, 1, 8, 8)
    assert label is None


def indices(batches: Any) -> list[int]:
    r"""Returns the indices of images in the order in which they are read."""
    return [i for y, _ in batches for i in y[:, 0, 0, 0].tolist()]


@pytest.mark.parametrize("source", [pixels(), pictures()])
def test_every_tenth_sample_is_held_out(source: Any) -> None:
    data = FromDataset(source, batch_size=4)
    assert sorted(indices(data.val_dataloader())) == list(range(0, N, 10))
    assert sorted(indices(data.train_dataloader())) == [i for i in range(N) if i % 10]


def test_held_out_data_that_are_given_are_used() -> None:
    data = FromDataset(pixels(), val=pictures()[:7], batch_size=4)
    assert sorted(indices(data.val_dataloader())) == list(range(7))
    assert sorted(indices(data.train_dataloader())) == list(range(N))


def test_limits_and_repeats_are_those_of_all_data_modules() -> None:
    data = FromDataset(pictures(), batch_size=6, limit=3, repeat=4)
    assert sorted(indices(data.train_dataloader())) == sorted([1, 2, 3] * 4)


class Augmented(Items):
    r"""Items to which random numbers of torch, NumPy and Python are added."""

    def __getitem__(self, i: int) -> Tensor:
        noise = torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
        return torch.cat([self.given[i], torch.tensor([*noise])])


def augmented(num_workers: int = 0, **where: int) -> list[Tensor]:
    r"""Returns the batches of an epoch from a step on, with random transforms."""
    source = Augmented(list(torch.arange(22.0)[:, None]))
    torch.manual_seed(5)
    data = place(FromDataset(source, batch_size=4, num_workers=num_workers), **where)
    return [y for y, _ in data.train_dataloader()]


def test_random_transforms_are_functions_of_seed_and_step() -> None:
    whole = torch.stack(augmented())
    assert len(whole[..., 1:].flatten().unique()) == whole[..., 1:].numel()
    torch.manual_seed(6)
    np.random.seed(6)  # noqa: NPY002
    random.seed(6)
    assert torch.equal(torch.stack(augmented(num_workers=2)), whole)
    assert torch.equal(torch.stack(augmented(step=2)), whole[2:])
    shares = [torch.stack(augmented(rank=rank, world_size=2)) for rank in (0, 1)]
    assert torch.equal(torch.stack(shares, 2).flatten(1, 2), whole)
    assert not torch.equal(torch.stack(augmented(step=4)), whole[:4])


def test_reading_leaves_the_random_numbers_of_the_run_alone() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]  # noqa: NPY002
    source = Augmented(list(torch.arange(22.0)[:, None]))
    held_out = FromDataset(source, batch_size=4).contents("val")[0]
    held_out[[(0, 7), (1, 8)]]
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1] == after[1]
    assert (before[2] == after[2]).all()


@pytest.mark.parametrize("wrap", [lambda y: y, lambda y: Items(list(y))])
def test_images_of_0_to_1_are_said(wrap: Any) -> None:
    data = FromDataset(wrap(pixels() / 255), value_range=(0, 1), batch_size=8)
    plain = FromDataset(pixels(), batch_size=8)
    batches = zip(data.train_dataloader(), plain.train_dataloader(), strict=True)
    for batch, (expected, _) in batches:
        y, _ = data.on_after_batch_transfer(batch, 0)
        torch.testing.assert_close(y, to_unit_range(expected))
    assert data.fingerprint("val") != FromDataset(wrap(pixels() / 255)).fingerprint("val")


def test_pictures_of_any_size_and_mode_become_those_of_prepared_sets() -> None:
    modes = ["RGB", "L", "RGBA", "P", "I;16", "1"]
    given = [Image.new("RGB", (9 + i, 20 - i), (40 * i, 7, 99)) for i in range(12)]
    given = [
        Image.new("I;16", (9, 8), 999) if (mode := modes[i % 6]) == "I;16" else y.convert(mode)
        for i, y in enumerate(given)
    ]
    data = FromDataset(given, val=given, batch_size=4, size=8)
    ((y, _),) = data.loader("val", [torch.arange(len(given))])
    for image, picture in zip(y, given, strict=True):
        file = io.BytesIO()
        picture.save(file, "png")
        assert torch.equal(image, torch.from_numpy(Preprocessing(8)(file.getvalue())))


def test_measures_read_it(tmp_path: Path) -> None:
    data = FromDataset(pictures(), batch_size=4)
    extractor = Pixels([3, 8, 8])
    found = reference_statistics(data, "train", 36, 0, extractor, tmp_path)
    y = torch.stack([pixels()[i] for i in range(N) if i % 10])
    expected = feature_statistics(extractor, [(y, torch.arange(36))], 0, "cpu")
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.covariance, expected.covariance)


def test_the_data_are_not_a_part_of_checkpoints() -> None:
    data = FromDataset(pixels(), val=pixels(), value_range=None, batch_size=4, flip=True)
    assert not {"train", "val"} & set(data.hparams)
    assert (data.hparams.batch_size, data.hparams.flip) == (4, True)


def test_a_config_names_a_data_set_and_its_run_is_resumed(tmp_path: Path) -> None:
    classes = "energy_gans.networks.DCGAN"
    options = [
        "--model=EIEGGenerator",
        f"--model.generator={classes}Generator",
        *("--model.generator.latent_dim=2", "--model.latent_dim=2"),
        *("--model.generator.width=4", "--model.generator.channels=1"),
        "--model.generator.size=32",
        "--data=FromDataset",
        "--data.train=torchvision.datasets.FakeData",
        *("--data.train.image_size=[1, 32, 32]", "--data.train.size=22", "--data.batch_size=8"),
        "--trainer.callbacks+=Checkpoints",
        "--trainer.callbacks.monitor=null",
        *("--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}"),
    ]
    main(["fit", *options, "--trainer.max_steps=1"])
    main(["fit", *options, "--trainer.max_steps=2", "--ckpt_path=last"])
    (path,) = tmp_path.glob("**/last.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["global_step"] == 2
    train = checkpoint["datamodule_hyper_parameters"]["train"]
    assert train["class_path"] == "torchvision.datasets.FakeData"


class Stream(IterableDataset):
    def __len__(self) -> int:
        return N

    def __iter__(self) -> Any:
        return iter(pixels())


def items(*items: Any) -> Items:
    return Items([*items] * 11)


RGBA = Image.new("RGBA", (8, 8))
WRONG = {
    "a loader": ([DataLoader(pixels())], {}, "got DataLoader: pass train.dataset, or .*FromLoad"),
    "a folder": (["images"], {}, "'train' should be a tensor, .*got str: .*ImageFolder reads"),
    "all splits": ([{"train": 1, "test": 2}], {}, "got dict: choose .* parts, 'train', 'test'"),
    "a stream": ([Stream()], {}, "got Stream: energy_gans.data.FromLoader reads a DataLoader"),
    "no samples": ([Items([])], {}, "'train' should hold at least one sample, got none"),
    "an empty tensor": ([torch.zeros(0, 2)], {}, r"as many labels, got .* shapes \(0, 2\)"),
    "fewer labels": ([(pixels(), LABELS[1:])], {}, r"as many labels, got .*, 8, 8\), \(39,\)"),
    "three tensors": ([TensorDataset(*[LABELS] * 3)], {}, r"got tensors of shapes \(40,\), "),
    "held-out loader": ([pixels(), DataLoader(pixels())], {}, "'val' should be .*val.dataset"),
    "few samples": ([pixels()[:10]], {}, "'val' should be given for fewer than 11 .* got 10"),
    "a range of one": ([pixels()], {"value_range": 1}, r"two finite numbers, .* got 1\."),
    "a reversed range": ([pixels()], {"value_range": (1, 0)}, r"lower first, .*got \(1, 0\)"),
    "a range of uint8": ([pixels()], {"value_range": (0, 1)}, r"left out for uint8, got \(0, 1\)"),
    "values of 255": ([pixels().float()], {}, r"in \[-1, 1\], got values from 0 to 255"),
    "beyond the range": ([pixels().float()], {"value_range": (0, 1)}, r"in \[0, 1\], got values"),
    "NaN": ([torch.full((20, 2), torch.nan)], {}, "finite, got NaN .* in 20 of 20 samples"),
    "grey tensors": ([pixels()[:, 0]], {}, r"\(40, 8, 8\): unsqueeze\(1\)"),
    "integers": ([LABELS[:, None]], {}, "Samples should be floats, .*, got torch.int64"),
    "keys of tensors": ([pixels()], {"image_key": "y"}, "left out for tensors, got None, 'y'"),
    "the size of tensors": ([pixels()], {"size": 32}, "left out for tensors, got 32"),
    "the size of items": ([items(pixels()[0])], {"size": 32}, "left out .* got 32 and Tensor"),
    "unknown keys": ([items({"a": 1, "b": 2})], {}, "keys 'a', 'b' should have one of 'image'"),
    "a wrong key": ([items({"x": RGBA})], {"image_key": "y"}, "the keys 'x' should have 'y'"),
    "transparency": ([items(RGBA)], {}, "mode 'RGB' or 'L', got 'RGBA': 'size' makes"),
    "two sizes": ([pictures() + [Image.new("L", (9, 9))] * 9], {}, r"\(1, 9, 9\) uint8 of sample"),
    "text": ([items("cat")], {}, "should be a tensor, an array or a PIL image, got str"),
    "flipped points": ([torch.rand(40, 2)], {"flip": True}, r"'flip' .* of shape \(2,\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_are_refused_in_one_sentence(name: str) -> None:
    args, options, message = WRONG[name]
    with pytest.raises(ValueError, match=message) as error:
        data = place(FromDataset(*args, **{"batch_size": 8} | options))
        data.setup("fit")
        for batch in data.train_dataloader():
            data.on_after_batch_transfer(batch, 0)
    assert not re.search(r"[.?!] |\n", str(error.value))


def test_an_error_of_a_worker_is_raised_without_its_traceback() -> None:
    data = FromDataset(items(RGBA), batch_size=2, num_workers=1)
    with pytest.raises(ValueError, match=r"^PIL images should have mode"):
        next(iter(data.train_dataloader()))


def test_a_loader_is_passed_on_and_its_batches_are_read() -> None:
    loader = DataLoader(Items([{"y": pixels()[i] / 255, "k": LABELS[i]} for i in range(N)]), 8)
    data = FromLoader(loader, value_range=(0, 1), image_key="y", label_key="k")
    assert data.train_dataloader() is loader
    assert data.val_dataloader() == []
    y, label = data.on_after_batch_transfer(next(iter(loader)), 0)
    torch.testing.assert_close(y, to_unit_range(pixels()[:8]))
    assert torch.equal(label, LABELS[:8])
    with pytest.raises(ValueError, match=r"in \[0, 1\], got values from 0 to 2"):
        data.on_after_batch_transfer({"y": torch.tensor([[0.0, 2.0]]), "k": LABELS}, 0)
    with pytest.raises(ValueError, match=r"'value_range' should be two finite numbers"):
        FromLoader(loader, value_range=(0, float("inf")))


def test_held_out_samples_may_have_no_labels() -> None:
    data = FromDataset(TensorDataset(torch.randn(400, 2)), batch_size=10)
    data.prepare_data()
    y, label = held_out_samples(data, 10, seed=0)
    assert y.shape == (10, 2) and label is None
