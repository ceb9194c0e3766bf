r"""Tests for the energy_gans.plots.sheets module."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from energy_gans.plots.figures import render
from energy_gans.plots.sheets import (
    DENSITY_GRID,
    GAP,
    WIDTH,
    _density,
    _draw_density,
    _images_figure,
    _points_figure,
    _strip,
    _wrap,
)

UNIT = (torch.tensor([-1.0, -1.0]), torch.tensor([1.0, 1.0]))


@pytest.mark.parametrize(("x", "share"), [([0.0, 0.0], 1.0), ([5.0, 0.0], 0.0)])
def test_a_density_integrates_to_the_share_of_points_inside(x: list[float], share: float) -> None:
    p = _density(np.array([x] * 7), UNIT)
    assert p.sum() * (2 / DENSITY_GRID) ** 2 == pytest.approx(share, abs=1e-6)


def test_the_density_of_equal_points_is_a_gaussian_of_the_fixed_width() -> None:
    # The centre of a cell, so that only the Gaussian is seen.
    centre = 1 / DENSITY_GRID
    p = _density(np.array([[centre, centre]] * 5), UNIT)
    ticks = np.linspace(-1, 1, DENSITY_GRID, endpoint=False) + centre
    u, v = np.meshgrid(ticks, ticks, indexing="ij")
    variance = (p * ((u - centre) ** 2 + (v - centre) ** 2)).sum() / p.sum() / 2
    assert variance == pytest.approx((2 * WIDTH) ** 2, rel=0.01)


def test_the_first_axis_of_a_density_is_the_first_coordinate() -> None:
    p = _density(np.array([[0.5, -0.25]]), UNIT)
    i, j = np.unravel_index(p.argmax(), p.shape)
    assert i == DENSITY_GRID * 3 // 4
    assert j == DENSITY_GRID * 3 // 8


def test_a_density_is_drawn_the_right_way_round() -> None:
    axis = Figure().subplots()
    _draw_density(axis, np.array([[0.5, -0.25]]), UNIT, np.zeros((1, 2)))
    (image,) = axis.images
    row, column = np.unravel_index(image.get_array().argmax(), image.get_array().shape)
    left, right, bottom, top = image.get_extent()
    assert image.origin == "lower"
    assert left + (right - left) * column / DENSITY_GRID == pytest.approx(0.5, abs=0.02)
    assert bottom + (top - bottom) * row / DENSITY_GRID == pytest.approx(-0.25, abs=0.02)


def test_images_stand_side_by_side() -> None:
    x = np.stack([np.full((3, 4, 5), value) for value in (-1.0, 0.0, 3.0)])
    strip = _strip(x)
    assert strip.shape == (4, 3 * 5 + 2 * GAP, 3)
    assert strip[0, [0, 5 + GAP, 2 * (5 + GAP)], 0].tolist() == [0.0, 0.5, 1.0]


def test_missing_cells_are_left_empty() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    points = {("a", "real"): x, ("a", "one"): x, ("b", "real"): x, ("b", "two"): x}
    figure = _points_figure(points, ["a", "b"], ["real", "one", "two"], density=False)
    assert [len(axis.collections) for axis in figure.axes] == [1, 1, 0, 1, 0, 1]
    images = {("a", "real"): np.zeros((12, 1, 8, 8)), ("a", "two"): np.zeros((3, 3, 8, 8))}
    figure = _images_figure(images, ["a"], ["real", "two"])
    assert [axis.get_ylabel() for axis in figure.axes] == ["real", "two"]
    assert [len(axis.images) for axis in figure.axes] == [1, 1]


def test_a_row_of_densities_has_the_colour_scale_of_its_real_points() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    points = {("a", "real"): x, ("a", "one"): x / 9, ("b", "real"): 2 * x, ("b", "one"): x}
    figure = _points_figure(points, ["a", "b"], ["real", "one"], density=True)
    panels, bars = figure.axes[:4], figure.axes[4:]
    scales = [axis.images[0].get_clim() for axis in panels]
    assert scales[0] == scales[1] != scales[2] == scales[3]
    assert scales[0] == (0, panels[0].images[0].get_array().max())
    assert [axis.get_ylabel() for axis in bars] == ["density", "density"]


def test_long_names_are_broken_at_underscores() -> None:
    name = "eieg_direct_no_self_interaction"
    lines = _wrap(name).split("\n")
    assert "".join(lines) == name
    assert len(lines) == 2
    assert all(len(line) <= 20 for line in lines)
    assert _wrap("gan") == "gan"


@pytest.mark.parametrize("kind", ["images", "points", "densities"])
def test_long_names_stay_inside_the_picture(kind: str) -> None:
    # The height of many rows makes room for less at a layout's first pass.
    long = "eieg_direct_no_self_interaction"
    methods = ["real", *"bcdef", long, f"{long}_too"]
    shape = (10, 1, 32, 32) if kind == "images" else (10, 2)
    x = np.random.default_rng(0).uniform(-1, 1, shape)
    samples = {("a", method): x for method in methods}
    if kind == "images":
        figure = _images_figure(samples, ["a"], methods)
    else:
        figure = _points_figure(samples, ["a"], methods, density=kind == "densities")
    # A name that was cut off would leave ink on the edge.
    assert (np.asarray(render(figure))[:, [0, -1]] == 255).all()
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    written = [text for axis in figure.axes[:8] for text in (axis.title, axis.yaxis.label)]
    boxes = [text.get_window_extent(renderer) for text in written if text.get_text()]
    assert len(boxes) == 9
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    # Names above neighbouring columns do not meet.
    above = sorted((box.x0, box.x1) for box in boxes if kind != "images")[1:]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(above))
