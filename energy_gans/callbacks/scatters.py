r"""Pictures of points in the plane, by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from torch import Tensor

from .pictures import GENERATED, rendered

# Ten that stay apart for the colour-blind, and from the grey of what is behind.
COLOURS = (
    *("#0072B2", "#E69F00", "#882255", "#88CCEE", "#D55E00"),
    *("#332288", "#DDCC77", "#8C4A1E", "#CC79A7", "#000000"),
)
BEHIND = "#d9dbdf"
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
    coloured = 0 < len(classes) <= len(COLOURS)
    figure = Figure(figsize=(5.2 * len(panels) + 1.6 * coloured, 5.7), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    everything = torch.cat([points for points, _ in panels.values()])
    for axis, (name, (points, label)) in zip(axes, panels.items(), strict=True):
        others = [other for key, (other, _) in panels.items() if key != name]
        for other in others:
            axis.scatter(*other.T, s=5, c=BEHIND, linewidths=0)
        draw_classes(axis, points, label if coloured else None)
        axis.set_title(name, fontsize=10)
        framed(axis, everything)
    if coloured:
        dots = [dot(colour) for colour in COLOURS[: len(classes)]]
        figure.legend(dots, classes, loc="outside right center", frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return rendered(figure)


def draw_classes(axis: Axes, points: Tensor, label: Tensor | None) -> None:
    r"""Draws points in the colours of their classes, mixed: no class covers the others."""
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    colours = GENERATED if label is None else [COLOURS[c] for c in label[order].tolist()]
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
