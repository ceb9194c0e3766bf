r"""Tests for the energy_gans.commands.real_data module: commands take samples as data."""

from pathlib import Path

import pytest
import torch
from torch.utils.data import TensorDataset

import energy_gans
from energy_gans import GCN, CoulombGAN
from energy_gans.commands.features.train import train
from energy_gans.commands.real_data import as_data_module, held_out_samples
from energy_gans.data import EmbeddedDigits, FromDataset, Ring
from energy_gans.networks import MLP, DCGANDiscriminator

PLANE = CoulombGAN(MLP(2, 2), MLP(2, 1), latent_dim=2).requires_grad_(False)
DETECTOR = GCN(DCGANDiscriminator(1, 8, 4), [1, 8, 8]).requires_grad_(False)
POINTS = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
IMAGES = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_data_module_stays_as_it_is() -> None:
    data = Ring()
    assert as_data_module("data", data) is data


@pytest.mark.parametrize(
    "data",
    [POINTS, POINTS.numpy(), (POINTS, torch.arange(60)), TensorDataset(POINTS, torch.arange(60))],
    ids=["tensor", "array", "pair", "data set"],
)
def test_samples_are_held_out(data: object) -> None:
    whole = as_data_module("data", data, held_out_only=True)
    y, label = held_out_samples(whole, 60, seed=0)
    assert torch.equal(y.sort(dim=0).values, POINTS.sort(dim=0).values)
    assert (label is None) == (not isinstance(data, (tuple, TensorDataset)))
    tenth = as_data_module("data", data)
    assert (tenth.length("train"), tenth.length("val")) == (54, 6)


def test_a_landscape_shows_the_samples_that_are_given() -> None:
    a = energy_gans.landscape(PLANE, data=POINTS, n=10)
    b = energy_gans.landscape(PLANE, data=FromDataset(POINTS, POINTS), n=10)
    other = energy_gans.landscape(PLANE, data=3 * POINTS, n=10)
    assert a.picture.tobytes() == b.picture.tobytes() != other.picture.tobytes()


def test_chains_start_at_the_samples_that_are_given() -> None:
    made = energy_gans.synthesize(DETECTOR, "data", n=60, data=IMAGES, steps=2)
    start = made.frames[0].x
    assert torch.equal(start.flatten(1).sort(dim=0).values, IMAGES.flatten(1).sort(dim=0).values)


def test_holes_of_the_samples_that_are_given_are_filled() -> None:
    made = energy_gans.inpaint(DETECTOR, n=6, data=IMAGES, steps=2)
    assert len(made.y) == 6
    assert all(any(torch.equal(y, image) for image in IMAGES[::10]) for y in made.y)


def test_inliers_and_outliers_are_samples() -> None:
    outliers = torch.ones(20, 1, 8, 8)
    given = {"outliers": "", "device": "cpu"}
    a = energy_gans.ood(DETECTOR, inliers=IMAGES, outlier_data=[outliers], **given)
    modules = {"inliers": FromDataset(IMAGES), "outlier_data": [FromDataset(outliers, outliers)]}
    b = energy_gans.ood(DETECTOR, **modules, **given)
    assert a.measures == b.measures
    assert a.counts == {"training": 54, "held-out": 6, "FromDataset": 20}


def test_particles_move_towards_the_samples_that_are_given() -> None:
    made = energy_gans.particles(POINTS + 5, particles=8, data_batch=16, steps=200)
    same = energy_gans.particles(FromDataset(POINTS + 5), particles=8, data_batch=16, steps=200)
    assert torch.equal(made.x, same.x)


def test_a_classifier_is_trained_on_the_samples_that_are_given() -> None:
    y, label = EmbeddedDigits("8x8", 8).contents("train")
    made = train((y, label), epochs=1, width=4, device="cpu")
    assert made.held_out == -(-len(y) // 10)


def test_missing_data_of_a_run_name_the_flags_of_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("vapo-mnist", "vapo-cifar10"):
        with pytest.raises(FileNotFoundError, match=r"not here: .* --inliers to ood\."):
            energy_gans.ood(name, device="cpu")
