r"""Tests of types: results are float32 at least, also under autocast and of bfloat16."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

import energy_gans.functional as f
from energy_gans.functional.potential_flow import Homotopy, path_point

RANDOM = torch.Generator().manual_seed(0)
# Numbers that bfloat16 holds.
A, B, C = ((torch.randn(n, 12, generator=RANDOM) + 1).bfloat16().double() for n in (5, 6, 6))
S = torch.linspace(0.1, 0.9, 5).bfloat16().double()


def potential(x: Tensor) -> Tensor:
    x = x.flatten(1)
    return (x @ x.T).diagonal() ** 2 / 8


def random() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def sliced(a: Tensor, y: Tensor, x: Tensor, orthogonal: bool) -> Tensor:
    # Directions depend on the type, and the mean over many of them hardly.
    return f.sliced_field(a, y, x, 4_000, random(), orthogonal=orthogonal)


POINTS: dict[str, tuple[Callable, tuple[Tensor, ...]]] = {
    "distances": (f.distances, (A, B)),
    "squared_distances": (f.squared_distances, (A, B)),
    "polynomial": (f.polynomial, (A, B)),
    "plummer": (partial(f.plummer, power=3.0), (A, B)),
    "gaussian": (partial(f.gaussian, bandwidths=(3.0, 5.0)), (A, B)),
    "elastic": (partial(f.elastic, cutoff=0.5, power=2.0), (A, B)),
    "energy_distance": (f.energy_distance, (A, B)),
    "interaction_energy": (partial(f.interaction_energy, kernel=f.plummer), (A, B)),
    "mean_distance": (f.mean_distance, (A, B)),
    "stein_direction": (f.stein_direction, (A, A, C[:5])),
    "stein_direction_h": (partial(f.stein_direction, bandwidth=3.0), (B, B, C)),
    "drifting_field": (partial(f.drifting_field, bandwidth=2.0), (A, B, C)),
    "mean_shift": (partial(f.mean_shift, bandwidth=3.0), (A, B)),
    "gaussian_mean_shift": (partial(f.gaussian_mean_shift, bandwidth=3.0), (A, B)),
    "mean_shift_field": (partial(f.mean_shift_field, bandwidth=3.0, kernel="sharp"), (A, B, C)),
    "mean_shift_potential": (partial(f.mean_shift_potential, bandwidth=3.0), (A, B, C)),
    "potential_field": (partial(f.potential_field, kernel=f.plummer), (A, B, C)),
    "scattering_field": (f.scattering_field, (A, B[:5], C[:5])),
    "sliced_field": (partial(sliced, orthogonal=False), (A, B, C)),
    "sliced_field_orthogonal": (partial(sliced, orthogonal=True), (A, B, C)),
    "transport": (lambda a, b: f.transport(a, b, 8.0).target, (A, B)),
    "sinkhorn_field": (partial(f.sinkhorn_field, epsilon=8.0), (A, B, C)),
    "force": (partial(f.force, cutoff=0.5, power=2.0), (A, B)),
    "particle_velocity": (partial(f.particle_velocity, cutoff=0.5, power=2.0), (A, B)),
    "potential_gradient": (f.potential_gradient(potential), (A,)),
    "gradient_penalty": (partial(f.gradient_penalty, potential), (B, C, S.repeat(2)[:6])),
    "transport_cost": (lambda a, b: f.transport_cost(potential, a, b, 0.3), (B, C)),
    "nt_xent_loss": (partial(f.nt_xent_loss, temperature=0.5), (B, C)),
    "logistic_loss": (f.logistic_loss, (S, A[0])),
    "nonsaturating_loss": (f.nonsaturating_loss, (S,)),
    "wasserstein_loss": (f.wasserstein_loss, (S, A[0])),
    "reconstruction_error": (f.reconstruction_error, (B, C)),
}
# Functions that multiply matrices, which autocast rounds, outside of POINTS' types.
AUTOCAST = POINTS | {
    "response_distance": (f.response_distance, (A, B)),
    "path_point": (lambda y, e: path_point(y, e, S.float(), Homotopy(0.2, 1.5, 0.02)).x, (A, A)),
}


@pytest.mark.parametrize("name", AUTOCAST)
def test_results_are_the_same_under_autocast(name: str) -> None:
    function, points = AUTOCAST[name]
    points = [p.float() for p in points]
    expected = function(*points)
    with torch.autocast("cpu", torch.bfloat16):
        found = function(*points)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def assert_near(name: str, found: Tensor, expected: Tensor) -> None:
    tolerance = 0.06 if "sliced" in name else 1e-5
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=tolerance)


# The gradient of a potential has the type of its points.
@pytest.mark.parametrize("name", [name for name in POINTS if name != "potential_field"])
def test_points_of_bfloat16_are_computed_with_in_float32(name: str) -> None:
    function, points = POINTS[name]
    found = function(*(p.bfloat16() for p in points))
    assert found.dtype == (torch.float64 if name == "mean_distance" else torch.float32)
    assert_near(name, found, function(*points))


@pytest.mark.parametrize("name", POINTS)
def test_points_of_float64_are_computed_with_in_float64(name: str) -> None:
    function, points = POINTS[name]
    found = function(*points)
    assert found.dtype == torch.float64 and not torch.equal(found, found.float().double())
    assert_near(name, function(*(p.float() for p in points)), found)
