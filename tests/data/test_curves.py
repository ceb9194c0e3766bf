r"""Tests for the energy_gans.data.curves module."""

import math

import pytest
import torch

from energy_gans.data import Moons, Spirals
from energy_gans.data.curves import Curves

every_set = pytest.mark.parametrize("data", [Moons, Spirals])


def test_points_without_noise_lie_on_half_circles() -> None:
    y, label = Moons(std=0.0).load("train")
    centre = torch.tensor([[-0.5, -0.25], [0.5, 0.25]])[label]
    radius = y - centre
    torch.testing.assert_close(radius.norm(dim=1), torch.ones(len(y)))
    assert (radius[label == 0, 1] >= -1e-6).all()
    assert (radius[label == 1, 1] <= 1e-6).all()


def test_points_without_noise_lie_on_spirals() -> None:
    y, label = Spirals(std=0.0).load("train")
    y = torch.complex(*y.double().T)
    unwound = y * torch.exp(-3j * math.pi * y.abs())
    # Unwound, the first spiral is the positive half of the real axis and the second the negative.
    torch.testing.assert_close(unwound.real, y.abs() * (1 - 2 * label), rtol=0, atol=1e-5)
    assert unwound.imag.abs().max() < 1e-5
    assert y.abs().max() <= 1 + 1e-6


def test_the_two_spirals_do_not_meet_but_at_the_origin() -> None:
    y, label = Spirals(std=0.0).load("val")
    y, label = y[y.norm(dim=1) > 0.2][:4000], label[y.norm(dim=1) > 0.2][:4000]
    assert torch.cdist(y[label == 0], y[label == 1]).min() > 0.2


def test_spirals_fill_the_disc_evenly() -> None:
    y, _ = Spirals(std=0.0, samples=200_000).load("train")
    area = y.square().sum(1)
    edges = torch.histc(area, bins=10, min=0, max=1) / len(y)
    assert (edges - 0.1).abs().max() < 5 * (0.09 / len(y)) ** 0.5


@pytest.mark.parametrize("std", [0.01, 0.05])
def test_noise_has_its_standard_deviation(std: float) -> None:
    exact, noisy = (Moons(std=s).load("train") for s in (0.0, std))
    assert torch.equal(exact[1], noisy[1])
    noise = (noisy[0] - exact[0]) / std
    assert noise.mean(0).abs().max() < 5 / len(noise) ** 0.5
    assert (noise.T.cov() - torch.eye(2)).abs().max() < 5 * (2 / len(noise)) ** 0.5


@every_set
def test_the_curves_are_equally_likely_and_opposite(data: type[Curves]) -> None:
    y, label = data(std=0.0).load("train")
    n = len(label)
    assert label.float().mean().item() == pytest.approx(0.5, abs=5 * 0.5 / n**0.5)
    one, other = y[label == 0], -y[label == 1]
    assert (one.mean(0) - other.mean(0)).abs().max() < 0.02
    assert (one.T.cov() - other.T.cov()).abs().max() < 0.02


@every_set
def test_the_sets_are_the_same_each_time_and_differ_by_split_and_seed(data: type[Curves]) -> None:
    y = data(samples=10_000).load("train")[0]
    assert torch.equal(y, data(samples=10_000).load("train")[0])
    assert not torch.isclose(y, data(samples=10_000).load("val")[0]).all(1).any()
    assert not torch.isclose(y, data(samples=10_000, data_seed=1).load("train")[0]).all(1).any()


@every_set
@pytest.mark.parametrize("samples, held_out", [(100, 100), (20_000, 10_000)])
def test_sizes(data: type[Curves], samples: int, held_out: int) -> None:
    module = data(samples=samples)
    assert module.load("train")[0].shape == (samples, *module.shape)
    assert module.load("val")[0].shape == (held_out, *module.shape)


@every_set
def test_negative_noise_is_refused(data: type[Curves]) -> None:
    with pytest.raises(ValueError, match=r"'std' should be finite and not negative, got -0.1"):
        data(std=-0.1)
