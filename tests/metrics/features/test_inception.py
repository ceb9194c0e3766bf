r"""Tests for the energy_gans.metrics.features.inception module."""

import math
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity import feature_extractor_inceptionv3 as torch_fidelity
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from energy_gans.metrics.features import Inception, inception


@pytest.fixture(scope="module")
def extractor(inception_file: Path) -> Inception:
    return Inception(str(inception_file))


def test_features_are_those_of_torch_fidelity(
    extractor: Inception, inception_file: Path, images: Tensor
) -> None:
    theirs = torch_fidelity.FeatureExtractorInceptionV3(
        "theirs", ["2048", "logits_unbiased", "logits"], str(inception_file)
    )
    # One by one, as in this package: the rounding depends on the batch size.
    parts = zip(*(theirs(image[None]) for image in images), strict=True)
    features, unbiased, biased = map(torch.cat, parts)
    assert features.std(0).mean() > 0.01
    assert not torch.allclose(unbiased, biased)
    ours = extractor(images)
    assert torch.equal(ours[0], features)
    assert torch.equal(ours[1], unbiased)


def seen(extractor: Inception, images: Tensor) -> Tensor:
    r"""Returns the input of the first convolution, as pixels in [0, 255]."""
    first = mock.Mock(side_effect=Stop)
    with mock.patch.object(extractor.network.Conv2d_1a_3x3, "forward", first), pytest.raises(Stop):
        extractor(images)
    return first.call_args.args[0] * 128 + 128


class Stop(Exception):
    pass


def tensorflow_1(image: np.ndarray, n: int) -> np.ndarray:
    r"""Returns an image of one channel that is resized pixel by pixel."""
    out = np.empty((n, n))
    height, width = image.shape
    for i in range(n):
        for j in range(n):
            y, x = i * height / n, j * width / n
            top, left = math.floor(y), math.floor(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            v, h = y - top, x - left
            upper = (1 - h) * image[top, left] + h * image[top, right]
            lower = (1 - h) * image[bottom, left] + h * image[bottom, right]
            out[i, j] = (1 - v) * upper + v * lower
    return out


@pytest.mark.parametrize("shape", [(21, 34), (32, 32), (299, 299), (310, 500)])
def test_the_resize_is_that_of_tensorflow_1(extractor: Inception, shape: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (1, 3, *shape), generator=random, dtype=torch.uint8)
    x = seen(extractor, images)
    assert x.shape == (1, 3, 299, 299)
    theirs = interpolate_bilinear_2d_like_tensorflow1x(images.float(), (299, 299), None, False)
    assert (x - theirs).abs().max() < 1e-4
    loop = tensorflow_1(images[0, 1].double().numpy(), 299)
    assert np.abs(x[0, 1].numpy() - loop).max() < 0.02
    for antialias in (False, True):
        other = torch.nn.functional.interpolate(
            images.float(), (299, 299), mode="bilinear", antialias=antialias
        )
        assert ((x - other).abs().max() > 10) == (shape != (299, 299))


def test_the_weights_are_looked_for_where_torch_keeps_them(
    inception_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    with (
        mock.patch.object(torch_fidelity, "load_state_dict_from_url") as download,
        pytest.raises(FileNotFoundError) as error,
    ):
        Inception()
    download.assert_not_called()
    told = (
        "weights-inception-2015-12-05-6726825d.pth",
        str(folder),
        "torch-fidelity",
        "'weights'",
    )
    assert all(words in str(error.value) for words in told)
    folder.mkdir(parents=True)
    (folder / inception.FILE).symlink_to(inception_file)
    assert Inception().sha256 == Inception(str(inception_file)).sha256


def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'weights' should be a file of weights"):
        Inception(str(tmp_path / "none.pth"))


def test_the_published_file_is_known_by_its_sum(
    extractor: Inception, inception_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not extractor.standard
    monkeypatch.setattr(inception, "FILE", f"weights-{extractor.sha256[:8]}.pth")
    assert Inception(str(inception_file)).standard


def test_the_file_is_read_once_and_safely(inception_file: Path, bomb: str) -> None:
    # As if the file had been replaced after it was read.
    state = torch.load(inception_file, weights_only=True)
    with mock.patch.object(inception, "load_weights", return_value=(state, "0" * 64)):
        extractor = Inception(bomb)
    assert torch.equal(extractor.network.fc.bias, state["fc.bias"])
    assert not Path("exploded").exists()


@pytest.mark.parametrize("state", [{}, {"fc.bias": torch.ones(1008)}, {"fc.bias": 1}, {1: 2}])
def test_other_weights_are_refused(tmp_path: Path, state: dict) -> None:
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"'weights' = .*other.pth' does not hold the weights"):
        Inception(str(tmp_path / "other.pth"))
