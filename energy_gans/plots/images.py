r"""Pictures of images: grids, panels side by side, and films with a row for each sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from .figures import render

# The least width of an image in a grid, in pixels.
LEAST_CELL = 64


def film_picture(columns: Mapping[str, Tensor], heading: str, rows: str) -> Image.Image:
    r"""Returns images in columns, with the same sample at several times in each row.

    Arguments:
        columns: The images as uint8, with shape :math:`(N, C, H, W)`, by the column's heading.
        heading: What the columns' headings are, such as "step".
        rows: What a row is, such as "one chain".
    """
    images = torch.stack([*columns.values()], 1).flatten(0, 1)
    grid = make_grid(images, len(columns), pad_value=255)
    height, width = grid.shape[1:]
    inches = min(9.6, 1.2 * len(columns))
    size = (inches + 0.4, inches * height / width + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    centres = [(i + 0.5) * width / len(columns) for i in range(len(columns))]
    _draw_grid(axis, grid, rows)
    axis.set_xticks(centres, columns.keys(), fontsize=9)
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    axis.xaxis.set_label_position("top")
    axis.set_xlabel(heading, fontsize=9)
    return render(figure)


def image_grid(x: Tensor) -> Image.Image:
    r"""Returns images on a square grid, small images enlarged.

    Arguments:
        x: The images in [-1, 1], with shape :math:`(N, C, H, W)`, one or three channels.
    """
    columns = math.ceil(math.sqrt(len(x)))
    factor = max(1, round(LEAST_CELL / x.shape[-1]))
    x = x.float().cpu().clamp(-1, 1).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    return to_pil_image(make_grid((x + 1) / 2, nrow=columns, padding=2, pad_value=0.5))


def caption(image: Image.Image, text: str) -> Image.Image:
    r"""Returns an image under a line of text."""
    font = ImageFont.load_default(14)
    width = math.ceil(font.getlength(text)) + 16
    captioned = Image.new("RGB", (max(image.width, width), image.height + 28), "white")
    captioned.paste(image, (0, 28))
    ImageDraw.Draw(captioned).text((8, 5), text, "black", font)
    return captioned


def stacked(images: Sequence[Image.Image]) -> Image.Image:
    r"""Returns images one above the other, on white."""
    size = max(image.width for image in images), sum(image.height for image in images)
    whole, top = Image.new("RGB", size, "white"), 0
    for image in images:
        whole.paste(image, (0, top))
        top += image.height
    return whole


def side_by_side(panels: Mapping[str, Tensor], rows: str) -> Image.Image:
    r"""Returns panels of images under their titles, with aligned rows.

    Arguments:
        panels: The images of each panel, uint8, with shape :math:`(R, S, C, H, W)`: rows and
            columns.
        rows: What a row is, such as "one sample".
    """
    grids = {
        title: make_grid(images.flatten(0, 1), nrow=images.shape[1], padding=2, pad_value=255)
        for title, images in panels.items()
    }
    columns = sum(images.shape[1] for images in panels.values())
    count = max(len(images) for images in panels.values())
    height, width = next(iter(panels.values())).shape[-2:]
    size = (0.9 * width / height * columns + 0.5 * len(panels) + 0.3, 0.9 * count + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    # Panels as wide as their grids have rows of equal height.
    ratios = [grid.shape[2] for grid in grids.values()]
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=ratios)[0]
    for axis, (title, grid) in zip(axes, grids.items(), strict=True):
        _draw_grid(axis, grid, rows if axis is axes[0] else "")
        axis.set_title(title, fontsize=9)
    return render(figure)


def _draw_grid(axis: Axes, grid: Tensor, rows: str) -> None:
    r"""Draws a grid of images, with shape :math:`(C, H, W)`, and says what its rows are."""
    axis.imshow(grid.permute(1, 2, 0).numpy(), interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_ylabel(f"each row: {rows}" if rows else "", fontsize=9)
