r"""Tests for the energy_gans.metrics.features.base module: what holds for every extractor."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from energy_gans.metrics.features import (
    DomainClassifier,
    EfficientNetLite0,
    FeatureExtractor,
    FeaturesOnly,
    Inception,
    Pixels,
)
from energy_gans.metrics.features.base import load_weights, resize_images

Make = Callable[[], FeatureExtractor]

EXTRACTORS = ["pixels", "efficientnet_lite0", "domain_classifier", "inception"]


@pytest.fixture(params=EXTRACTORS, scope="module")
def make(
    request: pytest.FixtureRequest, inception_file: Path, classifier_files: dict[int, Path]
) -> Make:
    r"""Returns a constructor of each extractor in turn, for RGB images of 21x34 pixels."""
    return {
        "pixels": lambda: Pixels((3, 21, 34)),
        "efficientnet_lite0": lambda: EfficientNetLite0(48),
        "domain_classifier": lambda: DomainClassifier(str(classifier_files[3])),
        "inception": lambda: Inception(str(inception_file)),
    }[request.param]


@pytest.fixture(scope="module")
def extractor(make: Make) -> FeatureExtractor:
    return make()


def test_features_and_logits_are_float32(extractor: FeatureExtractor, images: Tensor) -> None:
    features, logits = extractor(images)
    assert features.shape == (2, extractor.num_features)
    assert features.dtype == torch.float32
    assert features.std(0).max() > 0
    if extractor.num_classes is None:
        assert logits is None
    else:
        assert logits.shape == (2, extractor.num_classes)
        assert logits.dtype == torch.float32
        assert not logits.requires_grad


def test_nothing_is_trained(extractor: FeatureExtractor, images: Tensor) -> None:
    before = extractor(images)[0]
    assert not before.requires_grad
    assert not any(p.requires_grad for p in extractor.parameters())
    assert extractor.train() is extractor
    assert not any(module.training for module in extractor.modules())
    assert torch.equal(extractor(images)[0], before)
    try:
        assert not extractor.requires_grad_()(images)[0].requires_grad
    finally:
        extractor.requires_grad_(False)


def test_autocast_changes_nothing(extractor: FeatureExtractor, images: Tensor) -> None:
    before, logits = extractor(images)
    with torch.autocast("cpu", torch.bfloat16):
        inside, inside_logits = extractor(images)
    assert torch.equal(inside, before)
    assert logits is None or torch.equal(inside_logits, logits)


def test_an_image_has_its_features_in_any_batch(
    extractor: FeatureExtractor, images: Tensor
) -> None:
    n = 2 if extractor.at_once == 1 else 37
    whole = extractor(images[torch.arange(n) % 2])
    alone = [extractor(image[None]) for image in images]
    few = extractor(images[[1, 1, 0]])
    for i, out in enumerate(whole):
        if out is not None:
            assert torch.equal(out, torch.cat([a[i] for a in alone])[torch.arange(n) % 2])
            assert torch.equal(few[i], out[[1, 1, 0]])


@pytest.mark.parametrize("at_once", [1, 16])
def test_a_network_sees_batches_of_one_size(at_once: int) -> None:
    sizes = []

    class Own(FeatureExtractor):
        name, resize, num_features = "own", "none", 10

        def extract(self, images: Tensor) -> tuple[Tensor, None]:
            sizes.append(len(images))
            # The rounding depends on the batch size, and on some positions in the batch.
            x = images.flatten(1).float() @ weight * (1 + 1e-6 * len(images))
            x[1:] *= 1 + 1e-6
            return x, None

    random = torch.Generator().manual_seed(1)
    weight = torch.randn(3 * 8 * 8, 10, generator=random)
    x = torch.randint(256, (50, 3, 8, 8), generator=random, dtype=torch.uint8)
    extractor = Own()
    assert extractor.at_once == 1
    extractor.at_once = at_once
    whole = extractor(x)[0]
    for n in (1, 7, 16, 33):
        found = torch.cat([extractor(part)[0] for part in x.split(n)])
        assert torch.allclose(found, whole, rtol=1e-4, atol=1e-3)
        assert at_once > 1 or torch.equal(found, whole)
    assert {*sizes} == {at_once}


def test_grey_is_repeated_to_rgb(extractor: FeatureExtractor, images: Tensor) -> None:
    if isinstance(extractor, Pixels):
        pytest.skip("Pixels leaves grey images grey.")
    grey = images[:, :1]
    assert torch.equal(extractor(grey)[0], extractor(grey.repeat(1, 3, 1, 1))[0])


def test_construction_draws_nothing(make: Make) -> None:
    before = torch.get_rng_state()
    make()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_stamp_tells_what_decides_the_features(extractor: FeatureExtractor) -> None:
    stamp = extractor.stamp()
    assert stamp["name"] == extractor.name
    assert stamp["name"] in EXTRACTORS
    assert stamp["num_features"] == extractor.num_features
    assert (stamp["sha256"] is None) == isinstance(extractor, Pixels)
    assert isinstance(stamp["resize"], str)


@pytest.mark.parametrize(
    "wrong, told",
    [
        (torch.rand(2, 3, 8, 8), r"got float32 with shape \(2, 3, 8, 8\)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "got int64"),
        (torch.zeros(2, 2, 8, 8, dtype=torch.uint8), r"got uint8 with shape \(2, 2, 8, 8\)"),
        (torch.zeros(2, 8, 8, 3, dtype=torch.uint8), r"shape \(2, 8, 8, 3\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"shape \(3, 8, 8\)"),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), r"shape \(0, 3, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8).numpy(), "a tensor, got ndarray"),
    ],
)
def test_anything_but_images_is_refused(
    extractor: FeatureExtractor, wrong: object, told: str
) -> None:
    with pytest.raises(ValueError, match=f"^'images' should be .*{told}"):
        extractor(wrong)


def test_torchmetrics_takes_the_features(images: Tensor) -> None:
    extractor = EfficientNetLite0(32)
    fid = FrechetInceptionDistance(FeaturesOnly(extractor))
    fid.update(images[:1], real=True)
    fid.update(images, real=False)
    features = extractor(images)[0].double()
    assert torch.equal(fid.real_features_sum, extractor(images[:1])[0].double().sum(0))
    assert torch.equal(fid.fake_features_cov_sum, features.T @ features)


# Resizing


def test_images_of_the_right_size_are_left_alone(images: Tensor) -> None:
    square = images[..., :21]
    assert torch.equal(resize_images(square, 21), square.float())


@pytest.mark.parametrize("size", [5, 8, 21, 50])
def test_the_resize_is_that_of_pillow(images: Tensor, size: int) -> None:
    channel = Image.fromarray(images[0, 0].float().numpy())
    theirs = np.array(channel.resize((size, size), Image.BILINEAR))
    assert np.abs(resize_images(images, size)[0, 0].numpy() - theirs).max() < 1e-3


# Weights


def test_weights_come_with_their_sha256(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pth")
    weights, sha256 = load_weights("weights", tmp_path / "w.pth")
    assert torch.equal(weights["w"], torch.ones(2))
    assert sha256 == hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "load", [Inception, lambda path: EfficientNetLite0(32, path), DomainClassifier]
)
def test_weights_never_run_code(load: Callable, bomb: str) -> None:
    with pytest.raises(ValueError, match="'bomb.pth' can not be read"):
        load(bomb)
    assert not Path("exploded").exists()


@pytest.mark.parametrize("size", [0, 10, 700])
def test_truncated_weights_are_refused(tmp_path: Path, size: int) -> None:
    torch.save({"w": torch.ones(1000)}, tmp_path / "w.pth")
    (tmp_path / "torn.pth").write_bytes((tmp_path / "w.pth").read_bytes()[:size])
    with pytest.raises(ValueError, match=r"'weights' = .*torn.pth' can not be read"):
        load_weights("weights", tmp_path / "torn.pth")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'weights' should be a file of weights, and"):
        load_weights("weights", tmp_path / "none.pth")
    torch.save(torch.ones(2), tmp_path / "tensor.pth")
    with pytest.raises(ValueError, match="holds no weights by name"):
        load_weights("weights", tmp_path / "tensor.pth")


def test_a_flipped_byte_of_weights_is_found(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1000)}, tmp_path / "w.pth")
    content = bytearray((tmp_path / "w.pth").read_bytes())
    content[content.index(torch.ones(9).numpy().tobytes()) + 2] ^= 1
    (tmp_path / "flipped.pth").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"'weights' = .*flipped.pth' can not be read: its part .* is damaged"
    ):
        load_weights("weights", tmp_path / "flipped.pth")


def test_weights_of_the_old_format_are_read(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3)}, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(load_weights("weights", tmp_path / "w.pth")[0]["w"], torch.ones(3))
