r"""The base of all feature extractors: from uint8 images to features and logits.

The value of a measure depends on the extractor, its weights and its resizing of images. They are
recorded in :meth:`FeatureExtractor.stamp`. Values are comparable only if their stamps are equal.

Features are float32, also under autocast, and extractors stay in evaluation mode.

**The features of an image do not depend on its batch.** The rounding errors of CPU and GPU kernels
depend on the batch size, and for some kernels on the position in the batch. The differences of
1e-5 make copies of an image differ. So a network always gets batches of one size; the last batch
is padded. On a CPU the size is one, so that there is only one position, unless the extractor sets
another. The extractors of this package use 20 small images on a CPU; tests check that the position
does not matter there. The alternatives are slower or fail. For EfficientNet-Lite0 at 96 pixels on
one core, batches of 20 take 4.7 ms per image, single images 7.8 ms and float64 53 ms; with
features rounded to three decimals, a quarter of the images still differ.
"""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...descriptions import Described
from ...tensor_files import load_tensors
from .checks import check_attributes, check_images, check_outputs
from .fingerprint import NoFingerprintError, fingerprint, replace_paths

Output = tuple[Tensor, Tensor | None]
PACKAGE = __name__.partition(".")[0]

# The batch sizes on a GPU, and for small images on a CPU, where such a batch fits the caches. Both
# divide the batches of references and samples, so that few batches are padded.
_BATCH_ON_GPU, BATCH_ON_CPU = 100, 20


class FeatureExtractor(Described, nn.Module):
    r"""The base class of feature extractors.

    A subclass sets the attributes below and implements :meth:`extract`.

    Attributes:
        name: The name of the extractor.
        num_features: The number of features, :math:`D`.
        num_classes: The number of classes, :math:`K`, or `None` if there are no logits.
        channels: The number of channels that the network reads, or `None` for any number.
        resize: A description of how images are resized.
        sha256: The SHA-256 of the file of weights, or `None`. For an extractor outside of this
            package it has to identify everything that determines the features. If it is `None`, it
            is computed, see :mod:`energy_gans.metrics.features.fingerprint`.
        at_once: The batch size on a CPU. It may exceed one only if the kernels of the network give
            the same result at every position of a batch. Larger batches are faster for small
            images.
        files_of_weights: The arguments that name files of weights. They are not opened where a
            checkpoint brings the weights.
    """

    name: str
    num_features: int
    num_classes: int | None = None
    channels: int | None = 3
    resize: str
    sha256: str | None = None
    at_once: int = 1
    files_of_weights: tuple[str, ...] = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> FeatureExtractor:
        self = super().__new__(cls, *args, **kwargs)
        # The constructor's arguments, for the stamp.
        self.__dict__["made_with"] = (args, kwargs)
        return self

    def extract(self, images: Tensor) -> Output:
        r"""Returns the features of images, and the logits or `None`.

        Arguments:
            images: The images, uint8, with shape :math:`(N, C, H, W)`, where :math:`C` is
                `channels`. For :class:`FeatureMap`, they are floats in [0, 255], and gradients
                have to reach them.
        """
        raise NotImplementedError

    def features_of(self, images: Tensor) -> Tensor:
        r"""Returns the features alone, with shape :math:`(N, D)`; see :meth:`extract`."""
        return self.extract(images)[0]

    def stage_modules(self) -> list[nn.Module]:
        r"""Returns the modules whose outputs are maps, the finest first, for :class:`FeatureMap`.

        Each map has a shape :math:`(N, C', H', W')`.
        """
        return []

    def forward(self, images: Tensor) -> Output:
        r"""Returns the features and the logits of images.

        Arguments:
            images: The images as uint8, with shape :math:`(N, C, H, W)` and 1 or 3 channels. Grey
                images are repeated to RGB for an extractor that reads RGB.

        Returns:
            The features, with shape :math:`(N, D)`, and the logits, with shape :math:`(N, K)`, or
            `None`; both float32.

        Raises:
            ValueError: If `images` have another type or shape, or the outputs contradict the
                attributes.
        """
        check_attributes(self)
        check_images(images)
        if self.channels == 1 and images.shape[1] == 3:
            raise ValueError(
                f"'images' should be grey for the extractor {self.name!r}, got 3 channels."
            )
        if self.channels == 3:
            images = images.expand(-1, 3, -1, -1)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            size = self.at_once if images.device.type == "cpu" else _BATCH_ON_GPU
            parts = [self._extract_padded(part, size) for part in images.split(size)]
        features, logits = zip(*parts, strict=True)
        return torch.cat(features), None if self.num_classes is None else torch.cat(logits)

    def _extract_padded(self, images: Tensor, size: int) -> Output:
        r"""Returns the outputs for images in a batch of `size`, padded with the last image."""
        n = len(images)
        features, logits = self._extract_checked(images[torch.arange(size).clamp_max(n - 1)])
        return features[:n], None if logits is None else logits[:n]

    def _extract_checked(self, images: Tensor) -> Output:
        r"""Returns the outputs of :meth:`extract` as float32, checked against the attributes."""
        outputs = self.extract(images)
        sizes = {"num_features": self.num_features, "num_classes": self.num_classes}
        check_outputs(outputs, len(images), sizes, self.name)
        features, logits = outputs
        return features.float(), None if logits is None else logits.float()

    def train(self, mode: bool = True) -> FeatureExtractor:
        return super().train(False)

    def stamp(self) -> dict[str, str | int | None]:
        r"""Returns what determines the features: name, weights, resizing and number of features.

        Raises:
            ValueError: If an attribute is missing, or `sha256` is `None` and can not be computed.
        """
        check_attributes(self)
        return {
            "name": self.name,
            "sha256": self._features_sha256(),
            "resize": self.resize,
            "num_features": self.num_features,
        }

    def _features_sha256(self) -> str | None:
        r"""Returns a SHA-256 that, with the rest of the stamp, determines the features.

        It is `sha256` for classes of this package and for classes whose author set it. In other
        cases it is a fingerprint: a user's subclass of a class that reads weights may compute
        other features.
        """
        mro = type(self).__mro__
        ours = next(i for i, c in enumerate(mro) if c.__module__.partition(".")[0] == PACKAGE)
        if ours == 0 or (mro[ours] is FeatureExtractor and self.sha256 is not None):
            return self.sha256
        if stated := [c.sha256 for c in mro[:ours] if vars(c).get("sha256") is not None]:
            return stated[0]
        args, kwargs = self.made_with
        given = inspect.signature(type(self).__init__).bind(self, *args, **kwargs)
        given.apply_defaults()
        arguments = {k: replace_paths(v) for k, v in list(given.arguments.items())[1:]}
        attributes = [self.sha256, self.num_classes, self.channels]
        try:
            return fingerprint(arguments=arguments, attributes=attributes, network=self)
        except NoFingerprintError as error:
            raise ValueError(
                f"The extractor {type(self).__name__} was made with {error}, of which no "
                "fingerprint can be taken: give the class an attribute 'sha256', a text that "
                "stands for all that decides its features, such as the SHA-256 of a file of "
                "weights."
            ) from error


class FeaturesOnly(nn.Module):
    r"""The features of an extractor without logits, as torchmetrics expects them for `feature=`.

    It maps images :math:`(B, C, H, W)` to features :math:`(B, D)`.

    Arguments:
        extractor: The extractor.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.extractor, self.num_features = extractor, extractor.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.extractor(images)[0]


def resize_images(images: Tensor, size: int) -> Tensor:
    r"""Returns images resized by antialiased bilinear interpolation, as floats in [0, 255].

    Arguments:
        images: The images as uint8, or as floats in [0, 255], with shape :math:`(N, C, H, W)`.
        size: The width and height :math:`S` of the result.
    """
    # Rounding to uint8 would add noise that the features of real images do not have.
    x = images if images.is_floating_point() else images.float()
    return nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True)


def load_weights(argument: str, path: Path) -> tuple[dict[str, Any], str]:
    r"""Returns the tensors and plain values of a file of weights by name, and the file's SHA-256.

    Arguments:
        argument: The name of the argument that gave the path.
        path: The path of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds anything else.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{argument!r} should be a file of weights, and {str(path)!r} is none."
        )
    with path.open("rb") as file:
        # Published weights may be of the format before torch 1.6.
        weights = load_tensors(argument, file, legacy=True)
        file.seek(0)
        sha256 = hashlib.sha256(file.read()).hexdigest()
    if not isinstance(weights, dict):
        raise ValueError(f"{argument!r} = {str(path)!r} holds no weights by name.")
    return weights, sha256
