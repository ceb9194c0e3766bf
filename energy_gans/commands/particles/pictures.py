r"""Pictures and films of particles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from ...data.base import TensorDataModule
from ...metrics.images import to_uint8
from ...metrics.reference import nearest_in_pixels
from ...plots.images import caption, film_picture, image_grid
from ...plots.points import trajectory_picture

# The number of rows in a picture of several steps, and of particles in a grid.
ROWS, GRID = 8, 100

Picture = Literal["steps", "grid"]


def check_picture(picture: Picture, shape: tuple[int, ...]) -> None:
    r"""Raises a `ValueError` unless a kind of picture is known, and fits samples of a shape."""
    if picture not in ("steps", "grid"):
        raise ValueError(f"'picture' should be 'steps' or 'grid', got {picture!r}.")
    if picture == "grid" and len(shape) != 3:
        raise ValueError("'picture' should be 'steps' for points in the plane, got 'grid'.")


def picture_of(
    frames: dict[int, Tensor], y: Tensor, data: TensorDataModule, picture: Picture
) -> Image.Image:
    r"""Returns the picture of particles.

    Arguments:
        frames: The particles by step, with shape :math:`(M, *)`.
        y: The real points in a picture of the plane, with shape :math:`(N, 2)`.
        data: The data module.
        picture: `"steps"`, or `"grid"` for the last images alone.
    """
    if len(data.shape) != 3:
        return trajectory_picture(frames, y)
    return image_grid(frames[max(frames)][:GRID]) if picture == "grid" else film_of(frames, data)


def film_of(frames: dict[int, Tensor], data: TensorDataModule) -> Image.Image:
    r"""Returns a picture of particles at several steps, with their nearest training images.

    Arguments:
        frames: The particles by step, with shape :math:`(M, C, H, W)`.
        data: The data module.
    """
    films = {step: to_uint8(x[:ROWS].clamp(-1, 1)) for step, x in frames.items()}
    last, order = films[max(films)], torch.arange(data.length("train"))
    nearest = nearest_in_pixels(last, data, "train", order)[:, 0]
    y, _ = next(iter(data.loader("train", [nearest])))
    columns = {f"{step:,}": images for step, images in films.items()}
    columns["nearest"] = to_uint8(y)
    heading = "step, and the training image nearest to the last state"
    return film_picture(columns, heading, "one particle")


def film_images(frames: dict[int, Tensor], y: Tensor) -> Iterator[Image.Image]:
    r"""Yields the images of a film: a grid of images, or points in the plane, at each step.

    Arguments:
        frames: The particles by step, with shape :math:`(M, *)`.
        y: The real points in a film of the plane, with shape :math:`(N, 2)`.
    """
    for step, x in frames.items():
        if x.ndim == 4:
            yield caption(image_grid(x), f"step {step:,}")
        else:
            yield trajectory_picture({step: x}, y)
