r"""Histograms of scores."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from .figures import GENERATED, REAL, REFERENCE, render

TRAINING, HELD_OUT = "training", "held-out"
# The largest number of bins; histograms of few images have fewer.
BINS = 60
# The share of scores that a histogram leaves out at each end.
TAIL = 0.002


def histograms_picture(
    scores: Mapping[str, Tensor], areas: Mapping[str, float], name: str
) -> Image.Image:
    r"""Returns histograms of scores of training images, held-out images and outliers.

    Arguments:
        scores: The scores of training images, held-out images and sets of outliers, by name.
        areas: The AUROC of each set but the first.
        name: The name of the score.
    """
    panels = [HELD_OUT, *(key for key in scores if key not in (TRAINING, HELD_OUT))]
    columns = min(math.ceil(len(panels) ** 0.5), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.2 * columns, 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, key in zip(axes, panels, strict=False):
        _draw_histograms(axis, {k: scores[k] for k in (TRAINING, HELD_OUT, key)})
        title = "training against held-out" if key == HELD_OUT else f"held-out against {key}"
        axis.set_title(f"{title}: AUROC {areas[key]:.3f}", fontsize=10)
        axis.set_xlabel(name, fontsize=8)
        axis.set_ylabel("density", fontsize=8)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    return render(figure)


def _draw_histograms(axis: Axes, scores: Mapping[str, Tensor]) -> None:
    r"""Draws the densities of scores of training images, held-out images and outliers."""
    ends = torch.tensor([TAIL, 1 - TAIL], dtype=torch.float64)
    limits = torch.stack([s.double().quantile(ends) for s in scores.values()])
    low, high = limits[:, 0].min().item(), limits[:, 1].max().item()
    if not low < high:
        low, high = low - 0.5, high + 0.5
    styles = [
        {"color": REFERENCE, "histtype": "step", "linewidth": 1.3},
        {"color": REAL, "histtype": "stepfilled", "alpha": 0.55},
        {"color": GENERATED, "histtype": "stepfilled", "alpha": 0.55},
    ]
    bins = min(BINS, round(2 * min(map(len, scores.values())) ** 0.5))
    # The line is drawn last, in front of the filled histograms.
    for (name, s), style in reversed([*zip(scores.items(), styles, strict=False)]):
        axis.hist(s.numpy(), bins=bins, range=(low, high), density=True, label=name, **style)
    axis.legend(fontsize=8, frameon=False)
    axis.set_yticks([])
    axis.tick_params(labelsize=8)
