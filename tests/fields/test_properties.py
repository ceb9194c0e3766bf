r"""Properties of all fields of the package, on points that hypothesis draws."""

import inspect
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from torch import Tensor

from energy_gans import fields
from energy_gans.fields import (
    DriftingField,
    ElasticField,
    EnergyDistanceField,
    GaussianField,
    ImageSlicedField,
    KernelField,
    MeanShiftField,
    ParticleField,
    PlummerField,
    ScatteringField,
    SinkhornField,
    SlicedField,
    SumOfFields,
)
from energy_gans.functional import fields as blocks, plummer

from ..examples import clouds, examples, orders, rotation, seeds

# Each field in a unit of length, and the power of the length by which its values scale.
FIELDS: dict[str, tuple[Callable[[float], ParticleField], float]] = {
    "DriftingField": (DriftingField, 1),
    "DriftingField, several": (lambda s: DriftingField([s / 2, 2 * s]), 0),
    "ElasticField": (lambda s: ElasticField(s / 2, 1.5), -2.5),
    "ElasticField, plummer": (lambda s: ElasticField(s / 2, 1.5, "plummer"), -2.5),
    "EnergyDistanceField": (lambda s: EnergyDistanceField(), 0),
    "GaussianField": (lambda s: GaussianField([s, 3 * s]), -1),
    "ImageSlicedField": (lambda s: ImageSlicedField(), 0),
    "KernelField": (lambda s: KernelField(lambda a, b: plummer(a, b, epsilon=s)), -2),
    "MeanShiftField, laplace": (lambda s: MeanShiftField(s, "laplace"), 1),
    "MeanShiftField, gaussian": (lambda s: MeanShiftField(s, "gaussian"), 1),
    "MeanShiftField": (MeanShiftField, 1),
    "PlummerField": (lambda s: PlummerField(3.0, s / 2), -4),
    "ScatteringField": (lambda s: ScatteringField(partners=3), 0),
    "SinkhornField": (lambda s: SinkhornField(s**2), 1),
    "SlicedField": (lambda s: SlicedField(8), 0),
    "SumOfFields": (lambda s: SumOfFields([EnergyDistanceField(), MeanShiftField(s)]), 0),
}
SLICED = {"ImageSlicedField", "SlicedField"}
RANDOM = {"ScatteringField", *SLICED}
every_field = pytest.mark.parametrize("name", FIELDS)
every_fixed_field = pytest.mark.parametrize("name", [one for one in FIELDS if one not in RANDOM])
# Scattering draws other partners of other samples.
every_sum = pytest.mark.parametrize("name", [one for one in FIELDS if one != "ScatteringField"])


def at(name: str, sets: list[Tensor], length: float = 1.0) -> Tensor:
    random = torch.Generator().manual_seed(0)
    if name == "ImageSlicedField":
        # Pixels with a channel for each coordinate.
        sets = [one[:, :, None, None] for one in sets]
    return FIELDS[name][0](length)(*sets, random=random).flatten(1)


def apart(name: str, sets: list[Tensor]) -> list[Tensor]:
    r"""Returns sets without coincident points, whose ranks along a line rounding errors decide."""
    if name not in SLICED:
        return sets
    # Along neither grey nor a difference of colours.
    return [sets[0] + 0.5 / torch.arange(1, sets[0].shape[1] + 1), *sets[1:]]


def same(found: Tensor, expected: Tensor, size: float | None = None) -> None:
    size = float(expected.abs().max()) if size is None else size
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7 * size)


def test_every_field_is_tested() -> None:
    classes = {
        name
        for name in fields.__all__
        if inspect.isclass(getattr(fields, name)) and name != "ParticleField"
    }
    assert {name.partition(",")[0] for name in FIELDS} == classes


@every_sum
@examples(5)
@given(clouds(3))
def test_fields_turn_their_sign_and_vanish_for_equal_sets(name: str, sets: list[Tensor]) -> None:
    a, y, x = sets
    v = at(name, sets)
    same(at(name, [a, x, y]), -v)
    if name != "SumOfFields" and "several" not in name:
        assert at(name, [a, y, y]).abs().max() <= 1e-9


@every_fixed_field
@examples(5)
@given(clouds(3), seeds)
def test_fields_turn_with_rotations_and_ignore_the_order_of_samples(
    name: str, sets: list[Tensor], seed: int
) -> None:
    # Coincident points would be apart by a rounding error, in a direction of its own.
    sets[0] += 0.5
    a, y, x = sets
    v, turn = at(name, sets), rotation(a.shape[1], seed)
    same(at(name, [one @ turn for one in sets]), v @ turn)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    same(at(name, [a.flip(0), y[order], x.flip(0)]), v.flip(0))


@every_field
@examples(5)
@given(clouds(3), orders)
def test_fields_ignore_translations(name: str, sets: list[Tensor], order: float) -> None:
    sets = apart(name, sets)
    moved = at(name, [one + 10**order for one in sets])
    torch.testing.assert_close(moved, at(name, sets), rtol=1e-4, atol=1e-5)


@every_field
@examples(6)
@given(clouds(3), orders)
def test_fields_scale_with_the_unit_of_length(name: str, sets: list[Tensor], order: float) -> None:
    s, power, sets = 10**order, FIELDS[name][1], apart(name, sets)
    same(at(name, [s * one for one in sets], s) / s**power, at(name, sets))


@every_field
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@examples(8)
@given(clouds(3), orders, orders)
def test_fields_are_finite(
    name: str, dtype: torch.dtype, sets: list[Tensor], size: float, length: float
) -> None:
    v = at(name, [10**size * one.to(dtype) for one in sets], 10**length)
    assert v.isfinite().all() and v.dtype == dtype


@every_field
@examples(4)
@given(clouds(3))
def test_fields_in_blocks_equal_the_whole(name: str, sets: list[Tensor]) -> None:
    whole = at(name, sets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", 2 * (len(sets[1]) + len(sets[2])))
        same(at(name, sets), whole)


@every_field
@examples(5)
@given(clouds(2, least=3), orders)
def test_the_attraction_is_a_factor_on_the_part_of_real_samples(
    name: str, sets: list[Tensor], order: float
) -> None:
    y, x = (one[:, :, None, None] for one in sets)
    make, factor = FIELDS[name][0], 10**order
    one, many = make(1.0), make(1.0)
    if not hasattr(one, "attraction") or one.count > 1:
        return
    many.attraction = factor
    seeded = [torch.Generator().manual_seed(3) for _ in range(3)]
    none = make(1.0)
    none.attraction = 1e-300
    repelled = none(x, y, x, random=seeded[0])
    towards = one(x, y, x, random=seeded[1]) - repelled
    expected = repelled + factor * towards
    size = max(1.0, factor) * max(1.0, float(towards.abs().max()))
    same(many(x, y, x, random=seeded[2]), expected, size)
    assert math.isfinite(size)
