r"""What every feature extractor is: uint8 images in, features and logits out.

A measure compares what an extractor makes of generated and of real images, so its value depends on
the extractor, on its weights and on how it resizes: that is what :meth:`FeatureExtractor.stamp`
tells. Numbers are comparable only if their stamps are equal.

Features are float32, also under autocast, and the extractor never leaves evaluation mode.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...files import check_archive

Output = tuple[Tensor, Tensor | None]


class FeatureExtractor(nn.Module):
    r"""Creates a feature extractor.

    An extractor sets the attributes below and implements :meth:`extract`.

    Attributes:
        name: The name.
        num_features: The number of features, :math:`D`.
        num_classes: The number of classes, :math:`K`, or `None` if there are no logits.
        channels: The number of channels the network reads, or `None` if any number.
        resize: How images are resized, in words.
        sha256: The SHA-256 of the file of weights, or `None` if there are no weights.
    """

    name: str
    num_features: int
    num_classes: int | None = None
    channels: int | None = 3
    resize: str
    sha256: str | None = None

    def extract(self, images: Tensor) -> Output:
        r"""Returns the features and the logits, or `None`, of images that were checked.

        Arguments:
            images: The images as uint8, with shape :math:`(N, C, H, W)`; `C` is `channels`.
        """
        raise NotImplementedError

    def forward(self, images: Tensor) -> Output:
        r"""Returns the features and the logits of images.

        Arguments:
            images: The images as uint8, with shape :math:`(N, C, H, W)` and 1 or 3 channels. Grey
                images are repeated to RGB for an extractor that reads RGB.

        Returns:
            The features, with shape :math:`(N, D)`, and the logits, with shape :math:`(N, K)`, or
            `None`; both float32.

        Raises:
            ValueError: If `images` are anything else.
        """
        check_images(images)
        if self.channels == 1 and images.shape[1] == 3:
            raise ValueError(
                f"'images' should be grey for the extractor {self.name!r}, got 3 channels."
            )
        if self.channels == 3:
            images = images.expand(-1, 3, -1, -1)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self.extract(images)

    def train(self, mode: bool = True) -> FeatureExtractor:
        return super().train(False)

    def stamp(self) -> dict[str, str | int | None]:
        r"""Returns what decides the features: name, weights, resize and number of features."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "resize": self.resize,
            "num_features": self.num_features,
        }


class FeaturesOnly(nn.Module):
    r"""Creates what torchmetrics takes as `feature=`: the features of an extractor, no logits.

    Arguments:
        extractor: The extractor.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.extractor, self.num_features = extractor, extractor.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.extractor(images)[0]


def check_images(images: Tensor) -> None:
    r"""Raises a `ValueError` unless images are uint8, with shape :math:`(N, C, H, W)`, C 1 or 3."""
    if not isinstance(images, Tensor):
        raise ValueError(f"'images' should be a tensor, got {type(images).__name__}.")
    shape = tuple(images.shape)
    if images.dtype != torch.uint8 or len(shape) != 4 or shape[1] not in (1, 3) or 0 in shape:
        raise ValueError(
            f"'images' should be uint8 with shape (N, 1, H, W) or (N, 3, H, W), none of them 0, "
            f"got {str(images.dtype).removeprefix('torch.')} with shape {shape}."
        )


def resized(images: Tensor, size: int) -> Tensor:
    r"""Returns images resized by antialiased bilinear interpolation, as floats in [0, 255].

    Arguments:
        images: The images as uint8, with shape :math:`(N, C, H, W)`.
        size: The width and height to reach, :math:`S`.
    """
    # Rounding back to uint8 would add noise that the features of a real image do not have.
    return nn.functional.interpolate(images.float(), (size, size), mode="bilinear", antialias=True)


def load_weights(argument: str, path: Path) -> tuple[dict[str, Any], str]:
    r"""Returns what a file of weights holds, tensors and plain values, and its SHA-256.

    Nothing in the file is ever run.

    Arguments:
        argument: The name of the argument that gave the path.
        path: The path of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds anything else, or its check sums are wrong.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{argument!r} should be a file of weights, and {str(path)!r} is none."
        )
    data = path.read_bytes()
    try:
        # Old files of weights are no archives, and have no check sums.
        if zipfile.is_zipfile(io.BytesIO(data)):
            check_archive(io.BytesIO(data))
        weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (
        zipfile.BadZipFile,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
    ) as error:
        raise ValueError(
            f"{argument!r} = {str(path)!r} can not be read: it is damaged, or holds more than weights."
        ) from error
    if not isinstance(weights, dict):
        raise ValueError(f"{argument!r} = {str(path)!r} holds no weights by name.")
    return weights, hashlib.sha256(data).hexdigest()
