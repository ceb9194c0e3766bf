r"""Tests for the energy_gans.metrics.features.encoder_training module."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from energy_gans.metrics.features import TrainedEncoder, save_encoder, train_encoder
from energy_gans.metrics.features.encoder_training import _held_out_loss, _neighbour_accuracy
from energy_gans.metrics.features.resnet import PreActResNet
from energy_gans.metrics.features.training import Schedule

from .test_training import Stripes

OPTIONS = {"epochs": 6, "batch_size": 32, "width": 4, "seed": 1, "learning_rate": 0.1}
KINDS = ["contrastive", "masked_autoencoder"]


class Unlabelled(Stripes):
    def loader(self, split: str, order: Iterable[Tensor]) -> Iterator[tuple[Tensor, None]]:
        y, _ = self.samples(split)
        return ((y[i], None) for i in order)


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest) -> tuple[str, PreActResNet, dict[str, Any]]:
    return request.param, *train_encoder(Stripes(), request.param, **OPTIONS)


def test_an_encoder_is_trained_and_read_back(trained: tuple, tmp_path: Path) -> None:
    kind, network, metadata = trained
    save_encoder(network, metadata, tmp_path / "e.pt")
    extractor = TrainedEncoder(str(tmp_path / "e.pt"))
    assert extractor.metadata == metadata
    assert metadata["kind"] == kind
    y = Stripes().samples("val")[0][:7]
    assert torch.allclose(extractor(y)[0], network.features(y.float()), atol=1e-5)
    assert extractor(y)[1] is None


def test_the_metadata_tells_what_decides_the_weights(trained: tuple) -> None:
    kind, _, metadata = trained
    told = {
        "data": "Stripes",
        "fingerprint": "of train",
        "held_out": "of val",
        "channels": 1,
        "size": 8,
        "widths": [4, 8, 16],
        "learning_rate": 0.1,
        "epochs": 6,
        "batch_size": 32,
        "seed": 1,
    }
    setting = {"temperature": 0.2} if kind == "contrastive" else {"masked": 0.6}
    assert metadata.items() >= (told | setting).items()
    assert metadata["neighbour_accuracy"] > 0.6


def test_the_encoder_is_a_function_of_the_seed_and_not_of_labels(trained: tuple) -> None:
    kind, network, metadata = trained
    torch.manual_seed(12)
    before = torch.get_rng_state()
    same, unlabelled = train_encoder(Unlabelled(), kind, **OPTIONS)
    assert torch.equal(torch.get_rng_state(), before)
    weights = same.state_dict()
    assert all(torch.equal(w, weights[name]) for name, w in network.state_dict().items())
    assert {*metadata} - {*unlabelled} == {"neighbour_accuracy"}
    other, _ = train_encoder(Stripes(), kind, **OPTIONS | {"seed": 2, "epochs": 1})
    assert not torch.equal(other.state_dict()["body.0.weight"], weights["body.0.weight"])


def test_batch_statistics_are_those_of_images_as_they_are(trained: tuple) -> None:
    _, network, _ = trained
    y = Stripes().samples("train")[0].float()
    with torch.no_grad():
        a = network.body[0](y / 127.5 - 1)
    norm = network.body[1].norm1
    assert torch.allclose(norm.running_mean, a.mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(norm.running_var, a.var((0, 2, 3)), rtol=1e-3)
    assert norm.momentum == 0.1
    assert not network.training


def test_the_held_out_loss_of_a_sorted_set_is_of_batches_of_all_classes() -> None:
    class Sorted:
        def length(self, split: str) -> int:
            return 1050

        def loader(self, split: str, order: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
            return ((i // 105, i) for i in order)

    class Classes(nn.Module):
        def forward(self, label: Tensor, key: int) -> Tensor:
            return torch.tensor(float(len(label.unique())))

    schedule = Schedule(epochs=1, batch_size=100, learning_rate=0.1, seed=0)
    assert _held_out_loss(Classes(), Sorted(), schedule, torch.device("cpu")) == 10


def test_neighbours_vote_by_the_cosine() -> None:
    class Network(nn.Module):
        device = torch.device("cpu")

        def features(self, y: Tensor) -> Tensor:
            return y

    class Rays:
        def length(self, split: str) -> int:
            return {"train": 60, "val": 4}[split]

        def loader(self, split: str, order: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
            angle = {"train": torch.arange(60) // 20 * 2.0, "val": torch.tensor([0.1, 2, 4, 4])}
            label = {"train": torch.arange(60) // 20, "val": torch.tensor([0, 1, 2, 1])}
            y = torch.stack([angle[split].cos(), angle[split].sin()], 1)
            # By distances, short vectors of other classes would be nearer than those of class 0.
            if split == "train":
                y = y * torch.where(label[split] == 0, 10, 1)[:, None]
            return ((y[i], label[split][i]) for i in order)

    assert _neighbour_accuracy(Network(), Rays()) == {"neighbour_accuracy": 0.75}


# Wrong input


@pytest.mark.parametrize(
    "kind, options, told",
    [
        ("mystery", {}, "'kind' should be one of contrastive, masked_autoencoder, got 'mystery'"),
        ("contrastive", {"masked": 0.5}, "'masked' should be left out for 'kind' = 'contrastive'"),
        ("masked_autoencoder", {"temperature": 1.0}, "'temperature' should be left out for"),
        ("masked_autoencoder", {"masked": 1.5}, "'share' should leave some of 4 patches"),
        ("contrastive", {"temperature": -1.0}, "'temperature' should be positive"),
        ("contrastive", {"width": 0}, "'width' should be at least 1, got 0"),
        ("contrastive", {"batch_size": 301}, "'batch_size' should be at most 300"),
        ("contrastive", {"batch_size": 1}, "'batch_size' should be at least 2"),
    ],
)
def test_other_options_are_refused(kind: str, options: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        train_encoder(Stripes(), kind, **{"width": 4} | options)


def test_a_training_that_diverges_is_one_sentence() -> None:
    with pytest.raises(FloatingPointError, match="The encoder's outputs are not finite"):
        train_encoder(Stripes(), "contrastive", **OPTIONS | {"learning_rate": 1e30})
