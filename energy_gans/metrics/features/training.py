r"""Training of a classifier on the labels of a data set.

Training is supervised, with cross-entropy, SGD with Nesterov momentum, a one-cycle learning rate,
and no augmentation. The same seed gives the same classifier. The classifier's accuracy on held-out
images is saved with its weights, and so is the Inception Score of these images, which a perfect
generator would reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from tqdm.auto import tqdm

from ...checks import check_count, check_positive
from ...functional import class_sums, inception_score, keyed_generator
from ...terminal import draws_bars, say
from .resnet import PreActResNet

EVALUATION_BATCH = 500


class LabelledImages(Protocol):
    r"""The members of a data module that training needs."""

    @property
    def classes(self) -> list[str]:
        r"""The names of the classes."""

    def length(self, split: str) -> int:
        r"""Returns the number of images of a split."""

    def fingerprint(self, split: str) -> str:
        r"""Returns a hash of all images of a split."""

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[tuple[Tensor, Tensor]]:
        r"""Returns batches of images and labels in the order of the given indices."""


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
    check_count("width", width)
    Schedule(epochs, batch_size, learning_rate, seed).check(data)
    described = describe_data(data)
    classes, widths = _class_names(data), [width, 2 * width, 4 * width]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PreActResNet(described["channels"], len(classes), widths).to(device)
    options = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    scores = _train(network, data, seed=seed, **options)
    return network.cpu(), {
        **described,
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
    r"""Trains a classifier and returns the scores of :func:`_evaluate` after the last epoch."""

    def loss(y: Tensor, label: Tensor, step: int) -> Tensor:
        logits = network(y.to(network.device).float())[1]
        return nn.functional.cross_entropy(logits, label.to(network.device))

    schedule = Schedule(epochs, batch_size, learning_rate, seed)
    return descend(network, data, loss, lambda: _evaluate(network, data), schedule, "classifier")


class Schedule(NamedTuple):
    r"""What determines the steps of a training.

    Arguments:
        epochs: The number of passes over the training images.
        batch_size: The number of images in a batch.
        learning_rate: The highest learning rate.
        seed: The seed of the order of images.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int

    def check(self, data: LabelledImages) -> None:
        r"""Raises a `ValueError` unless numbers are positive and a batch fits the training set."""
        for name in ("epochs", "batch_size"):
            check_count(name, getattr(self, name))
        check_positive("learning_rate", self.learning_rate)
        if self.batch_size > (n := data.length("train")):
            raise ValueError(
                f"'batch_size' should be at most {n}, the set's size, got {self.batch_size}."
            )


def descend(
    trained: nn.Module,
    data: LabelledImages,
    loss: Callable[[Tensor, Tensor | None, int], Tensor],
    evaluate: Callable[[], dict[str, float]],
    options: Schedule,
    kind: str,
) -> dict[str, float]:
    r"""Trains the parameters of a module, and returns its scores after the last epoch.

    Arguments:
        trained: The module.
        data: The data module, with uint8 images.
        loss: From uint8 images, their labels and the step to the loss, a scalar.
        evaluate: Returns the scores; the first is printed after each epoch.
        options: The number of steps, their sizes and the seed.
        kind: What the network is, for errors.

    Returns:
        The scores.

    Raises:
        FloatingPointError: If a score is not finite after an epoch.
    """
    epochs, batch_size, learning_rate, seed = options
    steps = data.length("train") // batch_size
    optimizer = torch.optim.SGD(
        trained.parameters(), learning_rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = OneCycleLR(optimizer, learning_rate, total_steps=epochs * steps)
    scores: dict[str, float] = {}
    # `None` draws a bar in a terminal only.
    hidden = None if draws_bars() else True
    for epoch in range(epochs):
        random = keyed_generator(seed, "order", epoch)
        order = torch.randperm(data.length("train"), generator=random)
        batches = data.loader("train", order[: steps * batch_size].split(batch_size))
        trained.train()
        name = f"epoch {epoch + 1} of {epochs}"
        for i, (y, label) in enumerate(tqdm(batches, name, steps, leave=False, disable=hidden)):
            error = loss(y, label, epoch * steps + i)
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            schedule.step()
        scores = evaluate()
        if not all(map(math.isfinite, scores.values())):
            raise FloatingPointError(
                f"The {kind}'s outputs are not finite after {name}: 'learning_rate' = "
                f"{learning_rate!r} is too large."
            )
        first, score = next(iter(scores.items()))
        say(f"{name}: {first} {score:.4f}")
    return scores


@torch.no_grad()
def _evaluate(network: PreActResNet, data: LabelledImages) -> dict[str, float]:
    r"""Returns the `accuracy` and the `inception_score` on the split `val`."""
    network.eval()
    n = data.length("val")
    right, p_sum, negative_entropy = 0, 0.0, 0.0
    for y, label in data.loader("val", torch.arange(n).split(EVALUATION_BATCH)):
        logits = network(y.to(network.device).float())[1].cpu()
        right += (logits.argmax(1) == label).sum().item()
        p, entropies = class_sums(logits)
        p_sum, negative_entropy = p_sum + p.sum(0), negative_entropy + entropies.sum()
    score = inception_score(p_sum[None], negative_entropy[None], torch.tensor([n]))
    return {"accuracy": right / n, "inception_score": score.item()}


def describe_data(data: LabelledImages) -> dict[str, Any]:
    r"""Returns what the metadata of an encoder say of its data.

    Raises:
        ValueError: If the images are not square or not uint8.
    """
    y, _ = next(iter(data.loader("train", [torch.arange(1)])))
    if y.dtype != torch.uint8 or y.ndim != 4 or y.shape[2] != y.shape[3]:
        raise ValueError(
            f"'data' should be of square images, got {type(data).__name__}, whose samples are "
            f"{str(y.dtype).removeprefix('torch.')} with shape {tuple(y.shape[1:])}."
        )
    return {
        "data": type(data).__name__,
        "fingerprint": data.fingerprint("train"),
        "held_out": data.fingerprint("val"),
        "channels": y.shape[1],
        "size": y.shape[2],
    }


def _class_names(data: LabelledImages) -> list[str]:
    r"""Returns the names of a data module's classes; the labels, if classes have no names.

    Raises:
        ValueError: If there are fewer than two classes.
    """
    classes = data.classes
    if not classes:
        batches = data.loader("train", torch.arange(data.length("train")).split(EVALUATION_BATCH))
        labels = torch.cat([label for _, label in batches])
        classes = [str(label) for label in range(int(labels.max()) + 1)]
    if len(classes) < 2:
        raise ValueError(
            "'data' should have labels of two classes or more to learn, "
            f"{type(data).__name__} has {f'only {classes[0]!r}' if classes else 'none'}."
        )
    return classes
