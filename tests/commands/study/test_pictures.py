r"""Tests for the energy_gans.commands.study.pictures module."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
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
    wrapped,
)
from energy_gans.commands.study.plan import Study
from energy_gans.plots.figures import render

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


def test_long_names_are_broken_at_underscores() -> None:
    name = "eieg_direct_no_self_interaction"
    lines = wrapped(name).split("\n")
    assert "".join(lines) == name
    assert len(lines) == 2
    assert all(len(line) <= 20 for line in lines)
    assert wrapped("gan") == "gan"


@pytest.mark.parametrize("kind", ["images", "points"])
def test_long_names_stay_inside_the_picture(kind: str) -> None:
    # The height of many rows makes room for less at a layout's first pass.
    long = "eieg_direct_no_self_interaction"
    methods = {name: [] for name in (*"bcdef", long, f"{long}_too")}
    study = replace(STUDY, methods=methods)
    shape = (10, 1, 32, 32) if kind == "images" else (10, 2)
    x = np.random.default_rng(0).uniform(-1, 1, shape)
    arrays = {("a", method): x for method in ("real", *methods)}
    figure = sheet(study, arrays) if kind == "images" else plane(study, arrays, draw_density)
    # A name that was cut off would leave ink on the edge.
    assert (np.asarray(render(figure))[:, [0, -1]] == 255).all()
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    written = [text for axis in figure.axes for text in (axis.title, axis.yaxis.label)]
    boxes = [text.get_window_extent(renderer) for text in written if text.get_text()]
    assert len(boxes) == 9
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    # Names above neighbouring columns do not meet.
    above = sorted((box.x0, box.x1) for box in boxes if kind == "points")[1:]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(above))
