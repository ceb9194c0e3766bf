r"""Tests for the energy_gans.metrics.images module."""

import math

import numpy as np
import pytest
import torch

from energy_gans.metrics.images import to_uint8


def levels() -> torch.Tensor:
    return torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("error", [0.0, 0.49, -0.49])
def test_floats_go_to_the_nearest_level(error: float, dtype: torch.dtype) -> None:
    x = ((levels().double() + error) / 127.5 - 1).clamp(-1, 1).to(dtype)
    images = to_uint8(x)
    assert images.dtype == torch.uint8
    assert torch.equal(images, levels())


def test_floats_are_rounded_as_they_would_be_saved() -> None:
    x = 2 * torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 1
    expected = np.floor((x.double().numpy() + 1) / 2 * 255 + 0.5)
    assert np.array_equal(to_uint8(x), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_ends_of_the_range(dtype: torch.dtype) -> None:
    x = torch.tensor([-1.0, 1.0], dtype=dtype).reshape(1, 1, 1, 2)
    assert to_uint8(x).flatten().tolist() == [0, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_uint8_is_taken_as_it_is(channels: int) -> None:
    x = levels().expand(2, channels, 16, 16)
    assert to_uint8(x) is x


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_no_images_are_images(dtype: torch.dtype) -> None:
    images = to_uint8(torch.zeros(0, 3, 4, 4, dtype=dtype))
    assert images.dtype == torch.uint8
    assert images.shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    "shape", [(3, 4, 4), (1, 2, 4, 4), (1, 4, 4, 4), (2, 4, 4, 3), (2, 0, 4, 4), (), (1,) * 5]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_other_shapes_are_refused(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=r"shape \(N, 1, H, W\) or \(N, 3, H, W\), got \("):
        to_uint8(torch.zeros(shape, dtype=dtype))


@pytest.mark.parametrize("shape", [(2, 3, 0, 4), (2, 1, 4, 0)])
def test_images_without_pixels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Images should"):
        to_uint8(torch.zeros(shape))


@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int32, torch.int8, torch.bool, torch.complex64]
)
def test_other_types_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=rf"uint8, or floats in \[-1, 1\], got {dtype}"):
        to_uint8(torch.zeros(1, 1, 2, 2, dtype=dtype))


@pytest.mark.parametrize("value", [1.001, -1.001, 255.0, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("place", [0, -1])
def test_floats_of_another_range_are_refused(value: float, place: int) -> None:
    x = torch.zeros(2, 3, 4, 4)
    x.view(-1)[place] = value
    with pytest.raises(ValueError, match=rf"floats in \[-1, 1\], got floats in \[.*{value:.4g}"):
        to_uint8(x)
