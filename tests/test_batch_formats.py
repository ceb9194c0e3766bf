r"""Tests for the energy_gans.batch_formats module."""

import re
import warnings
from collections import UserDict, namedtuple

import pytest
import torch
from torch import Tensor

from energy_gans.batch_formats import (
    check_samples,
    check_values,
    scale,
    split_labels,
    to_unit_range,
)

Y, LABEL = torch.arange(8.0).view(4, 2), torch.arange(4)
Pair = namedtuple("Pair", ["a", "b"])


@pytest.mark.parametrize(
    "batch",
    [
        (Y, LABEL),
        [Y, LABEL],
        Pair(Y, LABEL),
        {"image": Y, "label": LABEL},
        {"name": ["a"], "labels": LABEL, "img": Y},
        {"pixel_values": Y, "target": LABEL},
        UserDict(x=Y, targets=LABEL),
    ],
)
def test_samples_and_labels_are_found(batch: object) -> None:
    y, label = split_labels(batch)
    assert y is Y
    assert label is LABEL


@pytest.mark.parametrize("batch", [Y, (Y,), [Y], {"image": Y, "fine_label": LABEL}])
def test_labels_may_be_missing(batch: object) -> None:
    y, label = split_labels(batch)
    assert y is Y
    assert label is None


def test_keys_that_are_named_are_used() -> None:
    batch = {"image": LABEL, "y": Y, "label": Y, "fine_label": LABEL}
    y, label = split_labels(batch, "y", "fine_label")
    assert y is Y
    assert label is LABEL


@pytest.mark.parametrize(
    ("batch", "keys", "message"),
    [
        ({"foo": Y, "bar": 1}, (), "keys 'foo', 'bar' .* 'image', .* name the key by .*image_key"),
        ({"image": Y, "img": Y}, (), "keys 'image', 'img' should have one of .*image_key"),
        ({"x": Y, "label": 1, "target": 2}, (), "should have one of 'label', .*label_key"),
        ({"x": Y}, ("y",), "keys 'x' should have 'y'"),
        ({"x": Y}, (None, "l"), "keys 'x' should have 'l'"),
        (Y, ("y",), "'image_key' and 'label_key' are for data .* dictionaries, got Tensor"),
        ((Y, LABEL, LABEL), (), r"\(samples, labels\) or a dictionary, got a tuple of 3"),
        ([], (), "got a list of 0"),
    ],
)
def test_other_formats_are_refused(batch: object, keys: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_labels(batch, *keys)


def test_the_ends_of_a_range_become_those_of_the_unit_range() -> None:
    for low, high in [(0, 1), (0, 255), (-3, 7), (0.1, 0.7)]:
        y = torch.tensor([low, (low + high) / 2, high])
        torch.testing.assert_close(scale(y, (low, high)), torch.tensor([-1.0, 0, 1]))


def test_floats_up_to_255_are_scaled_as_uint8() -> None:
    y = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(scale(y.float(), (0, 255)), to_unit_range(y))


def test_no_range_changes_nothing() -> None:
    assert scale(Y, None) is Y


def images(low: float, high: float, *shape: int) -> Tensor:
    r"""Returns images of floats from `low` to `high`, both included."""
    return torch.linspace(low, high, 4 * 3 * 8 * 8).view(*(shape or (4, 3, 8, 8)))


def with_value(value: float) -> Tensor:
    y = images(-1, 1)
    y[2, 0, 0, 0] = value
    return y


WRONG = {
    "values up to 255": (
        images(0, 255),
        r"floats in \[-1, 1\], got values from 0 to 255: .*range",
    ),
    "normalised values": (images(-2.1, 2.6), r"got values from -2.1 to 2.6"),
    "NaN": (with_value(float("nan")), "finite, got NaN or infinite values in 1 of 4 samples"),
    "infinity": (with_value(float("inf")), "finite, got NaN or infinite values in 1 of 4"),
    "NaN of points": (torch.full((4, 2), torch.nan), "infinite values in 4 of 4 samples"),
    "integers": (torch.ones(4, 3, 8, 8, dtype=torch.int64), "floats, or .*uint8, got torch.int64"),
    "grey without channel": (torch.zeros(4, 8, 8).byte(), r"\(4, 8, 8\): unsqueeze\(1\) gives"),
    "a single image": (torch.zeros(3, 8, 8).byte(), r"\(3, 8, 8\): .* a DataLoader makes"),
    "a vector": (torch.zeros(4), r"or \(B, D\) of points, got torch.float32 of shape \(4,\)"),
    "channels last": (images(-1, 1, 4, 8, 8, 3), r"\(4, 8, 8, 3\): permute\(0, 3, 1, 2\)"),
    "a list": ([1, 2], r"should be a tensor, got list: .*FromDataset\(dataset\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_samples_are_refused_in_one_sentence(name: str) -> None:
    y, message = WRONG[name]
    with pytest.raises(ValueError, match=message) as error:
        check_samples(y)
    assert not re.search(r"[.?!] |\n", str(error.value))


@pytest.mark.parametrize(
    "y",
    [
        images(-1, 1),
        images(-1.00001, 1),
        images(-1, 1).half(),
        images(0, 255).byte(),
        torch.full((4, 2), 1e6),
        torch.rand(4, 2),
        torch.zeros(0, 3, 8, 8),
    ],
)
def test_right_samples_pass_without_a_warning(y: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_samples(y)


def test_images_within_0_and_1_are_only_suspected() -> None:
    with pytest.warns(UserWarning, match=r"are in \[0, 1\], .*value_range=\(0, 1\)\) or FromLoad"):
        check_samples(images(0, 1))


def test_a_range_that_is_given_holds_for_images_and_points() -> None:
    for y in (images(0, 1), torch.rand(4, 2)):
        check_values(y, (0, 1))
        with pytest.raises(ValueError, match=r"floats in \[0, 0.1\], got values from"):
            check_values(y, (0, 0.1))


def test_uint8_has_one_range() -> None:
    with pytest.raises(ValueError, match=r"'value_range' .* left out for uint8, got \(0, 1\)"):
        check_values(images(0, 255).byte(), (0, 1))
