r"""Images side by side: grids, panels, and films with a row for each sample."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from .figures import render

LEAST_CELL = 64


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
    return render(figure)


def image_grid(x: Tensor) -> Image.Image:
    r"""Returns images side by side, on a square grid, small ones enlarged.

    Arguments:
        x: The images in [-1, 1], with shape :math:`(N, C, H, W)`, one or three channels.
    """
    columns = math.ceil(math.sqrt(len(x)))
    factor = max(1, round(LEAST_CELL / x.shape[-1]))
    x = x.float().cpu().clamp(-1, 1).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    return to_pil_image(make_grid((x + 1) / 2, nrow=columns, padding=2, pad_value=0.5))


def in_rows(images: Tensor, n: int) -> Tensor:
    r"""Returns as many images as fill rows of `n`, or one row of fewer, with shape :math:`(R, n, *)`."""
    n = min(n, len(images))
    return images[: len(images) // n * n].unflatten(0, (-1, n))


def side_by_side(panels: dict[str, Tensor]) -> Image.Image:
    r"""Returns panels of images with their titles.

    Arguments:
        panels: The images of each panel, uint8, with shape :math:`(R, S, C, H, W)`: rows and columns.
    """
    widths = [images.shape[1] for images in panels.values()]
    rows = max(len(images) for images in panels.values())
    aspect = next(iter(panels.values())).shape
    wide = 0.9 * aspect[-1] / aspect[-2]
    size = (wide * sum(widths) + 0.5 * len(widths), 0.9 * rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0]
    for axis, (title, images) in zip(axes, panels.items(), strict=True):
        grid = make_grid(images.flatten(0, 1), nrow=images.shape[1], padding=2, pad_value=255)
        axis.imshow(grid.permute(1, 2, 0).numpy(), interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    return render(figure)
