r"""Tests for the energy_gans.metrics.features.pixels module."""

import pytest
import torch
from torch import Tensor

from energy_gans.metrics.features import Pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_the_pixels(images: Tensor, channels: int) -> None:
    images = images[:, :channels]
    extractor = Pixels(images.shape[1:])
    features, logits = extractor(images)
    assert logits is None
    assert extractor.num_features == channels * 21 * 34
    assert features.min() >= 0
    assert features.max() <= 1
    assert torch.equal((features * 255).round().to(torch.uint8).view_as(images), images)


def test_images_of_another_shape_are_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"'shape' = \(1, 21, 34\), got \(3, 21, 34\)"):
        Pixels((1, 21, 34))(images)


@pytest.mark.parametrize("shape", [(28, 28), (2, 28, 28), (1, 0, 28), ()])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="^'shape' should be"):
        Pixels(shape)
