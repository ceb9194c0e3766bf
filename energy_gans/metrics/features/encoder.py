r"""Encoders that were trained on a data set, as feature spaces.

`energy-gans features train` trains a :class:`PreActResNet` on the labels of a set, or without
labels (:mod:`energy_gans.metrics.features.encoder_training`). The file holds the weights and the
metadata: how the network is made, what determines its weights, and its quality on held-out images.

A model that is trained in an encoder's features saves the encoder's weights with its own, together
with the metadata and the SHA-256 of the file. So the model is loaded without the file. To resume a
run with an encoder from another file is an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...files import atomic_write
from ...tensor_files import BoundedAllocation
from .base import BATCH_ON_CPU, FeatureExtractor, Output, load_weights, resize_images
from .resnet import PreActResNet

# The names of extractors by the kind of encoder. Files of classifiers name no kind.
CLASSIFIER = "classifier"
NAMES = {
    CLASSIFIER: "domain_classifier",
    "contrastive": "contrastive_encoder",
    "masked_autoencoder": "masked_autoencoder",
}


class TrainedEncoder(FeatureExtractor):
    r"""The extractor with an encoder that `energy-gans features train` wrote, of any kind.

    Images are resized to the size of the images that the encoder was trained on.

    Arguments:
        path: The path of the encoder's file, or `None` if a state dict brings the encoder.

    Attributes:
        metadata: The `metadata` of the file, see :func:`train_classifier` and
            :func:`train_encoder`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds no encoder.
    """

    at_once = BATCH_ON_CPU
    files_of_weights = ("path",)

    def __init__(self, path: str | None) -> None:
        super().__init__()
        self.path = path
        self.register_module("network", None)
        if path is None:
            return
        saved, sha256 = load_weights("path", Path(path))
        try:
            state = saved["state_dict"]
            with BoundedAllocation(state):
                self._build(saved["metadata"], sha256)
            self.network.load_state_dict(state)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ValueError(self._refusal(f"'path' = {path!r}")) from error

    def extract(self, images: Tensor) -> Output:
        features = self.features_of(images)
        if self.num_classes is None:
            return features, None
        # A product with few columns has other rounding errors at some positions of a batch.
        return features, torch.cat([self.network.head(row) for row in features.split(1)])

    def features_of(self, images: Tensor) -> Tensor:
        return self._require_network().features(resize_images(images, self.size))

    def stage_modules(self) -> list[nn.Module]:
        return self._require_network().stages

    def get_extra_state(self) -> Tensor:
        r"""Returns the metadata and the SHA-256 of the file as JSON, in bytes :math:`(N)`."""
        state = None if self.network is None else [self.metadata, self.sha256]
        return torch.tensor([*json.dumps(state).encode()], dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        r"""Makes the network of which a state dict holds the weights, or compares it.

        The caller bounds what a state dict from elsewhere may allocate.

        Arguments:
            state: The bytes of :meth:`get_extra_state`, with shape :math:`(N)`.

        Raises:
            ValueError: If there is a file, and the weights are not from it, or the state is no
                encoder's.
        """
        try:
            metadata, sha256 = json.loads(bytes(state.tolist()))
            if self.path is None:
                self._build(metadata, sha256)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ValueError(self._refusal("The state dict's encoder")) from error
        if sha256 != self.sha256:
            raise ValueError(
                f"'path' = {self.path!r} should be the file of the checkpoint's encoder, with the "
                f"SHA-256 {sha256}, got {self.sha256}."
            )

    def _build(self, metadata: Mapping[str, Any], sha256: str) -> None:
        r"""Makes the network that metadata describe, with weights at random."""
        self.metadata, self.sha256 = dict(metadata), sha256
        self.name = NAMES[metadata.get("kind", CLASSIFIER)]
        self.channels, self.size = metadata["channels"], metadata["size"]
        classified = self.name == NAMES[CLASSIFIER]
        self.num_classes = len(metadata["classes"]) if classified else None
        widths = metadata["widths"]
        with torch.random.fork_rng(devices=[]):
            self.network = PreActResNet(self.channels, self.num_classes, widths)
        self.num_features = widths[-1]
        self.resize = f"bilinear, antialiased, {self.size}"
        self.eval().requires_grad_(False)

    def _require_network(self) -> PreActResNet:
        r"""Returns the network.

        Raises:
            ValueError: If there is none yet.
        """
        if self.network is None:
            raise ValueError(
                f"'path' of {type(self).__name__} should be the file of an encoder, got None, and "
                "no checkpoint has brought the encoder."
            )
        return self.network

    def _refusal(self, said: str) -> str:
        r"""Returns what is wrong with a file that holds no encoder."""
        return f"{said} is no encoder that `energy-gans features train` wrote."


def save_encoder(network: PreActResNet, metadata: dict[str, Any], path: Path) -> None:
    r"""Writes an encoder's file, whole or not at all.

    Arguments:
        network: The network.
        metadata: The metadata, in plain values: at least `channels`, `size` and `widths`, of a
            classifier `classes`, of other encoders `kind`.
        path: The path of the file.
    """
    # Given a path, torch would write the name into the file, and the SHA-256 would depend on it.
    with atomic_write(path) as file:
        torch.save({"state_dict": network.state_dict(), "metadata": metadata}, file)
