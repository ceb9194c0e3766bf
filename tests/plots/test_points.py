r"""Tests for the energy_gans.plots.points module."""

from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from energy_gans.plots.figures import BACKGROUND, CATEGORIES, GENERATED
from energy_gans.plots.points import _draw_classes, _frame, classes_picture, square_limits

NAMES = [f"class {c}" for c in range(10)]


def pixels(image: Image.Image, colour: str) -> int:
    r"""Returns how many pixels have nearly a colour."""
    apart = np.asarray(image).astype(int) - ImageColor.getrgb(colour)
    return int((abs(apart).max(-1) < 3).sum())


def drawn(label: torch.Tensor | None, classes: list[str]) -> Image.Image:
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
    return classes_picture({"left": (points, label), "right": (points + 9, None)}, classes, "all")


def test_the_legend_has_a_colour_for_each_class_and_the_rest_is_grey() -> None:
    picture = drawn(torch.arange(200) % 3, NAMES[:3])
    assert all(pixels(picture, colour) > 20 for colour in CATEGORIES[:3])
    assert not any(pixels(picture, colour) for colour in CATEGORIES[3:9])
    assert pixels(picture, BACKGROUND) > 100
    assert len(set(CATEGORIES)) == 10


@pytest.mark.parametrize("classes", [[], [*NAMES, "one more"]])
def test_without_few_classes_points_have_one_colour(classes: list[str]) -> None:
    with mock.patch("energy_gans.plots.points._draw_classes") as draw:
        picture = drawn(torch.arange(200), classes)
    assert [call.args[2] for call in draw.call_args_list] == [None, None]
    assert not any(pixels(picture, colour) for colour in CATEGORIES[:9])


def test_each_point_has_the_colour_of_its_class() -> None:
    points, label = torch.randn(30, 2), torch.arange(30) % 4
    axis = mock.Mock()
    _draw_classes(axis, points, label)
    _draw_classes(axis, points, None)
    u, v = axis.scatter.call_args_list[0].args
    colours = axis.scatter.call_args_list[0].kwargs["c"]
    known = {tuple(point): CATEGORIES[c] for point, c in zip(points.tolist(), label, strict=True)}
    assert [known[point] for point in zip(u.tolist(), v.tolist(), strict=True)] == colours
    assert axis.scatter.call_args_list[1].kwargs["c"] == GENERATED


def test_panels_share_square_limits_that_hold_all_points() -> None:
    found = []

    def keep(axis: object, points: torch.Tensor) -> None:
        _frame(axis, points)
        found.append((axis.get_xlim(), axis.get_ylim()))

    with mock.patch("energy_gans.plots.points._frame", keep):
        classes_picture(
            {"a": (torch.zeros(3, 2), None), "b": (torch.tensor([[10.0, 2.0]]), None)}, [], ""
        )
    assert found[0] == found[1]
    (left, right), (bottom, top) = found[0]
    assert left < 0 < 10 < right
    assert right - left == pytest.approx(top - bottom)
    assert (bottom + top) / 2 == pytest.approx(1.0)


def test_square_limits_have_the_margin_around_the_larger_range() -> None:
    low, high = square_limits(torch.tensor([[0.0, 0.0], [4.0, 2.0]]), margin=0.25)
    assert low.tolist() == [-1.0, -2.0]
    assert high.tolist() == [5.0, 4.0]
