r"""Tests for the energy_gans.networks.descriptor module."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from energy_gans.networks import (
    FRAME,
    ConvDescriptor,
    GaborBank,
    GGCNDescriptor,
    ResNetDescriptor,
)
from energy_gans.networks.descriptor import _map_size

Make = Callable[..., nn.Module]

SCENE = {"widths": (64, 128, 256), "kernels": (5, 3, 3), "strides": (2, 2, 1), "hidden": 100}
MAKES = {
    "conv": lambda c, s, **k: ConvDescriptor(c, s, (4, 6, 8, 8), hidden=5, **k),
    "no dense layer": lambda c, s, **k: ConvDescriptor(c, s, (4, 6, 8, 8), hidden=None, **k),
    "ggcn": lambda c, s, **k: GGCNDescriptor(c, s, 4, **k),
    "resnet": lambda c, s, **k: ResNetDescriptor(c, s, 4, **k),
}
every_make = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES.keys())


def frame(channels: int, size: int) -> FRAME:
    phi = FRAME(GaborBank(channels, 5))
    nn.init.normal_(phi.head.weight)
    return phi


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 16, 28, 32, 64, 128])
def test_shape_of_outputs(size: int, channels: int) -> None:
    x = torch.randn(2, channels, size, size)
    assert ConvDescriptor(channels, size)(x).shape == (2, 1)


@pytest.mark.parametrize("size, count", [(8, 65_505), (28, 77_793), (64, 126_945)])
def test_number_of_parameters(size: int, count: int) -> None:
    assert sum(p.numel() for p in ConvDescriptor(3, size).parameters()) == count


def test_the_descriptor_of_scenes() -> None:
    phi = ConvDescriptor(3, 64, **SCENE)
    assert phi(torch.randn(2, 3, 64, 64)).shape == (2, 1)
    assert phi.features[-2].in_features == 256 * 16**2
    assert phi.head.in_features == 100


@pytest.mark.parametrize("size", [7, 8, 28, 33])
@pytest.mark.parametrize("kernel, stride", [(5, 2), (4, 2), (3, 1), (1, 1), (2, 2)])
def test_size_of_a_map(size: int, kernel: int, stride: int) -> None:
    x = nn.Conv2d(1, 1, kernel, stride, (kernel - 1) // 2)(torch.zeros(1, 1, size, size))
    assert _map_size(size, [kernel], [stride]) == x.shape[-1]


@every_make
def test_there_are_no_batch_statistics(make: Make) -> None:
    norms = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
    assert not any(isinstance(m, norms) for m in make(3, 32).modules())


@pytest.mark.parametrize("make", [*MAKES.values(), frame], ids=[*MAKES, "frame"])
def test_a_batch_is_its_samples_one_by_one(make: Make) -> None:
    phi, x = make(3, 32), torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(phi(x), torch.cat([phi(x[i : i + 1]) for i in range(5)]))


@pytest.mark.parametrize("make", [*MAKES.values(), frame], ids=[*MAKES, "frame"])
@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_without_biases_it_is_positively_homogeneous(make: Make, scale: float) -> None:
    phi, x = make(1, 16).double(), torch.randn(3, 1, 16, 16, dtype=torch.float64)
    for name, p in phi.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(p)
    torch.testing.assert_close(phi(scale * x), scale * phi(x))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(phi(x).sum(), x)
    torch.testing.assert_close((gradient * x).sum((1, 2, 3)), phi(x)[:, 0])


@pytest.mark.parametrize("make", [*MAKES.values(), frame], ids=[*MAKES, "frame"])
def test_its_slope_has_a_gradient_in_the_parameters_alone(make: Make) -> None:
    phi, x = make(1, 16), torch.randn(3, 1, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(phi(x).sum(), x, create_graph=True)
    slope = gradient.square().sum()
    by_x, by_head = torch.autograd.grad(slope, (x, phi.head.weight), allow_unused=True)
    assert by_x is None or by_x.count_nonzero() == 0
    assert by_head.count_nonzero() > 0


@every_make
def test_double_backward_is_that_of_finite_differences(make: Make) -> None:
    phi, x = make(1, 16).double(), torch.randn(2, 1, 16, 16, dtype=torch.float64)

    def slope(w: Tensor) -> Tensor:
        a = x.clone().requires_grad_()
        out = torch.func.functional_call(phi, {"head.weight": w}, a)
        (gradient,) = torch.autograd.grad(out.sum(), a, create_graph=True)
        return gradient.square().sum()

    assert torch.autograd.gradcheck(slope, phi.head.weight.detach().requires_grad_())


@every_make
def test_the_gradient_reaches_every_parameter(make: Make) -> None:
    phi = make(3, 32, classes=2)
    phi(torch.randn(8, 3, 32, 32), torch.tensor([0, 1] * 4)).square().sum().backward()
    assert all(p.grad.count_nonzero() > 0 for p in phi.parameters())


@every_make
def test_labels_add_a_projection_of_the_features(make: Make) -> None:
    phi, x = make(1, 16, classes=3), torch.randn(4, 1, 16, 16)
    label = torch.tensor([2, 0, 2, 1])
    at_first = phi(x, label)
    torch.testing.assert_close(at_first, phi.head(phi.features(x)))
    nn.init.normal_(phi.embedding.weight)
    added = torch.einsum("bf,bf->b", phi.embedding.weight[label], phi.features(x))
    torch.testing.assert_close(phi(x, label), at_first + added[:, None])


@every_make
def test_labels_that_are_missing_or_unexpected_are_refused(make: Make) -> None:
    x, label = torch.zeros(2, 1, 16, 16), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="'label' should hold one of 3 classes .* got None"):
        make(1, 16, classes=3)(x)
    with pytest.raises(ValueError, match="'label' should be None"):
        make(1, 16)(x, label)


@pytest.mark.parametrize(
    "changes", [{"widths": (8, 8)}, {"kernels": (3,)}, {"strides": ()}, {"widths": ()}]
)
def test_layers_of_other_lengths_are_refused(changes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="'widths', 'kernels' and 'strides' should be of one"):
        ConvDescriptor(**changes)


@pytest.mark.parametrize("size", [0, -8])
def test_sizes_that_are_not_positive_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"'size' should be at least 1, got {size}"):
        ConvDescriptor(size=size)


def test_images_too_small_for_the_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="'size' should be larger for kernels .* got 4"):
        ConvDescriptor(3, 4, (8, 8, 8), (4, 4, 4), (2, 2, 2))
