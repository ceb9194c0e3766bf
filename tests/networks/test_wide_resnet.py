r"""Tests for the energy_gans.networks.wide_resnet module."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, gelu

from energy_gans.networks import WideResNet
from energy_gans.networks.wide_resnet import _Sinusoids, _WideBlock

every_norm = pytest.mark.parametrize("weight_norm", [False, True], ids=["factors", "gains"])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def small(**changes: Any) -> WideResNet:
    arguments = {"channels": 2, "size": 8, "width": 4, "multipliers": (1, 2, 2), "blocks": 2}
    return WideResNet(**{**arguments, **changes})


def stirred(network: nn.Module) -> nn.Module:
    r"""Returns a network with random parameters, including those that are initialised to zero."""
    for p in network.parameters():
        p.data.add_(0.3 * torch.randn_like(p))
    return network


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    "size, multipliers, blocks, factors, gains",
    [
        (32, (1, 2, 2, 2), 8, 30_696_449, 30_704_001),
        (64, (1, 2, 2, 2, 4), 6, 51_344_897, 51_354_241),
        (64, (1, 2, 2, 2, 4), 2, 17_118_209, 17_121_921),
        (128, (1, 2, 2, 2, 4, 4), 2, 26_558_465, 26_563_201),
        (128, (1, 2, 2, 2, 4, 4), 5, 66_388_865, 66_399_361),
    ],
    ids=["cifar10", "celeba", "lsun", "lsun church", "lsun bedroom"],
)
def test_number_of_parameters(
    size: int, multipliers: tuple[int, ...], blocks: int, factors: int, gains: int
) -> None:
    with torch.device("meta"):
        plain = WideResNet(3, size, 128, multipliers, blocks, weight_norm=False)
        normed = WideResNet(3, size, 128, multipliers, blocks)
        assert normed(torch.empty(2, 3, size, size)).shape == (2, 1)
    assert (count(plain), count(normed)) == (factors, gains)
    seconds = [m.second for m in normed.modules() if isinstance(m, _WideBlock)]
    others = [m for m in normed.modules() if isinstance(m, nn.Conv2d) and m not in seconds]
    assert gains - factors == sum(m.out_channels for m in others)


def test_the_default_is_the_network_of_cifar10() -> None:
    with torch.device("meta"):
        assert count(WideResNet()) == 30_704_001


@every_norm
@pytest.mark.parametrize("after", [4, 6])
def test_a_block_is_its_shortcut_at_first(after: int, weight_norm: bool) -> None:
    block, x = _WideBlock(4, after, weight_norm), torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x), block.shortcut(x))
    assert isinstance(block.shortcut, nn.Identity) == (after == 4)
    assert not torch.equal(stirred(block)(x), block.shortcut(x))


@every_norm
def test_the_network_is_its_shortcuts_at_first(weight_norm: bool) -> None:
    phi, x = small(weight_norm=weight_norm), torch.randn(3, 2, 8, 8)
    h = avg_pool2d(phi.stem(x), 2)
    h = avg_pool2d(phi.levels[1][0].shortcut(h), 2)
    torch.testing.assert_close(phi(x), phi.head.head(16 * gelu(h).sum((2, 3))))


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_slopes_keep_their_size_through_halvings(levels: int) -> None:
    phi = WideResNet(1, 8, width=4, multipliers=[1] * levels, blocks=1)
    with torch.no_grad():
        phi.stem.parametrizations.weight.original1.zero_()[:, :, 1, 1] = 1
        phi.stem.parametrizations.weight.original0.fill_(1)
        phi.stem.bias.fill_(10)  # where a GELU is the identity
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(phi(x).sum(), x)
    torch.testing.assert_close(slope, phi.head.head.weight.sum().expand_as(slope))


def test_a_gain_of_zero_leaves_the_direction() -> None:
    parts = _WideBlock(4, 4).second.parametrizations.weight
    assert parts.original0.count_nonzero() == 0
    assert parts.original1.flatten(1).norm(dim=1).min() > 0


@every_norm
def test_what_starts_from_zero_gets_a_gradient(weight_norm: bool) -> None:
    phi = small(weight_norm=weight_norm)
    phi(torch.randn(4, 2, 8, 8)).square().sum().backward()
    for block in (block for level in phi.levels for block in level):
        parts = block.second.parametrizations.weight
        start = parts.original0 if weight_norm else parts[0].scale
        assert start.grad.count_nonzero() == start.numel()


@every_norm
def test_the_gradient_reaches_every_parameter(weight_norm: bool) -> None:
    phi = stirred(small(classes=2, time_conditioned=True, weight_norm=weight_norm))
    x, label, time = torch.randn(8, 2, 8, 8), torch.tensor([0, 1] * 4), torch.rand(8)
    phi(x, label, time).square().sum().backward()
    assert all(p.grad.count_nonzero() > 0 for p in phi.parameters())


@every_norm
@pytest.mark.parametrize("fresh", [False, True])
def test_double_backward_is_that_of_finite_differences(fresh: bool, weight_norm: bool) -> None:
    phi = small(width=2, size=4, multipliers=(1, 2), blocks=1, weight_norm=weight_norm).double()
    phi = phi if fresh else stirred(phi)
    names, values = zip(*phi.named_parameters(), strict=True)
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)

    def slope(a: Tensor, *parameters: Tensor) -> Tensor:
        known = dict(zip(names, parameters, strict=True))
        out = torch.func.functional_call(phi, known, a)
        (gradient,) = torch.autograd.grad(out.sum(), a, create_graph=True)
        return gradient.square().sum()

    inputs = [x.requires_grad_(), *(p.detach().requires_grad_() for p in values)]
    assert torch.autograd.gradcheck(slope, inputs, fast_mode=True)


def test_its_slope_has_a_gradient_in_the_image() -> None:
    phi, x = small(), torch.randn(3, 2, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(phi(x).sum(), x, create_graph=True)
    (by_x,) = torch.autograd.grad(gradient.square().sum(), x)
    assert (by_x != 0).all()


@every_norm
def test_functional_gradients_are_those_of_autograd(weight_norm: bool) -> None:
    phi = stirred(small(weight_norm=weight_norm)).double()
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    slopes = torch.func.grad(lambda a: phi(a).sum())(x)
    (by_autograd,) = torch.autograd.grad(phi(x.requires_grad_()).sum(), x, create_graph=True)
    torch.testing.assert_close(slopes, by_autograd)
    parameters = list(phi.parameters())
    for_each = torch.func.vmap(torch.func.grad(lambda a: phi(a[None])[0, 0]))(x)
    torch.testing.assert_close(for_each, by_autograd)
    torch.testing.assert_close(
        torch.autograd.grad(slopes.square().sum(), parameters, allow_unused=True),
        torch.autograd.grad(by_autograd.square().sum(), parameters, allow_unused=True),
    )


def test_a_batch_is_its_samples_one_by_one() -> None:
    phi = stirred(small(classes=3, time_conditioned=True)).double()
    x = torch.randn(5, 2, 8, 8, dtype=torch.float64)
    label, time = torch.tensor([0, 2, 1, 1, 0]), torch.rand(5, dtype=torch.float64)
    one_by_one = [phi(x[i : i + 1], label[i : i + 1], time[i : i + 1]) for i in range(5)]
    torch.testing.assert_close(phi(x, label, time), torch.cat(one_by_one))


def test_there_are_no_batch_statistics() -> None:
    norms = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
    assert not any(isinstance(m, norms) for m in small().modules())


@every_norm
def test_a_copy_is_the_same_function_of_its_own(weight_norm: bool) -> None:
    phi, x = stirred(small(weight_norm=weight_norm)), torch.randn(2, 2, 8, 8)
    other, loaded = copy.deepcopy(phi), small(weight_norm=weight_norm)
    loaded.load_state_dict(phi.state_dict())
    before = phi(x)
    assert torch.equal(other(x), before)
    assert torch.equal(loaded(x), before)
    stirred(phi)
    assert torch.equal(other(x), before)


def test_labels_add_a_projection_of_the_features() -> None:
    phi, x, label = small(classes=3), torch.randn(3, 2, 8, 8), torch.tensor([2, 0, 2])
    unlabelled = small()
    unlabelled.load_state_dict(phi.state_dict(), strict=False)
    torch.testing.assert_close(phi(x, label), unlabelled(x))
    nn.init.normal_(phi.head.embedding.weight)
    added = phi(x, label) - unlabelled(x)
    other = phi(x, torch.tensor([2, 1, 2])) - unlabelled(x)
    torch.testing.assert_close(added[[0, 2]], other[[0, 2]])
    assert (added[1] - other[1]).abs() > 1e-3


def test_times_matter_when_blocks_do() -> None:
    phi, x = small(time_conditioned=True), torch.randn(1, 2, 8, 8).expand(3, -1, -1, -1)
    time = torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(phi(x, time=time), phi(x, time=time.flip(0).roll(1)))
    values = stirred(phi)(x, time=time)
    torch.testing.assert_close(values[0], values[2])
    assert (values[0] - values[1]).abs() > 1e-3


def test_features_of_times_know_their_differences() -> None:
    features = _Sinusoids(16).double()
    s, t = torch.rand(2, 5, dtype=torch.float64) / 2
    inner = (features(s) * features(t)).sum(1)
    torch.testing.assert_close((features(s + 0.5) * features(t + 0.5)).sum(1), inner)
    torch.testing.assert_close(features(s).square().sum(1), torch.full_like(s, 16))
    assert torch.cdist(features(s), features(s)).add(torch.eye(5)).min() > 0.1


@every_norm
def test_spectral_norms_are_those_of_all_convolutions(weight_norm: bool) -> None:
    phi = stirred(small(weight_norm=weight_norm)).double()
    convolutions = [m for m in phi.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 1 + 6 * 2 + 1
    exact = sum(torch.linalg.matrix_norm(m.weight.flatten(1), 2) for m in convolutions)
    for _ in range(20):
        value = phi.spectral_norms()
    torch.testing.assert_close(value, exact, rtol=1e-4, atol=0)
    value.backward()
    weights = [p for m in convolutions for n, p in m.named_parameters() if n != "bias"]
    assert all(p.grad.count_nonzero() > 0 for p in weights)


def test_labels_that_are_missing_or_unexpected_are_refused() -> None:
    x, label = torch.zeros(2, 2, 8, 8), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="'label' should hold one of 3 classes .* got None"):
        small(classes=3)(x)
    with pytest.raises(ValueError, match="'label' should be None"):
        small()(x, label)


@pytest.mark.parametrize("time", [None, torch.zeros(()), torch.zeros(3), torch.zeros(2, 1)])
def test_times_that_are_missing_or_misshapen_are_refused(time: Tensor | None) -> None:
    with pytest.raises(ValueError, match=r"'time' should have the shape \(2,\), .* got "):
        small(time_conditioned=True)(torch.zeros(2, 2, 8, 8), time=time)


def test_times_that_are_unexpected_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'time' should be None, .* got \(2,\)"):
        small()(torch.zeros(2, 2, 8, 8), time=torch.zeros(2))


@pytest.mark.parametrize("name", ["width", "blocks"])
def test_numbers_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' should be at least 1, got 0"):
        small(**{name: 0})


@pytest.mark.parametrize("multipliers", [(), (1, 0)])
def test_other_multipliers_are_refused(multipliers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="'multipliers' should be one or more numbers from 1"):
        small(multipliers=multipliers)


@pytest.mark.parametrize("size", [0, -4, 6, 30])
def test_sizes_that_can_not_be_halved_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be a multiple of 4 .* got {size}"):
        small(size=size)
