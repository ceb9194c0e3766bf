r"""Tests for the energy_gans.methods.parts.feature_maps module: units of length, and queues."""

import pytest
import torch
from torch import Tensor, nn

from energy_gans.functional import mean_distance
from energy_gans.methods.parts.feature_maps import FeatureMaps, FeatureQueue

Y = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))


def test_the_mean_distance_of_real_samples_becomes_1_and_stays_it() -> None:
    maps = FeatureMaps([nn.Flatten(), nn.Linear(2, 5)])
    plain = [one(Y) for one in maps]
    for _ in range(2):
        measured = maps.measure(maps(Y))
        for found, again, f in zip(measured, maps(Y), plain, strict=True):
            torch.testing.assert_close(found, again)
            torch.testing.assert_close(found, f / mean_distance(f, f).float())
    assert maps.state_dict()["unit"].shape == (2,)


def test_features_are_float32_at_least() -> None:
    for given, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        (features,) = FeatureMaps([nn.Linear(2, 3)]).to(given)(Y.to(given))
        assert features.dtype == expected and not features.requires_grad


class Coupled(nn.Module):
    r"""A map that adds a multiple of the mean of all samples."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, a: Tensor) -> Tensor:
        return a + self.factor * a.mean(0)


@pytest.mark.parametrize("y", [[[100.0, 100.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]])
def test_features_that_change_with_other_samples_are_refused_beyond_rounding(y: list) -> None:
    FeatureMaps([nn.Flatten(), Coupled(1e-4)]).check(torch.tensor(y))
    with pytest.raises(ValueError, match="the features of Coupled change with the other samples"):
        FeatureMaps([nn.Flatten(), Coupled(1e-2)]).check(torch.tensor(y))


def test_a_map_of_other_samples_is_refused_with_both_shapes() -> None:
    told = r"the shape of 'data', \(4, 1, 3, 2\), to features, \(4, 'n'\), but it fails: mat1"
    with pytest.raises(ValueError, match=told):
        FeatureMaps([nn.Flatten(), nn.Linear(3, 5)]).check(torch.zeros(4, 1, 3, 2))


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("labelled", [False, True])
def test_a_queue_holds_the_last_samples_of_each_map_with_their_classes(
    labelled: bool, size: int
) -> None:
    queue, seen = FeatureQueue(size), []
    for step in range(4):
        real = [torch.full((3, 2), step) + torch.arange(3)[:, None] / 10, torch.ones(3, 4) * step]
        label = torch.arange(3) + 10 * step if labelled else None
        seen.append((*real, label))
        found = queue.extend(real, label)
        for k, one in enumerate(found):
            assert torch.equal(one.x, torch.cat([s[k] for s in seen])[-3 - size :])
            if labelled:
                assert torch.equal(one.label, torch.cat([s[2] for s in seen])[-3 - size :])
            else:
                assert one.label is None
    assert [len(s) for s in queue.sets] == [size] * (2 + labelled)


def test_without_a_queue_present_samples_stand_alone() -> None:
    queue = FeatureQueue(0)
    for _ in range(2):
        (found,) = queue.extend([Y], None)
        assert torch.equal(found.x, Y) and queue.sets == []
