r"""Tests for the energy_gans.networks.frame module."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from energy_gans.functional.filters import filter_bank, responses
from energy_gans.networks import FRAME, GaborBank, VGGBank

SHAPES = {0: (64, 3, 3, 3), 2: (64, 64, 3, 3), 5: (128, 64, 3, 3), 7: (128, 128, 3, 3)}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def vgg_weights() -> dict[str, Tensor]:
    weights = {"classifier.0.weight": torch.randn(2, 2)}
    for i, shape in SHAPES.items():
        weights[f"features.{i}.weight"] = torch.randn(shape) / 20
        weights[f"features.{i}.bias"] = torch.randn(shape[0])
    return weights


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.save(vgg_weights(), tmp_path / "vgg16.pth")
    return tmp_path / "vgg16.pth"


@pytest.fixture
def model() -> tuple[FRAME, Tensor]:
    return FRAME(nn.Conv2d(1, 6, 3)).double(), torch.randn(5, 1, 7, 7, dtype=torch.float64)


def half_slope(phi: FRAME, x: Tensor, theta: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    out = torch.func.functional_call(phi, {"head.weight": theta[None]}, x)
    (gradient,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean() / 2


def slope_gradient(phi: FRAME, x: Tensor, theta: Tensor) -> Tensor:
    theta = theta.clone().requires_grad_()
    return torch.autograd.grad(half_slope(phi, x, theta), theta)[0]


def test_the_potential_is_the_formula() -> None:
    phi, x = FRAME(nn.Conv2d(3, 5, 3)), torch.randn(2, 3, 6, 6)
    nn.init.normal_(phi.head.weight)
    f = responses(x, phi.filters.weight, phi.filters.bias)
    torch.testing.assert_close(phi(x)[:, 0], 16 * f @ phi.head.weight[0])


def test_it_is_zero_at_first_and_learns_the_weights_alone() -> None:
    phi, x = FRAME(GaborBank(1)), torch.randn(2, 1, 16, 16)
    assert not phi(x).any()
    phi(x).sum().backward()
    learnt = [name for name, p in phi.named_parameters() if p.requires_grad]
    assert learnt == ["head.weight"]
    assert [name for name, p in phi.named_parameters() if p.grad is not None] == learnt
    f = responses(x, filter_bank(1)).sum(0)
    torch.testing.assert_close(phi.head.weight.grad[0], 16 * f)


def test_the_gradient_of_the_slope_is_linear_in_theta(model: tuple[FRAME, Tensor]) -> None:
    a, b = torch.randn(2, 6, dtype=torch.float64)
    expected = 2 * slope_gradient(*model, a) - 3 * slope_gradient(*model, b)
    torch.testing.assert_close(slope_gradient(*model, 2 * a - 3 * b), expected)


def test_the_slope_is_the_quadratic_form_of_the_responses_jacobian(
    model: tuple[FRAME, Tensor],
) -> None:
    phi, x = model
    jacobians = [
        torch.autograd.functional.jacobian(
            lambda x: phi.filters(x).relu().sum((2, 3))[0], x[i : i + 1]
        ).flatten(1)
        for i in range(len(x))
    ]
    m = torch.stack([j @ j.T for j in jacobians]).mean(0)
    theta = torch.randn(6, dtype=torch.float64)
    torch.testing.assert_close(half_slope(phi, x, theta), theta @ m @ theta / 2)
    torch.testing.assert_close(slope_gradient(phi, x, theta), m @ theta)
    assert torch.linalg.eigvalsh(m).min() > -1e-10


def test_the_potential_is_concave_for_the_likelihood(model: tuple[FRAME, Tensor]) -> None:
    # The potential is linear in theta: at the mean of two parameters it is the mean of the
    # potentials.
    phi, x = model
    a, b = torch.randn(2, 1, 6, dtype=torch.float64)
    at_a, at_b, between = (
        torch.func.functional_call(phi, {"head.weight": theta}, x) for theta in (a, b, (a + b) / 2)
    )
    torch.testing.assert_close(between, (at_a + at_b) / 2)


@pytest.mark.parametrize("channels, size", [(1, 13), (3, 13), (1, 5)])
def test_the_gabor_bank_is_the_functional_one(channels: int, size: int) -> None:
    bank, x = GaborBank(channels, size), torch.randn(2, channels, 16, 16)
    assert not any(p.requires_grad for p in bank.parameters())
    expected = responses(x, filter_bank(channels, size))
    torch.testing.assert_close(bank(x).relu().mean((2, 3)), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "layers, maps, size", [(1, 64, 12), (2, 64, 12), (3, 128, 6), (4, 128, 6)]
)
def test_shape_of_vgg_maps(path: Path, layers: int, maps: int, size: int, channels: int) -> None:
    bank = VGGBank(path, layers)
    assert bank(torch.randn(2, channels, 12, 12)).shape == (2, maps, size, size)
    assert FRAME(bank)(torch.randn(2, channels, 12, 12)).shape == (2, 1)
    assert bank.out_channels == maps


def test_vgg_is_the_network_written_out(path: Path) -> None:
    w, x = vgg_weights_of(path), 2 * torch.rand(2, 3, 8, 8) - 1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    maps = ((x + 1) / 2 - mean[:, None, None]) / std[:, None, None]
    for i in SHAPES:
        if i == 5:
            maps = nn.functional.max_pool2d(maps, 2)
        maps = nn.functional.conv2d(maps, *w[i], padding=1)
        maps = maps if i == 7 else maps.relu()
    torch.testing.assert_close(VGGBank(str(path))(x), maps, rtol=1e-4, atol=1e-5)


def vgg_weights_of(path: Path) -> dict[int, tuple[Tensor, Tensor]]:
    weights = torch.load(path, weights_only=True)
    return {i: (weights[f"features.{i}.weight"], weights[f"features.{i}.bias"]) for i in SHAPES}


def test_vgg_is_frozen_and_its_slope_has_a_gradient(path: Path) -> None:
    phi, x = FRAME(VGGBank(path)), torch.randn(2, 1, 8, 8, requires_grad=True)
    nn.init.normal_(phi.head.weight)
    (gradient,) = torch.autograd.grad(phi(x).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert [p.grad is not None for p in phi.parameters()].count(True) == 1
    assert phi.head.weight.grad.count_nonzero() > 0


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="'path' should be a file of weights, and .*none.pth"
    ):
        VGGBank(tmp_path / "none.pth")


@pytest.mark.parametrize("layers", [0, 5, -1])
def test_other_numbers_of_layers_are_refused(path: Path, layers: int) -> None:
    with pytest.raises(ValueError, match=f"'layers' should be 1, 2, 3 or 4, got {layers}"):
        VGGBank(path, layers)


def lacking() -> dict[str, Tensor]:
    return {key: value for key, value in vgg_weights().items() if "7" not in key}


@pytest.mark.parametrize(
    "content",
    [lacking(), vgg_weights() | {"features.0.weight": torch.zeros(8, 3, 3, 3)}, [1, 2], 3],
)
def test_other_weights_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(
        ValueError, match="'path' = .*other.pth' should hold torchvision's weights"
    ):
        VGGBank(tmp_path / "other.pth")


@pytest.mark.parametrize("data", [b"", b"no weights", b"PK\x03\x04broken"])
def test_files_that_are_no_weights_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "broken.pth").write_bytes(data)
    with pytest.raises(ValueError, match="'path' = .*broken.pth' can not be read: it is "):
        VGGBank(tmp_path / "broken.pth")


def test_a_flipped_bit_of_the_weights_is_found(tmp_path: Path) -> None:
    weights = vgg_weights() | {"features.0.weight": torch.ones(64, 3, 3, 3)}
    torch.save(weights, tmp_path / "flipped.pth")
    content = bytearray((tmp_path / "flipped.pth").read_bytes())
    content[content.index(torch.ones(9).numpy().tobytes()) + 2] ^= 1
    (tmp_path / "flipped.pth").write_bytes(content)
    with pytest.raises(ValueError, match="flipped.pth' can not be read: its part .* is damaged"):
        VGGBank(tmp_path / "flipped.pth")


def test_weights_of_the_old_format_are_read(tmp_path: Path) -> None:
    weights = vgg_weights()
    torch.save(weights, tmp_path / "vgg.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(
        VGGBank(tmp_path / "vgg.pth").features[0].weight, weights["features.0.weight"]
    )


def test_filters_of_unknown_number_are_refused() -> None:
    with pytest.raises(
        ValueError, match="'filters' should have an attribute 'out_channels'.*ReLU"
    ):
        FRAME(nn.ReLU())
