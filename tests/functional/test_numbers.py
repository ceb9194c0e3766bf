r"""Tests that functions name the number that is out of its range, and what is accepted."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch

import energy_gans.functional as functional
from energy_gans.functional.evaluation import birthday, frechet, neighbours
from energy_gans.functional.langevin import check_noise_std, check_step_size
from energy_gans.functional.mean_shift import mean_shift_potential
from energy_gans.functional.particles import check_mobilities, check_momentum

X, T, R2 = torch.eye(3), torch.ones(2), torch.ones(2, 2)
PLUMMER = functional.plummer
SETS = {"a": X, "y": X, "x": X}
IMAGE_SETS = {name: torch.ones(3, 1, 4, 2) for name in SETS}
PAIR = {"a": X, "b": X}


def walk(**numbers: float) -> list[torch.Tensor]:
    return list(functional.evolve(X, [X], lambda x, y: y, **numbers))


# Calls that are right, and numbers that are not.
WRONG: list[tuple[Callable, dict, dict]] = [
    (functional.annealed, {"first": 1.0, "last": 0.5, "steps": 3}, {"first": 0.0, "last": -1.0}),
    (functional.annealed, {"first": 1.0, "last": 0.5, "steps": 3}, {"steps": 0}),
    (functional.stein_direction, {"a": X, "x": X, "score": X}, {"bandwidth": 0.0}),
    (functional.elastic_transform, {"k": T, "cutoff": 0.1}, {"k": -T, "cutoff": 0.0}),
    (functional.elastic_transform, {"cutoff": 0.1}, {"k": torch.tensor([1.0, torch.inf])}),
    (functional.critical_coefficient, {"largest": 1.0}, {"largest": 0.0}),
    (functional.scattering_field, SETS, {"attraction": 0.0}),
    (functional.image_sliced_field, IMAGE_SETS | {"block": 2}, {"block": 0, "attraction": 0.0}),
    (functional.sliced_field, SETS | {"slices": 3}, {"slices": 0, "attraction": 0.0}),
    (functional.plummer, PAIR, {"power": 0.0, "epsilon": 0.0}),
    (functional.gaussian, PAIR, {"bandwidths": (1.0, 0.0)}),
    (functional.gaussian, PAIR, {"bandwidths": ()}),
    (functional.polynomial, PAIR, {"degree": 0}),
    (functional.gabor, {"size": 5, "wavelengths": [3.0]}, {"orientations": 0, "size": 2}),
    (functional.gabor, {"size": 5}, {"wavelengths": []}),
    (functional.gabor, {"size": 5}, {"wavelengths": [2.0]}),
    (functional.difference_of_gaussians, {"size": 5, "stds": [1.0]}, {"ratio": 1.0, "size": 2}),
    (functional.difference_of_gaussians, {"size": 5, "stds": [1.0]}, {"ratio": math.inf}),
    (functional.difference_of_gaussians, {"size": 5}, {"stds": []}),
    (functional.difference_of_gaussians, {"size": 5}, {"stds": [0.0]}),
    (functional.filter_bank, {"channels": 1}, {"channels": 2}),
    (functional.square_mask, {"size": (8, 6)}, {"width": 6}),
    (functional.square_mask, {"size": (8, 6)}, {"width": 0}),
    (functional.spot_mask, {"size": (8, 8), "random": torch.Generator()}, {"share": 1.0}),
    (functional.spot_mask, {"size": (8, 8), "random": torch.Generator()}, {"share": 0.0}),
    (
        functional.patch_mask,
        {"size": (8, 8), "width": 2, "share": 0.5, "random": torch.Generator()},
        {"width": 0, "share": 0.001},
    ),
    (functional.nt_xent_loss, {"u": X, "v": X}, {"temperature": 0.0}),
    (functional.mean_shift, PAIR, {"bandwidth": 0.0}),
    (functional.gaussian_mean_shift, PAIR, {"bandwidth": 0.0}),
    (functional.mean_shift_field, SETS | {"bandwidth": 1.0}, {"attraction": 0.0}),
    (mean_shift_potential, SETS, {"bandwidth": 0.0}),
    (functional.potential_field, SETS | {"kernel": PLUMMER}, {"attraction": 0.0}),
    (functional.drifting_field, SETS | {"bandwidth": 1.0}, {"bandwidth": 0.0, "attraction": 0.0}),
    (functional.sinkhorn_field, SETS | {"epsilon": 1.0}, {"attraction": 0.0}),
    (functional.transport, PAIR | {"epsilon": 1.0}, {"epsilon": 0.0, "iterations": 0}),
    (check_step_size, {"step_size": 0.1, "reference_std": 1.0}, {"reference_std": 0.0}),
    (check_step_size, {"reference_std": 1.0}, {"step_size": 0.0}),
    (check_step_size, {"reference_std": None}, {"step_size": 0.0}),
    (check_noise_std, {}, {"noise_std": -0.1}),
    (functional.gibbs_score, {"gradient": torch.neg}, {"reference_std": 0.0, "clip": 0.0}),
    (functional.downscale, {"x": torch.ones(1, 1, 4, 4)}, {"factor": 0}),
    (functional.downscale, {"x": torch.ones(1, 1, 4, 4)}, {"factor": 3}),
    (functional.upscale, {"x": torch.ones(1, 1, 4, 4)}, {"factor": 0}),
    (functional.elastic, PAIR | {"cutoff": 0.1}, {"cutoff": 0.0, "power": 3.0}),
    (functional.elastic_power, {"n": 3}, {"power": 0.0}),
    (
        functional.elastic_profile,
        {"r2": R2, "cutoff": 0.1, "power": 1.0},
        {"cutoff": 0.0, "power": 0.0, "unit": 0.0},
    ),
    (functional.elastic_log_force, {"r2": R2, "cutoff": 0.1}, {"power": 0.0}),
    (functional.elastic_log_force, {"r2": R2, "power": 1.0}, {"cutoff": 0.0}),
    (functional.force, PAIR | {"cutoff": 0.1}, {"cutoff": 0.0}),
    (check_mobilities, {"attraction": 1.0, "repulsion": 1.0}, {"attraction": 0.0}),
    (check_mobilities, {"attraction": 1.0}, {"repulsion": -0.1}),
    (check_mobilities, {"attraction": 1.0}, {"repulsion": torch.inf}),
    (check_momentum, {}, {"momentum": 1.0}),
    (check_momentum, {}, {"momentum": -0.1}),
    (walk, {"step_size": 0.1}, {"step_size": 0.0, "momentum": 1.0}),
    (functional.homotopy_time, {"s": T}, {"sharpness": 0.0}),
    (functional.flow_time, {"t": T}, {"sharpness": 0.0}),
    (functional.time_rate, {"t": T}, {"sharpness": 0.0}),
    (functional.exponential_decay, {"initial": 1.0, "step": 1}, {"rate": 0.0}),
    (functional.exponential_decay, {"initial": 1.0, "step": 1}, {"rate": 1.1}),
    (
        functional.markov_lines,
        {"y": X.long(), "order": 1, "n": 2, "random": torch.Generator()},
        {"n": 0, "order": -1},
    ),
    (
        functional.ngram_keys,
        {"n": 2, "symbols": 88, "bits": 22},
        {"n": 0, "symbols": 0, "bits": 0},
    ),
    (functional.ngram_keys, {"n": 2, "symbols": 88}, {"bits": 31}),
    (
        functional.ngram_potential,
        {"real": T, "generated": T},
        {"pseudo_count": 0.0, "ratio": 0.0},
    ),
    (birthday.closest_pairs, {"x": X}, {"k": 0}),
    (birthday.closest_pairs, {"x": X}, {"k": 4}),
    (birthday.support_size, {"degrees": torch.ones(3)}, {"confidence": 1.0}),
    (birthday.support_size, {"degrees": torch.ones(3)}, {"confidence": 0.0}),
    (frechet.moments, {"total": T, "outer": R2}, {"n": 1}),
    (neighbours.neighbour_radii, {"y": X}, {"k": 0}),
    (neighbours.neighbour_radii, {"y": X}, {"k": 3}),
    (neighbours.nearest, {"x": X, "y": X}, {"k": 0}),
    (neighbours.nearest, {"x": X, "y": X}, {"k": 4}),
]
PATH = {"y": X, "noise": X, "v": torch.ones(3), "sigma": 0.1, "omega": 1.0}
WRONG += [
    (f, PATH, {"sigma": 0.0, "omega": 0.0})
    for f in (functional.innovation, functional.conditional_velocity)
]
WRONG.append(
    (functional.conditional_moments, {"t": T, "sigma": 0.1, "omega": 1.0}, {"sigma": 0.0})
)
WRONG.append((functional.conditional_moments, {"t": T, "sigma": 0.1}, {"omega": 0.0}))
CASES = [
    pytest.param(partial(f, **right), name, value, id=f"{f.__name__}-{name}-{i}")
    for i, (f, right, wrong) in enumerate(WRONG)
    for name, value in wrong.items()
]


@pytest.mark.parametrize("call, name, value", CASES)
def test_the_number_that_is_out_of_its_range_is_named(
    call: Callable, name: str, value: object
) -> None:
    with pytest.raises(ValueError, match=f"^'{name}' should "):
        call(**{name: value})


# The last numbers of their ranges.
ACCEPTED: list[tuple[Callable, str, list]] = [
    (partial(functional.square_mask, (8, 6)), "width", [1, 5]),
    (partial(birthday.closest_pairs, X), "k", [1, 3]),
    (partial(neighbours.neighbour_radii, X), "k", [1, 2]),
    (partial(neighbours.nearest, X, X), "k", [1, 3]),
    (partial(functional.annealed, 1.0, 0.5), "steps", [1]),
    (partial(functional.exponential_decay, 1.0, step=3), "rate", [1.0]),
    (check_momentum, "momentum", [0.0]),
    (partial(check_mobilities, 1.0), "repulsion", [0.0]),
    (check_noise_std, "noise_std", [0.0, None]),
    (partial(frechet.moments, T, R2), "n", [2]),
    (partial(functional.gabor, wavelengths=[2.001]), "size", [3]),
    (partial(functional.difference_of_gaussians, stds=[1.0], ratio=1.001), "size", [3]),
    (partial(functional.filter_bank, size=5), "channels", [1, 3]),
    (birthday.support_size, "degrees", [torch.ones(2)]),
    (partial(functional.elastic_power, n=3), "power", [0.001, 2.999]),
    (partial(functional.transport, X, X, 1.0), "iterations", [1]),
    (partial(functional.upscale, torch.ones(1, 1, 2, 2)), "factor", [1]),
    (partial(functional.downscale, torch.ones(1, 1, 2, 2)), "factor", [1, 2]),
    (
        partial(functional.patch_mask, (8, 8), 2, random=torch.Generator()),
        "share",
        [1 / 16, 15 / 16],
    ),
    (partial(functional.elastic_transform, cutoff=0.1), "k", [torch.tensor([1e-3, 1e3])]),
]


@pytest.mark.parametrize("call, name, values", ACCEPTED)
def test_the_last_numbers_of_a_range_are_accepted(call: Callable, name: str, values: list) -> None:
    for value in values:
        call(**{name: value})
