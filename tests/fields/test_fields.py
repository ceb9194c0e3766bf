r"""Tests for the energy_gans.fields package: fields with their settings."""

import copy
import math
import sys
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from energy_gans import fields
from energy_gans.descriptions import describe
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
from energy_gans.functional import (
    distances,
    drifting_field,
    elastic,
    gaussian,
    image_sliced_field,
    mean_shift_field,
    plummer,
    potential_field,
    scattering_field,
    sinkhorn_field,
    sliced_field,
    unit_field,
)


def points(*sizes: int, dim: int = 3) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(n, dim, generator=random, dtype=torch.float64) for n in sizes]


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def seeded() -> torch.Generator:
    return seed(3)


def drawn() -> torch.Generator:
    r"""Returns a generator that has drawn one of one size."""
    random = seeded()
    torch.randint(1, (), generator=random)
    return random


# Images of one pixel, which are samples as any others.
A, Y, X = (s[:, :, None, None] for s in points(5, 8, 6))
# Each field with what it should equal.
FIELDS: list[tuple[ParticleField, Callable[..., Tensor]]] = [
    (KernelField(plummer, 2.0), lambda *s: potential_field(*s, plummer, 2.0)),
    (
        PlummerField(3.0, 0.5, 2.0),
        lambda *s: potential_field(*s, lambda a, b: plummer(a, b, 3.0, 0.5), 2.0),
    ),
    (
        ElasticField(0.3, 1.5, "plummer", 2.0),
        lambda *s: potential_field(*s, lambda a, b: elastic(a, b, 0.3, 1.5, "plummer"), 2.0),
    ),
    (
        GaussianField([0.5, 2.0], 2.0),
        lambda *s: potential_field(*s, lambda a, b: gaussian(a, b, [0.5, 2.0]), 2.0),
    ),
    (EnergyDistanceField(2.0), lambda *s: potential_field(*s, lambda a, b: -distances(a, b), 2.0)),
    (SlicedField(16, 2.0), lambda *s: sliced_field(*s, 16, seeded(), 2.0)),
    (ImageSlicedField([1], 2.0), lambda *s: image_sliced_field(*s, 1, drawn(), 2.0)),
    (MeanShiftField(0.4, "laplace", 2.0), lambda *s: mean_shift_field(*s, 0.4, attraction=2.0)),
    (DriftingField(0.4, 2.0), lambda *s: drifting_field(*s, 0.4, attraction=2.0)),
    (SinkhornField(0.4, 9, None, 2.0), lambda *s: sinkhorn_field(*s, 0.4, 9, None, 2.0)),
]
EVERY = [*(field for field, _ in FIELDS), ScatteringField(2.0, partners=3)]
IDS = [type(field).__name__ for field in EVERY]
every_field = pytest.mark.parametrize("field", EVERY, ids=IDS)


@pytest.mark.parametrize("field, function", FIELDS, ids=IDS[:-1])
def test_a_field_is_the_function_with_its_settings(
    field: ParticleField, function: Callable
) -> None:
    torch.testing.assert_close(field(A, Y, X, random=seeded()), function(A, Y, X))


def test_every_field_is_tested() -> None:
    classes = {name for name in fields.__all__ if name not in ("ParticleField", "SumOfFields")}
    assert {type(field).__name__ for field in EVERY} == classes


@pytest.mark.parametrize("field", [MeanShiftField(0.4), DriftingField(0.4)])
def test_own_samples_leave_out_the_pair_of_a_sample_with_itself(field: ParticleField) -> None:
    function = drifting_field if isinstance(field, DriftingField) else mean_shift_field
    kernel = {} if isinstance(field, DriftingField) else {"kernel": "sharp"}
    expected = function(X, Y, X, 0.4, own=True, **kernel)
    assert torch.equal(field(X, Y, X, own=True), expected)
    assert not torch.allclose(field(X, Y, X), expected)


@every_field
def test_a_field_describes_itself(field: ParticleField) -> None:
    if type(field) is KernelField:
        with pytest.raises(TypeError, match="construction of a KernelField is not known"):
            describe(field)
        return
    description = describe(field)
    assert description["class_path"] == f"energy_gans.fields.{type(field).__name__}"
    again = type(field)(**description["init_args"])
    assert repr(again) == repr(field)
    assert torch.equal(again(A, Y, X, random=seeded()), field(A, Y, X, random=seeded()))


@every_field
def test_a_field_can_be_copied(field: ParticleField) -> None:
    again = copy.deepcopy(field)
    assert torch.equal(again(A, Y, X, random=seeded()), field(A, Y, X, random=seeded()))


@every_field
@pytest.mark.parametrize("attraction", [0.0, -1.0, math.nan])
def test_a_wrong_attraction_is_refused(field: ParticleField, attraction: float) -> None:
    settings = {"kernel": plummer} if type(field) is KernelField else {}
    settings |= {"bandwidth": 1.0} if isinstance(field, (MeanShiftField, DriftingField)) else {}
    settings |= {"epsilon": 1.0} if isinstance(field, SinkhornField) else {}
    with pytest.raises(ValueError, match="'attraction' should be positive and finite"):
        type(field)(**settings, attraction=attraction)


@pytest.mark.parametrize(
    "make, named",
    [
        (lambda: PlummerField(power=0), "'power'"),
        (lambda: PlummerField(epsilon=-1), "'epsilon'"),
        (lambda: ElasticField(cutoff=0), "'cutoff'"),
        (lambda: ElasticField(power=-1), "'power'"),
        (lambda: GaussianField([]), "'bandwidths'"),
        (lambda: GaussianField([1.0, 0.0]), "'bandwidths'"),
        (lambda: SlicedField(0), "'slices'"),
        (lambda: ImageSlicedField([]), "'blocks' should hold at least one size"),
        (lambda: ImageSlicedField([2, 0]), "'blocks' should be at least 1, got 0"),
        (lambda: MeanShiftField(0.0), "'bandwidth'"),
        (lambda: MeanShiftField(1.0, "cauchy"), "'kernel' should be 'laplace', 'gaussian' or"),
        (lambda: DriftingField(-0.1), "'bandwidth'"),
        (lambda: DriftingField([0.1, 0.0]), "'bandwidth'"),
        (lambda: DriftingField([]), "'bandwidth' should hold at least one number"),
        (lambda: SinkhornField(0.0), "'epsilon'"),
        (lambda: SinkhornField(1.0, 0), "'iterations'"),
        (lambda: SinkhornField(1.0, 5, -1.0), "'tolerance'"),
        (lambda: SumOfFields([]), "'fields' should be a list of at least one field"),
        (lambda: SumOfFields([SlicedField()], [1.0, 2.0]), "'weights' should hold one number"),
        (lambda: SumOfFields([SlicedField()], [0.0]), "'weights' should be positive"),
    ],
)
def test_wrong_settings_are_refused(make: Callable, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()


@every_field
def test_too_few_samples_are_refused(field: ParticleField) -> None:
    with pytest.raises(ValueError, match="should hold at least one sample each"):
        field(A, Y[:0], X)
    with pytest.raises(ValueError, match="should hold at least 2 samples where own = True"):
        field(X[:1], Y, X[:1], own=True)


# Blocks of images


def test_each_call_draws_one_of_the_sizes_of_blocks() -> None:
    a, y, x = (torch.randn(n, 1, 4, 4, generator=seeded()) for n in (3, 5, 4))
    for blocks, sizes in ((None, [2, 4]), ([1, 4], [1, 4])):
        found = [ImageSlicedField(blocks)(a, y, x, random=seed(s)) for s in range(20)]
        drawn_sizes = set()
        for s, v in enumerate(found):
            i = torch.randint(len(sizes), (), generator=(random := seed(s)))
            assert torch.equal(v, image_sliced_field(a, y, x, sizes[i], random))
            drawn_sizes.add(sizes[i])
        assert drawn_sizes == {*sizes}


def test_blocks_that_do_not_divide_images_are_refused_by_the_call() -> None:
    with pytest.raises(ValueError, match="'block' should divide the height and the width"):
        ImageSlicedField([2])(A, Y, X)
    with pytest.raises(ValueError, match="'a' should hold images"):
        ImageSlicedField()(*points(3, 3, 3))


def test_particles_lose_noise_in_parts_of_images_that_they_keep_in_whole_ones() -> None:
    random = seed(0)
    brightness, *noise = (torch.randn(200, 1, n, n, generator=random) for n in (1, 4, 4))
    y, start = brightness + 0.05 * noise[0], noise[1]

    def noise_after_steps(field: ParticleField) -> float:
        x, random = start, seed(1)
        for _ in range(60):
            x = x + 0.4 * field(x, y, x, own=True, random=random)
        return (x - x.mean((2, 3), keepdim=True)).std().item()

    whole = noise_after_steps(SlicedField(16, orthogonal=True))
    assert noise_after_steps(ImageSlicedField([4])) < 0.6 * whole


# Partners of scattering


def test_scattering_takes_one_real_and_one_generated_sample_for_each_point() -> None:
    v = ScatteringField()(A, Y, X, random=seeded())
    for i, point in enumerate(v):
        near = [
            torch.allclose(point, scattering_field(A[i : i + 1], y[None], x[None])[0])
            for y in Y
            for x in X
        ]
        assert sum(near) == 1


def test_no_own_sample_is_its_own_partner_and_all_others_are() -> None:
    x, y = points(4, 1)
    far = y + 1e9
    towards = scattering_field(x, far.expand(4, 3), x)
    random, partners = seeded(), set()
    for _ in range(200):
        away = towards - ScatteringField()(x, far, x, own=True, random=random)
        for i in range(4):
            unit = nn.functional.normalize(x - x[i], eps=1e-300)
            (j,) = torch.nonzero(((unit - away[i]).abs() < 1e-6).all(1)).flatten().tolist()
            partners.add((i, j))
    assert partners == {(i, j) for i in range(4) for j in range(4) if i != j}


# Potentials


@pytest.mark.parametrize(
    "field",
    [
        PlummerField(3.0, 0.5),
        ElasticField(0.3, 1.5, attraction=2.0),
        GaussianField(),
        EnergyDistanceField(0.5),
        MeanShiftField(0.4),
        MeanShiftField(0.4, "gaussian"),
        SumOfFields([PlummerField(3.0, 0.5), MeanShiftField(0.4)], [2.0, 0.5]),
    ],
    ids=repr,
)
def test_the_gradient_of_the_potential_is_the_field(field: ParticleField) -> None:
    # The unit of a sum is that of the field at generated samples, which are the points here.
    gradient = torch.func.grad(lambda a: field.potential(a, Y, X).sum())(X)
    torch.testing.assert_close(gradient, field(X, Y, X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "field", [MeanShiftField(0.4, "laplace"), DriftingField(0.4), SinkhornField(1.0)], ids=repr
)
def test_a_field_without_a_potential_says_so(field: ParticleField) -> None:
    with pytest.raises(ValueError, match=rf"{type(field).__name__}\(.*\) has no potential"):
        field.potential(A, Y, X)


# Several bandwidths

SEVERAL = [
    (partial(DriftingField, attraction=2.0), "drifting_fields"),
    (partial(MeanShiftField, kernel="laplace"), "mean_shift_fields"),
]


@pytest.mark.parametrize("make, _", SEVERAL)
@pytest.mark.parametrize("own", [False, True])
def test_several_bandwidths_are_the_sum_of_fields_of_one(
    make: Callable, _: str, own: bool
) -> None:
    a = X if own else A
    field, parts = make([0.1, 0.4, 2.0]), [make(tau) for tau in (0.1, 0.4, 2.0)]
    torch.testing.assert_close(field(a, Y, X, own), SumOfFields(parts)(a, Y, X, own))
    for part, v in zip(parts, field.velocities(a, Y, X, own), strict=True):
        torch.testing.assert_close(v, part(a, Y, X, own))


@pytest.mark.parametrize("make, name", SEVERAL)
def test_several_bandwidths_compute_distances_once(
    make: Callable, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, drifts = [], name == "drifting_fields"
    # The function `mean_shift` hides its module.
    module = sys.modules[f"energy_gans.functional.{'fields' if drifts else 'mean_shift'}"]
    function = "distances" if drifts else "squared_distances"
    real = getattr(module, function)
    monkeypatch.setattr(module, function, lambda a, b: calls.append(1) or real(a, b))
    make([0.1, 0.4, 2.0])(A, Y, X)
    several = len(calls)
    make(0.1)(A, Y, X)
    assert several == len(calls) - several


def test_a_sum_weighs_a_field_of_several_bandwidths_as_one() -> None:
    several, one = DriftingField([0.1, 0.4]), PlummerField()
    field = SumOfFields([several, one], [2.0, 1.0])
    assert field.count == 3
    expected = 2 * unit_field(several(A, Y, X)) + unit_field(one(A, Y, X))
    torch.testing.assert_close(field(A, Y, X), expected)
    with pytest.raises(ValueError, match="has no potential"):
        MeanShiftField([0.1, 0.2]).potential(A, Y, X)


# Sums


def test_a_sum_adds_fields_of_unit_root_mean_square() -> None:
    parts = [PlummerField(), DriftingField(0.4)]
    expected = 2 * unit_field(parts[0](A, Y, X)) + 0.5 * unit_field(parts[1](A, Y, X))
    field = SumOfFields(parts, [2.0, 0.5])
    torch.testing.assert_close(field(A, Y, X), expected)
    for term, v in zip(parts, field.velocities(A, Y, X), strict=True):
        assert torch.equal(v, term(A, Y, X))


def test_a_sum_needs_independent_samples_if_one_of_its_fields_does() -> None:
    assert not SumOfFields([PlummerField(), DriftingField(1.0)]).independent
    field = SumOfFields([PlummerField(), SinkhornField(1.0)])
    assert field.independent
    with pytest.raises(ValueError, match="'negatives' should be 'separate'"):
        field(X, Y, X, own=True)


def test_a_module_as_a_kernel_is_not_trained() -> None:
    class Kernel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return gaussian(self.scale * a, self.scale * b)

    field = KernelField(kernel := Kernel())
    assert not kernel.scale.requires_grad
    torch.testing.assert_close(field(A, Y, X), GaussianField()(A, Y, X))
