r"""Properties of measures of samples, on features that hypothesis draws."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor

from energy_gans.functional import (
    class_sums,
    closest_pairs,
    density_coverage,
    energy_distance,
    extent,
    frechet_distance,
    inception_score,
    nearest,
    neighbour_radii,
    precision_recall,
    share_of_dimensions,
    shrinkage,
    support_size,
)
from energy_gans.functional.evaluation import neighbours
from energy_gans.metrics.mode_coverage import ModeCoverage

from ...examples import clouds, examples, orders, rotation, seeds


def frechet(y: Tensor, x: Tensor) -> Tensor:
    return frechet_distance(y.mean(0), y.T.cov(), x.mean(0), x.T.cov())


def neighbourhoods(y: Tensor, x: Tensor) -> Tensor:
    r"""Returns precision, recall, density and coverage."""
    r_y, r_x = neighbour_radii(y, 1)[:, -1], neighbour_radii(x, 1)[:, -1]
    return torch.stack([*precision_recall(y, x, r_y, r_x), *density_coverage(y, x, r_y, 1)])


# Each measure of real and generated features, and the power of the unit by which it scales.
MEASURES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "frechet": (frechet, 2),
    "energy distance": (energy_distance, 1),
    "neighbourhoods": (neighbourhoods, 0),
    "nearest": (lambda y, x: nearest(x, y, 2)[0].sort(0).values, 1),
    "shrinkage": (lambda y, x: shrinkage(x, y), 0),
    "extent": (lambda y, x: extent(x), 1),
    "share of dimensions": (lambda y, x: share_of_dimensions(x), 0),
    "closest pairs": (lambda y, x: closest_pairs(torch.cat([y, x]), 3)[0], 1),
}
every_measure = pytest.mark.parametrize("name", MEASURES)


def apart(sets: list[Tensor]) -> list[Tensor]:
    r"""Returns sets without coincident points, since ties are decided by rounding errors."""
    return [sets[0] + 0.3, sets[1]]


@every_measure
@examples(6)
@given(clouds(2, least=4), seeds, orders)
def test_measures_ignore_motions_and_the_order_of_samples(
    name: str, sets: list[Tensor], seed: int, order: float
) -> None:
    (y, x), measure = apart(sets), MEASURES[name][0]
    turn = rotation(y.shape[1], seed)
    moved = (one.flip(0) @ turn + 10 ** min(order, 2) for one in (y, x))
    torch.testing.assert_close(measure(*moved), measure(y, x), rtol=1e-5, atol=1e-6)


@every_measure
@examples(8)
@given(clouds(2, least=4), orders)
def test_measures_scale_with_the_unit_and_are_finite(
    name: str, sets: list[Tensor], order: float
) -> None:
    (y, x), (measure, power), s = apart(sets), MEASURES[name], 10**order
    expected, found = measure(y, x), measure(s * y, s * x)
    assert found.isfinite().all()
    torch.testing.assert_close(found / s**power, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["frechet", "energy distance"])
@examples(8)
@given(clouds(2, least=4))
def test_distances_of_sets_are_symmetric(name: str, sets: list[Tensor]) -> None:
    measure = MEASURES[name][0]
    torch.testing.assert_close(measure(*sets), measure(*sets[::-1]), rtol=1e-6, atol=1e-9)
    if name == "frechet":
        # Roots of rounding errors, as fewer points than dimensions have singular covariances.
        assert abs(frechet(sets[0], sets[0].flip(0))) <= 1e-6 and frechet(*sets) >= -1e-6


@pytest.mark.parametrize("name", ["neighbourhoods", "nearest", "closest pairs"])
@examples(6)
@given(clouds(2, least=4))
def test_measures_in_tiles_equal_the_whole(name: str, sets: list[Tensor]) -> None:
    measure = MEASURES[name][0]
    # The distance of coincident points is a rounding error, and may be that to a neighbour, too.
    sets[0] += 0.5
    whole = measure(*sets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_TILE", 3)
        torch.testing.assert_close(measure(*sets), whole, rtol=1e-12, atol=1e-12)


@examples(15)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=30), st.floats(0.5, 0.99))
def test_the_interval_of_a_support_contains_its_size(degrees: list[int], level: float) -> None:
    size, low, high = support_size(torch.tensor(degrees), level)
    assert 0 < low <= size <= high
    wide = support_size(torch.tensor(degrees), (1 + level) / 2)
    assert wide[0] == size and wide[1] <= low * (1 + 1e-9) and wide[2] >= high * (1 - 1e-9)


@examples(15)
@given(seeds, st.integers(1, 30), st.integers(2, 9), orders)
def test_scores_of_classes_are_bounded_and_ignore_the_order(
    seed: int, n: int, k: int, order: float
) -> None:
    random = torch.Generator().manual_seed(seed)
    logits = 10**order * torch.randn(n, k, generator=random)

    def score(logits: Tensor) -> float:
        p, entropy = class_sums(logits)
        return inception_score(p.sum(0)[None], entropy.sum()[None], torch.tensor([n])).item()

    found = score(logits)
    assert 1 - 1e-9 <= found <= k + 1e-9
    moved = score(logits.flip(0).flip(1) + 7.0)
    assert math.isclose(found, moved, rel_tol=1e-4)


@examples(8)
@given(clouds(1, least=4), seeds, orders)
def test_the_coverage_of_modes_ignores_batches_and_the_unit(
    sets: list[Tensor], seed: int, order: float
) -> None:
    (x,), s = sets, 10**order
    random = torch.Generator().manual_seed(seed)
    means = torch.randn(3, x.shape[1], generator=random, dtype=torch.float64)
    whole, parts = ModeCoverage(means, 0.5), ModeCoverage(s * means, s * 0.5)
    whole.update(x)
    for part in x.flip(0).split(2):
        parts.update(s * part)
    expected, found = whole.compute(), parts.compute()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6)
