r"""Tests for the energy_gans.commands.study.pictures module."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from energy_gans.commands.study.pictures import (
    DENSITY_GRID,
    GAP,
    WIDTH,
    density,
    draw_density,
    plane,
    sheet,
    side_by_side,
    window,
)
from energy_gans.commands.study.plan import Study

UNIT = ((-1.0, 1.0), (-1.0, 1.0))
STUDY = Study({"a": [], "b": []}, {"one": [], "two": []}, seeds=[0], budget={"steps": 1})


@pytest.mark.parametrize(("x", "share"), [([0.0, 0.0], 1.0), ([5.0, 0.0], 0.0)])
def test_a_density_integrates_to_the_share_of_points_inside(x: list[float], share: float) -> None:
    p = density(np.array([x] * 7), UNIT)
    assert p.sum() * (2 / DENSITY_GRID) ** 2 == pytest.approx(share, abs=1e-6)


def test_the_density_of_equal_points_is_a_gaussian_of_the_fixed_width() -> None:
    # The centre of a cell, so that only the Gaussian is seen.
    centre = 1 / DENSITY_GRID
    p = density(np.array([[centre, centre]] * 5), UNIT)
    ticks = np.linspace(-1, 1, DENSITY_GRID, endpoint=False) + centre
    u, v = np.meshgrid(ticks, ticks, indexing="ij")
    variance = (p * ((u - centre) ** 2 + (v - centre) ** 2)).sum() / p.sum() / 2
    assert variance == pytest.approx((2 * WIDTH) ** 2, rel=0.01)


def test_the_first_axis_of_a_density_is_the_first_coordinate() -> None:
    p = density(np.array([[0.5, -0.25]]), UNIT)
    i, j = np.unravel_index(p.argmax(), p.shape)
    assert i == DENSITY_GRID * 3 // 4
    assert j == DENSITY_GRID * 3 // 8


def test_a_density_is_drawn_the_right_way_round() -> None:
    axis = Figure().subplots()
    draw_density(axis, np.array([[0.5, -0.25]]), UNIT, np.zeros((1, 2)), "k")
    (image,) = axis.images
    row, column = np.unravel_index(image.get_array().argmax(), image.get_array().shape)
    left, right, bottom, top = image.get_extent()
    assert image.origin == "lower"
    assert left + (right - left) * column / DENSITY_GRID == pytest.approx(0.5, abs=0.02)
    assert bottom + (top - bottom) * row / DENSITY_GRID == pytest.approx(-0.25, abs=0.02)


def test_images_stand_side_by_side() -> None:
    x = np.stack([np.full((3, 4, 5), value) for value in (-1.0, 0.0, 3.0)])
    strip = side_by_side(x)
    assert strip.shape == (4, 3 * 5 + 2 * GAP, 3)
    assert strip[0, [0, 5 + GAP, 2 * (5 + GAP)], 0].tolist() == [0.0, 0.5, 1.0]


def test_a_window_is_a_square_around_real_points() -> None:
    (left, right), (bottom, top) = window(np.array([[0.0, 0.0], [4.0, 2.0]]))
    assert right - left == pytest.approx(top - bottom)
    assert (left + right) / 2 == pytest.approx(2.0)
    assert left < 0 < 4 < right


def test_missing_cells_are_left_empty() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    points = {("a", "real"): x, ("a", "one"): x, ("b", "real"): x, ("b", "two"): x}
    drawn = []
    figure = plane(STUDY, points, lambda axis, x, **more: drawn.append(axis))
    assert len(figure.axes) == 6
    assert len(drawn) == 4
    images = {("a", "real"): np.zeros((12, 1, 8, 8)), ("a", "two"): np.zeros((3, 3, 8, 8))}
    assert [axis.get_ylabel() for axis in sheet(STUDY, images).axes] == ["real", "two"]
