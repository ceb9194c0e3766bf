r"""Rules that write operators which torch.onnx lacks, such as gradients, by other operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._decomp import decomposition_table

aten = torch.ops.aten


def decompositions() -> dict[Any, Callable]:
    r"""Returns rules that write gradients, and some more operators, by others."""
    backward = {op: rule for op, rule in decomposition_table.items() if "backward" in op.name()}
    return backward | {
        aten.convolution_backward.default: _convolution_backward,
        aten.avg_pool2d_backward.default: _avg_pool2d_backward,
        aten.split.Tensor: _split,
        aten.amin.default: _amin,
    }


def _convolution_backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: list[int] | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    mask: list[bool],
) -> Any:
    r"""Returns the gradient of a convolution's input, a transposed convolution."""
    if transposed or mask[1] or mask[2]:
        return NotImplemented
    rest = [
        x.shape[i + 2]
        - (gradient.shape[i + 2] - 1) * stride[i]
        + 2 * padding[i]
        - dilation[i] * (weight.shape[i + 2] - 1)
        - 1
        for i in range(len(stride))
    ]
    inputs = (gradient, weight, None, stride, padding, dilation, True, rest, groups)
    return aten.convolution.default(*inputs), None, None


def _avg_pool2d_backward(
    gradient: Tensor,
    x: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Any:
    r"""Returns the gradient of means over blocks: each pixel of a block has the same share."""
    whole = [size * block for size, block in zip(gradient.shape[2:], kernel, strict=True)]
    if list(stride or kernel) != list(kernel) or any(padding) or whole != list(x.shape[2:]):
        return NotImplemented
    share = gradient / (divisor or kernel[0] * kernel[1])
    rows = aten.repeat_interleave.self_int(share, kernel[0], 2)
    return aten.repeat_interleave.self_int(rows, kernel[1], 3)


def _split(x: Tensor, size: int, dim: int = 0) -> Any:
    r"""Returns a batch as its only part: parts only save memory."""
    return [aten.alias.default(x)] if x.shape[dim] <= size else NotImplemented


def _amin(x: Tensor, dim: list[int] | tuple[()] = (), keepdim: bool = False) -> Any:
    r"""Returns minima, with all dimensions by name."""
    return NotImplemented if dim else aten.amin.default(x, list(range(x.ndim)), keepdim)
