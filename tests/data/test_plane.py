r"""Tests for the energy_gans.data.plane module."""

import math
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser

from energy_gans.data import GaussianMixture, Grid, Moons, Ring, Spirals, TwoModes
from energy_gans.data.plane import Curves

every_set = pytest.mark.parametrize("data", [Moons, Spirals])

MIXTURES = {
    "points on a line": lambda: GaussianMixture([[0.0], [2.0], [7.0]], 0.3, [1.0, 2.0, 5.0]),
    "points in space": lambda: GaussianMixture([[0.0, 1.0, 2.0], [9.0, 8.0, 7.0]], 1.5),
    "ring": Ring,
    "grid": Grid,
    "grid of the paper": lambda: Grid(spacing=10.5, std=1.0),
    "two modes": lambda: TwoModes(weights=(0.2, 0.8)),
}


@pytest.fixture(params=MIXTURES.values(), ids=MIXTURES.keys())
def data(request: pytest.FixtureRequest) -> GaussianMixture:
    return request.param()


def test_the_share_of_each_mode_is_its_weight(data: GaussianMixture) -> None:
    _, label = data.load("train")
    n, w = len(label), data.weights
    share = torch.bincount(label, minlength=len(w)) / n
    assert w.sum().item() == pytest.approx(1)
    assert ((share - w).abs() < 5 * (w * (1 - w) / n).sqrt()).all()


def test_samples_lie_around_the_mean_of_their_label(data: GaussianMixture) -> None:
    y, label = data.load("train")
    noise = (y - data.means[label]) / data.std
    for m in range(len(data.means)):
        part = noise[label == m]
        assert part.mean(0).abs().max() < 5 / len(part) ** 0.5
        # The variance of a variance estimate is 2 / n, that of a covariance 1 / n.
        covariance = part.T.cov().reshape(y.shape[1], -1)
        assert (covariance - torch.eye(y.shape[1])).abs().max() < 5 * (2 / len(part)) ** 0.5


def test_sets_have_the_shape_and_sizes_they_tell(data: GaussianMixture) -> None:
    y, label = data.load("train")
    assert y.shape == (100_000, *data.shape)
    assert label.shape == (100_000,)
    assert len(data.load("val")[0]) == 10_000
    assert y.dtype == torch.float32


def test_samples_is_the_number_of_training_samples() -> None:
    data = Ring(samples=123)
    assert [len(data.load(split)[0]) for split in ("train", "val")] == [123, 123]


def test_the_sets_are_the_same_each_time(data: GaussianMixture) -> None:
    torch.manual_seed(1)
    y, label = data.load("train")
    torch.manual_seed(2)
    again, label_again = data.load("train")
    assert torch.equal(y, again)
    assert torch.equal(label, label_again)


@pytest.mark.parametrize("samples", [10_000, 100_000])
@pytest.mark.parametrize("mixture", [Ring, Grid, TwoModes])
def test_the_held_out_set_shares_no_sample_with_the_training_set(
    mixture: type[GaussianMixture], samples: int
) -> None:
    data = mixture(samples=samples)
    train, val = data.load("train")[0], data.load("val")[0]
    assert len(torch.cat([train, val]).unique(dim=0)) > len(train) + len(val) - 5


@pytest.mark.parametrize("mixture", [Ring, Grid, TwoModes])
def test_configs_have_the_arguments_of_older_checkpoints(mixture: type[GaussianMixture]) -> None:
    # A resumed run compares the arguments in its config with those in its checkpoint.
    parser = ArgumentParser()
    parser.add_class_arguments(mixture)
    defaults = parser.get_defaults()
    assert (defaults.batch_size, defaults.samples) == (256, 100_000)
    assert "data_seed" not in defaults
    assert ("weights" in defaults) == (mixture is TwoModes)


def test_another_data_seed_is_another_set() -> None:
    one, other = (GaussianMixture([[0.0, 0.0]], 1.0, data_seed=seed) for seed in (0, 1))
    assert not torch.isclose(one.load("train")[0], other.load("train")[0]).all(1).any()


@pytest.mark.parametrize("modes, radius", [(1, 1.0), (8, 1.0), (7, 3.0)])
def test_a_ring_is_regular(modes: int, radius: float) -> None:
    means = Ring(modes, radius).means.double()
    torch.testing.assert_close(means.norm(dim=1), torch.full_like(means[:, 0], radius))
    neighbours = (means - means.roll(1, 0)).norm(dim=1)
    chord = 2 * radius * math.sin(math.pi / modes)
    torch.testing.assert_close(
        neighbours, torch.full_like(neighbours, chord), rtol=1e-6, atol=1e-6
    )
    assert len(means) == modes


@pytest.mark.parametrize("side, spacing", [(1, 1.0), (2, 3.0), (5, 0.7)])
def test_a_grid_is_square_and_centred(side: int, spacing: float) -> None:
    means = Grid(side, spacing).means
    assert len(means) == side**2
    assert means.mean(0).tolist() == pytest.approx([0, 0], abs=1e-6)
    extent = means.max(0).values - means.min(0).values
    assert extent.tolist() == pytest.approx([(side - 1) * spacing] * 2)
    if side > 1:
        assert torch.pdist(means).min().item() == pytest.approx(spacing)


def test_the_grid_of_the_paper() -> None:
    data = Grid(spacing=10.5, std=1.0)
    ticks = [-21, -10.5, 0, 10.5, 21]
    assert sorted(data.means.tolist()) == [[u, v] for u in ticks for v in ticks]


@pytest.mark.parametrize("weights", [(0.5, 0.5), (1.0, 3.0)])
def test_two_modes_are_at_their_distance(weights: tuple[float, float]) -> None:
    data = TwoModes(distance=6.0, weights=weights)
    assert data.means.tolist() == [[-3, 0], [3, 0]]
    assert (data.weights[1] / data.weights[0]).item() == pytest.approx(weights[1] / weights[0])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"std": 0.0}, "'std' should be positive and finite, got 0.0"),
        ({"std": -1.0}, "'std' should be positive and finite, got -1.0"),
        ({"std": math.nan}, "'std' should be positive and finite, got nan"),
        ({"means": []}, r"'means' should be points of one dimension, got \[\]"),
        ({"means": [[0.0], [1.0, 2.0]]}, "'means' should be points of one dimension"),
        ({"weights": [1.0]}, r"'weights' should be 2 non-negative numbers.*got \[1.0\]"),
        ({"weights": [1.0, -1.0]}, r"'weights' should be 2 .*got \[1.0, -1.0\]"),
        ({"weights": [0.0, 0.0]}, r"'weights' should be 2 .*got \[0.0, 0.0\]"),
        ({"weights": [1.0, math.nan]}, r"'weights' should be 2 .*got \[1.0, nan\]"),
        ({"samples": 0}, "'samples' should be at least 1, got 0"),
        ({"batch_size": 0}, "'batch_size' should be at least 1, got 0"),
    ],
)
def test_what_is_no_mixture_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianMixture(**({"means": [[0.0], [1.0]], "std": 1.0} | options))


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
