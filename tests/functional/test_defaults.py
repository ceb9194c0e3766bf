r"""Tests that arguments that are left out have the values that signatures state."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import energy_gans.functional as f
from energy_gans.functional.evaluation import birthday, neighbours
from energy_gans.functional.langevin import potential_gradient
from energy_gans.functional.potential_flow import Homotopy, driving_term, path_point

RANDOM = torch.Generator().manual_seed(0)
A, B, C = torch.randn(3, 6, 3, generator=RANDOM).double().unbind()
R2 = f.squared_distances(A, B)
T = torch.linspace(0.1, 0.9, 6).double()
HOMOTOPY = Homotopy(0.2, 1.5, 0.02)
POINT = path_point(A, B, T, HOMOTOPY)


def masks(function: Callable, **options: object) -> Tensor:
    return function((8, 8), share=0.3, random=torch.Generator().manual_seed(0), **options)


def chains(**options: object) -> Tensor:
    torch.manual_seed(0)
    return torch.stack(list(f.langevin(A, torch.neg, [0.2, 0.3], **options)))


def walk(**options: object) -> Tensor:
    return torch.stack(list(f.evolve(A, [B, C], lambda x, y: y - x, 0.1, **options)))


def sliced(**options: object) -> Tensor:
    return f.sliced_field(A, B, C, 5, random=torch.Generator().manual_seed(0), **options)


def reconstructed(**options: object) -> Tensor:
    return f.reconstruction_error(A, B, **options)


# Functions with all their arguments that have no default, and the defaults of the others.
DEFAULTS: list[tuple[Callable, dict[str, Any]]] = [
    (reconstructed, {"eta": 1}),
    (partial(f.elastic_sums, [(R2, [f.ElasticTerm(1.0, 0.5, 2.0)])]), {"softening": "cap"}),
    (partial(f.distinct, f.squared_distances(A, A)), {"first": 0}),
    (partial(f.elastic, A, B, 0.5), {"power": 2.0, "softening": "cap", "unit": 1.0}),
    (partial(f.elastic_profile, R2, 0.5, 2.0), {"softening": "cap", "unit": 1.0}),
    (partial(f.elastic_log_force, R2, 0.5, 2.0), {"softening": "cap"}),
    (partial(f.scattering_field, A, B, C), {"attraction": 1.0}),
    (sliced, {"attraction": 1.0, "orthogonal": False}),
    (partial(f.ngram_keys, 6, 88), {"bits": 22}),
    (partial(f.ngram_potential, A.abs(), B.abs()), {"pseudo_count": 1.0, "ratio": 1.0}),
    (partial(birthday.closest_pairs, A, 3), {"radius": 0.0}),
    (partial(birthday.support_size, torch.tensor([1.0, 1.0, 0.0])), {"confidence": 0.95}),
    (partial(neighbours.nearest, A, B), {"k": 1}),
    (partial(f.sum_in_units, [A, B]), {"weights": [1.0, 1.0]}),
    (partial(f.potential_field, A, B, C, f.plummer), {"attraction": 1.0}),
    (partial(f.drifting_field, A, B, C, 1.0), {"own": False, "attraction": 1.0}),
    (partial(f.drifting_fields, A, B, C, [1.0]), {"own": False, "attraction": 1.0}),
    (partial(f.gabor, 9, [4.0]), {"orientations": 4}),
    (partial(f.difference_of_gaussians, 9, [1.0]), {"ratio": 1.6}),
    (partial(f.filter_bank, 1), {"size": 13}),
    (partial(f.plummer, A, B), {"power": 1.0, "epsilon": 1.0}),
    (partial(f.gaussian, A, B), {"bandwidths": (1.0,)}),
    (partial(f.gaussian_profile, R2), {"bandwidths": (1.0,)}),
    (partial(f.polynomial, A, B), {"degree": 3}),
    (
        lambda **half: potential_gradient(lambda x: (x @ x.T).sum(1), **half)(A.float()),
        {"half": False},
    ),
    (chains, {"reference_std": None, "noise": torch.randn_like, "bound": None}),
    (partial(masks, f.spot_mask), {"n": 1}),
    (partial(masks, f.patch_mask, width=2), {"n": 1}),
    (partial(f.mean_shift, A, B, 1.0), {"kernel": "laplace", "own": False}),
    (
        partial(f.mean_shift_field, A, B, C, 1.0),
        {"kernel": "laplace", "own": False, "attraction": 1.0},
    ),
    (
        partial(f.mean_shift_fields, A, B, C, [1.0]),
        {"kernel": "laplace", "own": False, "attraction": 1.0},
    ),
    (partial(f.mean_shift_potential, A, B, C, 1.0), {"kernel": "sharp"}),
    (partial(f.force, A, B, 0.5), {"power": 2.0}),
    (
        partial(f.particle_velocity, A, B, 0.5),
        {"power": 2.0, "attraction": 1.0, "repulsion": 1.0},
    ),
    (walk, {"momentum": 0.0}),
    (partial(f.gradient_penalty, lambda a: a.square().sum(1), A, B, T), {"target": 1.0}),
    (partial(driving_term, T, A, POINT, HOMOTOPY), {"estimator": "e4"}),
    (partial(driving_term, T, A, POINT, HOMOTOPY, "e1"), {"group": lambda values: values}),
    (partial(f.interaction_energy, A, B, f.plummer), {"estimator": "v"}),
    (lambda **on: f.keyed_generator(3, "a", **on).get_state(), {"device": "cpu"}),
    (partial(f.exponential_decay, 1.0, 0.9, 30), {"minimum": 0.0}),
    (partial(f.elastic_transform, T), {"cutoff": None}),
    (partial(f.growth_rate, 9 * T, 0.7), {"cutoff": 0.1, "stabilizer_cutoff": 0.8}),
    (partial(f.critical_coefficient, 4.5), {"cutoff": 0.1, "stabilizer_cutoff": 0.8}),
    (partial(f.transport, A, B, 0.02), {"iterations": 20}),
    (partial(f.sinkhorn_field, A, B, C, 0.02), {"iterations": 20, "attraction": 1.0}),
]


def parts(value: object) -> Sequence:
    return value if isinstance(value, (tuple, list)) else [value]


@pytest.mark.parametrize(
    "call, defaults", DEFAULTS, ids=[f"{i}-{'-'.join(d)}" for i, (_, d) in enumerate(DEFAULTS)]
)
def test_arguments_left_out_have_their_defaults(call: Callable, defaults: dict[str, Any]) -> None:
    for found, expected in zip(parts(call()), parts(call(**defaults)), strict=True):
        same = torch.equal if isinstance(found, Tensor) else float.__eq__
        assert same(found, expected)
