r"""Samples of several methods in several settings in one picture: images, points or densities."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image
from scipy.ndimage import gaussian_filter

from .figures import FIELD, GENERATED, REAL, legend_dot, render
from .points import COORDINATES, Limits, draw_points, set_limits, square_limits

# The name of the samples that are held-out data.
HELD_OUT = "real"
# The number of images in a strip, and the gap between two images in pixels.
STRIP, GAP = 10, 2
# The number of letters that fit above a column of points.
LETTERS = 20
# The cells of a density along a side, and the standard deviation of its Gaussians as a share of
# the side.
DENSITY_GRID, WIDTH = 160, 0.015

# Samples by setting and method.
Samples = Mapping[tuple[str, str], np.ndarray]


def images_sheet(images: Samples, settings: Sequence[str], methods: Sequence[str]) -> Image.Image:
    r"""Returns strips of images, a row for each method and a column for each setting.

    Arguments:
        images: The images in [-1, 1], with shape :math:`(N, C, H, W)`, by setting and method.
        settings: The settings, in order.
        methods: The methods, in order.
    """
    return render(_images_figure(images, settings, methods))


def points_sheet(
    points: Samples, settings: Sequence[str], methods: Sequence[str], density: bool = False
) -> Image.Image:
    r"""Returns points in the plane, a row for each setting and a column for each method.

    Arguments:
        points: The points, with shape :math:`(N, 2)`, by setting and method. Each setting has
            those of the method :data:`HELD_OUT`, which decide the limits and the colour scale of
            its row.
        settings: The settings, in order.
        methods: The methods, in order.
        density: Whether to draw the density of the points in place of the points.
    """
    return render(_points_figure(points, settings, methods, density))


def _images_figure(images: Samples, settings: Sequence[str], methods: Sequence[str]) -> Figure:
    size = (0.8 * STRIP * len(settings) + 1.2, 0.8 * len(methods) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.04, hspace=0, wspace=0.02)
    axes = figure.subplots(len(methods), len(settings), squeeze=False)
    for row, method in zip(axes, methods, strict=True):
        for axis, setting in zip(row, settings, strict=True):
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if (setting, method) in images:
                strip = _strip(images[setting, method][:STRIP])
                axis.imshow(strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _label(axes, settings, methods)
    figure.supxlabel("each row: samples of one method, first finished seed", fontsize=9)
    # The first pass of the layout does not know the extent of the labels yet.
    figure.draw_without_rendering()
    return figure


def _points_figure(
    points: Samples, settings: Sequence[str], methods: Sequence[str], density: bool
) -> Figure:
    size = (1.9 * len(methods) + 0.6 + 0.8 * density, 1.9 * len(settings) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(settings), len(methods), squeeze=False)
    for row, setting in zip(axes, settings, strict=True):
        real = points[setting, HELD_OUT]
        limits = square_limits(torch.from_numpy(real), margin=0.12)
        for axis, method in zip(row, methods, strict=True):
            set_limits(axis, limits)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_color("0.8")
            if (setting, method) not in points:
                continue
            if density:
                field = _draw_density(axis, points[setting, method], limits, real)
            else:
                x = torch.from_numpy(points[setting, method])
                draw_points(axis, x, 2, REAL if method == HELD_OUT else GENERATED)
        if density:
            figure.colorbar(field, ax=list(row), label="density", extend="max", shrink=0.9)
    _label(axes.T, methods, settings, transposed=True)
    figure.supxlabel(f"each panel: {COORDINATES[0]} to the right, {COORDINATES[1]} up", fontsize=9)
    if not density:
        dots = [legend_dot(REAL, "real"), legend_dot(GENERATED, "generated")]
        figure.legend(handles=dots, loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    figure.draw_without_rendering()
    return figure


def _strip(x: np.ndarray) -> np.ndarray:
    r"""Returns images of shape :math:`(N, C, H, W)` in a row, with shape :math:`(H, W', C)`."""
    x = np.clip((x + 1) / 2, 0, 1).transpose(0, 2, 3, 1)
    x = np.pad(x, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=1.0)
    return np.concatenate(list(x), 1)[:, :-GAP]


def _label(
    axes: np.ndarray, above: Sequence[str], left: Sequence[str], transposed: bool = False
) -> None:
    r"""Writes names above the first row and to the left of the first column of panels."""
    axes = axes.T if transposed else axes
    for axis, name in zip(axes[0], above, strict=True):
        axis.set_title(_wrap(name), fontsize=10)
    for axis, name in zip(axes[:, 0], left, strict=True):
        axis.set_ylabel(_wrap(name), fontsize=10, rotation=0, ha="right", va="center", labelpad=6)


def _wrap(name: str) -> str:
    r"""Returns a name in lines of at most 20 letters, broken after an underscore if it has one."""
    return "\n".join(textwrap.wrap(name.replace("_", "_ "), LETTERS)).replace("_ ", "_")


def _draw_density(axis: Axes, x: np.ndarray, limits: Limits, real: np.ndarray) -> AxesImage:
    r"""Draws the density of points, on the colour scale of the density of real points."""
    (left, bottom), (right, top) = (corner.tolist() for corner in limits)
    return axis.imshow(
        _density(x, limits).T,
        origin="lower",
        extent=(left, right, bottom, top),
        cmap=FIELD,
        vmin=0,
        vmax=_density(real, limits).max(),
    )


def _density(x: np.ndarray, limits: Limits) -> np.ndarray:
    r"""Returns a kernel density estimate of points on a grid.

    The width of the Gaussians is a share of the window, not of the points' spread. So the density
    exists even if all samples are equal, and distant samples do not blur a sharp peak.

    Arguments:
        x: The points, with shape :math:`(N, 2)`.
        limits: The corners of the window.

    Returns:
        The density, with shape :math:`(G, G)`. Its sum over cells, times the area of a cell, is
        the share of points inside the window.
    """
    ranges = [*zip(*(corner.tolist() for corner in limits), strict=True)]
    counts, *_ = np.histogram2d(*x.T, bins=DENSITY_GRID, range=ranges)
    area = np.prod([(high - low) / DENSITY_GRID for low, high in ranges])
    return gaussian_filter(counts, WIDTH * DENSITY_GRID, mode="constant") / (len(x) * area)
