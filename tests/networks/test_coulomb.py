r"""Tests for the energy_gans.networks.coulomb module."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from energy_gans.networks import CoulombDiscriminator, CoulombGenerator
from energy_gans.networks.coulomb import _ScaledTanh

every_image = pytest.mark.parametrize("channels", [1, 3])
every_size = pytest.mark.parametrize("size", [28, 32, 48, 64])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("latent_dim, size, count", [(32, 64, 17_756_163), (16, 32, 16_684_035)])
def test_number_of_parameters_of_the_generator(latent_dim: int, size: int, count: int) -> None:
    with torch.device("meta"):
        generator = CoulombGenerator(latent_dim, 3, size)
    assert sum(p.numel() for p in generator.parameters()) == count


@pytest.mark.parametrize("size, count", [(64, 17_234_945), (32, 17_222_657)])
def test_number_of_parameters_of_the_discriminator(size: int, count: int) -> None:
    with torch.device("meta"):
        discriminator = CoulombDiscriminator(3, size)
    assert sum(p.numel() for p in discriminator.parameters()) == count


@every_size
@every_image
def test_shape_of_images(size: int, channels: int) -> None:
    generator = CoulombGenerator(10, channels, size, width=16)
    assert generator(torch.randn(2, 10)).shape == (2, channels, size, size)


@every_size
@every_image
def test_shape_of_outputs(size: int, channels: int) -> None:
    discriminator = CoulombDiscriminator(channels, size, width=4)
    assert discriminator(torch.randn(2, channels, size, size)).shape == (2, 1)


@pytest.mark.parametrize("size, maps", [(28, [16, 8]), (32, [16, 8, 4]), (64, [16, 8, 4, 2])])
def test_maps_halve_as_the_image_doubles(size: int, maps: list[int]) -> None:
    layers = CoulombGenerator(10, 3, size, width=16).layers
    assert [m.in_channels for m in layers if isinstance(m, nn.ConvTranspose2d)] == maps


@pytest.mark.parametrize("network", [CoulombGenerator, CoulombDiscriminator])
@pytest.mark.parametrize("size", [-32, 0, 1, 4, 7, 9, 27, 30, 36, 100])
def test_other_sizes_are_refused(network: type[nn.Module], size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' .* got {size}"):
        network(size=size)


@pytest.mark.parametrize("u, value", [(0.0, 0.0), (1.0, 0.99999726), (50.0, 1.7159)])
def test_scaled_tanh_is_odd_and_maps_one_to_one(u: float, value: float) -> None:
    u = torch.tensor([u, -u], dtype=torch.float64)
    expected = u.new_tensor([value, -value])
    torch.testing.assert_close(_ScaledTanh()(u), expected, rtol=0, atol=5e-9)


def test_scaled_tanh_is_steep_at_one() -> None:
    u = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    _ScaledTanh()(u).sum().backward()
    assert u.grad[1] > 0.5 * u.grad[0]


def test_images_reach_the_ends_of_the_scaled_tanh() -> None:
    generator = CoulombGenerator(10, 1, 28, width=8)
    with torch.no_grad():
        generator.layers[-2].weight.mul_(1e4)
    x = generator(torch.randn(4, 10))
    assert x.max().item() == pytest.approx(1.7159)
    assert x.min().item() == pytest.approx(-1.7159)


def test_the_discriminator_is_not_bounded() -> None:
    discriminator, x = CoulombDiscriminator(1, 28, 4), torch.randn(4, 1, 28, 28)
    output = discriminator(x).detach()
    with torch.no_grad():
        discriminator[-1].weight.mul_(1e3)
        discriminator[-1].bias.mul_(1e3)
    torch.testing.assert_close(discriminator(x).detach(), 1e3 * output)


def fans(weight: Tensor) -> int:
    return (weight.shape[0] + weight.shape[1]) * weight[0, 0].numel()


def test_hidden_deconvolutions_start_with_twice_the_variance_of_the_rest() -> None:
    layers = CoulombGenerator(10, 64, 32, width=256).layers
    *hidden, last = (m.weight for m in layers if isinstance(m, nn.ConvTranspose2d))
    assert [w.var().item() * fans(w) / 2 for w in hidden] == pytest.approx([2.0, 2.0], rel=0.02)
    assert last.var().item() * fans(last) / 2 == pytest.approx(1.0, rel=0.02)


def test_batch_norm_follows_every_convolution_of_the_discriminator() -> None:
    layers = list(CoulombDiscriminator(3, 32, 4))
    after = [b for a, b in pairwise(layers) if isinstance(a, nn.Conv2d)]
    assert [type(layer) for layer in after] == [nn.BatchNorm2d] * 4


@pytest.mark.parametrize("size", [28, 64])
def test_a_sample_is_a_function_of_its_latent_alone(size: int) -> None:
    generator, z = CoulombGenerator(10, 1, size, width=16).eval(), torch.randn(4, 10)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))


@pytest.mark.parametrize("size", [28, 64])
def test_the_gradient_reaches_every_parameter_but_what_batch_norm_takes_away(size: int) -> None:
    networks = nn.Sequential(
        CoulombGenerator(10, 3, size, width=16), CoulombDiscriminator(3, size, 4)
    ).double()
    networks(torch.randn(8, 10, dtype=torch.float64)).square().sum().backward()
    slopes = [p.grad.abs().max() for p in networks.parameters() if p.requires_grad]
    assert min(slopes) > 1e-9 * max(slopes)
    frozen = {id(p) for p in networks.parameters() if not p.requires_grad}
    layers = [*networks[0].layers, *networks[1]]
    assert frozen == {
        id(layer.bias)
        for layer, following in pairwise(layers)
        if isinstance(following, nn.BatchNorm2d)
    }


def test_a_width_that_can_not_be_halved_is_named() -> None:
    with pytest.raises(ValueError, match="'width' should be at least 8, got 2"):
        CoulombGenerator(size=64, width=2)
