r"""Curves of several runs in one picture: their mean and their range.

Runs :math:`v_1, \dots, v_R` of one label are interpolated linearly to the union of their steps,
within the range that all of them cover, and drawn as

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

# Lines beyond the palette repeat its colours with dashes.
DASHES = ("-", "--", ":", "-.")

# The width of a letter in a legend, and of a label's line and margins, in inches.
LETTER, AROUND = 0.08, 0.65

Curve = tuple[Sequence[float], Sequence[float]]


def _mean_and_range(
    runs: Sequence[Curve],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Returns steps, and the runs' mean, smallest and largest value at each step.

    Values that are not finite are left out. The arrays are empty if the runs' ranges of steps do
    not overlap, or there are no runs.

    Arguments:
        runs: The steps, in any order, and the values of each run.
    """
    clean = [_sort_finite(*run) for run in runs]
    if not clean or any(len(steps) == 0 for steps, _ in clean):
        return (np.zeros(0),) * 4
    low, high = max(steps[0] for steps, _ in clean), min(steps[-1] for steps, _ in clean)
    grid = np.unique(np.concatenate([steps for steps, _ in clean]))
    grid = grid[(grid >= low) & (grid <= high)]
    values = np.stack([np.interp(grid, *run) for run in clean])
    return grid, values.mean(0), values.min(0), values.max(0)


def _sort_finite(steps: Sequence[float], values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    r"""Returns the steps with finite values, in ascending order, and these values."""
    s, v = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
    s, v = s[np.isfinite(v)], v[np.isfinite(v)]
    order = np.argsort(s, kind="stable")
    return s[order], v[order]


def bands_picture(
    panels: Mapping[str, Mapping[str, Sequence[Curve]]],
    xlabel: Mapping[str, str] | str = "step",
    columns: int = 3,
) -> Image.Image:
    r"""Returns a picture of curves: a panel for each title, a line and a band for each label.

    The line is the mean of a label's runs, the band extends from their smallest to their largest
    value. A label has the same colour in all panels. One legend is below the panels.

    Arguments:
        panels: The runs' steps and values, by label, by title. A title names the vertical axis.
        xlabel: The label of the horizontal axis, for all panels or by title.
        columns: The largest number of panels in a row.
    """
    labels = list(dict.fromkeys(label for panel in panels.values() for label in panel))
    columns = min(len(panels), columns) or 1
    rows = math.ceil(len(panels) / columns) or 1
    width = max(4.4 * columns, 5.0)
    ncols = _legend_columns(labels, width)
    height = 3.2 * rows + 0.22 * math.ceil(len(labels) / ncols) + 0.2
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, (title, panel) in zip(axes, panels.items(), strict=False):
        for label, runs in panel.items():
            _draw_band(axis, runs, labels.index(label))
        axis.set_title(title, fontsize=10)
        name = xlabel if isinstance(xlabel, str) else xlabel.get(title, "step")
        axis.set_xlabel(name, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    if labels:
        handles = [Line2D([], [], **_line_style(place)) for place in range(len(labels))]
        several = any(len(runs) > 1 for panel in panels.values() for runs in panel.values())
        figure.legend(
            handles,
            labels,
            title="mean of the runs, and range from least to largest" if several else None,
            title_fontsize=8,
            loc="outside lower center",
            ncols=ncols,
            frameon=False,
        )
    return render(figure)


def _legend_columns(labels: Sequence[str], width: float) -> int:
    r"""Returns the number of columns of a legend in a picture of some width in inches."""
    longest = max(map(len, labels), default=0)
    return max(1, min(len(labels), 4, int(width / (LETTER * longest + AROUND))))


def _line_style(place: int) -> dict[str, str | float]:
    r"""Returns the line style of the label with some index."""
    colour = CATEGORIES[place % len(CATEGORIES)]
    dash = DASHES[place // len(CATEGORIES) % len(DASHES)]
    return {"color": colour, "linestyle": dash, "linewidth": 1.5}


def _draw_band(axis: Axes, runs: Sequence[Curve], place: int) -> None:
    r"""Draws the mean and the range of a label's runs."""
    steps, mean, low, high = _mean_and_range(runs)
    # A single point makes no line.
    marker = "o" if len(steps) == 1 else None
    (line,) = axis.plot(steps, mean, marker=marker, markersize=4, **_line_style(place))
    if len(runs) > 1:
        axis.fill_between(steps, low, high, color=line.get_color(), alpha=0.18, linewidth=0)


def curves_picture(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Image.Image:
    r"""Returns a picture of curves over the step, a panel for each.

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
