r"""Tests for the energy_gans.functional.evaluation.neighbours module."""

from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_prc import calculate_precision_recall_full

from energy_gans.functional import density_coverage, nearest, neighbour_radii, precision_recall
from energy_gans.functional.evaluation import neighbours
from energy_gans.functional.evaluation.neighbours import tile_slices


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[1, 7, 16, neighbours._TILE], ids="tile-{}".format)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(neighbours, "_TILE", request.param)
    return neighbours


def grid(n: int, dim: int = 2) -> Tensor:
    r"""Returns random points of a grid, with exact distances and many ties and duplicates."""
    return torch.randint(4, (n, dim)).float()


def r2(a: Tensor, b: Tensor) -> float:
    return (a.double() - b.double()).square().sum().item()


def loop_radii(y: Tensor, k: int) -> list[list[float]]:
    return [sorted(r2(y[i], y[j]) for j in range(len(y)) if j != i)[:k] for i in range(len(y))]


def loop(y: Tensor, x: Tensor, k: int) -> dict[str, float]:
    r"""Returns all four measures by plain loops over their definitions."""
    ball_y, ball_x = ([radii[-1] for radii in loop_radii(z, k)] for z in (y, x))
    real, generated = range(len(y)), range(len(x))
    return {
        "precision": np.mean([any(r2(x[j], y[i]) <= ball_y[i] for i in real) for j in generated]),
        "recall": np.mean([any(r2(y[i], x[j]) <= ball_x[j] for j in generated) for i in real]),
        "density": np.mean([[r2(x[j], y[i]) < ball_y[i] for i in real] for j in generated])
        * len(y)
        / k,
        "coverage": np.mean([any(r2(y[i], x[j]) < ball_y[i] for j in generated) for i in real]),
    }


def measured(y: Tensor, x: Tensor, k: int) -> dict[str, float]:
    r_y, r_x = (neighbour_radii(z, k)[:, -1] for z in (y, x))
    values = *precision_recall(y, x, r_y, r_x), *density_coverage(y, x, r_y, k)
    assert all(value.dtype == torch.float64 and value.ndim == 0 for value in values)
    names = "precision", "recall", "density", "coverage"
    return dict(zip(names, (value.item() for value in values), strict=True))


# Rows


@pytest.mark.parametrize("n", [0, 1, 7, 16, 17, 1024, 1025])
def test_parts_cover_all_in_small_tiles(block: ModuleType, n: int) -> None:
    slices = list(tile_slices(n))
    assert torch.equal(
        torch.cat([torch.arange(0), *(torch.arange(n)[i] for i in slices)]), torch.arange(n)
    )
    assert all(0 < i.stop - i.start <= block._TILE for i in slices)


# Radii


@pytest.mark.usefixtures("block")
def test_radii_on_a_line() -> None:
    y = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    expected = [[1.0, 9.0, 49.0], [1.0, 4.0, 36.0], [4.0, 9.0, 16.0], [16.0, 36.0, 49.0]]
    assert neighbour_radii(y, 3).tolist() == expected


@pytest.mark.parametrize("n, k", [(2, 1), (6, 5), (25, 1), (25, 4)])
@pytest.mark.usefixtures("block")
def test_radii_are_those_of_a_loop(n: int, k: int) -> None:
    y = grid(n, 6)
    assert neighbour_radii(y, k).tolist() == loop_radii(y, k)


def test_radii_of_equal_points_are_zero() -> None:
    assert neighbour_radii(torch.full((6, 9), 0.1), 5).count_nonzero() == 0


@pytest.mark.parametrize("dim", [3, 8])
@pytest.mark.parametrize("scale, offset", [(1e15, 0.0), (1e-15, 0.0), (1.0, 1e5)])
def test_radii_of_large_and_of_far_features(scale: float, offset: float, dim: int) -> None:
    y = scale * torch.randn(9, dim) + offset
    torch.testing.assert_close(
        neighbour_radii(y, 3).double(),
        torch.tensor(loop_radii(y, 3), dtype=torch.float64),
        rtol=1e-5,
        atol=0.0,
    )


@pytest.mark.parametrize("n, k", [(5, 0), (5, 5), (5, 6), (1, 1), (0, 1), (5, -1)])
def test_radii_need_more_points_than_neighbours(n: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"'k' should be between 1 and {n - 1}, got {k}"):
        neighbour_radii(torch.zeros(n, 2), k)


# Precision, recall, density and coverage


@pytest.mark.parametrize("n, m, k", [(2, 2, 1), (4, 9, 3), (20, 13, 3), (13, 20, 5)])
@pytest.mark.parametrize("dim", [2, 6])
@pytest.mark.usefixtures("block")
def test_measures_are_those_of_a_loop(n: int, m: int, k: int, dim: int) -> None:
    # Half of the generated points are near the real ones.
    y, x = grid(n, dim), grid(m, dim)
    x[::2] += 3
    assert measured(y, x, k) == pytest.approx(loop(y, x, k), rel=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("dim", [2, 16])
def test_precision_and_recall_are_those_of_torch_fidelity(dim: int, k: int) -> None:
    y, x = torch.randn(150, dim).double(), torch.randn(120, dim).double()
    x[:, 0] += 2
    values = measured(y, x, k)
    expected = calculate_precision_recall_full(x, y, k)
    assert (values["precision"], values["recall"]) == pytest.approx(expected, abs=1e-6)
    assert len({0.0, 1.0, *expected}) == 4


@pytest.mark.parametrize("k", [1, 4])
def test_a_set_against_itself(k: int) -> None:
    y = torch.randn(40, 7)
    values = measured(y, y.flip(0), k)
    # A ball holds its centre and k - 1 other points; the k-th point is on the boundary.
    assert values == pytest.approx({"precision": 1, "recall": 1, "density": 1, "coverage": 1})


def test_sets_that_are_far_apart() -> None:
    y = torch.randn(10, 6)
    values = measured(y, y + 100, 3)
    assert values == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_the_rim_of_a_ball_counts_for_precision_and_recall_alone() -> None:
    y, x = torch.tensor([[0.0], [1.0], [10.0]]), torch.tensor([[2.0], [-1.0], [-20.0]])
    # 2 and -1 are on the boundaries of the balls around 1 and 0; the ball of 10, of radius 9,
    # holds 2.
    values = measured(y, x, 1)
    assert values["precision"] == pytest.approx(2 / 3)
    assert values["density"] == values["coverage"] == pytest.approx(1 / 3)
    r_y, r_x = torch.tensor([1.0, 1.0, 0.0]), torch.zeros(3)
    assert [v.item() for v in density_coverage(y, x, r_y, 1)] == [0, 0]
    more = [v.item() for v in density_coverage(y, x, r_y + 1e-6, 1)]
    assert more == pytest.approx([2 / 3, 2 / 3])
    assert precision_recall(y, x, r_y, r_x)[1] == 0
    assert precision_recall(y, x, r_y, r_x + 121)[1] == 1


# For k = 2, by hand: the radii of 0, 1, 3, 7 are 3, 2, 3, 6, so that each open ball holds its
# centre and one other point of the set, and each boundary one more. The radii of 0, 0, 0, 5 are 0,
# 0, 0, 5.
@pytest.mark.parametrize(
    "y, x, expected",
    [
        ([0, 1, 3, 7], [0, 1, 3, 7], (8 / 8, 1)),
        ([0, 1, 3, 7], [3, 3, 3, 3], (2 * 4 / 8, 2 / 4)),
        ([0, 1, 3, 7], [0, 0], (2 * 2 / 4, 2 / 4)),
        ([0, 0, 0, 5], [0, 0, 5], (1 / 6, 1 / 4)),
        ([0, 0, 0, 5], [0], (0, 0)),
        ([2, 2, 2, 2], [2, 2], (0, 0)),
    ],
)
def test_density_and_coverage_of_copies_by_hand(
    y: list[int], x: list[int], expected: tuple[float, float]
) -> None:
    y, x = (torch.tensor(points).float()[:, None] for points in (y, x))
    radii = neighbour_radii(y, 2)[:, -1]
    found = density_coverage(y, x, radii, 2)
    assert [value.item() for value in found] == pytest.approx(expected)
    # With closed balls, no sample that equals a real point is outside.
    assert precision_recall(y, x, radii, torch.zeros(len(x)))[0] == 1


def test_a_collapsed_generator() -> None:
    y = torch.randn(60, 5)
    x = y[:1].expand(50, 5).clone()
    values = measured(y, x, 3)
    assert values["precision"] == 1
    assert values["recall"] == pytest.approx(1 / 60)
    assert values["coverage"] < 0.4
    # Every sample lies in as many balls as the first: its own and those of its neighbours.
    assert values["density"] == pytest.approx(values["coverage"] * 60 / 3)


def test_numbers_of_hits_beyond_float32() -> None:
    # 4,101 x 4,099 hits: an odd number above 2^24 is not exact in float32.
    y = torch.zeros(4101, 1)
    inside, covered = density_coverage(y, y[2:], torch.ones(4101), 1)
    assert inside == 4101
    assert covered == 1


# Nearest


@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (5, 9, 1), (9, 5, 5), (12, 20, 3)])
@pytest.mark.usefixtures("block")
def test_nearest_are_those_of_a_loop(m: int, n: int, k: int) -> None:
    x, y = torch.randn(m, 6), torch.randn(n, 6)
    r, index = nearest(x, y, k)
    expected = [sorted((r2(a, b) ** 0.5, i) for i, b in enumerate(y))[:k] for a in x]
    assert index.tolist() == [[i for _, i in row] for row in expected]
    np.testing.assert_allclose(r, [[d for d, _ in row] for row in expected], rtol=1e-6)


@pytest.mark.usefixtures("block")
def test_nearest_among_ties_and_coincident_points() -> None:
    x, y = grid(11, 5), grid(14, 5)
    y[10:] = x[:4]
    r, index = nearest(x, y, 6)
    expected = [sorted(r2(a, b) for b in y)[:6] for a in x]
    assert r.tolist() == torch.tensor(expected).sqrt().tolist()
    assert torch.equal((x[:, None] - y[index]).square().sum(2).sqrt(), r)
    assert all(len(set(row)) == 6 for row in index.tolist())
    assert (r[:4, 0] == 0).all()


def test_no_queries_have_results_with_a_column_for_each_neighbour() -> None:
    r, index = nearest(torch.zeros(0, 3), torch.ones(4, 3), 2)
    assert (r.shape, index.shape, index.dtype) == ((0, 2), (0, 2), torch.long)


def test_images_are_points() -> None:
    x, y = torch.randn(3, 1, 4, 4), torch.randn(5, 1, 4, 4)
    for image, flat in zip(nearest(x, y, 2), nearest(x.flatten(1), y.flatten(1), 2), strict=True):
        assert torch.equal(image, flat)


@pytest.mark.parametrize("n, k", [(5, 0), (5, 6), (0, 1), (5, -1)])
def test_more_neighbours_than_points_are_refused(n: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"'k' should be between 1 and {n}, got {k}"):
        nearest(torch.zeros(2, 3), torch.zeros(n, 3), k)
