r"""Tests for the energy_gans.commands.particles modules, with fields."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from energy_gans.cli import main
from energy_gans.commands.particles import course as module, particles
from energy_gans.commands.particles.flow import Flow, field_flow
from energy_gans.commands.particles.samples import data_batches, first_positions
from energy_gans.commands.particles.training_images import distances_to_training
from energy_gans.data import EmbeddedDigits, Ring
from energy_gans.data.base import to_unit_range
from energy_gans.fields import (
    EnergyDistanceField,
    ParticleField,
    ScatteringField,
    SinkhornField,
    SlicedField,
)
from energy_gans.functional import energy_distance, keyed_generator, potential_field

from ...functional.test_distances import LargestTensor


def ring() -> Ring:
    return Ring(samples=64, batch_size=16)


def digits() -> EmbeddedDigits:
    return EmbeddedDigits("8x8", 8)


def test_a_run_is_that_of_a_loop() -> None:
    field, seed = SlicedField(8), 3
    moved = particles(ring(), 5, 16, 4, 0.5, seed=seed, field=field, momentum=0.6, start="uniform")
    x = first_positions(5, (2,), seed, "uniform")
    v = torch.zeros_like(x)
    for step, y in enumerate(data_batches(ring(), 16, 4, seed), 1):
        random = keyed_generator(seed, "field", step)
        v = 0.6 * v + field(x, y, x, True, random)
        x = x + 0.5 * v
    torch.testing.assert_close(moved.x, x)
    assert torch.equal(moved.frames[4], moved.x)


@pytest.mark.parametrize("field", [SlicedField(4), ScatteringField()])
def test_a_run_in_a_random_field_is_a_function_of_its_seed(field: ParticleField) -> None:
    first, again, other = (particles(ring(), 6, 16, 5, seed=s, field=field).x for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_each_step_has_slices_of_its_own() -> None:
    flow, x = field_flow(SlicedField(1), 0), torch.randn(4, 2)
    one, two = (flow.velocity(x, (step, x + 1)) for step in (1, 2))
    assert not torch.equal(one, two)


def test_the_energy_is_half_the_energy_distance_and_falls() -> None:
    moved = particles(ring(), 50, None, 60, 0.1, field=EnergyDistanceField())
    y = ring().contents("train")[0]
    energies = [float(row[1]) for row in moved.rows]
    assert energies[-1] == pytest.approx(energy_distance(y, moved.x).item() / 2, abs=1e-4)
    assert energies[-1] < 0.1 * energies[0]


def test_without_a_batch_the_whole_training_set_acts() -> None:
    moved = particles(ring(), 5, None, 1, 0.5, field=EnergyDistanceField())
    x, y = moved.frames[0], ring().contents("train")[0]
    v = potential_field(x, y, x, EnergyDistanceField().kernel)
    torch.testing.assert_close(moved.x, x + 0.5 * v)


def test_uniform_positions_are_in_the_range_of_images() -> None:
    x = first_positions(2000, (1, 2, 2), 0, "uniform")
    assert x.abs().amax() <= 1
    assert x.mean().abs() < 0.03
    assert x.var().item() == pytest.approx(1 / 3, rel=0.03)


def test_more_particles_than_are_measured_make_no_matrix_of_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TABLE_PARTICLES", 20)
    with LargestTensor() as largest:
        moved = particles(digits(), 400, 30, 2, field=SlicedField(2), out=None)
    assert moved.x.shape == (400, 1, 8, 8)
    assert all(x.shape == (20, 1, 8, 8) for x in moved.frames.values())
    assert torch.equal(moved.frames[2], moved.x[:20])
    # The search for nearest training images has 500 held-out ones.
    assert largest.numel <= 1000 * 1000


def test_distances_to_training_images_are_zero_for_copies_only() -> None:
    data = digits()
    y = to_unit_range(next(iter(data.loader("train", [torch.arange(7)])))[0])
    own, others = distances_to_training(y, data, 0)
    assert own.tolist() == [0.0] * 7
    train, held_out = (to_unit_range(data.contents(split)[0]) for split in ("train", "val"))
    expected = torch.cdist(held_out.flatten(1), train.flatten(1)).amin(1)
    torch.testing.assert_close(others.sort().values, expected[:500].sort().values)


def test_sliced_particles_turn_from_noise_into_digits() -> None:
    moved = particles(
        digits(),
        300,
        None,
        40,
        1.0,
        field=SlicedField(64, orthogonal=True),
        momentum=0.8,
        start="uniform",
    )
    energies = [float(row[1]) for row in moved.rows]
    assert energies[-1] < 0.02 * energies[0]
    own, others = moved.to_training
    assert others.median() < own.median() < 2 * others.median()


@pytest.mark.parametrize("data", [ring, digits])
def test_a_film_is_an_animation_with_a_picture_beside(data: object, tmp_path: Path) -> None:
    out = tmp_path / "film.gif"
    moved = particles(data(), 6, 16, 9, field=SlicedField(2), out=out)
    assert str(moved).splitlines() == [str(out), str(tmp_path / "film.png")]
    with Image.open(out) as film:
        assert film.n_frames == 10
        last = film.info["duration"]
        film.seek(9)
        assert film.info["duration"] > 5 * last
    assert not {*tmp_path.iterdir()} - {out, tmp_path / "film.png"}


def test_a_film_has_all_points_and_some_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILM_IMAGES", 4)
    for x, kept in ((torch.zeros(9, 2), 9), (torch.zeros(9, 1, 8, 8), 4)):
        flow = Flow(lambda x, step: torch.zeros_like(x), lambda a, b: a.new_zeros(len(a), len(b)))
        states = iter([x + k for k in (1, 2, 3)])
        course = module.follow(x, states, torch.randn(5, *x.shape[1:]), flow, 3, True, list)
        assert [(k, len(one), one.mean().item()) for k, one in course.film.items()] == [
            (k, kept, k) for k in range(4)
        ]


def test_a_grid_has_the_last_particles() -> None:
    data = digits()
    moved = particles(data, 4, 16, 2, field=SlicedField(2), picture="grid")
    # Two by two images of eight pixels, each enlarged eight times, with edges of two.
    assert moved.picture.size == (134, 134)
    pixels = torch.from_numpy(np.array(moved.picture))[2:66:8, 2:66:8, 0]
    expected = ((moved.x[0, 0].clamp(-1, 1) + 1) * 127.5).to(torch.uint8)
    assert (pixels.int() - expected.int()).abs().amax() <= 1


def test_the_command_line_names_a_field(tmp_path: Path) -> None:
    out = tmp_path / "last.npz"
    flags = "--data Ring --particles 6 --data_batch null --steps 3 --field SlicedField"
    main(["particles", *flags.split(), "--field.slices", "4", "--out", str(out)])
    moved = particles(Ring(), 6, None, 3, field=SlicedField(4))
    assert np.array_equal(np.load(out)["samples"], moved.x.numpy())


class OwnField(ParticleField):
    r"""A field of a user that moves all points by one."""

    def velocity(self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: object) -> Tensor:
        return torch.ones_like(a)


def test_a_field_of_ones_own_moves_particles() -> None:
    moved = particles(ring(), 3, 8, 2, 0.5, field=OwnField())
    torch.testing.assert_close(moved.x, moved.frames[0] + 1)


@pytest.mark.parametrize(
    "given, told",
    [
        ({"field": SinkhornField(0.1)}, "SinkhornField.epsilon=0.1., whose generated samples"),
        ({"field": SlicedField(2), "cutoff": 0.5}, "'cutoff' should be left out where 'field'"),
        ({"field": SlicedField(2), "power": None}, "'power' should be left out where 'field'"),
        ({"momentum": 1.0}, "'momentum' should be in"),
        ({"start": "noise"}, "'start' should be 'normal' or 'uniform', got 'noise'"),
        ({"picture": "film"}, "'picture' should be 'steps' or 'grid', got 'film'"),
        ({"picture": "grid"}, "'picture' should be 'steps' for points in the plane"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        particles(ring(), 4, 8, 2, **given)


@pytest.mark.parametrize(
    "flags, told",
    [
        ("--field Sliced", "no class 'Sliced'.+Did you mean 'SlicedField'"),
        ("--field SlicedField --field.slice 3", "Did you mean 'slices'"),
        ("--field SlicedField --field.slices 0", "'slices' should be at least 1, got 0"),
        ("--field Nothing", "no class 'Nothing'.*Known are DriftingField, .*SlicedField"),
        ("--field Ring", "Ring is no ParticleField"),
    ],
)
def test_a_wrong_field_is_reported_in_one_sentence(flags: str, told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        main(["particles", "--data", "Ring", *flags.split()])
