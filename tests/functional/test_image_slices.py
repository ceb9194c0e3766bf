r"""Tests for the energy_gans.functional.image_slices module."""

import math

import pytest
import torch
from torch import Tensor

from energy_gans.functional import (
    distances,
    image_sliced_field,
    image_slices as module,
    potential_field,
    sliced_field,
)
from energy_gans.functional.energy_fields import energy_scale


def images(*sizes: int, channels: int = 3, size: int = 4, width: int = 4) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    shape = (channels, size, width)
    return [torch.randn(n, *shape, generator=random, dtype=torch.float64) for n in sizes]


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parts(images: Tensor, block: int, shift: list[int]) -> list[tuple[Tensor, int]]:
    r"""Returns the projections of images onto each part, among images, and their dimensions."""
    n, (channels, size, width) = len(images), images.shape[1:]
    images = images.roll(shift, (2, 3))
    grey = images.mean(1, keepdim=True).expand_as(images)
    found = []
    for layer, number in ((grey, 1), (images - grey, channels - 1)):
        means, details = torch.zeros_like(layer), []
        for row in range(0, size, block):
            for column in range(0, width, block):
                square = (..., slice(row, row + block), slice(column, column + block))
                mean = layer[square].mean((2, 3), keepdim=True)
                means[square] = mean
                one = torch.zeros_like(layer)
                one[square] = layer[square] - mean
                details.append((one, number * (block**2 - 1)))
        found += [(means, number * (size * width // block**2)), *details]
    back = [-s for s in shift]
    return [(p.reshape(n, channels, size, width).roll(back, (2, 3)), d) for p, d in found if d]


def expected_field(a: Tensor, y: Tensor, x: Tensor, block: int, shift: list[int]) -> Tensor:
    r"""Returns the field of the energy distance of each part, with its weight, by pairs."""
    total, d = torch.zeros_like(a), a[0].numel()
    sets = (parts(s, block, shift) for s in (a, y, x))
    for (u, k), (v, _), (w, _) in zip(*sets, strict=True):
        weight = energy_scale(d) * k / (d * energy_scale(k))
        total += weight * potential_field(u, v, w, lambda p, q: -distances(p, q))
    return total


@pytest.mark.parametrize("channels, block, width", [(1, 2, 4), (3, 2, 6), (2, 4, 4), (3, 1, 4)])
def test_in_the_mean_the_field_is_that_of_the_energy_distances_of_parts(
    channels: int, block: int, width: int
) -> None:
    a, y, x = images(4, 6, 5, channels=channels, width=width)
    found = torch.stack([image_sliced_field(a, y, x, block, seeded(s)) for s in range(400)])
    shifts = [[i, j] for i in range(block) for j in range(block)]
    expected = sum(expected_field(a, y, x, block, shift) for shift in shifts) / len(shifts)
    errors = found - expected
    # The mean of 400 has a 400th of the squared error.
    ratio = errors.mean(0).square().mean() / errors.square().mean()
    assert 400 * ratio.item() == pytest.approx(1, rel=0.45)


def test_parts_of_one_dimension_have_no_error() -> None:
    a, y, x = images(4, 6, 5, channels=2, size=1, width=1)
    expected = expected_field(a, y, x, 1, [0, 0])
    torch.testing.assert_close(image_sliced_field(a, y, x, 1, seeded()), expected)


def test_grey_pixels_in_blocks_of_one_are_sliced_as_other_samples() -> None:
    a, y, x = images(4, 6, 5, channels=1)
    random = seeded()
    torch.randint(1, (2,), generator=random)
    expected = sliced_field(a, y, x, 16, random, 2.0, orthogonal=True)
    torch.testing.assert_close(image_sliced_field(a, y, x, 1, seeded(), 2.0), expected)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 2, 3, 6])
def test_the_directions_of_all_parts_are_an_orthonormal_basis(channels: int, block: int) -> None:
    # Each direction adds a sign, as the field of one real sample has no other term at a sample.
    x, y = images(1, 1, channels=channels, size=6, width=6)
    d = x.numel()
    length = image_sliced_field(x, y, x, block, seeded()).norm()
    assert length.item() == pytest.approx(energy_scale(d) / math.sqrt(d))


def test_own_images_are_neither_attracted_nor_repelled_by_themselves() -> None:
    (x,) = images(1, channels=1)
    assert not image_sliced_field(x, x.clone(), x, 2, seeded()).any()


@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_constant_and_differences_are_orthonormal(n: int) -> None:
    rows = module._helmert(n)
    torch.testing.assert_close(rows @ rows.T, torch.eye(n, dtype=torch.float64))
    torch.testing.assert_close(rows[0], torch.full((n,), n**-0.5, dtype=torch.float64))


def test_sizes_of_blocks_divide_the_height_and_the_width() -> None:
    assert module.block_sizes((3, 32, 32)) == [2, 4, 8, 16, 32]
    assert module.block_sizes((1, 12, 18)) == [2, 3, 6]
    assert module.block_sizes((1, 1, 7)) == [1]


def test_other_samples_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"should hold images, .* of shape \(2,\): take Sliced"):
        image_sliced_field(*(torch.zeros(3, 2) for _ in range(3)), 2)
    with pytest.raises(
        ValueError, match=r"'block' should divide .* 4 x 4, one of \[2, 4\], got 3"
    ):
        image_sliced_field(*images(3, 3, 3), 3)
