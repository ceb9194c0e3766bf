r"""Pictures of points in the plane: by class, on their way, and along paths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from .figures import BACKGROUND, CATEGORIES, GENERATED, REAL, legend_dot, render

COORDINATES = ("$x_1$", "$x_2$")

# Points, with shape (N, 2), and their classes, with shape (N), if they have any.
Points = tuple[Tensor, Tensor | None]
# The lower left and the upper right corner of a square, each with shape (2).
Limits = tuple[Tensor, Tensor]


def square_limits(points: Tensor, margin: float = 0.15) -> Limits:
    r"""Returns the corners of a square around points.

    Arguments:
        points: The points, with shape :math:`(N, 2)`.
        margin: The margin on each side, as a share of the larger range of the points.
    """
    low, high = points.amin(0), points.amax(0)
    half = (0.5 + margin) * (high - low).max().clamp(min=1e-6)
    return (low + high) / 2 - half, (low + high) / 2 + half


def set_limits(axis: Axes, limits: Limits) -> None:
    r"""Sets the limits of a panel, with one scale for both coordinates."""
    (left, bottom), (right, top) = (corner.tolist() for corner in limits)
    axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")


def draw_points(axis: Axes, x: Tensor, size: float, colour: str) -> PathCollection:
    r"""Draws points, with shape :math:`(N, 2)`, as dots."""
    return axis.scatter(*x.T, s=size, c=colour, linewidths=0, alpha=0.8, zorder=3)


def time_heading(time: float) -> str:
    r"""Returns the heading of a panel: a step for an integer, otherwise a time."""
    return f"step {time:,}" if isinstance(time, int) else f"time {time:.2f}"


def classes_picture(
    panels: Mapping[str, Points],
    classes: Sequence[str],
    title: str,
    coordinates: tuple[str, str] = COORDINATES,
) -> Image.Image:
    r"""Returns a picture of points in the plane, a panel for each set, coloured by class.

    All panels have the same limits and show the points of the other sets in grey. Without classes,
    or with more than ten, points have one colour.

    Arguments:
        panels: The points, with shape :math:`(N, 2)`, and their classes, with shape :math:`(N)`,
            or `None`, by the panel's title.
        classes: The names of the classes.
        title: The title of the picture.
        coordinates: The labels of the axes.
    """
    coloured = 0 < len(classes) <= len(CATEGORIES)
    figure = Figure(figsize=(5.2 * len(panels) + 1.6, 5.7), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    everything = torch.cat([points for points, _ in panels.values()])
    for axis, (name, (points, label)) in zip(axes, panels.items(), strict=True):
        others = [other for key, (other, _) in panels.items() if key != name]
        for other in others:
            axis.scatter(*other.T, s=5, c=BACKGROUND, linewidths=0)
        _draw_classes(axis, points, label if coloured else None)
        axis.set_title(name, fontsize=10)
        _frame(axis, everything)
        axis.set_xlabel(coordinates[0], fontsize=9)
    axes[0].set_ylabel(coordinates[1], fontsize=9)
    dots = [legend_dot(c, n) for c, n in zip(CATEGORIES, classes, strict=False) if coloured]
    if any(label is None or not coloured for _, label in panels.values()):
        dots.append(legend_dot(GENERATED, "unclassified"))
    if len(panels) > 1:
        dots.append(legend_dot(BACKGROUND, "other panel"))
    if dots:
        figure.legend(handles=dots, loc="outside right center", frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return render(figure)


def _draw_classes(axis: Axes, points: Tensor, label: Tensor | None) -> None:
    r"""Draws points coloured by class, in random order so that no class covers the others."""
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    colours = GENERATED if label is None else [CATEGORIES[c] for c in label[order].tolist()]
    axis.scatter(*points[order].T, s=6, c=colours, alpha=0.75, linewidths=0)


def _frame(axis: Axes, points: Tensor) -> None:
    r"""Sets square limits that hold all points, with little margin."""
    set_limits(axis, square_limits(points, margin=0.04))
    axis.tick_params(labelsize=8)


def trajectory_picture(frames: Mapping[float, Tensor], y: Tensor) -> Image.Image:
    r"""Returns moving points among real ones, a panel for each time.

    Arguments:
        frames: The points, with shape :math:`(M, 2)`, by step (an integer) or time.
        y: The real points, with shape :math:`(N, 2)`; N may be 0.
    """
    columns = math.ceil(math.sqrt(len(frames)))
    rows = math.ceil(len(frames) / columns)
    figure = Figure(figsize=(8.4, 8.4 * rows / columns + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    limits = square_limits(y if len(y) else frames[max(frames)], margin=0.2)
    for axis in axes:
        axis.set_visible(False)
    for axis, (time, x) in zip(axes, frames.items(), strict=False):
        set_limits(axis, limits)
        draw_points(axis, y, 12, REAL)
        draw_points(axis, x, 12, GENERATED)
        axis.set_title(time_heading(time), fontsize=10)
        axis.tick_params(labelsize=7)
        axis.label_outer()
        axis.set_visible(True)
    figure.supxlabel(COORDINATES[0], fontsize=9)
    figure.supylabel(COORDINATES[1], fontsize=9)
    dots = [legend_dot(REAL, "real"), legend_dot(GENERATED, "generated")]
    figure.legend(handles=dots, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return render(figure)


def paths_picture(x: Tensor) -> Image.Image:
    r"""Returns paths of points in the plane, a line for each path.

    Arguments:
        x: The points, with shape :math:`(n, T, 2)`.
    """
    figure = Figure(figsize=(5.5, 5.4), layout="constrained")
    axis = figure.subplots()
    # Black marks the ends.
    colours = CATEGORIES[:-1]
    for place, path in enumerate(x):
        colour = colours[place % len(colours)]
        axis.plot(*path.T, ".-", color=colour, markersize=4, linewidth=1)
    ends = x[:, [0, -1]].flatten(0, 1)
    axis.scatter(*ends.T, s=30, c=CATEGORIES[-1], zorder=3, label="ends of a path")
    axis.set(title="samples along paths of latents, a colour for each path")
    axis.title.set_fontsize(10)
    axis.set(aspect="equal", xlabel=COORDINATES[0], ylabel=COORDINATES[1])
    axis.legend(fontsize=9)
    return render(figure)
