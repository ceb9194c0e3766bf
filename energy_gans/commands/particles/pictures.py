r"""Pictures of particles among images."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from ...data.base import TensorDataModule
from ...metrics.images import to_uint8
from ...metrics.reference import nearest_in_pixels
from ...plots.images import film_picture

# The number of rows in a film.
ROWS = 8


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
