r"""`energy-gans features train`: a classifier of a data set, for measures in its feature space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ...data.base import TensorDataModule
from ...metrics.features import save_classifier, train_classifier
from ..devices import resolve_device
from ..outputs import Output, check_writable
from ..results import Result


@dataclass(frozen=True, repr=False, eq=False)
class TrainedClassifier(Result):
    r"""A classifier of a data set.

    Arguments:
        network: The network, from uint8 images to class logits and features.
        metadata: What its file says of it: the classes, the data with its fingerprint, the
            settings, `accuracy` and `inception_score` on held-out images.
        held_out: The number of held-out images.
        path: The file that was written, for `DomainClassifier`, or `None`.
    """

    network: nn.Module
    metadata: dict[str, Any]
    held_out: int
    path: Path | None

    @property
    def accuracy(self) -> float:
        r"""The share of held-out images whose class is predicted, in [0, 1]."""
        return self.metadata["accuracy"]

    def __str__(self) -> str:
        return (
            f"accuracy {self.accuracy:.4f} on {self.held_out} images held out, whose own "
            f"Inception Score is {self.metadata['inception_score']:.4f}"
        ) + ("" if self.path is None else f": {self.path}")


def train(
    data: TensorDataModule,
    out: Output = None,
    epochs: int = 5,
    batch_size: int = 128,
    width: int = 32,
    learning_rate: float = 0.2,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
) -> TrainedClassifier:
    r"""Trains a classifier of a data set, for measures in its feature space.

    Arguments:
        data: The data set: its class and arguments, as in a config.
        out: The file to write.
        epochs: The number of passes over the images.
        batch_size: The number of images in a batch.
        width: The number of channels of the network's first block; the next two blocks have twice
            and four times as many.
        learning_rate: The highest learning rate of the schedule.
        seed: The seed of the weights and of the order of images.
        device: The device that computes; a GPU by default, if there is one.
        overwrite: Whether `out` may exist.
    """
    path = None if out is None else Path(out)
    if path is not None and path.exists() and not overwrite:
        raise FileExistsError(
            f"'out' = {str(out)!r} exists: choose another name, or add --overwrite true."
        )
    if path is not None:
        check_writable(path)
    data.prepare_data()
    network, metadata = train_classifier(
        data, epochs, batch_size, width, learning_rate, seed, resolve_device(device)
    )
    if path is not None:
        save_classifier(network, metadata, path)
    return TrainedClassifier(network, metadata, data.length("val"), path)
