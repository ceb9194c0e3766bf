r"""Tests for the energy_gans.networks.dcgan module."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from energy_gans.networks import DCGANDiscriminator, DCGANGenerator
from energy_gans.networks.dcgan import halvings

every_image = pytest.mark.parametrize("channels", [1, 3])
every_size = pytest.mark.parametrize("size", [28, 32, 48, 64])
no_size = pytest.mark.parametrize("size", [-32, 0, 1, 3, 4, 7, 9, 27, 30, 36, 100])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("base", [4, 5, 6, 7])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_halvings_undo_doublings(base: int, count: int) -> None:
    assert halvings(base * 2**count) == (base, count)


@no_size
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' .* got {size}"):
        halvings(size)


@pytest.mark.parametrize("network", [DCGANGenerator, DCGANDiscriminator])
@no_size
def test_networks_of_other_sizes_are_refused(network: type[nn.Module], size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' .* got {size}"):
        network(size=size)


@every_size
@every_image
def test_shape_of_images(size: int, channels: int) -> None:
    generator = DCGANGenerator(10, channels, size, width=8)
    assert generator(torch.randn(2, 10)).shape == (2, channels, size, size)


@pytest.mark.parametrize("norm", ["all", "inner", "none"])
@pytest.mark.parametrize("features", [1, 16])
@every_size
@every_image
def test_shape_of_outputs(size: int, channels: int, features: int, norm: str) -> None:
    discriminator = DCGANDiscriminator(channels, size, 8, features, norm)
    assert discriminator(torch.randn(2, channels, size, size)).shape == (2, features)


# At 64 pixels: the parameters of PyTorch's DCGAN tutorial, and biases of layers without batch
# norm.
@pytest.mark.parametrize(
    "size, generator, discriminator",
    [(64, 3_576_704 + 3, 2_765_568 + 65), (32, 1_068_931, 663_361)],
)
def test_number_of_parameters(size: int, generator: int, discriminator: int) -> None:
    with torch.device("meta"):
        networks = DCGANGenerator(100, 3, size), DCGANDiscriminator(3, size)
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [generator, discriminator]


@pytest.mark.parametrize("norm, count", [("all", 4), ("inner", 3), ("none", 0)])
def test_norm_says_which_layers_have_batch_norm(norm: str, count: int) -> None:
    kinds = [type(layer) for layer in DCGANDiscriminator(3, 64, 4, norm=norm).layers]
    assert kinds.count(nn.BatchNorm2d) == count
    assert (kinds[1] is nn.BatchNorm2d) == (norm == "all")


@pytest.mark.parametrize("norm", ["first", "", None, True])
def test_unknown_norms_are_refused(norm: str | None) -> None:
    with pytest.raises(ValueError, match=f"'norm' should be .* got {norm!r}"):
        DCGANDiscriminator(norm=norm)


@pytest.mark.parametrize("network", [DCGANGenerator, partial(DCGANDiscriminator, norm="all")])
def test_initial_weights(network: Callable[[], nn.Module]) -> None:
    modules = list(network().modules())
    weights = [m.weight for m in modules if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    assert [w.mean().item() for w in weights] == pytest.approx([0.0] * 5, abs=2e-3)
    assert [w.std().item() for w in weights] == pytest.approx([0.02] * 5, rel=0.05)
    assert [m.weight.mean().item() for m in norms] == pytest.approx([1.0] * 4, abs=0.02)
    assert [m.weight.std().item() for m in norms] == pytest.approx([0.02] * 4, rel=0.4)
    assert not any(m.bias.any() for m in norms)


def test_images_lie_within_the_unit_range() -> None:
    generator = DCGANGenerator(10, 1, 28, width=8)
    with torch.no_grad():
        generator.layers[-2].weight.mul_(1e4)
    x = generator(torch.randn(4, 10))
    assert x.abs().max() == 1


def test_the_discriminator_is_not_bounded() -> None:
    discriminator, x = DCGANDiscriminator(1, 28, 8, norm="all"), torch.randn(4, 1, 28, 28)
    output = discriminator(x).detach()
    with torch.no_grad():
        discriminator.layers[-1].weight.mul_(1e3)
        discriminator.layers[-1].bias.mul_(1e3)
    torch.testing.assert_close(discriminator(x).detach(), 1e3 * output)


@pytest.mark.parametrize("size", [28, 64])
def test_a_sample_is_a_function_of_its_latent_alone(size: int) -> None:
    generator, z = DCGANGenerator(10, 1, size, width=8).eval(), torch.randn(4, 10)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))


@pytest.mark.parametrize("size", [28, 64])
def test_the_gradient_reaches_every_parameter(size: int) -> None:
    networks = nn.Sequential(
        DCGANGenerator(10, 3, size, width=8), DCGANDiscriminator(3, size, 8, norm="all")
    )
    networks(torch.randn(4, 10)).square().sum().backward()
    assert all(p.grad.count_nonzero() > 0 for p in networks.parameters())


def test_spectral_normalisation_bounds_the_discriminator() -> None:
    torch.manual_seed(0)
    network = DCGANDiscriminator(1, 8, 4, out_features=3, norm="none", spectral=True)
    for layer in network.layers:
        if isinstance(layer, torch.nn.Conv2d):
            layer.parametrizations.weight.original.data.mul_(50.0)
    x = torch.randn(16, 1, 8, 8)
    for _ in range(30):
        network(x)
    for layer in network.layers:
        if isinstance(layer, torch.nn.Conv2d):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
            assert largest.item() == pytest.approx(1.0, rel=1e-2)
