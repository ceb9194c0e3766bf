r"""Tests for the energy_gans.networks.labels module."""

import pytest
import torch

from energy_gans.networks.labels import LabelledLatents, check_label


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
