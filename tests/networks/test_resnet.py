r"""Tests for the energy_gans.networks.resnet module."""

import pytest
import torch
from torch import nn

from energy_gans.networks import ResNetAutoencoder, ResNetDescriptor, ResNetGenerator
from energy_gans.networks.resnet import _ResidualBlock

every_image = pytest.mark.parametrize("channels", [1, 3])
every_size = pytest.mark.parametrize("size", [8, 28, 32, 64])
every_network = pytest.mark.parametrize(
    "network", [ResNetDescriptor, ResNetGenerator, ResNetAutoencoder]
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@every_size
@every_image
def test_shapes(size: int, channels: int) -> None:
    x, z = torch.randn(2, channels, size, size), torch.randn(2, 10)
    assert ResNetDescriptor(channels, size, 4)(x).shape == (2, 1)
    assert ResNetGenerator(10, channels, size, 4)(z).shape == x.shape
    assert ResNetAutoencoder(channels, size, 4)(x).shape == x.shape


@pytest.mark.parametrize(
    "size, counts",
    [(64, (9_540_609, 9_322_051, 16_756_803)), (32, (4_820_993, 4_602_435, 7_317_571))],
)
def test_number_of_parameters(size: int, counts: tuple[int, ...]) -> None:
    with torch.device("meta"):
        networks = (
            ResNetDescriptor(3, size),
            ResNetGenerator(256, 3, size),
            ResNetAutoencoder(3, size),
        )
    assert tuple(sum(p.numel() for p in n.parameters()) for n in networks) == counts


@every_network
def test_there_is_no_normalisation(network: type[nn.Module]) -> None:
    assert not any("norm" in type(m).__name__.lower() for m in network(size=32).modules())


@pytest.mark.parametrize("before, after", [(32, 32), (32, 64), (64, 32)])
def test_a_block_keeps_the_variance(before: int, after: int) -> None:
    x = torch.randn(8, before, 16, 16)
    y = _ResidualBlock(before, after)(x)
    assert y.shape == (8, after, 16, 16)
    # Padding lowers the variance at the border.
    assert y[..., 2:-2, 2:-2].square().mean().item() == pytest.approx(1, rel=0.25)


def test_a_block_does_not_touch_what_it_reads() -> None:
    x = torch.randn(2, 4, 8, 8)
    before = x.clone()
    _ResidualBlock(4, 4)(x)
    assert torch.equal(x, before)


def test_a_block_without_residual_is_its_shortcut() -> None:
    block, x = _ResidualBlock(4, 4), torch.randn(2, 4, 8, 8)
    nn.init.zeros_(block.residual[-1].weight)
    torch.testing.assert_close(block(x), x / 2**0.5)


@pytest.mark.parametrize("size", [28, 64])
def test_a_sample_is_a_function_of_its_latent_alone(size: int) -> None:
    generator, z = ResNetGenerator(10, 1, size, 4), torch.randn(4, 10)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]), rtol=1e-4, atol=1e-5)


def test_images_lie_within_the_unit_range() -> None:
    generator = ResNetGenerator(10, 1, 28, 4)
    with torch.no_grad():
        generator.layers[-2].weight.mul_(1e4)
    assert generator(torch.randn(4, 10)).abs().max() == 1


def test_a_hole_is_filled_from_its_surroundings() -> None:
    autoencoder, x = ResNetAutoencoder(1, 16, 4), torch.randn(1, 1, 16, 16)
    x[..., 4:8, 4:8] = 0
    x.requires_grad_()
    autoencoder(x)[..., 4:8, 4:8].sum().backward()
    assert x.grad[..., 0, :].count_nonzero() > 0


def test_the_gradient_reaches_every_parameter() -> None:
    networks = nn.ModuleList(
        [
            ResNetGenerator(10, 3, 16, 4, classes=2),
            ResNetAutoencoder(3, 16, 4),
            ResNetDescriptor(3, 16, 4),
        ]
    )
    generator, autoencoder, phi = networks
    x = generator(torch.randn(8, 10), torch.tensor([0, 1] * 4))
    phi(autoencoder(x)).square().sum().backward()
    assert all(p.grad.count_nonzero() > 0 for p in networks.parameters())


@every_network
@pytest.mark.parametrize("size", [0, 4, 9, 30, 100])
def test_other_sizes_are_refused(network: type[nn.Module], size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be .* got {size}"):
        network(size=size)
