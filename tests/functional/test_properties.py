r"""Properties of kernels, potentials and energies, on points that hypothesis draws."""

import inspect
import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given
from torch import Tensor

from energy_gans import functional
from energy_gans.functional import (
    distances,
    elastic,
    field,
    gaussian,
    interaction_energy,
    plummer,
    polynomial,
    potential,
    potentials,
    squared_distances,
)

from ..examples import clouds, examples, orders, rotation, seeds

# Each kernel in a unit of length, and the power of the length by which its values scale.
KERNELS: dict[str, tuple[Callable[[float], Callable], float | None]] = {
    "squared_distances": (lambda s: squared_distances, 2),
    "distances": (lambda s: distances, 1),
    "gaussian": (lambda s: partial(gaussian, bandwidths=[s, 3 * s]), 0),
    "plummer": (lambda s: partial(plummer, power=3.0, epsilon=s / 2), -3),
    "elastic": (lambda s: partial(elastic, cutoff=s / 2, power=1.5), -1.5),
    "elastic, plummer": (
        lambda s: partial(elastic, cutoff=s / 2, power=1.5, softening="plummer"),
        -1.5,
    ),
    "polynomial": (lambda s: polynomial, None),
}
# Functions of two sets of points that are no kernels.
OTHERS = {
    "feature_unit",
    "force",
    "gaussian_mean_shift",
    "known_distances",
    "lerp",
    "mean_distance",
    "mean_shift",
    "slerp",
    "transport",
}
every_kernel = pytest.mark.parametrize("name", KERNELS)
every_invariant_kernel = pytest.mark.parametrize(
    "name", [name for name, (_, power) in KERNELS.items() if power is not None]
)


def kernel_of(name: str, length: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:
    return KERNELS[name][0](length)


def same(found: Tensor, expected: Tensor, size: Tensor | float | None = None) -> None:
    r"""Compares values up to rounding errors of float64, relative to the largest."""
    size = expected if size is None else size
    largest = float(torch.as_tensor(size).abs().max())
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9 * largest)


def test_every_kernel_is_tested() -> None:
    found = set()
    for name in functional.__all__:
        one = getattr(functional, name)
        if inspect.isfunction(one) and [*inspect.signature(one).parameters][:2] == ["a", "b"]:
            found.add(name)
    assert found == {name.partition(",")[0] for name in KERNELS} | OTHERS


@every_kernel
@examples(6)
@given(clouds(2))
def test_kernels_are_symmetric(name: str, sets: list[Tensor]) -> None:
    a, b = sets
    same(kernel_of(name)(a, b), kernel_of(name)(b, a).T)


@every_kernel
@examples(6)
@given(clouds(2), seeds)
def test_kernels_keep_their_values_under_rotations_and_permutations(
    name: str, sets: list[Tensor], seed: int
) -> None:
    (a, b), kernel = sets, kernel_of(name)
    k, turn = kernel(a, b), rotation(a.shape[1], seed)
    same(kernel(a @ turn, b @ turn), k)
    order = torch.randperm(len(b), generator=torch.Generator().manual_seed(seed))
    same(kernel(a.flip(0), b[order]), k.flip(0)[:, order])


@every_invariant_kernel
@examples(6)
@given(clouds(2), orders)
def test_kernels_keep_their_values_under_translations(
    name: str, sets: list[Tensor], order: float
) -> None:
    a, b = sets
    moved = kernel_of(name)(a + 10**order, b + 10**order)
    torch.testing.assert_close(moved, kernel_of(name)(a, b), rtol=1e-6, atol=1e-6)


@every_invariant_kernel
@examples(8)
@given(clouds(2), orders)
def test_kernels_scale_with_the_unit_of_length(
    name: str, sets: list[Tensor], order: float
) -> None:
    (a, b), s, power = sets, 10**order, KERNELS[name][1]
    same(kernel_of(name, s)(s * a, s * b), s**power * kernel_of(name)(a, b))


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@examples(10)
@given(clouds(2), orders, orders)
def test_kernels_and_their_gradients_are_finite(
    name: str, dtype: torch.dtype, sets: list[Tensor], size: float, length: float
) -> None:
    a, b = (10**size * s.to(dtype) for s in sets)
    a.requires_grad_()
    k = kernel_of(name, 10**length)(a, b)
    k.sum().backward()
    assert k.isfinite().all() and a.grad.isfinite().all()


@every_kernel
@examples(6)
@given(clouds(3))
def test_potentials_turn_their_sign_with_the_charges(name: str, sets: list[Tensor]) -> None:
    (a, y, x), kernel = sets, kernel_of(name)
    same(potential(a, y, x, kernel), -potential(a, x, y, kernel), kernel(a, y))
    assert (potential(a, y, y.flip(0), kernel).abs() <= 1e-12 * kernel(a, y).abs().max()).all()


@every_kernel
@examples(4)
@given(clouds(3))
def test_potentials_in_blocks_equal_the_whole(name: str, sets: list[Tensor]) -> None:
    (a, y, x), kernel = sets, kernel_of(name)
    whole, forces = potential(a, y, x, kernel), field(a, y, x, kernel)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(potentials, "_BLOCK", 2 * (len(y) + len(x)))
        same(potential(a, y, x, kernel), whole, kernel(a, y))
        same(field(a, y, x, kernel), forces, 1.0)


@every_invariant_kernel
@examples(4)
@given(clouds(3), orders)
def test_potentials_and_fields_scale_with_the_unit_of_length(
    name: str, sets: list[Tensor], order: float
) -> None:
    s, power = 10**order, KERNELS[name][1]
    far = [s * one for one in sets]
    here, there = kernel_of(name), kernel_of(name, s)
    size = here(sets[0], sets[1]).abs().max()
    same(potential(*far, there) / s**power, potential(*sets, here), size)
    same(field(*far, there) / s ** (power - 1), field(*sets, here), size)


@pytest.mark.parametrize("name", ["gaussian", "plummer", "elastic, plummer"])
@examples(8)
@given(clouds(2), orders)
def test_energies_are_symmetric_and_never_negative(
    name: str, sets: list[Tensor], order: float
) -> None:
    (y, x), kernel = sets, kernel_of(name, 10**order)
    energy, largest = interaction_energy(y, x, kernel).item(), kernel(y, y).max().item()
    assert energy >= -1e-12 * largest
    assert math.isclose(
        energy, interaction_energy(x, y, kernel).item(), rel_tol=1e-6, abs_tol=1e-12 * largest
    )
    assert abs(interaction_energy(y, y.flip(0), kernel).item()) <= 1e-12 * largest
