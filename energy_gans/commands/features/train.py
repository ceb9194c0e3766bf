r"""`energy-gans features train`: a classifier of a data set, for measures in its feature space."""

from __future__ import annotations

from pathlib import Path

from ...data.base import TensorDataModule
from ...metrics.features import save_classifier, train_classifier
from ..devices import resolve_device
from ..outputs import check_writable


def train(
    data: TensorDataModule,
    out: str = "classifier.pt",
    epochs: int = 5,
    batch_size: int = 128,
    width: int = 32,
    learning_rate: float = 0.2,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
) -> None:
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
    path = Path(out)
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"'out' = {out!r} exists: choose another name, or add --overwrite true."
        )
    check_writable(path)
    data.prepare_data()
    network, metadata = train_classifier(
        data, epochs, batch_size, width, learning_rate, seed, resolve_device(device)
    )
    save_classifier(network, metadata, path)
    print(
        f"accuracy {metadata['accuracy']:.4f} on {data.length('val')} images held out, whose own "
        f"Inception Score is {metadata['inception_score']:.4f}: {path}"
    )
