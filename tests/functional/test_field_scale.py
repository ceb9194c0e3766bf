r"""Tests for the energy_gans.functional.field_scale module."""

import pytest
import torch
from torch import Tensor

from energy_gans.functional import (
    drifting_field,
    feature_unit,
    fields as module,
    mean_distance,
    plummer,
    potential_field,
    root_mean_square,
    sum_in_units,
    unit_field,
)


def points(*sizes: int, dim: int = 3) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(n, dim, generator=random, dtype=torch.float64) for n in sizes]


def test_the_mean_distance_equals_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    (a,) = points(7)
    monkeypatch.setattr(module, "_BLOCK", 20)
    pairs = [float((a[i] - a[j]).norm()) for i in range(7) for j in range(7) if i != j]
    assert mean_distance(a, a).item() == pytest.approx(sum(pairs) / len(pairs), rel=1e-12)


def test_the_unit_makes_the_mean_distance_the_root_of_the_dimension() -> None:
    a, b = points(7, 9, dim=5)
    unit = feature_unit(a * 30, b * 30)
    assert mean_distance(a * 30 / unit, b * 30 / unit).item() == pytest.approx(5**0.5)


def test_one_feature_has_a_unit_among_others() -> None:
    a, b = points(1, 4, dim=5)
    expected = (a - b).norm(dim=1).mean() / 5**0.5
    torch.testing.assert_close(feature_unit(a, b), expected)


def test_a_set_without_points_has_no_mean_distance() -> None:
    (a,) = points(4)
    with pytest.raises(ValueError, match="'a' should hold at least one element"):
        mean_distance(a[:0], a)


def test_points_that_coincide_have_no_unit() -> None:
    a = torch.ones(4, 3)
    with pytest.raises(ValueError, match="should hold distinct points, and all points coincide"):
        feature_unit(a, a)


def test_a_field_in_its_unit_has_unit_root_mean_square() -> None:
    a, y, x = points(5, 8, 6)
    v = sum_in_units([potential_field(a, y, x, plummer)])
    assert root_mean_square(v).item() == pytest.approx(1)


def test_the_sum_does_not_depend_on_the_fields_own_scale() -> None:
    a, y, x = points(5, 8, 6)
    near, far = drifting_field(a, y, x, 0.3), potential_field(a, y, x, plummer)
    v = sum_in_units([near, far])
    torch.testing.assert_close(sum_in_units([near, 1e-6 * far]), v)
    near, far = (f / f.square().mean().sqrt() for f in (near, far))
    torch.testing.assert_close(v, near + far)
    torch.testing.assert_close(sum_in_units([near, far], [2.0, 0.5]), 2 * near + 0.5 * far)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_squares_beyond_float32_have_a_root_mean_square(size: float) -> None:
    assert root_mean_square(torch.full((4, 3), size)).item() == pytest.approx(size)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0, 1.0]])
def test_weights_of_another_number_than_the_fields_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="'weights' should hold one number for each of 2 fields"):
        sum_in_units(points(5, 5), weights)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_a_field_of_any_size_has_a_unit(size: float) -> None:
    v = torch.full((4, 3), size)
    torch.testing.assert_close(unit_field(v), torch.ones(4, 3))


def test_a_field_that_vanishes_adds_nothing() -> None:
    a, y = points(5, 8)
    v = drifting_field(a, y, y, 0.3)
    assert sum_in_units([v]).isfinite().all()
    assert (sum_in_units([torch.zeros_like(v)]) == 0).all()


def test_no_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="'velocities' should hold at least one field"):
        sum_in_units([])
