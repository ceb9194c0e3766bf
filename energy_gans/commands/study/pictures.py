r"""The pictures of a study: curves of all methods, and samples of the first seed side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from ...plots.curves import bands_picture
from ...plots.figures import GENERATED, REAL, render, write_picture
from ...storage.run import run_data
from ..models import held_out_samples
from .configs import own_packages
from .plan import Study
from .results import Result, done_of

# A strip of samples: its number of images and the gap between them, in pixels.
STRIP, GAP = 10, 2
# Letters that fit above a column of points.
LETTERS = 20
# Cells of a density along a side, and the width of its Gaussians as a share of the side.
DENSITY_GRID, WIDTH = 160, 0.015
AXES = {"updates": "updates of the generator", "seconds": "seconds of training"}

Panel = tuple[str, str]
Arrays = dict[Panel, np.ndarray]


def write_pictures(study: Study, results: list[Result], out: Path) -> None:
    r"""Writes curves.png, samples.png for images, scatter.png and kde.png for points in the plane."""
    panels = curve_panels(study, results)
    if panels:
        labels = {title: AXES[over] for (title, over) in panels}
        titled = {title: panel for (title, _), panel in panels.items()}
        write_picture(bands_picture(titled, labels, columns=2), out / "curves.png")
    arrays = sample_arrays(study, results)
    images = {place: x for place, x in arrays.items() if x.ndim == 4}
    points = {place: x for place, x in arrays.items() if x.ndim == 2 and x.shape[1] == 2}
    if images:
        write_picture(render(sheet(study, images)), out / "samples.png")
    if points:
        for name, draw in (("scatter", draw_scatter), ("kde", draw_density)):
            write_picture(render(plane(study, points, draw)), out / f"{name}.png")


def curve_panels(study: Study, results: list[Result]) -> dict[Panel, dict[str, list]]:
    r"""Returns the curves of each method, a panel for each setting, logged number and axis."""
    panels = {}
    for setting in study.settings:
        for name in study.curves:
            for over in AXES:
                found = {
                    method: [
                        curve
                        for r in done_of(results, setting, method)
                        if (curve := r.curve(name, over)) is not None
                    ]
                    for method in study.methods
                }
                found = {method: curves for method, curves in found.items() if curves}
                if found:
                    panels[f"{setting}: {name} over {over}", over] = found
    return panels


def sample_arrays(study: Study, results: list[Result]) -> Arrays:
    r"""Returns samples of the first finished seed of each method, and as many real ones."""
    arrays: Arrays = {}
    for setting in study.settings:
        for method in study.methods:
            for result in done_of(results, setting, method)[:1]:
                with np.load(result.folder / "samples.npz") as file:
                    arrays[setting, method] = file["samples"]
        for result in done_of(results, setting)[:1]:
            trust = own_packages(study, setting, result.cell.method)
            arrays[setting, "real"] = real_samples(result.folder / "run", study.samples, trust)
    return arrays


def real_samples(run: Path, n: int, trust: str = "") -> np.ndarray:
    r"""Returns held-out samples of a run's data, at most `n`, in no order."""
    data = run_data(run, trust)
    data.prepare_data()
    return held_out_samples(data, n, seed=0)[0].numpy()


def names_of(study: Study, arrays: Arrays) -> tuple[list[str], list[str]]:
    r"""Returns the settings, and real data and the methods, that there are samples of."""
    settings = [name for name in study.settings if any(s == name for s, _ in arrays)]
    there = {method for _, method in arrays}
    return settings, [name for name in ("real", *study.methods) if name in there]


def sheet(study: Study, images: Arrays) -> Figure:
    r"""Returns strips of images: a row for real data and each method, a column for each setting."""
    settings, methods = names_of(study, images)
    size = (0.8 * STRIP * len(settings) + 1.2, 0.8 * len(methods) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.04, hspace=0, wspace=0.02)
    axes = figure.subplots(len(methods), len(settings), squeeze=False)
    for row, method in zip(axes, methods, strict=True):
        for axis, setting in zip(row, settings, strict=True):
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if (setting, method) in images:
                strip = side_by_side(images[setting, method][:STRIP])
                axis.imshow(strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    label(axes, settings, methods)
    # The first pass of a layout does not know yet how far names reach.
    figure.draw_without_rendering()
    return figure


def side_by_side(x: np.ndarray) -> np.ndarray:
    r"""Returns images in [-1, 1] of shape :math:`(N, C, H, W)` in a row, with shape :math:`(H, W', C)`."""
    x = np.clip((x + 1) / 2, 0, 1).transpose(0, 2, 3, 1)
    x = np.pad(x, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=1.0)
    return np.concatenate(list(x), 1)[:, :-GAP]


def plane(study: Study, points: Arrays, draw: Callable[..., None]) -> Figure:
    r"""Returns points in the plane: a row for each setting, a column for real data and each method."""
    settings, methods = names_of(study, points)
    size = (1.9 * len(methods) + 0.4, 1.9 * len(settings) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(settings), len(methods), squeeze=False)
    for row, setting in zip(axes, settings, strict=True):
        limits = window(points[setting, "real"])
        paint = partial(draw, limits=limits, real=points[setting, "real"])
        for axis, method in zip(row, methods, strict=True):
            axis.set(xlim=limits[0], ylim=limits[1], aspect="equal", xticks=[], yticks=[])
            axis.spines[:].set_color("0.8")
            if (setting, method) in points:
                paint(axis, points[setting, method], color=REAL if method == "real" else GENERATED)
    label(axes.T, methods, settings, transposed=True)
    figure.draw_without_rendering()
    return figure


def label(axes: np.ndarray, above: list[str], left: list[str], transposed: bool = False) -> None:
    r"""Writes names above the first row and to the left of the first column of a picture's axes."""
    axes = axes.T if transposed else axes
    for axis, name in zip(axes[0], above, strict=True):
        axis.set_title(wrapped(name), fontsize=10)
    for axis, name in zip(axes[:, 0], left, strict=True):
        axis.set_ylabel(
            wrapped(name), fontsize=10, rotation=0, ha="right", va="center", labelpad=6
        )


def wrapped(name: str) -> str:
    r"""Returns a name in lines of at most 20 letters, broken after an underscore where there is one."""
    return "\n".join(textwrap.wrap(name.replace("_", "_ "), LETTERS)).replace("_ ", "_")


def window(real: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    r"""Returns the square, as limits of both axes, that shows real points with a margin."""
    low, high = real.min(0), real.max(0)
    centre, half = (low + high) / 2, 0.62 * (high - low).max()
    (left, bottom), (right, top) = centre - half, centre + half
    return (left, right), (bottom, top)


def draw_scatter(axis: Axes, x: np.ndarray, limits: tuple, real: np.ndarray, color: str) -> None:
    r"""Draws points."""
    axis.scatter(*x.T, s=2, c=color, alpha=0.5, linewidths=0)


def draw_density(axis: Axes, x: np.ndarray, limits: tuple, real: np.ndarray, color: str) -> None:
    r"""Draws the density of points, on one scale with that of real ones."""
    axis.imshow(
        density(x, limits).T,
        origin="lower",
        extent=(*limits[0], *limits[1]),
        cmap="viridis",
        vmin=0,
        vmax=density(real, limits).max(),
    )


def density(x: np.ndarray, limits: tuple) -> np.ndarray:
    r"""Returns the density of points on a grid, each smoothed by a Gaussian of a fixed width.

    The width is that of the window, not of the points: a method whose samples are all alike has a
    density, too, and a sharp peak is not smeared because other samples are far away.

    Arguments:
        x: The points, with shape :math:`(N, 2)`.
        limits: The limits of both axes.

    Returns:
        The density, with shape :math:`(G, G)`; its sum over cells, times their area, is the share of
        points inside.
    """
    counts, *_ = np.histogram2d(*x.T, bins=DENSITY_GRID, range=limits)
    area = np.prod([(high - low) / DENSITY_GRID for low, high in limits])
    return gaussian_filter(counts, WIDTH * DENSITY_GRID, mode="constant") / (len(x) * area)
