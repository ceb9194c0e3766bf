r"""Tests for the energy_gans.plots.curves module."""

from unittest import mock

import numpy as np
import pytest
from matplotlib.figure import Figure

from energy_gans.plots.curves import _mean_and_range, bands_picture
from energy_gans.plots.figures import CATEGORIES


def test_a_band_of_straight_lines_is_known_between_their_steps() -> None:
    # v = s and v = 3 s on unlike steps: the mean is 2 s wherever both are known.
    runs = [([0, 4, 10], [0.0, 4.0, 10.0]), ([2, 5, 20], [6.0, 15.0, 60.0])]
    steps, mean, low, high = _mean_and_range(runs)
    assert steps.tolist() == [2, 4, 5, 10]
    assert mean == pytest.approx(2 * steps)
    assert low == pytest.approx(steps)
    assert high == pytest.approx(3 * steps)


def test_one_run_is_its_own_band_in_any_order() -> None:
    steps, mean, low, high = _mean_and_range([([3, 1, 2], [30.0, 10.0, 20.0])])
    assert steps.tolist() == [1, 2, 3]
    for line in (mean, low, high):
        assert line.tolist() == [10.0, 20.0, 30.0]


def test_values_that_are_not_finite_are_left_out() -> None:
    steps, mean, *_ = _mean_and_range(
        [([1, 2, 3], [1.0, float("nan"), 3.0]), ([1, 2, 3], [1.0, 4.0, 3.0])]
    )
    assert np.isfinite(mean).all()
    assert mean[list(steps).index(2)] == pytest.approx((2 + 4) / 2)


@pytest.mark.parametrize("runs", [[], [([], [])], [([1, 2], [1, 2]), ([3, 4], [1, 2])]])
def test_nothing_in_common_is_nothing(runs: list) -> None:
    assert [len(part) for part in _mean_and_range(runs)] == [0, 0, 0, 0]


def test_pictures_of_any_number_of_panels_and_labels() -> None:
    curve = ([1, 2, 3], [1.0, 2.0, 1.5])
    for panels in (1, 3):
        content = {f"p{i}": {f"m{j}": [curve] for j in range(9)} for i in range(panels)}
        assert bands_picture(content, xlabel=dict.fromkeys(content, "s")).width > 200
    assert bands_picture({"empty": {"m": []}}).width > 200


def drawn(panels: dict) -> Figure:
    r"""Returns the figure of a picture, laid out."""
    with mock.patch("energy_gans.plots.curves.render") as keep:
        bands_picture(panels)
    (figure,) = keep.call_args.args
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("labels", [1, 2, 5, 9])
@pytest.mark.parametrize("panels", [1, 3])
def test_the_legend_stands_inside_the_picture(panels: int, labels: int) -> None:
    curves = {f"a method of a long name {i}": [([1, 2], [1.0, 2.0])] for i in range(labels)}
    figure = drawn({f"p{i}": curves for i in range(panels)})
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert 0 <= box.y0 < box.y1 < min(axis.bbox.y0 for axis in figure.axes)


def test_a_label_has_one_style_in_all_panels_and_in_the_legend() -> None:
    curve, point = ([1, 2], [1.0, 2.0]), ([5], [3.0])
    figure = drawn({"a": {"m0": [curve], "m1": [curve]}, "b": {"m1": [point]}})
    (handles, (first, second)) = figure.legends[0].get_lines(), figure.axes[:2]
    assert [line.get_color() for line in handles] == list(CATEGORIES[:2])
    assert [line.get_color() for line in first.lines] == list(CATEGORIES[:2])
    assert [line.get_color() for line in second.lines] == [CATEGORIES[1]]
    assert second.lines[0].get_marker() == "o"
    assert {line.get_marker() for line in handles} == {"None"}
