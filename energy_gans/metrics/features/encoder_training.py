r"""Training of encoders without labels (:mod:`energy_gans.metrics.features.encoder_objectives`).

Only the network is saved, without the projection or the decoder of its training. It was trained on
altered images, so its batch statistics are measured again on images as they are. The quality of
the features is the accuracy with which the nearest training images predict the class of a held-out
image; labels serve for nothing else.

References:
    Unsupervised Feature Learning via Non-Parametric Instance Discrimination (Wu et al., 2018), for
    the classification by neighbours, https://arxiv.org/abs/1805.01978
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ...checks import check_count
from ...functional import fold, keyed_generator, keyed_subset, nearest
from .encoder_objectives import OBJECTIVES
from .resnet import PreActResNet
from .training import EVALUATION_BATCH, LabelledImages, Schedule, descend, describe_data

# The number of neighbours that vote, and of images that batch statistics are measured on.
_NEIGHBOURS, _STATISTICS = 20, 10_000


def train_encoder(
    data: LabelledImages,
    kind: str,
    epochs: int = 5,
    batch_size: int = 128,
    width: int = 32,
    learning_rate: float = 0.2,
    seed: int = 0,
    device: torch.device | str = "cpu",
    temperature: float | None = None,
    masked: float | None = None,
) -> tuple[PreActResNet, dict[str, Any]]:
    r"""Returns an encoder of the training images of a set, and the metadata of its file.

    The metadata hold everything that determines the weights, the `loss` of the held-out images
    and, if there are labels, the `neighbour_accuracy` on them.

    Arguments:
        data: The data module, with uint8 images.
        kind: `"contrastive"` or `"masked_autoencoder"`.
        epochs: The number of passes over the training images.
        batch_size: The number of images in a batch.
        width: The number of channels of the first block; the second has twice and the third four
            times as many.
        learning_rate: The highest learning rate.
        seed: The seed of the weights, of the order of images, and of views or masks.
        device: The device to train on; the encoder is returned on the CPU.
        temperature: The temperature of the contrastive loss; 0.2 if `None`.
        masked: The share of patches that a masked autoencoder reconstructs; 0.6 if `None`.

    Raises:
        ValueError: If `kind` is unknown, a number is out of its range or of another kind, or
            `data` has no images.
    """
    check_count("width", width)
    schedule = Schedule(epochs, batch_size, learning_rate, seed)
    schedule.check(data)
    if batch_size < 2:
        raise ValueError(f"'batch_size' should be at least 2 for 'kind' = {kind!r}, got 1.")
    described, widths = describe_data(data), [width, 2 * width, 4 * width]
    cls, setting = _objective(kind, {"temperature": temperature, "masked": masked})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PreActResNet(described["channels"], None, widths)
        objective = cls(network, described["size"], **setting).to(device)

    def loss(y: Tensor, label: Tensor | None, step: int) -> Tensor:
        return objective(y.to(network.device), fold(seed, kind, step))

    def evaluate() -> dict[str, float]:
        return {"loss": _held_out_loss(objective, data, schedule, network.device)}

    scores = descend(objective, data, loss, evaluate, schedule, "encoder")
    _measure_statistics(network, data, seed)
    scores |= _neighbour_accuracy(network, data)
    return network.cpu(), {
        "kind": kind,
        **described,
        "widths": widths,
        "seed": seed,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        **setting,
        **scores,
    }


def _objective(
    kind: str, given: dict[str, float | None]
) -> tuple[type[nn.Module], dict[str, float]]:
    r"""Returns the class of an objective, and its setting by name.

    Raises:
        ValueError: If `kind` is unknown, or a setting of another kind is given.
    """
    if kind not in OBJECTIVES:
        raise ValueError(f"'kind' should be one of {', '.join(OBJECTIVES)}, got {kind!r}.")
    cls, name, default = OBJECTIVES[kind]
    check_left_out(kind, **{other: value for other, value in given.items() if other != name})
    return cls, {name: default if given[name] is None else given[name]}


def check_left_out(kind: str, **settings: float | None) -> None:
    r"""Raises a `ValueError` if a setting of another kind of encoder is given."""
    for name, value in settings.items():
        if value is not None:
            raise ValueError(f"{name!r} should be left out for 'kind' = {kind!r}, got {value!r}.")


@torch.no_grad()
def _held_out_loss(
    objective: nn.Module, data: LabelledImages, schedule: Schedule, device: torch.device
) -> float:
    r"""Returns the mean loss of the whole batches of the split `val`, in random order."""
    objective.eval()
    n, size = data.length("val"), min(schedule.batch_size, data.length("val"))
    order = keyed_subset(n, n // size * size, 0, "batches").split(size)
    losses = [
        objective(y.to(device), fold(schedule.seed, "held out", i))
        for i, (y, _) in enumerate(data.loader("val", order))
    ]
    return torch.stack(losses).mean().item()


def _measure_statistics(network: PreActResNet, data: LabelledImages, seed: int) -> None:
    r"""Replaces the batch statistics of a network by those of training images as they are."""
    random = keyed_generator(seed, "statistics")
    order = torch.randperm(data.length("train"), generator=random)[:_STATISTICS]
    batches = data.loader("train", order.split(EVALUATION_BATCH))
    update_bn((y.to(network.device).float() for y, _ in batches), network)
    network.eval()


@torch.no_grad()
def _neighbour_accuracy(network: PreActResNet, data: LabelledImages) -> dict[str, float]:
    r"""Returns the `neighbour_accuracy` on the split `val`, or nothing if there are no labels.

    A held-out image gets the class that most of its neighbours have, the nearest training images
    by the cosine of features.
    """
    sets = []
    for split in ("train", "val"):
        batches = data.loader(split, torch.arange(data.length(split)).split(EVALUATION_BATCH))
        u, labels = zip(
            *((network.features(y.to(network.device).float()), label) for y, label in batches),
            strict=True,
        )
        if labels[0] is None:
            return {}
        sets.append((nn.functional.normalize(torch.cat(u)).cpu(), torch.cat(labels)))
    (u, label_u), (v, label_v) = sets
    found = label_u[nearest(v, u, min(_NEIGHBOURS, len(u)))[1]]
    return {"neighbour_accuracy": (_most_frequent(found) == label_v).double().mean().item()}


def _most_frequent(labels: Tensor) -> Tensor:
    r"""Returns the most frequent label in each row; the smaller one of two as frequent.

    Arguments:
        labels: The labels, with shape :math:`(N, k)`.
    """
    return labels.mode(1)[0]
