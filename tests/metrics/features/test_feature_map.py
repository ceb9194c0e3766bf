r"""Tests for the energy_gans.metrics.features.feature_map module."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from energy_gans.descriptions import describe
from energy_gans.metrics.features import (
    DomainClassifier,
    EfficientNetLite0,
    FeatureExtractor,
    FeatureMap,
    Inception,
    Pixels,
    TrainedEncoder,
)
from energy_gans.storage import Rebuilder

Make = Callable[[], FeatureExtractor]


@pytest.fixture(params=["pixels", "efficientnet", "classifier", "contrastive"], scope="module")
def extractor(
    request: pytest.FixtureRequest, classifier_files: dict[int, Path], contrastive_file: Path
) -> FeatureExtractor:
    r"""Returns each extractor in turn, for RGB images of at most 16 pixels."""
    return {
        "pixels": lambda: Pixels((3, 12, 16)),
        "efficientnet": lambda: EfficientNetLite0(64),
        "classifier": lambda: DomainClassifier(str(classifier_files[3])),
        "contrastive": lambda: TrainedEncoder(str(contrastive_file)),
    }[request.param]()


@pytest.fixture(scope="module")
def classifier(classifier_files: dict[int, Path]) -> TrainedEncoder:
    return TrainedEncoder(str(classifier_files[3]))


@pytest.fixture(scope="module")
def small(images: Tensor) -> Tensor:
    r"""Returns two RGB images of 12x16 pixels as uint8."""
    return images[..., :12, :16]


def floats(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


def test_features_of_uint8_values_are_those_of_the_extractor(
    extractor: FeatureExtractor, small: Tensor
) -> None:
    features = FeatureMap(extractor)(floats(small))
    expected = extractor(small)[0]
    assert expected.std(0).max() > 0
    assert torch.allclose(features, expected, rtol=1e-4, atol=1e-4 * expected.abs().max())


def test_images_are_not_rounded(extractor: FeatureExtractor, small: Tensor) -> None:
    features, x = FeatureMap(extractor), floats(small) * 0.9
    assert not torch.equal(features(x), features(x + 0.4 / 127.5))


def test_gradients_are_finite_differences(extractor: FeatureExtractor, small: Tensor) -> None:
    features = FeatureMap(extractor).double()
    random = torch.Generator().manual_seed(0)
    x = (floats(small).double() * 0.9).requires_grad_()
    before = x.detach().clone()
    w = torch.randn(features(x).shape, generator=random, dtype=torch.double)
    (gradient,) = torch.autograd.grad((w * features(x)).sum(), x)
    assert torch.equal(x.detach(), before)
    step = torch.randn(x.shape, generator=random, dtype=torch.double)
    # Short steps, so that no rectifier between the two points changes sides.
    ends = [(w * features(x.detach() + t * step)).sum() for t in (1e-8, -1e-8)]
    slope = (ends[0] - ends[1]) / 2e-8
    assert slope.abs() > 0
    assert torch.allclose((gradient * step).sum(), slope, rtol=1e-3)
    features.float()


def test_a_map_is_fixed(extractor: FeatureExtractor, small: Tensor) -> None:
    features, x = FeatureMap(extractor), floats(small)
    expected, state = features(x), {k: v.clone() for k, v in features.state_dict().items()}
    model = nn.Sequential(features, nn.Linear(expected.shape[1], 1)).train()
    assert not any(module.training for module in features.modules())
    assert not any(p.requires_grad for p in features.parameters())
    model(x.requires_grad_()).sum().backward()
    assert x.grad.abs().max() > 0
    assert torch.equal(features(x), expected)
    assert torch.allclose(features(x[:1]), expected[:1], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(tensor, state[k]) for k, tensor in features.state_dict().items())


class Own(FeatureExtractor):
    r"""An extractor of a user's, which is not fixed by itself."""

    name, resize, num_features = "own", "none", 4

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.network.train()

    def extract(self, images: Tensor) -> tuple[Tensor, None]:
        return self.network(images / 255).mean((2, 3)), None

    def stage_modules(self) -> list[nn.Module]:
        return [self.network[0]]


def test_a_users_extractor_is_fixed(small: Tensor) -> None:
    features, x = FeatureMap(Own(), stages=[0]), floats(small).requires_grad_()
    assert torch.allclose(features(x[:1]), features(x)[:1], atol=1e-6)
    assert torch.allclose(features.parts(x)[-1], features.extractor(small)[0], atol=1e-5)
    features(x).sum().backward()
    assert all(p.grad is None for p in features.parameters())
    assert x.grad.abs().max() > 0


def test_features_are_float32_under_autocast(extractor: FeatureExtractor, small: Tensor) -> None:
    features, x = FeatureMap(extractor), floats(small)
    expected = features(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(features(x), expected)
    assert features(x.bfloat16()).dtype == torch.float32


def test_a_network_in_bfloat16_gives_almost_the_same_features_and_gradients(
    extractor: FeatureExtractor, small: Tensor
) -> None:
    x = floats(small).requires_grad_()
    stages = [0] if extractor.stage_modules() else []
    found = {}
    for half in (False, True):
        parts = FeatureMap(extractor, stages, half_network=half).parts(x)
        assert {part.dtype for part in parts} == {torch.float32}
        w = torch.linspace(-1, 1, parts[-1].shape[1])
        found[half] = torch.cat(parts, 1), torch.autograd.grad((w * parts[-1]).sum(), x)[0]
    for whole, half, least in zip(found[False], found[True], (0.999, 0.9), strict=True):
        assert torch.cosine_similarity(whole.flatten(), half.flatten(), 0) > least
    if type(extractor) is not Pixels:
        assert not torch.equal(found[False][0], found[True][0])
    with torch.autocast("cpu", torch.bfloat16):
        again = torch.cat(FeatureMap(extractor, stages, half_network=True).parts(x), 1)
    assert torch.equal(again, found[True][0])


def test_grey_images_are_repeated_to_rgb(classifier: TrainedEncoder, small: Tensor) -> None:
    features, grey = FeatureMap(classifier, stages=[0]), floats(small[:, :1])
    assert torch.equal(features(grey), features(grey.repeat(1, 3, 1, 1)))


# Stages


def test_stages_are_means_on_a_grid_and_deviations(
    classifier: TrainedEncoder, small: Tensor
) -> None:
    features, x = FeatureMap(classifier, stages=[1, 0], grid=4), floats(small)
    coarse, fine, pooled = features.parts(x)
    assert torch.equal(features(x), torch.cat([coarse, fine, pooled], 1))
    assert torch.equal(pooled, FeatureMap(classifier)(x))
    maps = []
    hook = classifier.network.stages[0].register_forward_hook(lambda *a: maps.append(a[-1]))
    FeatureMap(classifier)(x)
    hook.remove()
    (a,) = maps
    assert a.shape == (2, 4, 8, 8)
    for b in range(2):
        for c in range(4):
            cells = [
                a[b, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean()
                for i in range(4)
                for j in range(4)
            ]
            assert torch.allclose(fine[b, 16 * c : 16 * c + 16], torch.stack(cells), atol=1e-5)
            deviation = a[b, c].std(correction=0)
            assert torch.allclose(fine[b, 64 + c], deviation, rtol=1e-3, atol=1e-3)
    assert coarse.shape == (2, 6 * 16 + 6)


def test_deviations_of_a_constant_map_have_gradients() -> None:
    a = torch.zeros(2, 3, 4, 4, requires_grad=True)
    extractor = Pixels((1, 4, 4))
    FeatureMap(extractor)._statistics(a).sum().backward()
    assert a.grad.isfinite().all()


def test_stages_of_efficientnet_halve_the_size(small: Tensor) -> None:
    extractor, shapes = EfficientNetLite0(64), []
    for module in extractor.stage_modules():
        module.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    x = floats(small).requires_grad_()
    features = FeatureMap(extractor, stages=[1, -2], grid=2)
    parts = features.parts(x)
    assert shapes == [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]
    assert [part.shape[1] for part in parts] == [5 * 24, 5 * 112, 1280]
    # What one layer writes in place changes no map of another.
    with torch.no_grad():
        assert all(map(torch.equal, parts, features.parts(x.detach().clone())))
    for part in parts:
        (gradient,) = torch.autograd.grad(part.square().sum(), x, retain_graph=True)
        assert gradient.abs().max() > 0


def test_maps_leave_no_hooks(classifier: TrainedEncoder, small: Tensor) -> None:
    features = FeatureMap(classifier, stages=[0])
    with pytest.raises(ValueError, match="'grid' should be at most 8, .* got 9"):
        FeatureMap(classifier, stages=[0], grid=9)(floats(small))
    features(floats(small))
    assert not any(module._forward_hooks for module in features.modules())


# Descriptions


def test_a_map_is_made_again_from_its_description(
    extractor: FeatureExtractor, small: Tensor
) -> None:
    features = FeatureMap(extractor, stages=[], grid=3)
    made = Rebuilder().instance(describe(features), nn.Module, "features")
    made.load_state_dict(features.state_dict())
    assert torch.equal(made(floats(small)), features(floats(small)))
    assert made.grid == 3


# Wrong input


@pytest.mark.parametrize(
    "x, told",
    [
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "got uint8"),
        (torch.zeros(2, 3, 8), r"float32 with shape \(2, 3, 8\)"),
        (torch.zeros(2, 2, 8, 8), r"shape \(2, 2, 8, 8\)"),
        (torch.zeros(0, 3, 8, 8), r"shape \(0, 3, 8, 8\)"),
        (torch.zeros(1, 3, 8, 17), "at most 16 x 16 pixels, .* got 8 x 17"),
    ],
)
def test_other_images_are_refused(classifier: TrainedEncoder, x: Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=f"^Images for features .*{told}"):
        FeatureMap(classifier)(x)


def test_a_map_of_grey_images_refuses_colours(classifier_files: dict[int, Path]) -> None:
    features = FeatureMap(DomainClassifier(str(classifier_files[1])))
    with pytest.raises(ValueError, match="of 'domain_classifier' should be grey, got 3 channels"):
        features(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(
    "stages, told",
    [
        ([2], r"different numbers from -2 to 1 for TrainedEncoder, which has 2 stages, got \[2\]"),
        ([-3], r"got \[-3\]"),
        ([0, 0], r"got \[0, 0\]"),
        ([1, -1], r"got \[1, -1\]"),
    ],
)
def test_other_stages_are_refused(
    classifier: TrainedEncoder, stages: list[int], told: str
) -> None:
    with pytest.raises(ValueError, match=f"'stages' should be .*{told}"):
        FeatureMap(classifier, stages=stages)(torch.zeros(1, 3, 8, 8))


def test_an_extractor_without_stages_is_refused() -> None:
    with pytest.raises(ValueError, match="'stages' should be left out for Pixels, which has no"):
        FeatureMap(Pixels((1, 4, 4)), stages=[0])(torch.zeros(1, 1, 4, 4))


def test_the_grid_has_cells() -> None:
    with pytest.raises(ValueError, match="'grid' should be at least 1, got 0"):
        FeatureMap(Pixels((1, 4, 4)), grid=0)


def test_inception_has_no_gradients(inception_file: Path) -> None:
    with pytest.raises(ValueError, match="'extractor' should be one that reads floats"):
        FeatureMap(Inception(str(inception_file)))(torch.zeros(1, 3, 8, 8))
