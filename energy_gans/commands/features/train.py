r"""`energy-gans features train`: an encoder of a data set, whose features are compared.

A classifier learns from labels; the other encoders learn without.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from ...metrics.features import save_encoder, train_classifier, train_encoder
from ...metrics.features.encoder_training import check_left_out
from ..devices import resolve_device
from ..outputs import Output, check_output
from ..real_data import RealData, as_data_module
from ..results import Result


@dataclass(frozen=True, repr=False, eq=False)
class TrainedFeatures(Result):
    r"""An encoder of a data set.

    Arguments:
        network: The network, from uint8 images to class logits, if it is a classifier, and
            features.
        metadata: What its file says of it: the data with its fingerprint, the settings, and its
            quality on held-out images.
        held_out: The number of held-out images.
        path: The file that was written, for `TrainedEncoder`, or `None`.
    """

    network: nn.Module
    metadata: dict[str, Any]
    held_out: int
    path: Path | None

    @property
    def quality(self) -> str:
        r"""The quality on held-out images, as a text."""
        said = f"loss {self.metadata['loss']:.4f} on {self.held_out} images held out"
        if (accuracy := self.metadata.get("neighbour_accuracy")) is None:
            return said
        return f"{said}, accuracy of the nearest training images {accuracy:.4f}"

    def __str__(self) -> str:
        return self.quality + ("" if self.path is None else f": {self.path}")


class TrainedClassifier(TrainedFeatures):
    r"""A classifier of a data set.

    Its metadata hold the classes, `accuracy` and `inception_score`, too, and its file is also one
    for `DomainClassifier`.
    """

    @property
    def accuracy(self) -> float:
        r"""The share of held-out images whose class is predicted, in [0, 1]."""
        return self.metadata["accuracy"]

    @property
    def quality(self) -> str:
        return (
            f"accuracy {self.accuracy:.4f} on {self.held_out} images held out, whose own "
            f"Inception Score is {self.metadata['inception_score']:.4f}"
        )


def train(
    data: RealData,
    out: Output = None,
    epochs: int = 5,
    batch_size: int = 128,
    width: int = 32,
    learning_rate: float = 0.2,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    kind: Literal["classifier", "contrastive", "masked_autoencoder"] = "classifier",
    temperature: float | None = None,
    masked: float | None = None,
) -> TrainedFeatures:
    r"""Trains a classifier or an encoder of a data set, for measures and fields.

    Arguments:
        data: The data set: its class and arguments, as in a config.
        out: The file to write.
        epochs: The number of passes over the images.
        batch_size: The number of images in a batch.
        width: The number of channels of the network's first block; the next two blocks have twice
            and four times as many.
        learning_rate: The highest learning rate of the schedule.
        seed: The seed of the weights, of the order of images, and of views or masks.
        device: The device that computes; a GPU by default, if there is one.
        overwrite: Whether `out` may exist.
        kind: What is trained: a classifier, or an encoder without labels, contrastive (SimCLR) or
            the encoder of a masked autoencoder.
        temperature: The temperature of the contrastive loss; 0.2 by default.
        masked: The share of patches that a masked autoencoder reconstructs; 0.6 by default.

    Returns:
        The network, and what its file says of it: settings, data, and scores on held-out images.

    Raises:
        ValueError: If an argument is out of its range or does not fit the data.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    if kind == "classifier":
        check_left_out(kind, temperature=temperature, masked=masked)
    path = check_output(out, overwrite, None)
    data = as_data_module("data", data)
    data.prepare_data()
    options = (epochs, batch_size, width, learning_rate, seed, resolve_device(device))
    if kind == "classifier":
        network, metadata = train_classifier(data, *options)
    else:
        network, metadata = train_encoder(data, kind, *options, temperature, masked)
    if path is not None:
        save_encoder(network, metadata, path)
    made = TrainedClassifier if kind == "classifier" else TrainedFeatures
    return made(network, metadata, data.length("val"), path)
