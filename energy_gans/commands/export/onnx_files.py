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
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    ShapeEnv,
    StatelessSymbolicContext,
)

from ...methods import GenerativeModule
from ...methods.parts.flow_solver import UnrolledFlow
from .decompositions import decompositions
from .graphs import Graph, NotExportableError, graphs_of

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
# The batch sizes at which files are compared with PyTorch, and the largest difference that is
# rounding, relative to the largest output.
CHECKED, TOLERANCE = (1, 5), 1e-3


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
        return make_fx(graph.function, decomposition_table=decompositions())(*fakes).eval()


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
