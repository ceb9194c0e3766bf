r"""Tests for the energy_gans.data.images module."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from energy_gans.data import ImageDataModule
from energy_gans.data.base import Batch
from energy_gans.data.images import pad_to, resize_to


class Steps(ImageDataModule):
    r"""Images that are dark on the left and light on the right; labels are indices."""

    shape = (3, 2, 4)

    def load(self, split: str) -> Batch:
        label = torch.arange(30)
        light = torch.tensor([0, 10, 20, 200]) + label[:, None, None, None]
        return light.to(torch.uint8).expand(-1, *self.shape), label


def images(
    step: int = 0, rank: int = 0, world_size: int = 1, training: bool = True, **options: object
) -> Steps:
    torch.manual_seed(5)
    data = Steps(**({"batch_size": 10} | options))
    data.trainer = SimpleNamespace(
        global_rank=rank, world_size=world_size, global_step=step, training=training
    )
    return data


def given(data: Steps) -> Batch:
    r"""Returns the first batch as a model receives it."""
    return data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)


def flipped(y: Tensor) -> list[bool]:
    return (y[:, 0, 0, 0] > y[:, 0, 0, -1]).tolist()


# Few samples


@pytest.mark.parametrize("limit, repeat, batches", [(10, 1, 1), (3, 10, 3), (1, 10, 1), (4, 5, 2)])
def test_an_epoch_repeats_the_first_images(limit: int, repeat: int, batches: int) -> None:
    data = images(limit=limit, repeat=repeat)
    labels = [label for _, label in data.train_dataloader()]
    assert data.length("train") == limit
    assert len(labels) == len(data.train_dataloader()) == batches
    counts = torch.bincount(torch.cat(labels), minlength=30)
    assert counts[limit:].sum() == 0
    assert counts.max() <= repeat and counts.sum() == 10 * batches


def test_held_out_images_are_not_limited() -> None:
    data = images(limit=3, repeat=10)
    assert data.length("val") == sum(len(label) for _, label in data.val_dataloader()) == 30


def test_what_is_limited_has_a_fingerprint_of_its_own() -> None:
    prints = [images(limit=limit).fingerprint("train") for limit in (10, 11, None)]
    assert len(set(prints)) == 3
    assert images(limit=30).fingerprint("train") == prints[2]
    assert images(limit=10, repeat=3, flip=True).fingerprint("train") == prints[0]


@pytest.mark.parametrize("name", ["limit", "repeat"])
def test_no_images_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' should be at least 1, got 0"):
        images(**{name: 0})


def test_a_limit_beyond_the_set_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'limit' .* training images, 30, got 31"):
        images(limit=31).train_dataloader()


def test_a_batch_larger_than_what_an_epoch_holds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'batch_size' .* training samples, 9, got 10"):
        images(limit=3, repeat=3).train_dataloader()


# Flips


def test_flips_mirror_images_and_leave_labels() -> None:
    plain, label = given(images())
    y, label_again = given(images(flip=True))
    mask = flipped(y)
    assert True in mask and False in mask and not any(flipped(plain))
    assert torch.equal(label, label_again)
    for a, b, mirrored in zip(y, plain, mask, strict=True):
        assert torch.equal(a, b.flip(-1) if mirrored else b)


def test_half_of_all_images_are_flipped() -> None:
    shares = [images(step, flip=True).flip_mask().float().mean() for step in range(500)]
    assert torch.stack(shares).mean().item() == pytest.approx(0.5, abs=4 * 0.5 / 5000**0.5)


def test_flips_are_functions_of_the_seed_and_the_step() -> None:
    masks = [images(step, flip=True, batch_size=30).flip_mask() for step in (0, 1, 1)]
    assert torch.equal(masks[1], masks[2])
    assert not torch.equal(masks[0], masks[1])
    other = images(1, flip=True, batch_size=30)
    other.seed += 1
    assert not torch.equal(other.flip_mask(), masks[1])


@pytest.mark.parametrize("world_size", [2, 5])
def test_processes_flip_what_one_flips(world_size: int) -> None:
    shares = [given(images(7, rank, world_size, flip=True)) for rank in range(world_size)]
    whole = given(images(7, flip=True))
    for parts, all_of_it in zip(zip(*shares, strict=True), whole, strict=True):
        assert torch.equal(torch.stack(parts, 1).flatten(0, 1), all_of_it)


def test_nothing_is_flipped_but_in_training() -> None:
    data = images(training=False, flip=True)
    y, _ = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    assert not any(flipped(y))
    data.trainer = None
    assert not any(flipped(given(data)[0]))


# Sizes


@pytest.mark.parametrize("size", [4, 6, 10])
def test_padding_keeps_the_centre_and_adds_black(size: int) -> None:
    y = torch.randint(1, 256, (3, 2, 4, 4), dtype=torch.uint8)
    padded = pad_to(y, size)
    margin = (size - 4) // 2
    inner = padded[..., margin : size - margin, margin : size - margin]
    assert padded.shape == (3, 2, size, size)
    assert torch.equal(inner, y)
    assert padded.long().sum() == y.long().sum()


@pytest.mark.parametrize("size", [2, 3, 5, 0])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be 4 or larger .* got {size}"):
        pad_to(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), size)


@pytest.mark.parametrize(
    "shape, size", [((4, 3, 32, 32), 64), ((4, 1, 28, 28), 32), ((2, 3, 32, 32), 8)]
)
def test_resizing_is_that_of_pillow(shape: tuple[int, ...], size: int) -> None:
    y = torch.randint(0, 256, shape, dtype=torch.uint8)
    resized = resize_to(y, size)
    assert resized.shape == (*shape[:2], size, size)
    assert resized.dtype == torch.uint8
    for plane, found in zip(y.flatten(0, 1), resized.flatten(0, 1), strict=True):
        image = Image.fromarray(plane.numpy()).resize((size, size), Image.Resampling.BILINEAR)
        # Both implementations round, at different places.
        assert np.abs(np.asarray(image).astype(int) - found.numpy().astype(int)).max() <= 1


def test_resizing_in_parts_changes_nothing() -> None:
    y = torch.randint(0, 256, (2345, 1, 4, 4), dtype=torch.uint8)
    whole = resize_to(y, 6)
    for i in (0, 999, 1000, 2344):
        assert torch.equal(whole[i : i + 1], resize_to(y[i : i + 1], 6))


def test_images_that_have_the_size_are_left_alone() -> None:
    y = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    assert resize_to(y, 4) is y
