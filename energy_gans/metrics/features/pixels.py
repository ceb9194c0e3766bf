r"""Pixels as features, for distances in data space."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from .base import BATCH_ON_CPU, FeatureExtractor, Output


class Pixels(FeatureExtractor):
    r"""An extractor whose features are the pixels in [0, 1].

    Arguments:
        shape: The shape of an image, :math:`(C, H, W)`, with 1 or 3 channels. Grey images are not
            repeated to RGB.

    Raises:
        ValueError: If `shape` is not the shape of an image.
    """

    name = "pixels"
    channels = None
    resize = "none"
    at_once = BATCH_ON_CPU

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        if len(self.shape) != 3 or self.shape[0] not in (1, 3) or min(self.shape) < 1:
            raise ValueError(f"'shape' should be (1, H, W) or (3, H, W), got {self.shape}.")
        self.num_features = math.prod(self.shape)

    def extract(self, images: Tensor) -> Output:
        if images.shape[1:] != self.shape:
            raise ValueError(
                f"'images' should have 'shape' = {self.shape}, got {tuple(images.shape[1:])}."
            )
        return images.flatten(1) / 255, None
