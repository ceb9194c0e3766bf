r"""Tests for the energy_gans.methods.parts.constant_shifts module."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from energy_gans.cli import main
from energy_gans.methods import EIEGGAN, CoulombGAN
from energy_gans.methods.baselines import GAN, MMDGAN, WGAN, WGANGP
from energy_gans.methods.bases import batch_reading as base
from energy_gans.methods.parts.constant_shifts import shift_parameters
from energy_gans.networks import (
    FRAME,
    MLP,
    ConvDescriptor,
    CoulombDiscriminator,
    DCGANDiscriminator,
    FourierMLP,
    GaborBank,
    ResNetDescriptor,
    WideResNet,
)

from .. import test_gcn, test_multigrid, test_vapo
from ..harness import adam, fit, model
from ..test_contracts import last


def names(network: nn.Module, output: Tensor) -> list[str]:
    found = {id(p) for p in shift_parameters(output)}
    return [name for name, p in network.named_parameters() if id(p) in found]


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda: MLP(2, 3, [4]), ["2.bias"]),
        (lambda: FourierMLP(2, [4], frequencies=3), ["layers.2.bias"]),
        (lambda: DCGANDiscriminator(1, 16, 4, out_features=5, norm="all"), ["layers.6.bias"]),
        (lambda: DCGANDiscriminator(1, 16, 4, norm="none", spectral=True), ["layers.4.bias"]),
        (lambda: CoulombDiscriminator(1, 16, 4), ["13.bias"]),
        (lambda: ConvDescriptor(1, 16, [4], [3], [2]), ["head.bias"]),
        (lambda: ConvDescriptor(1, 16, [4], [3], [2], classes=2), ["head.bias"]),
        (lambda: ResNetDescriptor(1, 16, 4), ["head.bias"]),
        (lambda: WideResNet(1, 16, 4, (1, 2), 1), ["head.head.bias"]),
        (lambda: WideResNet(1, 16, 4, (1, 2), 1, classes=2), ["head.head.bias"]),
        (lambda: FRAME(GaborBank(1, 5)), []),
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1)), ["0.bias"]),
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten()), ["0.bias"]),
    ],
)
def test_what_is_found_adds_the_same_to_all_samples(
    make: Callable[[], nn.Module], expected: list[str]
) -> None:
    torch.manual_seed(0)
    network = make().double().eval()
    plane = isinstance(network, (MLP, FourierMLP))
    x = torch.randn(5, *((2,) if plane else (1, 16, 16)), dtype=torch.float64)
    classes = any(getattr(m, "classes", None) for m in network.modules())
    inputs = [x, torch.arange(5) % 2] if classes else [x]
    before = network(*inputs)
    assert names(network, before) == expected
    for name in expected:
        with torch.no_grad():
            network.get_parameter(name).normal_()
    moved = (network(*inputs) - before).flatten(1)
    torch.testing.assert_close(moved, moved[:1].expand_as(moved))
    assert (moved.abs().max() > 0.01) == bool(expected)


class Offset(nn.Module):
    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.offset = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.sum(1, keepdim=True), self.offset)


@pytest.mark.parametrize(
    "function, found",
    [
        (lambda x, b: x + b, True),
        (lambda x, b: x - b, True),
        (lambda x, b: (x + b).squeeze(1)[None].permute(1, 0).mean(1), True),
        (lambda x, b: x * b, False),
        (lambda x, b: (x + b).tanh(), False),
        (lambda x, b: x * b + b, False),
        (lambda x, b: x * (x + b), False),
        (lambda x, b: x.relu(), False),
    ],
)
def test_what_is_not_only_added_is_not_found(
    function: Callable[[Tensor, Tensor], Tensor], found: bool
) -> None:
    network = Offset(function)
    x = torch.randn(4, 2, requires_grad=True)
    assert names(network, network(x)) == ["offset"] * found


# Methods

RATE = adam(1e-2)
CRITIC = {"generator_optimizer": RATE, "discriminator_optimizer": RATE}


def feature_gan(method: type, **kwargs: object) -> Callable[[], nn.Module]:
    return lambda: model(method, out=3, **CRITIC, **kwargs)


@pytest.mark.parametrize(
    "make, bias, trained",
    [
        (lambda: model(GAN, **CRITIC), "discriminator.2.bias", True),
        (lambda: model(CoulombGAN, **CRITIC), "discriminator.2.bias", True),
        (lambda: model(WGAN, clip=0.5, **CRITIC), "discriminator.2.bias", False),
        (lambda: model(WGANGP, **CRITIC), "discriminator.2.bias", False),
        (feature_gan(EIEGGAN), "discriminator.2.bias", False),
        (feature_gan(MMDGAN, normalize=True), "discriminator.2.bias", False),
        (feature_gan(MMDGAN, objective="repulsive"), "discriminator.2.bias", False),
        (feature_gan(MMDGAN, gradient_penalty=1.0), "discriminator.2.bias", True),
        (feature_gan(MMDGAN, decoder=MLP(3, 2, [4])), "discriminator.2.bias", True),
        (lambda: test_gcn.model(descriptor_optimizer=RATE), "descriptor.head.bias", False),
        (
            lambda: test_gcn.model(descriptor_optimizer=RATE, magnitude=0.1),
            "descriptor.head.bias",
            True,
        ),
        # There is a bias for each class, and chains and real samples differ in their classes.
        (
            lambda: test_gcn.model(descriptor_optimizer=RATE, classes=8),
            "descriptor.head.bias",
            True,
        ),
        (lambda: test_vapo.model(descriptor_optimizer=RATE), "descriptor.head.bias", False),
        (
            lambda: test_vapo.model(
                descriptor_optimizer=RATE, estimator="e1", spectral_gap=0.1, classes=8
            ),
            "descriptor.head.bias",
            False,
        ),
        (
            lambda: test_vapo.model(
                descriptor_optimizer=RATE, spectral_gap=0.1, data_std=0.5, time_conditioned=True
            ),
            "descriptor.head.bias",
            True,
        ),
    ],
)
def test_a_bias_is_trained_where_the_loss_sees_it(
    make: Callable[[], nn.Module], bias: str, trained: bool
) -> None:
    gan = make()
    before = gan.get_parameter(bias).detach().clone()
    fit(gan, steps=3)
    assert (not torch.equal(gan.get_parameter(bias), before)) == trained


@pytest.mark.parametrize("magnitude, trained", [(0.0, False), (0.1, True)])
def test_the_biases_of_all_grids_are_left_as_they_are(magnitude: float, trained: bool) -> None:
    gcn = test_multigrid.model(magnitude=magnitude, descriptor_optimizer=RATE)
    before = [network.head.bias.detach().clone() for network in gcn.descriptor]
    test_multigrid.trained_on(gcn, steps=2)
    for network, bias in zip(gcn.descriptor, before, strict=True):
        assert (not torch.equal(network.head.bias, bias)) == trained


def test_a_run_that_trained_its_last_bias_goes_on_and_leaves_it(
    tiny: Callable, tmp_path: Path
) -> None:
    args = [
        "--model=energy_gans.methods.EIEGGAN",
        "--model.init_args.discriminator.out_features=3",
        "--trainer.callbacks.init_args.monitor=val/energy_distance",
    ]
    with mock.patch.object(base, "shift_parameters", lambda output: []):
        main(tiny("--trainer.max_steps=3", *args, points=True))
    earlier = last(tmp_path / "tiny")
    main(tiny("--trainer.max_steps=6", *args, "--ckpt_path=last", points=True))
    later = last(tmp_path / "tiny")
    name = "discriminator.2.bias"
    assert later["global_step"] == 6
    assert earlier["state_dict"][name].abs().min() > 0
    assert torch.equal(earlier["state_dict"][name], later["state_dict"][name])
    # Its optimizer state stays, too, and all other parameters move.
    states = [checkpoint["optimizer_states"][1]["state"] for checkpoint in (earlier, later)]
    steps = [sorted(int(state["step"]) for state in one.values()) for one in states]
    assert steps == [[3] * 4, [3, 6, 6, 6]]
