r"""Tests for the energy_gans.networks.labels module."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from energy_gans.networks import DCGANGenerator, GGCNGenerator, ResNetGenerator
from energy_gans.networks.labels import LabelledLatents, check_label

every_generator = pytest.mark.parametrize(
    "network", [DCGANGenerator, GGCNGenerator, ResNetGenerator]
)


def test_latents_without_classes_stay_as_they_are() -> None:
    latents, z = LabelledLatents(4), torch.randn(3, 4)
    assert torch.equal(latents(z), z)
    assert latents.out_features == 4


def test_the_embedding_joins_the_latents() -> None:
    latents, z, label = LabelledLatents(4, 5), torch.randn(3, 4), torch.tensor([4, 0, 4])
    joined = latents(z, label)
    assert joined.shape == (3, latents.out_features) == (3, 8)
    assert torch.equal(joined[:, :4], z)
    assert torch.equal(joined[0, 4:], joined[2, 4:])
    assert not torch.equal(joined[0, 4:], joined[1, 4:])


@pytest.mark.parametrize("label", [None, torch.zeros(2), torch.zeros(3, 1), torch.zeros(())])
def test_missing_labels_are_refused(label: torch.Tensor | None) -> None:
    with pytest.raises(ValueError, match=r"'label' should hold one of 5 classes .* \(3,\), got "):
        check_label(label, 5, 3)


def test_unexpected_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'label' should be None, .* got \(3,\)"):
        check_label(torch.zeros(3), None, 3)


@every_generator
def test_a_label_changes_the_image(network: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    generator = network(10, 1, 28, 8, classes=3)
    z = torch.randn(1, 10).expand(3, -1)
    x = generator(z, torch.tensor([0, 1, 0]))
    torch.testing.assert_close(x[0], x[2])
    assert (x[0] - x[1]).abs().max() > 1e-3


@every_generator
def test_generators_refuse_missing_and_unexpected_labels(
    network: Callable[..., nn.Module],
) -> None:
    z, label = torch.zeros(2, 10), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="'label' should hold one of 3 classes .* got None"):
        network(10, 1, 28, 8, classes=3)(z)
    with pytest.raises(ValueError, match="'label' should be None"):
        network(10, 1, 28, 8)(z, label)
