r"""Writing the functions of a model as ONNX files.

A function is traced to operators of ATen, gradients included, with the batch as a symbol, and
converted by `torch.onnx`. onnxruntime compares each file with PyTorch before it is kept.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import textwrap
import warnings
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import decomposition_table
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    ShapeEnv,
    StatelessSymbolicContext,
)

from ...methods import GenerativeModule
from ...methods.parts.flow_solver import UnrolledFlow
from .graphs import Graph, NotExportableError, graphs_of

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
# The batch sizes at which files are compared with PyTorch, and the largest difference that is
# rounding, relative to the largest output.
CHECKED, TOLERANCE = (1, 5), 1e-3
aten = torch.ops.aten


def check_onnx(model: GenerativeModule) -> None:
    r"""Checks that ONNX files can be written.

    Raises:
        ModuleNotFoundError: If a package is missing.
        ValueError: If the model is not on the CPU.
    """
    for name in _PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(
                f"'onnx' needs {name}: pip install 'energy-gans[onnx]', or leave 'onnx' out."
            )
    if model.device.type != "cpu":
        raise ValueError(
            f"'onnx' needs a model on the CPU, got one on {model.device}: model.cpu() moves it."
        )


def write_onnx(
    model: GenerativeModule, folder: Path, names: Container[str] | None = None
) -> tuple[dict[str, str], list[str]]:
    r"""Writes the ONNX files of a model.

    Arguments:
        model: The model, on the CPU.
        folder: The folder.
        names: The names of the files that are written, if the model has them; all if `None`.

    Returns:
        The description of each file by its name, and a sentence for each that is left out.
    """
    texts, left_out = {}, []
    half = model.dynamics == "chains" and model.half_chains
    for name, make in graphs_of(model).items():
        if names is not None and name not in names:
            continue
        try:
            with traceable(model):
                graph = make(model)
                _write_graph(graph, folder / name)
                difference = _difference(graph, folder / name)
        except NotExportableError as error:
            (folder / name).unlink(missing_ok=True)
            left_out.append(f"{name} is left out: {error}.")
            continue
        sizes = " and ".join(map(str, CHECKED))
        digits = " Gradients are float32, and bfloat16 in `sample`." if half else ""
        texts[name] = (
            f"{graph.text}. The batch size B is free.{digits} Outputs differ from PyTorch's by at "
            f"most {difference:.1g} at batch sizes {sizes}."
        )
    return texts, left_out


@contextmanager
def traceable(model: GenerativeModule) -> Iterator[None]:
    r"""Makes what a model computes traceable: flows unrolled, gradients float32, not compiled.

    Arguments:
        model: The model, which is as before at the end of the context.
    """
    requires_grad = [p for p in model.parameters() if p.requires_grad]
    changes: dict[str, Any] = {}
    if model.dynamics == "flow" and model.flow.is_fixed:
        changes["flow"] = UnrolledFlow(**vars(model.flow))
    if model.dynamics == "chains":
        changes |= {"half_chains": False, "compile_gradient": False}
    before = {name: getattr(model, name) for name in changes}
    try:
        for name, value in changes.items():
            setattr(model, name, value)
        model.requires_grad_(False)
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)
        for p in requires_grad:
            p.requires_grad_(True)


def _write_graph(graph: Graph, path: Path) -> None:
    r"""Writes a graph as an ONNX file.

    Raises:
        NotExportableError: If it can not be traced or converted.
    """
    fixed = {size for x in graph.inputs(1).values() for size in x.shape}
    # Sizes that are equal count as one symbol.
    n = next(n for n in itertools.count(3) if n not in fixed)
    inputs = graph.inputs(n)
    batch = torch.export.Dim("batch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                _trace(graph, inputs),
                tuple(inputs.values()),
                dynamo=True,
                dynamic_shapes=tuple({graph.batch[name]: batch} for name in inputs),
                input_names=list(inputs),
                output_names=[graph.output],
                verbose=False,
            )
            program.save(path)
    except Exception as error:
        # Operators that are unknown, and values that a graph would depend on, raise many errors.
        raise NotExportableError(_reason(error)) from error


def _trace(graph: Graph, inputs: dict[str, Tensor]) -> nn.Module:
    r"""Returns a graph as operators of ATen, for any batch size."""
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    fakes = []
    for name, x in inputs.items():
        sizes = [DimDynamic.STATIC] * x.ndim
        sizes[graph.batch[name]] = DimDynamic.DUCK
        context = StatelessSymbolicContext(dynamic_sizes=sizes)
        fakes.append(mode.from_tensor(x, symbolic_context=context))
    with mode:
        return make_fx(graph.function, decomposition_table=_decompositions())(*fakes).eval()


def _reason(error: BaseException) -> str:
    r"""Returns why a graph can not be converted, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return f"torch.onnx can not convert it: {textwrap.shorten(line, 200).rstrip('.')}"


def _difference(graph: Graph, path: Path) -> float:
    r"""Returns the largest difference between an ONNX file and PyTorch, relative to the output.

    Raises:
        NotExportableError: If the file can not be run, or the difference is no rounding.
    """
    found = []
    try:
        session = importlib.import_module("onnxruntime").InferenceSession(str(path))
        for n in CHECKED:
            inputs = graph.inputs(n)
            expected = graph.function(*inputs.values()).double()
            arrays = {name: x.numpy() for name, x in inputs.items()}
            output = torch.from_numpy(session.run([graph.output], arrays)[0]).double()
            scale = expected.abs().max().clamp_min(1)
            found.append(((output - expected).abs().max() / scale).item())
    except Exception as error:
        # Errors of onnxruntime have no common class.
        raise NotExportableError(f"onnxruntime can not run it: {_reason(error)}") from error
    if not max(found) < TOLERANCE:
        raise NotExportableError(f"onnxruntime differs from PyTorch by {max(found):.2g}")
    return max(found)


# Operators that torch.onnx has no rule for


def _decompositions() -> dict[Any, Callable]:
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
