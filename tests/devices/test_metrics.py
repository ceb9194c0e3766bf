r"""Tests that measures and feature extractors compute on a GPU, a pretended one, as on the CPU."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torchmetrics import Metric

from energy_gans import metrics
from energy_gans.characters import one_hot
from energy_gans.metrics import features
from energy_gans.metrics.features import FeatureExtractor, FeatureMap
from energy_gans.metrics.measures import MEASURES, measure
from energy_gans.metrics.statistics import feature_statistics

from ..metrics.features.conftest import classifier_file, images  # noqa: F401
from ..metrics.features.test_training import Stripes
from ..metrics.test_image_metrics import Features, X, Y
from .pretend import PretendTensor, needs_pretence, pretend, unwrapped

pytestmark = needs_pretence


def on_both(compute: Callable[[str], Any]) -> tuple[Any, Any]:
    r"""Returns what a function of the device returns on the GPU, and on the CPU."""
    with pretend():
        found = compute("cuda")
    return unwrapped(found), compute("cpu")


def of_images(metric: Metric, device: str) -> Any:
    metric = metric.to(device)
    for part in zip(Y.to(device).chunk(2), X.to(device).chunk(2), strict=True):
        for x, real in zip(part, (True, False), strict=True):
            metric.update(*([x] if isinstance(metric, metrics.InceptionScore) else [x, real]))
    return metric.compute()


def of_points(metric: metrics.ModeCoverage, device: str) -> dict[str, Tensor]:
    metric = metric.to(device)
    metric.update(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).to(device))
    return metric.compute()


def of_floats(metric: metrics.ResponseDistance, device: str) -> Tensor:
    metric = metric.to(device)
    for x, real in ((Y, True), (X, False)):
        metric.update(nn.functional.pad(x, [6] * 4).float().to(device) / 128 - 1, real)
    return metric.compute()


def of_lines(metric: metrics.NGramDivergence, device: str) -> dict[str, Tensor]:
    metric = metric.to(device)
    random = torch.Generator().manual_seed(0)
    for real in (True, False):
        codes = torch.randint(2, 6, (20, 7), generator=random)
        metric.update(one_hot(codes, 6).to(device), real)
    return metric.compute()


METRICS: dict[str, Callable[[str], Any]] = {
    name: lambda device, name=name: of_images(getattr(metrics, name)(Features()), device)
    for name in metrics.__all__
    if name not in ("features", "ModeCoverage", "NGramDivergence", "ResponseDistance")
} | {
    "ModeCoverage": lambda device: of_points(metrics.ModeCoverage(torch.eye(2), 0.5), device),
    "NGramDivergence": lambda device: of_lines(metrics.NGramDivergence([1, 3], 2), device),
    "ResponseDistance": lambda device: of_floats(metrics.ResponseDistance(channels=1), device),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_that_of_the_cpu(name: str) -> None:
    found, expected = on_both(METRICS[name])
    assert_close(found, expected)


def test_every_measure_is_that_of_the_cpu() -> None:
    def measures(device: str) -> dict[str, Any]:
        batches = [[(x, torch.arange(len(x)))] for x in (X, Y, Y.flip(-1))]
        extractor = Features().to(device)
        sets = [feature_statistics(extractor, part, 60, device) for part in batches]
        return {name: value.value for name, value in measure([*MEASURES], *sets).items()}

    found, expected = on_both(measures)
    assert found == pytest.approx(expected, rel=1e-5)
    assert len(found) >= len(MEASURES)


@pytest.fixture(scope="module")
def extractors(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Callable[[], FeatureExtractor]]:
    path = classifier_file(3, tmp_path_factory.mktemp("features") / "classifier.pt")
    return {
        "DomainClassifier": lambda: features.DomainClassifier(str(path)),
        "EfficientNetLite0": lambda: features.EfficientNetLite0(size=32),
        "Pixels": lambda: features.Pixels((3, 21, 34)),
        "TrainedEncoder": lambda: features.TrainedEncoder(str(path)),
    }


def test_each_extractor_is_tried(extractors: dict[str, Any]) -> None:
    public = {n for n in features.__all__ if isinstance(getattr(features, n), type)}
    # Inception is torch-fidelity's network alone, and slow: `test_cuda` tries it.
    others = {"FeatureExtractor", "FeatureMap", "FeaturesOnly", "Inception"}
    assert extractors.keys() == public - others


@pytest.mark.parametrize("name", ["DomainClassifier", "EfficientNetLite0", "Pixels"])
def test_an_extractor_reads_images_on_its_device(
    name: str,
    extractors: dict[str, Callable],
    images: Tensor,  # noqa: F811
) -> None:
    def read(device: str) -> list[Tensor]:
        extractor = extractors[name]().to(device)
        y = images[:1].to(device)
        found = [part for part in extractor(y) if part is not None]
        found.append(features.FeaturesOnly(extractor)(y))
        if name in ("EfficientNetLite0", "DomainClassifier"):
            x = (y[..., :16, :16].float() / 127.5 - 1).requires_grad_()
            u = FeatureMap(extractor, stages=[-1], grid=1)(x)
            found += [u, *torch.autograd.grad(u.sum(), x)]
        assert all(part.device.type == device for part in found)
        return found

    assert_close(*on_both(read))


OPTIONS = {"epochs": 1, "batch_size": 128, "width": 4, "seed": 1}
TRAININGS: dict[str, Callable[[str], tuple[nn.Module, dict[str, Any]]]] = {
    "classifier": lambda device: features.train_classifier(Stripes(), **OPTIONS, device=device),
    **{
        kind: lambda device, kind=kind: features.train_encoder(
            Stripes(), kind, **OPTIONS, device=device
        )
        for kind in ("contrastive", "masked_autoencoder")
    },
}


@pytest.mark.parametrize("kind", TRAININGS)
def test_features_are_trained_on_their_device(kind: str) -> None:
    def trained(device: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        network, metadata = TRAININGS[kind](device)
        assert {p.device.type for p in network.parameters()} <= {"cpu", device}
        assert not any(isinstance(v, PretendTensor) for v in metadata.values())
        return dict(network.state_dict()), metadata

    (found, metadata), (expected, _) = on_both(trained)
    if kind != "contrastive":
        # Crops of uint8 round otherwise than on the CPU.
        assert_close(found, expected)
    assert all(math.isfinite(v) for v in metadata.values() if isinstance(v, float))
