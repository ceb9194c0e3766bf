r"""Tests for the energy_gans.networks.multigrid module."""

import pytest
import torch
from torch import nn

from energy_gans.functional.grids import downscale
from energy_gans.networks import MultigridDescriptors


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "grids", [(1, 4, 16, 64), (1, 4, 8, 32), (1, 7, 28), (1, 7, 14, 28), (4, 8), (1, 4)]
)
def test_every_grid_has_a_descriptor(grids: tuple[int, ...], channels: int) -> None:
    descriptors = MultigridDescriptors(channels, grids, width=4)
    x = torch.randn(2, channels, grids[-1], grids[-1])
    assert descriptors.grids == grids
    assert len(descriptors) == len(grids) - 1
    for phi, size in zip(descriptors, grids[1:], strict=True):
        assert phi(downscale(x, grids[-1] // size)).shape == (2, 1)


@pytest.mark.parametrize(
    "size, widths, kernels, strides",
    [
        (4, [96, 128, 256], [5, 3, 3], [2, 1, 1]),
        (7, [96, 128, 256], [5, 3, 3], [2, 1, 1]),
        (8, [96, 128, 256, 512], [5, 3, 3, 3], [2, 1, 1, 1]),
        (16, [96, 128, 256, 512], [5, 3, 3, 3], [2, 1, 1, 1]),
        (28, [64, 128, 256, 512], [5, 5, 5, 5], [2, 2, 2, 2]),
        (64, [64, 128, 256, 512], [5, 5, 5, 5], [2, 2, 2, 2]),
    ],
)
def test_layers(size: int, widths: list[int], kernels: list[int], strides: list[int]) -> None:
    with torch.device("meta"):
        (phi,) = MultigridDescriptors(3, (1, size))
    layers = [m for m in phi.features if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in layers] == widths
    assert [m.kernel_size[0] for m in layers] == kernels
    assert [m.stride[0] for m in layers] == strides
    assert [m.negative_slope for m in phi.features if isinstance(m, nn.LeakyReLU)] == [0.2] * len(
        widths
    )


def test_number_of_parameters() -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in phi.parameters()) for phi in MultigridDescriptors()]
    assert counts == [414_209, 1_626_113, 4_314_753]


def test_there_are_no_batch_statistics() -> None:
    descriptors, x = MultigridDescriptors(1, (1, 4, 16), 4), torch.randn(3, 1, 16, 16)
    phi = descriptors[-1]
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in descriptors.modules())
    torch.testing.assert_close(phi(x)[:1], phi(x[:1]))


@pytest.mark.parametrize("grids", [(), (4,), (0, 4), (4, 4), (16, 4), (1, 4, 7, 28), (1, 4, 6)])
def test_grids_that_do_not_divide_are_refused(grids: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="'grids' should be at least two increasing widths"):
        MultigridDescriptors(3, grids)
