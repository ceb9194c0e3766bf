r"""Distances to the nearest training image, which say whether particles copy."""

from __future__ import annotations

import torch
from torch import Tensor

from ...data.base import TensorDataModule, to_unit_range
from ...functional import keyed_subset, nearest
from .samples import REFERENCE

# The number of training images that are searched at a time.
SEARCHED = 1000


def distances_to_training(x: Tensor, data: TensorDataModule, seed: int) -> tuple[Tensor, Tensor]:
    r"""Returns the distances of particles and of held-out images to the nearest training image.

    Particles that copy training images are nearer to them than held-out images are.

    Arguments:
        x: The particles, with shape :math:`(M, C, H, W)`, whose values are clipped to [-1, 1]; the
            first 500 are measured.
        data: The data module.
        seed: The seed of the choice of 500 held-out images.

    Returns:
        The distances in data units, each with shape :math:`(500)` or fewer.
    """
    order = keyed_subset(data.length("val"), REFERENCE, seed, "held-out")
    held_out = to_unit_range(next(iter(data.loader("val", [order])))[0])
    a = torch.cat([x[:REFERENCE].clamp(-1, 1), held_out]).flatten(1)
    found = a.new_full((len(a),), torch.inf)
    for y, _ in data.loader("train", torch.arange(data.length("train")).split(SEARCHED)):
        found = found.minimum(nearest(a, to_unit_range(y).flatten(1))[0][:, 0])
    return found[: -len(held_out)], found[-len(held_out) :]
