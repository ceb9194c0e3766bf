r"""Tests for the energy_gans.networks.autoencoder module."""

import pytest
import torch

from energy_gans.networks import MLP, Autoencoder, DCGANDiscriminator, DCGANGenerator


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_a_linear_map_and_its_inverse_reconstruct() -> None:
    there, back = MLP(3, 3, ()), MLP(3, 3, ())
    back[0].weight.data = there[0].weight.data.inverse()
    v = torch.randn(5, 3)
    torch.testing.assert_close(Autoencoder(there, back)(v), v, rtol=1e-3, atol=1e-4)


def test_images_pass_through_the_code() -> None:
    encoder, decoder = DCGANDiscriminator(1, 8, 4, out_features=5), DCGANGenerator(5, 1, 8, 4)
    autoencoder, v = Autoencoder(encoder, decoder).eval(), torch.randn(2, 1, 8, 8)
    assert autoencoder(v).shape == v.shape
    with torch.no_grad():
        encoder.layers[-1].weight.zero_()
    assert torch.equal(autoencoder(v)[0], autoencoder(v)[1])


def test_the_gradient_reaches_every_parameter() -> None:
    autoencoder, v = Autoencoder(MLP(4, 2, (8,)), MLP(2, 4, (8,))), torch.randn(16, 4)
    (autoencoder(v) - v).square().sum().backward()
    assert all(p.grad.count_nonzero() > 0 for p in autoencoder.parameters())
