r"""Training of a classifier on the labels of a data set.

Training is supervised, with cross-entropy, SGD with Nesterov momentum, a one-cycle learning rate,
and no augmentation. The same seed gives the same classifier. The classifier's accuracy on held-out
images is saved with its weights, and so is the Inception Score of these images, which a perfect
generator would reach.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from tqdm.auto import tqdm

from ...checks import check_count, check_positive
from ...functional import class_sums, inception_score, keyed_generator
from ...terminal import draws_bars, say
from .classifier import PreActResNet

_EVALUATION_BATCH = 500


class LabelledImages(Protocol):
    r"""The members of a data module that training needs."""

    @property
    def classes(self) -> list[str]: ...

    def length(self, split: str) -> int: ...

    def fingerprint(self, split: str) -> str: ...

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[tuple[Tensor, Tensor]]: ...


def train_classifier(
    data: LabelledImages,
    epochs: int = 5,
    batch_size: int = 128,
    width: int = 32,
    learning_rate: float = 0.2,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> tuple[PreActResNet, dict[str, Any]]:
    r"""Returns a classifier of the training images of a set, and the metadata of its file.

    The metadata holds everything that determines the weights, and the `accuracy` and the
    `inception_score`, in one group, of all images of the held-out split `val`.

    Arguments:
        data: The data module, with uint8 images and labels.
        epochs: The number of passes over the training images.
        batch_size: The number of images in a batch.
        width: The number of channels of the first block; the second has twice and the third four
            times as many.
        learning_rate: The highest learning rate.
        seed: The seed of the weights and of the order of images.
        device: The device to train on; the classifier is returned on the CPU.

    Raises:
        ValueError: If a number is not positive, `batch_size` is larger than the set, or `data` has
            no images or fewer than two classes.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("width", width)):
        check_count(name, value)
    check_positive("learning_rate", learning_rate)
    if batch_size > (n := data.length("train")):
        raise ValueError(f"'batch_size' should be at most {n}, the set's size, got {batch_size}.")
    channels, size = _image_shape(data)
    classes, widths = _class_names(data), [width, 2 * width, 4 * width]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PreActResNet(channels, len(classes), widths).to(device)
    options = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    scores = _train(network, data, seed=seed, **options)
    return network.cpu(), {
        "data": type(data).__name__,
        "fingerprint": data.fingerprint("train"),
        "held_out": data.fingerprint("val"),
        "channels": channels,
        "size": size,
        "classes": classes,
        "widths": widths,
        "seed": seed,
        **options,
        **scores,
    }


def _train(
    network: PreActResNet,
    data: LabelledImages,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> dict[str, float]:
    r"""Trains a classifier and returns the scores of :func:`_evaluate` after the last epoch.

    Raises:
        FloatingPointError: If outputs are not finite after an epoch.
    """
    steps = data.length("train") // batch_size
    optimizer = torch.optim.SGD(
        network.parameters(), learning_rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = OneCycleLR(optimizer, learning_rate, total_steps=epochs * steps)
    scores: dict[str, float] = {}
    # `None` draws a bar in a terminal only.
    hidden = None if draws_bars() else True
    for epoch in range(epochs):
        random = keyed_generator(seed, "order", epoch)
        order = torch.randperm(data.length("train"), generator=random)
        batches = data.loader("train", order[: steps * batch_size].split(batch_size))
        network.train()
        name = f"epoch {epoch + 1} of {epochs}"
        for y, label in tqdm(batches, name, steps, leave=False, disable=hidden):
            logits = network(y.to(network.device).float())[1]
            loss = nn.functional.cross_entropy(logits, label.to(network.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        scores = _evaluate(network, data)
        if not math.isfinite(scores["inception_score"]):
            raise FloatingPointError(
                f"The classifier's outputs are not finite after {name}: 'learning_rate' = "
                f"{learning_rate!r} is too large."
            )
        say(f"{name}: accuracy {scores['accuracy']:.4f}")
    return scores


@torch.no_grad()
def _evaluate(network: PreActResNet, data: LabelledImages) -> dict[str, float]:
    r"""Returns the `accuracy` and the `inception_score` on the split `val`."""
    network.eval()
    n = data.length("val")
    right, p_sum, negative_entropy = 0, 0.0, 0.0
    for y, label in data.loader("val", torch.arange(n).split(_EVALUATION_BATCH)):
        logits = network(y.to(network.device).float())[1].cpu()
        right += (logits.argmax(1) == label).sum().item()
        p, entropies = class_sums(logits)
        p_sum, negative_entropy = p_sum + p.sum(0), negative_entropy + entropies.sum()
    score = inception_score(p_sum[None], negative_entropy[None], torch.tensor([n]))
    return {"accuracy": right / n, "inception_score": score.item()}


def _image_shape(data: LabelledImages) -> tuple[int, int]:
    r"""Returns the number of channels and the width of a data module's images.

    Raises:
        ValueError: If the images are not square or not uint8.
    """
    y, _ = next(iter(data.loader("train", [torch.arange(1)])))
    if y.dtype != torch.uint8 or y.ndim != 4 or y.shape[2] != y.shape[3]:
        raise ValueError(
            f"'data' should be of square images, got {type(data).__name__}, whose samples are "
            f"{str(y.dtype).removeprefix('torch.')} with shape {tuple(y.shape[1:])}."
        )
    return y.shape[1], y.shape[2]


def _class_names(data: LabelledImages) -> list[str]:
    r"""Returns the names of a data module's classes; the labels, if classes have no names.

    Raises:
        ValueError: If there are fewer than two classes.
    """
    classes = data.classes
    if not classes:
        batches = data.loader("train", torch.arange(data.length("train")).split(_EVALUATION_BATCH))
        labels = torch.cat([label for _, label in batches])
        classes = [str(label) for label in range(int(labels.max()) + 1)]
    if len(classes) < 2:
        raise ValueError(
            "'data' should have labels of two classes or more to learn, "
            f"{type(data).__name__} has {f'only {classes[0]!r}' if classes else 'none'}."
        )
    return classes
