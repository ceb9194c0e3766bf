r"""Tests for the energy_gans.metrics.features.efficientnet module."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from energy_gans.metrics.features import EfficientNetLite0, FeatureMap, efficientnet
from energy_gans.metrics.features.efficientnet import _installed_path, _SameConv2d

# Repeats, kernel, stride, channels of the blocks: table 1 of the EfficientNet paper.
LAYOUT = [
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return torch.load(_installed_path(), weights_only=True)


def plain(state: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the features and logits layer by layer, in float64, without folded layers."""
    state = {name: w.double() for name, w in state.items()}

    def layer(x: Tensor, conv: str, norm: str, stride: int = 1, relu: bool = True) -> Tensor:
        w = state[conv + ".weight"]
        even, k = x.shape[-1] % 2 == 0, w.shape[-1]
        before, after = {
            (1, 1): (0, 0),
            (3, 1): (1, 1),
            (5, 1): (2, 2),
            (3, 2): (0, 1) if even else (1, 1),
            (5, 2): (1, 2) if even else (2, 2),
        }[k, stride]
        groups = len(w) if w.shape[1] == 1 else 1
        x = F.conv2d(F.pad(x, (before, after) * 2), w, None, stride, 0, 1, groups)
        mean, variance, scale, shift = (
            state[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.batch_norm(x, mean, variance, scale, shift, eps=1e-3)
        return x.clamp(0, 6) if relu else x

    x = layer((x.double() - 127) / 128, "_conv_stem", "_bn0", 2)
    index = 0
    for repeats, kernel, stride, channels in LAYOUT:
        for repeat in range(repeats):
            block, h = f"_blocks.{index}.", x
            if index > 0:
                h = layer(h, block + "_expand_conv", block + "_bn0")
            assert state[block + "_depthwise_conv.weight"].shape[-1] == kernel
            s = stride if repeat == 0 else 1
            h = layer(h, block + "_depthwise_conv", block + "_bn1", s)
            h = layer(h, block + "_project_conv", block + "_bn2", relu=False)
            assert h.shape[1] == channels
            x, index = (h if repeat == 0 else h + x), index + 1
    features = layer(x, "_conv_head", "_bn1").mean((2, 3))
    return features, features @ state["_fc.weight"].T + state["_fc.bias"]


@pytest.mark.parametrize("size", [33, 64, 96])
def test_folded_is_plain(state: dict[str, Tensor], size: int) -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 3, size, size), generator=random, dtype=torch.uint8)
    ours, plainly = EfficientNetLite0(size)(images), plain(state, images)
    for a, b in zip(ours, plainly, strict=True):
        assert (a - b).abs().max() < 1e-4


def test_a_large_batch_is_taken_in_parts() -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (70, 1, 8, 8), generator=random, dtype=torch.uint8)
    extractor = EfficientNetLite0(32)
    features, logits = extractor(images)
    assert torch.allclose(features[69], extractor(images[69:])[0][0], atol=1e-4)
    assert logits.shape == (70, 1000)


# The row of the input that the first tap of the first window reads, in TensorFlow.
@pytest.mark.parametrize(
    "size, kernel, stride, first, n",
    [
        (8, 3, 2, 0, 4),
        (7, 3, 2, -1, 4),
        (8, 5, 2, -1, 4),
        (7, 5, 2, -2, 4),
        (8, 3, 1, -1, 8),
        (7, 5, 1, -2, 7),
        (8, 1, 1, 0, 8),
        (2, 5, 2, -1, 1),
        (1, 3, 2, -1, 1),
    ],
)
@pytest.mark.parametrize("tap", [0, -1])
def test_windows_are_those_of_tensorflow(
    size: int, kernel: int, stride: int, first: int, n: int, tap: int
) -> None:
    conv = _SameConv2d(1, 1, kernel, stride, bias=False).requires_grad_(False)
    conv.weight.zero_()[..., tap, tap] = 1
    x = torch.arange(1.0, size * size + 1).view(1, 1, size, size)
    rows = [stride * i + first + tap % kernel for i in range(n)]
    expected = [
        [x[0, 0, i, j] if min(i, j) >= 0 and max(i, j) < size else 0 for j in rows] for i in rows
    ]
    assert conv(x)[0, 0].tolist() == expected


# Photographs


@pytest.fixture(scope="module")
def photographs() -> tuple[Tensor, Tensor]:
    r"""Returns the 20 photographs of ImageNet that foolbox ships, cropped as usual, and labels."""
    spec = importlib.util.find_spec("foolbox")
    if spec is None:
        pytest.skip("foolbox is not installed.")
    files = sorted((Path(spec.origin).parent / "data").glob("imagenet_*.jpg"))
    labels = torch.tensor([int(file.stem.split("_")[-1]) for file in files])
    return torch.stack([centre_crop(Image.open(file)) for file in files]), labels


def centre_crop(image: Image.Image) -> Tensor:
    image = image.convert("RGB")
    scale = 256 / min(image.size)
    width, height = (round(side * scale) for side in image.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    image = image.resize((width, height), Image.BICUBIC)
    return torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224)))).movedim(2, 0)


def test_photographs_are_recognised(photographs: tuple[Tensor, Tensor]) -> None:
    images, labels = photographs
    assert (EfficientNetLite0(224)(images)[1].argmax(1) == labels).sum() == 18


def test_the_mean_and_std_of_imagenet_are_not_what_it_was_trained_with(
    photographs: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = photographs
    mean, std = (
        torch.tensor([[[0.485]], [[0.456]], [[0.406]]]),
        torch.tensor([0.229, 0.224, 0.225]),
    )
    extractor = EfficientNetLite0(224)
    monkeypatch.setattr(
        extractor, "_preprocess", lambda part: (part / 255 - mean) / std.view(3, 1, 1)
    )
    assert (extractor(images)[1].argmax(1) == labels).sum() == 15


# Weights


def test_the_weights_are_the_published_ones() -> None:
    extractor = EfficientNetLite0()
    assert extractor.sha256.startswith(Path(efficientnet.FILE).stem[-8:])
    assert extractor.stamp()["resize"] == "bilinear, antialiased, 96"


def test_a_state_dict_does_not_hold_the_weights_of_the_package() -> None:
    extractor = EfficientNetLite0(32)
    model = nn.Sequential(nn.Linear(2, 1), FeatureMap(extractor))
    state = model.state_dict()
    assert [*state] == ["0.weight", "0.bias"]
    x = torch.rand(2, 3, 16, 16)
    expected = model[1](x)
    again = nn.Sequential(nn.Linear(2, 1), FeatureMap(EfficientNetLite0(32)))
    again.load_state_dict(state)
    assert torch.equal(again[0].weight, model[0].weight)
    assert torch.equal(again[1](x), expected)
    with pytest.raises(RuntimeError, match="Missing key"):
        again.load_state_dict({"0.weight": state["0.weight"]})


def test_weights_of_a_file_or_of_an_earlier_state_dict_are_taken() -> None:
    whole = EfficientNetLite0(32, str(_installed_path()))
    state = whole.state_dict()
    assert sum(w.numel() for w in state.values()) > 4e6
    changed = {name: w + 1 for name, w in state.items()}
    extractor = EfficientNetLite0(32)
    extractor.load_state_dict(changed)
    assert torch.equal(extractor.classifier.bias, whole.classifier.bias + 1)
    # They are not those of the package, and so are saved again.
    again = extractor.state_dict()
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], w) for name, w in changed.items())
    del changed["classifier.bias"]
    with pytest.raises(RuntimeError, match="Missing key.*classifier.bias"):
        EfficientNetLite0(32).load_state_dict(changed)
    with pytest.raises(RuntimeError, match="Missing key"):
        whole.load_state_dict({})


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    with pytest.raises(ModuleNotFoundError, match="pip install no-such-package"):
        EfficientNetLite0()


@pytest.mark.parametrize(
    "name, weight",
    [
        ("_blocks.3._bn1.bias", None),
        ("_fc.weight", None),
        ("_blocks.16._bn0.bias", torch.ones(1)),
        ("_fc.bias", 3),
        ("_fc.bias", torch.ones(7)),
    ],
)
def test_other_weights_are_refused(
    state: dict[str, Tensor], tmp_path: Path, name: str, weight: object
) -> None:
    changed = {key: w for key, w in state.items() if key != name}
    if weight is not None:
        changed[name] = weight
    torch.save(changed, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"'weights' = .*other.pth' does not hold the weights of"):
        EfficientNetLite0(weights=str(tmp_path / "other.pth"))


def test_size_has_to_be_positive() -> None:
    with pytest.raises(ValueError, match="'size' should be at least 1, got 0"):
        EfficientNetLite0(0)
