r"""Pictures of points in the plane, by class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from torch import Tensor

from .figures import BACKGROUND, CATEGORIES, GENERATED, REAL, render

MARGIN = 0.04

# Points, with shape (N, 2), and their classes, with shape (N), if they have any.
Points = tuple[Tensor, Tensor | None]


def classes_picture(
    panels: Mapping[str, Points], classes: Sequence[str], title: str
) -> Image.Image:
    r"""Returns a picture of points in the plane, a panel for each set, in the colours of their classes.

    All panels have the same axes, and behind each set stand the others in grey. Without classes, or
    with more than ten, points have one colour.

    Arguments:
        panels: The points, with shape :math:`(N, 2)`, and their classes, with shape :math:`(N)`, or
            `None`, by the panel's title.
        classes: The names of the classes.
        title: The title of all.
    """
    coloured = 0 < len(classes) <= len(CATEGORIES)
    figure = Figure(figsize=(5.2 * len(panels) + 1.6 * coloured, 5.7), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    everything = torch.cat([points for points, _ in panels.values()])
    for axis, (name, (points, label)) in zip(axes, panels.items(), strict=True):
        others = [other for key, (other, _) in panels.items() if key != name]
        for other in others:
            axis.scatter(*other.T, s=5, c=BACKGROUND, linewidths=0)
        draw_classes(axis, points, label if coloured else None)
        axis.set_title(name, fontsize=10)
        framed(axis, everything)
    if coloured:
        dots = [dot(colour) for colour in CATEGORIES[: len(classes)]]
        figure.legend(dots, classes, loc="outside right center", frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return render(figure)


def draw_classes(axis: Axes, points: Tensor, label: Tensor | None) -> None:
    r"""Draws points in the colours of their classes, mixed: no class covers the others."""
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    colours = GENERATED if label is None else [CATEGORIES[c] for c in label[order].tolist()]
    axis.scatter(*points[order].T, s=6, c=colours, alpha=0.75, linewidths=0)


def framed(axis: Axes, points: Tensor) -> None:
    r"""Gives a panel square limits that hold all points."""
    low, high = points.amin(0), points.amax(0)
    half = (0.5 + MARGIN) * (high - low).max().clamp(min=1e-6)
    (u, v), half = ((low + high) / 2).tolist(), half.item()
    axis.set(xlim=(u - half, u + half), ylim=(v - half, v + half), aspect="equal")
    axis.tick_params(labelsize=8)


def dot(colour: str) -> Line2D:
    r"""Returns what stands for a colour in a legend."""
    return Line2D([], [], color=colour, linestyle="", marker="o", markersize=6)


def plane_picture(frames: Mapping[float, Tensor], y: Tensor) -> Image.Image:
    r"""Returns points in the plane at each time among the real ones, a panel each.

    Arguments:
        frames: The points by step, or by time if it is no whole number, with shape :math:`(M, 2)`.
        y: The real points, with shape :math:`(N, 2)`.
    """
    columns = math.ceil(math.sqrt(len(frames)))
    rows = math.ceil(len(frames) / columns)
    figure = Figure(figsize=(8.4, 8.4 * rows / columns + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    low, high = y.amin(0), y.amax(0)
    margin = 0.2 * (high - low).max()
    low, high = (low - margin).tolist(), (high + margin).tolist()
    limits = {"xlim": (low[0], high[0]), "ylim": (low[1], high[1])}
    for axis in axes:
        axis.set(**limits, aspect="equal", xticks=[], yticks=[], visible=False)
    for axis, (step, x) in zip(axes, frames.items(), strict=False):
        axis.scatter(*y.T, s=22, c=REAL, alpha=0.5, linewidths=0)
        axis.scatter(*x.T, s=22, c=GENERATED, alpha=0.6, linewidths=0)
        axis.set_title(f"{'step' if isinstance(step, int) else 'time'} {step:,g}", fontsize=10)
        axis.set_visible(True)
    return render(figure)
