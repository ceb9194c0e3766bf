r"""Pictures of what moves: images as films, a row each, and points in the plane, a panel a time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from .pictures import GENERATED, REAL, rendered


def film_picture(columns: Mapping[str, Tensor]) -> Image.Image:
    r"""Returns images in columns with a heading each; a row is one image on its way.

    Arguments:
        columns: The images as uint8, with shape :math:`(N, C, H, W)`, by heading.
    """
    images = torch.stack([*columns.values()], 1).flatten(0, 1)
    grid = make_grid(images, len(columns), pad_value=255)
    height, width = grid.shape[1:]
    figure = Figure(figsize=(9.6, 9.6 * height / width + 0.3), layout="constrained")
    axis = figure.subplots()
    axis.imshow(grid.permute(1, 2, 0).numpy(), interpolation="nearest")
    centres = [(i + 0.5) * width / len(columns) for i in range(len(columns))]
    axis.set_xticks(centres, columns.keys(), fontsize=9)
    axis.tick_params(length=0, labeltop=True, labelbottom=False, labelleft=False, left=False)
    axis.spines[:].set_visible(False)
    return rendered(figure)


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
    return rendered(figure)
