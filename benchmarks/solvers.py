r"""The quality of a flow's samples and their cost, for several solvers.

::

    python -m benchmarks.solvers --ckpt_path C --extractor DomainClassifier
    --extractor.path fashion_mnist.pt

solves the flow from the same noise with each solver. It prints the evaluations of the field,
images per second and the Fréchet distance to training images. `rk45` is the solver of SciPy with
the whole batch as one vector, as in the code of VAPO's authors.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import torch
from jsonargparse import auto_cli
from matplotlib.figure import Figure

from energy_gans.commands import load_model
from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.commands.real_data import load_data
from energy_gans.functional import frechet_distance, keyed_generator
from energy_gans.methods.bases.flow import FlowModule
from energy_gans.metrics.features import FeatureExtractor
from energy_gans.metrics.images import to_uint8
from energy_gans.metrics.reference import default_cache, reference_statistics
from energy_gans.metrics.statistics import feature_statistics
from energy_gans.plots.figures import CATEGORIES, render, write_picture

STEPS = {"euler": (5, 10, 20, 40), "midpoint": (4, 8, 16), "heun": (4, 8, 16), "rk4": (2, 4, 8)}
HEADINGS = ("solver", "steps or tolerance", "evaluations", "images/s", "Fréchet distance")
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4)


def settings() -> list[dict[str, object]]:
    r"""Returns the arguments of the solvers: numbers of steps or tolerances."""
    adaptive = [
        {"solver": solver, "rtol": tolerance, "atol": tolerance}
        for solver in ("rk45", "dopri5")
        for tolerance in TOLERANCES
    ]
    fixed = [{"solver": s, "steps": n} for s, counts in STEPS.items() for n in counts]
    return adaptive + fixed


def measure_samples(
    model: FlowModule, n: int, extractor: FeatureExtractor, real: object
) -> tuple[float, float]:
    r"""Returns the Fréchet distance of samples, and their time in seconds."""
    start = time.perf_counter()
    x = model.sample(n, random=keyed_generator(0, "solvers"))
    seconds = time.perf_counter() - start
    places = torch.arange(n).split(500)
    fake = feature_statistics(extractor, zip(to_uint8(x).split(500), places, strict=True), 0)
    fd = frechet_distance(real.mean, real.covariance, fake.mean, fake.covariance)
    return fd.item(), seconds


def picture(rows: list[tuple[str, int, float, float]], path: Path) -> None:
    r"""Draws the Fréchet distance over the evaluations, a line for each solver."""
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.set_prop_cycle(color=CATEGORIES)
    for solver in dict.fromkeys(row[0] for row in rows):
        points = sorted((nfe, fd) for name, nfe, fd, _ in rows if name == solver)
        axis.plot(*zip(*points, strict=True), "o-", label=solver)
    axis.set(xscale="log", yscale="log", xlabel="evaluations", ylabel="Fréchet distance")
    axis.legend()
    write_picture(render(figure), path)


def main(
    ckpt_path: str, extractor: FeatureExtractor, n: int = 1000, out: str = "solvers.png"
) -> None:
    r"""Prints a row for each solver, and draws the picture.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run.
        extractor: The features of the Fréchet distance.
        n: The number of samples.
        out: The picture.
    """
    model = load_model(ckpt_path)
    real = reference_statistics(
        load_data(ckpt_path), "train", 50_000, 0, extractor, default_cache()
    )
    print(markdown_heading(HEADINGS), end="")
    rows = []
    for setting in settings():
        model.flow = dataclasses.replace(model.flow, **setting)
        fd, seconds = measure_samples(model, n, extractor, real)
        value = setting.get("steps", setting.get("rtol"))
        rows.append((setting["solver"], model.evaluations, fd, n / seconds))
        cells = [setting["solver"], value, model.evaluations, f"{n / seconds:.3g}", f"{fd:.4g}"]
        print(markdown_row(cells), end="", flush=True)
    picture(rows, Path(out))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
