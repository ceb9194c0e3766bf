r"""Tests for the energy_gans.metrics.features.resnet module."""

from unittest import mock

import pytest
import torch

from energy_gans.metrics.features.resnet import PreActResNet, _PreActBlock


def test_a_block_is_the_identity_and_a_correction() -> None:
    block = _PreActBlock(3, 3, 1).eval()
    x = torch.randn(2, 3, 8, 8)
    correction = block(x) - x
    assert correction.abs().max() > 0.01
    with torch.no_grad():
        block.conv2.weight.mul_(2)
    assert torch.allclose(block(x) - x, 2 * correction, atol=1e-5)


def test_a_block_projects_what_it_activated() -> None:
    block = _PreActBlock(3, 5, 2).eval()
    with torch.no_grad():
        block.conv2.weight.zero_()
    assert block(torch.randn(2, 3, 8, 8)).shape == (2, 5, 4, 4)
    assert block(-torch.rand(2, 3, 8, 8)).abs().max() == 0


@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_are_linear_in_the_features(channels: int, size: int) -> None:
    network = PreActResNet(channels, 10, [4, 8, 16]).eval()
    features, logits = network(torch.rand(2, channels, size, size) * 255)
    assert features.shape == (2, 16)
    assert features.min() >= 0
    assert torch.allclose(logits, features @ network.head.weight.T + network.head.bias)


def test_the_network_reads_the_range_of_pixels() -> None:
    network = PreActResNet(1, 2, [4])
    with mock.patch.object(
        network.body, "forward", side_effect=lambda x: x.flatten(1)[:, :4]
    ) as f:
        network(torch.tensor([0.0, 51.0, 127.5, 255.0]).view(1, 1, 2, 2))
    assert torch.allclose(f.call_args.args[0].flatten(), torch.tensor([-1, -0.6, 0, 1]))


def test_a_network_without_classes_has_features_alone() -> None:
    x = torch.rand(2, 1, 16, 16) * 255
    torch.manual_seed(0)
    with_head = PreActResNet(1, 3, [4, 6]).eval()
    torch.manual_seed(0)
    network = PreActResNet(1, None, [4, 6]).eval()
    features, logits = network(x)
    assert logits is None
    assert torch.equal(features, with_head(x)[0])
    assert {*with_head.state_dict()} - {*network.state_dict()} == {"head.weight", "head.bias"}


def test_features_are_the_mean_of_the_last_map() -> None:
    network = PreActResNet(1, None, [4, 6, 8]).eval()
    x, maps = torch.rand(2, 1, 32, 32) * 255, []
    for module in network.stages:
        module.register_forward_hook(lambda _, __, output: maps.append(output))
    features = network.features(x)
    assert [tuple(a.shape[1:]) for a in maps] == [(4, 16, 16), (6, 8, 8), (8, 4, 4)]
    assert torch.allclose(maps[-1].mean((2, 3)), features, atol=1e-6)
    assert torch.equal(network.maps(x), maps[-1])
