r"""Tests for the energy_gans.networks.ggcn module."""

import pytest
import torch
from torch import nn

from energy_gans.networks import GGCNDescriptor, GGCNGenerator

every_image = pytest.mark.parametrize("channels", [1, 3])
every_size = pytest.mark.parametrize("size", [28, 32, 64])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@every_size
@every_image
def test_shape_of_images(size: int, channels: int) -> None:
    generator = GGCNGenerator(10, channels, size, width=16)
    assert generator(torch.randn(2, 10)).shape == (2, channels, size, size)


@every_size
@every_image
def test_shape_of_outputs(size: int, channels: int) -> None:
    phi = GGCNDescriptor(channels, size, width=4)
    assert phi(torch.randn(2, channels, size, size)).shape == (2, 1)


@pytest.mark.parametrize(
    "size, generator, descriptor",
    [(64, 4_917_955, 5_124_545), (32, 4_889_283, 5_118_401), (28, 9_157_315, 5_116_865)],
)
def test_number_of_parameters(size: int, generator: int, descriptor: int) -> None:
    with torch.device("meta"):
        networks = GGCNGenerator(256, 3, size), GGCNDescriptor(3, size)
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [generator, descriptor]


@every_size
@pytest.mark.parametrize("network", [GGCNGenerator, GGCNDescriptor])
def test_there_are_five_layers_of_slope_002(network: type[nn.Module], size: int) -> None:
    slopes = [
        m.negative_slope for m in network(size=size).modules() if isinstance(m, nn.LeakyReLU)
    ]
    assert slopes == [0.02] * 5


@pytest.mark.parametrize("size, strides", [(28, [2, 2, 1, 1]), (32, [2, 2, 2, 1]), (64, [2] * 4)])
def test_the_map_doubles_as_often_as_needed(size: int, strides: list[int]) -> None:
    layers = GGCNGenerator(10, 3, size, width=8).layers
    deconvolutions = [m for m in layers if isinstance(m, nn.ConvTranspose2d)]
    assert [m.stride[0] for m in deconvolutions[1:]] == strides


@every_size
def test_the_scale_of_maps_stays(size: int) -> None:
    generator = GGCNGenerator(64, 3, size, width=64)
    u = torch.randn(16, 64, 1, 1)
    for layer in generator.layers[:-1]:
        u = layer(u)
        if isinstance(layer, nn.ConvTranspose2d):
            assert 0.8 < u[..., 1:-1, 1:-1].std() < 2.0


def test_the_end_is_a_stretched_sigmoid() -> None:
    generator, z = GGCNGenerator(10, 1, 28, width=8), torch.randn(4, 10)
    u = generator.layers(z[:, :, None, None])
    torch.testing.assert_close(generator(z), 2 * u.sigmoid() - 1)


@pytest.mark.parametrize("size", [28, 64])
def test_a_sample_is_a_function_of_its_latent_alone(size: int) -> None:
    generator, z = GGCNGenerator(10, 1, size, width=8), torch.randn(4, 10)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))


@pytest.mark.parametrize("size", [28, 64])
def test_the_gradient_reaches_every_parameter(size: int) -> None:
    generator, phi = GGCNGenerator(10, 3, size, 32, classes=2), GGCNDescriptor(3, size, 8)
    phi(generator(torch.randn(8, 10), torch.tensor([0, 1] * 4))).square().sum().backward()
    networks = nn.ModuleList([generator, phi])
    assert all(p.grad.count_nonzero() > 0 for p in networks.parameters())


@pytest.mark.parametrize("size", [0, 4, 9, 30, 100, 128, 256])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be .* got {size}"):
        GGCNGenerator(size=size)


@pytest.mark.parametrize("size", [4, 8, 15])
def test_small_images_have_no_descriptor(size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be larger .* got {size}"):
        GGCNDescriptor(size=size)


@pytest.mark.parametrize("width", [0, 7])
def test_widths_that_can_not_be_halved_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"'width' should be at least 8, got {width}"):
        GGCNGenerator(width=width)
