r"""Curves of several runs in one picture: their mean and their range.

Runs :math:`v_1, \dots, v_R` of one label, each with its own steps, are put on the union of their
steps within the range that all of them cover, linear in between, and shown as

.. math::
    \bar v(s) = \frac{1}{R} \sum_r v_r(s) \quad \text{in} \quad
    \left[ \min_r v_r(s), \, \max_r v_r(s) \right]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from .figures import CATEGORIES, GENERATED, render

# Curves beyond the palette have the same colours with dashes.
DASHES = ("-", "--", ":", "-.")

# The inches that a legend's letter takes, and what stands around a label.
LETTER, AROUND = 0.08, 0.65

Curve = tuple[Sequence[float], Sequence[float]]


def band(runs: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Returns steps, and the mean, the smallest and the largest value of several runs there.

    Values that are not finite are left out. Runs whose steps have nothing in common, and no runs at
    all, give empty arrays.

    Arguments:
        runs: The steps, in any order, and the values of each run.
    """
    clean = [ordered(*run) for run in runs]
    if not clean or any(len(steps) == 0 for steps, _ in clean):
        return (np.zeros(0),) * 4
    low, high = max(steps[0] for steps, _ in clean), min(steps[-1] for steps, _ in clean)
    grid = np.unique(np.concatenate([steps for steps, _ in clean]))
    grid = grid[(grid >= low) & (grid <= high)]
    values = np.stack([np.interp(grid, *run) for run in clean])
    return grid, values.mean(0), values.min(0), values.max(0)


def ordered(steps: Sequence[float], values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    r"""Returns the steps in ascending order and their values, where these are finite."""
    s, v = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
    s, v = s[np.isfinite(v)], v[np.isfinite(v)]
    order = np.argsort(s, kind="stable")
    return s[order], v[order]


def bands_picture(
    panels: Mapping[str, Mapping[str, Sequence[Curve]]],
    xlabel: Mapping[str, str] | str = "step",
    columns: int = 3,
) -> Image.Image:
    r"""Returns a picture of curves, a panel for each title, a line and a band for each label.

    The line is the mean of a label's runs, the band goes from their smallest to their largest
    value. A label has the same colour in all panels, and the legend stands once, below them.

    Arguments:
        panels: The runs' steps and values, by label, by title.
        xlabel: What the horizontal axis shows: in all panels, or by title.
        columns: The largest number of panels in a row.
    """
    labels = list(dict.fromkeys(label for panel in panels.values() for label in panel))
    columns = min(len(panels), columns) or 1
    rows = math.ceil(len(panels) / columns) or 1
    width = max(4.4 * columns, 5.0)
    ncols = legend_columns(labels, width)
    height = 3.2 * rows + 0.22 * math.ceil(len(labels) / ncols) + 0.2
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, (title, panel) in zip(axes, panels.items(), strict=False):
        for label, runs in panel.items():
            draw_band(axis, runs, labels.index(label))
        axis.set_title(title, fontsize=10)
        name = xlabel if isinstance(xlabel, str) else xlabel.get(title, "step")
        axis.set_xlabel(name, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    if labels:
        handles = [Line2D([], [], **style(place)) for place in range(len(labels))]
        figure.legend(handles, labels, loc="outside lower center", ncols=ncols, frameon=False)
    return render(figure)


def legend_columns(labels: Sequence[str], width: float) -> int:
    r"""Returns how many labels stand side by side in a picture of some width, in inches."""
    longest = max(map(len, labels), default=0)
    return max(1, min(len(labels), 4, int(width / (LETTER * longest + AROUND))))


def style(place: int) -> dict[str, str | float]:
    r"""Returns how the line of the label at a place is drawn."""
    colour = CATEGORIES[place % len(CATEGORIES)]
    dash = DASHES[place // len(CATEGORIES) % len(DASHES)]
    return {"color": colour, "linestyle": dash, "linewidth": 1.5}


def draw_band(axis: Axes, runs: Sequence[Curve], place: int) -> None:
    r"""Draws a label's mean and range."""
    steps, mean, low, high = band(runs)
    # A single point makes no line.
    marker = "o" if len(steps) == 1 else None
    (line,) = axis.plot(steps, mean, marker=marker, markersize=4, **style(place))
    if len(runs) > 1:
        axis.fill_between(steps, low, high, color=line.get_color(), alpha=0.18, linewidth=0)


def curves_picture(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Image.Image:
    r"""Returns a picture of curves over the step, a panel each.

    Arguments:
        curves: The steps and the values of each curve, by name.
    """
    columns = min(len(curves), 3) or 1
    rows = math.ceil(len(curves) / columns) or 1
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, (name, (steps, values)) in zip(axes, curves.items(), strict=False):
        # A single point makes no line.
        marker = "o" if sum(map(math.isfinite, values)) == 1 else None
        axis.plot(steps, values, color=GENERATED, linewidth=1.2, marker=marker, markersize=4)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
    for axis in axes[len(curves) :]:
        axis.set_visible(False)
    return render(figure)
