r"""What the page in the browser knows of trained models: their functions as ONNX, and a card.

A card is an entry of `models.json`. It says what a model can do, so that the script of the page
knows no model by name. Beside the ONNX files of each model lies `reference.json`, with outputs of
PyTorch that the page compares its own with, and `images.json`, with images for holes, as bytes.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import energy_gans
from energy_gans.commands.export.graphs import Graph, graphs_of
from energy_gans.commands.export.onnx_files import check_onnx, traceable, write_onnx
from energy_gans.commands.models import find_model
from energy_gans.commands.real_data import held_out_samples, load_data
from energy_gans.commands.zoo import ZooModel
from energy_gans.files import write_text
from energy_gans.methods import GenerativeModule
from energy_gans.metrics.images import to_uint8
from energy_gans.plots.points import square_limits

# The number of samples in reference.json, of real points in the plane, and of images for holes.
REFERENCE, REAL_POINTS, IMAGES = 4, 400, 8
# The page solves a flow by this solver, with a step before each of this number of states.
SOLVER, STEPS = "rk4", 20
# What draws an input of a sampler, as the page names it.
_DRAWS = {"randn": "normal", "rand": "uniform", "randint": "whole"}


def write_model(entry: ZooModel, folder: Path) -> tuple[dict[str, Any], list[str]]:
    r"""Writes the files of a model, and returns its card and sentences on what is left out.

    Arguments:
        entry: The model, as the zoo lists it.
        folder: The folder to write, which is created.

    Raises:
        ModuleNotFoundError: If a package that writes ONNX files is missing.
        ValueError: If the page can show nothing of the model.
    """
    model = energy_gans.load(str(entry.folder)).eval()
    check_onnx(model)
    _check_shown(entry.name, model)
    folder.mkdir()
    images, left_out = images_for_holes(entry, model)
    texts, missing = write_onnx(model, folder, functions_of(model, holes=len(images) > 0))
    left_out += missing
    if not texts:
        raise ValueError(" ".join(left_out))
    functions, reference = {}, {}
    with traceable(model):
        for name in texts:
            graph = graphs_of(model)[name](model)
            functions[Path(name).stem] = _inputs_of(graph)
            reference[Path(name).stem] = _outputs_of(graph)
    card = card_of(entry, model) | {"functions": functions}
    if "fill" in functions:
        card["images"] = len(images)
        write_json(to_uint8(images).flatten().tolist(), folder / "images.json")
    if "field" in functions:
        card["flow"], reference["flow"] = _flow(model)
    write_json(reference, folder / "reference.json")
    return card, left_out


def write_json(content: Any, path: Path) -> None:
    r"""Writes JSON, whole or not at all."""
    write_text(json.dumps(content, allow_nan=False), path)


def _check_shown(name: str, model: GenerativeModule) -> None:
    r"""Raises a `ValueError` if the page can not show the samples of a model."""
    shape = model.sample_shape
    image = len(shape) == 3 and shape[0] in (1, 3)
    if not image and shape != (2,) and not model.vocabulary:
        raise ValueError(
            f"The page shows images (1 or 3 channels), points in the plane and lines of text, and "
            f"samples of {name!r} have the shape {tuple(shape)}."
        )


def functions_of(model: GenerativeModule, holes: bool) -> set[str]:
    r"""Returns the names of the files that the page uses: of a flow, its field gives samples."""
    samples = "field.onnx" if model.dynamics == "flow" else "sampler.onnx"
    plane = {"potential.onnx"} if model.sample_shape == (2,) else set()
    return {samples} | plane | ({"fill.onnx"} if holes else set())


def images_for_holes(entry: ZooModel, model: GenerativeModule) -> tuple[Tensor, list[str]]:
    r"""Returns held-out images if a model fills holes, and a sentence if there are none."""
    none = torch.empty(0, *model.sample_shape)
    if not model.supports("fill") or none.ndim != 4:
        return none, []
    try:
        return _held_out(entry, IMAGES), []
    except (OSError, ValueError) as error:
        return none, [f"Holes are left out, as there are no images to paint them into: {error}"]


def _held_out(entry: ZooModel, n: int) -> Tensor:
    r"""Returns held-out samples of a model's data, which should be there."""
    data = load_data(find_model(str(entry.folder)))
    return held_out_samples(data, n, seed=0)[0]


def card_of(entry: ZooModel, model: GenerativeModule) -> dict[str, Any]:
    r"""Returns what the page says of a model, and the part of the plane that it shows."""
    card = {
        "name": entry.name,
        "method": entry.method,
        "about": _first_sentence(type(model)),
        "data": entry.data,
        "steps": entry.steps,
        "numbers": entry.numbers,
        "shape": list(model.sample_shape),
        "classes": model.classes,
        "dynamics": model.dynamics,
    }
    if model.vocabulary:
        card["vocabulary"] = model.vocabulary
    return card | ({"plane": _plane(entry, model)} if card["shape"] == [2] else {})


def _first_sentence(cls: type) -> str:
    r"""Returns the first paragraph of a class's docstring, without the roles of Sphinx."""
    first = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    return re.sub(r":\w+:`([^`]+)`", r"\1", " ".join(first.split()))


def _plane(entry: ZooModel, model: GenerativeModule) -> dict[str, Any]:
    r"""Returns real points, if the data are there, and the corners of the square that is shown."""
    try:
        y = _held_out(entry, REAL_POINTS)
    except (OSError, ValueError):
        y = torch.empty(0, 2)
    x = y if len(y) else model.sample(REAL_POINTS, random=torch.Generator().manual_seed(0))
    low, high = square_limits(x)
    return {"low": low.tolist(), "high": high.tolist(), "real": _rounded(y)}


def _rounded(x: Tensor) -> list:
    r"""Returns a tensor as lists, with four decimals."""
    return [[round(value, 4) for value in row] for row in x.tolist()]


def _inputs_of(graph: Graph) -> dict[str, Any]:
    r"""Returns what each input of a function is: its shape, `null` for the batch, and its draw."""
    found = {}
    for name, x in graph.inputs(1).items():
        shape: list[int | None] = list(x.shape)
        shape[graph.batch[name]] = None
        found[name] = {"shape": shape}
        if name in graph.draws:
            kind, below = graph.draws[name]
            found[name] |= {"draw": _DRAWS[kind], "below": below}
    return found


def _outputs_of(graph: Graph) -> dict[str, Any]:
    r"""Returns inputs of a function and PyTorch's outputs, as flat lists."""
    inputs = graph.inputs(REFERENCE)
    outputs = graph.function(*inputs.values())
    flat = {name: x.flatten().tolist() for name, x in inputs.items()}
    return {"inputs": flat, "output": outputs.flatten().tolist()}


def _flow(model: GenerativeModule) -> tuple[dict[str, Any], dict[str, Any]]:
    r"""Returns the times of a flow's states, and PyTorch's states from some starting points."""
    model.flow = dataclasses.replace(model.flow, solver=SOLVER, steps=STEPS)
    random = torch.Generator().manual_seed(0)
    label = None if model.classes is None else torch.zeros(REFERENCE, dtype=torch.long)
    x = model.starting_points(REFERENCE, label, random)
    states = list(model.trajectory(x, STEPS, label, random))
    # The scale of the noise that flows; `potential_times` is absent if the potential needs none.
    flow = {"omega": model.omega, "times": [state.time for state in states]}
    if model.time_conditioned:
        flow["potential_times"] = [state.potential_time for state in states]
    points = [state.x.flatten().tolist() for state in states]
    return flow, {"inputs": {"x": points[0]}, "output": points[-1]}
