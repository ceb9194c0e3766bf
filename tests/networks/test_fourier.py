r"""Tests for the energy_gans.networks.fourier module."""

import math

import pytest
import torch

from energy_gans.networks import FourierMLP
from energy_gans.networks.fourier import _fourier_features


def test_waves_are_sines_and_cosines_of_the_frequencies() -> None:
    x, frequencies = torch.randn(5, 2), torch.randn(3, 2)
    found = _fourier_features(x, frequencies)
    for i in range(5):
        for f in range(3):
            angle = 2 * math.pi * sum(a * b for a, b in zip(x[i], frequencies[f], strict=True))
            expected = torch.stack([torch.sin(angle), torch.cos(angle)])
            torch.testing.assert_close(found[i, [f, 3 + f]], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("classes", [None, 4])
def test_shapes(timed: bool, classes: int | None) -> None:
    network = FourierMLP(3, [8], 5, time_conditioned=timed, classes=classes)
    label = None if classes is None else torch.arange(4)
    time = torch.rand(4) if timed else None
    assert network(torch.randn(4, 3), label, time).shape == (4, 1)


def test_it_depends_on_all_it_is_told() -> None:
    network = FourierMLP(2, [8], 5, time_conditioned=True, classes=3)
    x, label, time = torch.randn(1, 2), torch.zeros(1).long(), torch.tensor([0.3])
    known = network(x, label, time)
    for other in ((x + 0.1, label, time), (x, label + 1, time), (x, label, time + 0.1)):
        assert (network(*other) - known).abs() > 1e-6


def test_frequencies_are_saved() -> None:
    one, two = FourierMLP(2, [8], 5), FourierMLP(2, [8], 5)
    two.load_state_dict(one.state_dict())
    x = torch.randn(4, 2)
    assert torch.equal(one(x), two(x))


@pytest.mark.parametrize(
    "options, inputs, told",
    [
        ({}, {"label": torch.zeros(4)}, "'label' should be None"),
        ({"classes": 3}, {}, "'label' should hold one of 3 classes"),
        ({}, {"time": torch.zeros(4)}, "'time' should be None"),
        ({"time_conditioned": True}, {}, r"'time' should have the shape \(4,\)"),
    ],
)
def test_labels_and_times_are_checked(options: dict, inputs: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        FourierMLP(2, [8], 5, **options)(torch.randn(4, 2), **inputs)
