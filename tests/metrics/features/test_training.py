r"""Tests for the energy_gans.metrics.features.training module."""

from collections.abc import Iterable, Iterator

import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

from energy_gans.metrics.features import train_classifier
from energy_gans.metrics.features.training import _evaluate


class Stripes:
    r"""Noisy images with horizontal, vertical or no stripes, which are the classes.

    Arguments:
        classes: The names of the classes.
        labels: The labels of the three kinds of images.
    """

    def __init__(self, classes: Iterable[str] = (), labels: Iterable[int] = (0, 1, 2)) -> None:
        self.classes, self.labels = list(classes), torch.tensor(labels)

    def samples(self, split: str) -> tuple[Tensor, Tensor]:
        random = torch.Generator().manual_seed(len(split))
        kind = torch.randint(3, (self.length(split),), generator=random)
        stripe = (torch.arange(8) % 2 * 100).expand(8, 8)
        y = torch.stack([stripe, stripe.T, torch.full((8, 8), 50)])[kind]
        y = y + torch.randint(150, y.shape, generator=random)
        return y.to(torch.uint8)[:, None], self.labels[kind]

    def length(self, split: str) -> int:
        return {"train": 300, "val": 190}[split]

    def fingerprint(self, split: str) -> str:
        return f"of {split}"

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        y, label = self.samples(split)
        return ((y[i], label[i]) for i in order)


OPTIONS = {"epochs": 3, "batch_size": 32, "width": 4, "seed": 1}


@pytest.fixture(scope="module")
def trained() -> tuple:
    return train_classifier(Stripes(), **OPTIONS)


def test_classes_that_can_be_told_apart_are_learned(trained: tuple) -> None:
    network, metadata = trained
    assert metadata["accuracy"] > 0.97
    y, label = Stripes().samples("val")
    with torch.no_grad():
        logits = network(y.float())[1]
    assert metadata["accuracy"] == (logits.argmax(1) == label).double().mean().item()


def test_the_inception_score_is_that_of_torch_fidelity(trained: tuple) -> None:
    network, metadata = trained
    with torch.no_grad():
        logits = network(Stripes().samples("val")[0].float())[1]
    theirs = isc_features_to_metric(logits, splits=1)[KEY_METRIC_ISC_MEAN]
    assert 2 < metadata["inception_score"] < 3
    assert metadata["inception_score"] == pytest.approx(theirs, rel=1e-6)


def test_measuring_changes_nothing(trained: tuple) -> None:
    network, metadata = trained
    before = {name: w.clone() for name, w in network.state_dict().items()}
    scores = _evaluate(network.train(), Stripes())
    assert scores == {name: metadata[name] for name in ("accuracy", "inception_score")}
    assert all(torch.equal(w, before[name]) for name, w in network.state_dict().items())


def test_the_metadata_tells_what_decides_the_weights(trained: tuple) -> None:
    network, metadata = trained
    told = {
        "data": "Stripes",
        "fingerprint": "of train",
        "held_out": "of val",
        "channels": 1,
        "size": 8,
        "classes": ["0", "1", "2"],
        "widths": [4, 8, 16],
        "learning_rate": 0.2,
        "epochs": 3,
        "batch_size": 32,
        "seed": 1,
    }
    assert metadata.items() >= told.items()
    assert network.head.out_features == 3


def test_classes_keep_their_names() -> None:
    names = ["horizontal", "vertical", "none", "never seen"]
    network, metadata = train_classifier(Stripes(names), **OPTIONS | {"epochs": 1})
    assert metadata["classes"] == names
    assert network.head.out_features == 4


def test_the_classifier_is_a_function_of_the_seed(trained: tuple) -> None:
    torch.manual_seed(12)
    before = torch.get_rng_state()
    same, _ = train_classifier(Stripes(), **OPTIONS)
    assert torch.equal(torch.get_rng_state(), before)
    other, _ = train_classifier(Stripes(), **OPTIONS | {"seed": 2})
    weights = [network.state_dict() for network in (trained[0], same, other)]
    assert all(torch.equal(w, weights[1][name]) for name, w in weights[0].items())
    assert not torch.equal(weights[0]["head.weight"], weights[2]["head.weight"])


@pytest.mark.parametrize(
    "data, told",
    [
        (Stripes(labels=[-1, -1, -1]), "Stripes has none"),
        (Stripes(labels=[0, 0, 0]), "Stripes has only '0'"),
        (Stripes(["all"]), "Stripes has only 'all'"),
    ],
)
def test_there_have_to_be_classes(data: Stripes, told: str) -> None:
    with pytest.raises(ValueError, match=f"'data' should have labels of two classes .*{told}"):
        train_classifier(data)


class Points(Stripes):
    def samples(self, split: str) -> tuple[Tensor, Tensor]:
        return torch.zeros(300, 2), torch.zeros(300, dtype=torch.long)


class Oblong(Stripes):
    def samples(self, split: str) -> tuple[Tensor, Tensor]:
        y, label = super().samples(split)
        return y[..., :7], label


@pytest.mark.parametrize(
    "data, told",
    [(Points(), r"float32 with shape \(2,\)"), (Oblong(), r"uint8 with shape \(1, 8, 7\)")],
)
def test_samples_have_to_be_square_images(data: Stripes, told: str) -> None:
    with pytest.raises(ValueError, match=f"'data' should be of square images, got .* are {told}"):
        train_classifier(data)


@pytest.mark.parametrize(
    "option, value, told",
    [
        ("epochs", 0, "at least 1, got 0"),
        ("batch_size", 0, "at least 1, got 0"),
        ("batch_size", 301, "at most 300, .* got 301"),
        ("width", -1, "at least 1, got -1"),
        ("learning_rate", 0.0, "positive and finite, got 0.0"),
    ],
)
def test_other_options_are_refused(option: str, value: float, told: str) -> None:
    with pytest.raises(ValueError, match=f"'{option}' should be {told}"):
        train_classifier(Stripes(), **{option: value})
