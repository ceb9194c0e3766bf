r"""Tests for the energy_gans.functional.grids module."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from energy_gans.functional.grids import downscale, upscale

every_factor = pytest.mark.parametrize("factor", [1, 2, 3, 4])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@every_factor
@pytest.mark.parametrize("channels", [1, 3])
def test_down_undoes_up(channels: int, factor: int) -> None:
    x = torch.randn(2, channels, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(downscale(upscale(x, factor), factor), x)


@every_factor
def test_up_after_down_is_an_orthogonal_projection(factor: int) -> None:
    x = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    projected = upscale(downscale(x, factor), factor)
    torch.testing.assert_close(upscale(downscale(projected, factor), factor), projected)
    inner = (projected * (x - projected)).sum()
    torch.testing.assert_close(inner, torch.zeros_like(inner), rtol=0, atol=1e-10)


@every_factor
def test_blocks_are_those_of_a_loop(factor: int) -> None:
    x = torch.randn(1, 1, 2 * factor, 3 * factor)
    small = downscale(x, factor)
    for r, c in torch.cartesian_prod(torch.arange(2), torch.arange(3)).tolist():
        rows, columns = (slice(i * factor, (i + 1) * factor) for i in (r, c))
        block = x[0, 0, rows, columns]
        torch.testing.assert_close(small[0, 0, r, c], block.mean())
        assert (upscale(small, factor)[0, 0, rows, columns] == small[0, 0, r, c]).all()


@pytest.mark.parametrize("factors", [(4, 4, 4), (2, 32), (64,)])
def test_steps_down_to_one_pixel_end_at_the_mean(factors: tuple[int, ...]) -> None:
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    y = x
    for factor in factors:
        y = downscale(y, factor)
    torch.testing.assert_close(y, x.mean((2, 3), keepdim=True))


@pytest.mark.parametrize("factor", [3, 5, 16])
def test_broken_blocks_are_refused(factor: int) -> None:
    with pytest.raises(ValueError, match=f"'factor' should divide .* got {factor}"):
        downscale(torch.zeros(1, 1, 8, 8), factor)


@pytest.mark.parametrize("size", [(8, 6), (6, 8)])
def test_blocks_that_are_broken_along_one_side_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"'factor' should divide .* got 4 and images of .* 6"):
        downscale(torch.zeros(1, 1, *size), 4)


@pytest.mark.parametrize("scale", [downscale, upscale])
@pytest.mark.parametrize("factor", [0, -2])
def test_factors_that_are_not_positive_are_refused(
    scale: Callable[[Tensor, int], Tensor], factor: int
) -> None:
    with pytest.raises(ValueError, match=f"'factor' should be at least 1, got {factor}"):
        scale(torch.zeros(1, 1, 8, 8), factor)
