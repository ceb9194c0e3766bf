r"""Tests for the energy_gans.plots.images module."""

from unittest import mock

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from energy_gans.plots.images import caption, film_picture, side_by_side


def figure_of(draw: object, *args: object) -> Figure:
    r"""Returns the figure of a picture, laid out."""
    with mock.patch("energy_gans.plots.images.render") as render:
        draw(*args)
    (figure,) = render.call_args.args
    figure.draw_without_rendering()
    return figure


def test_a_film_names_its_columns_and_rows() -> None:
    images = {"0": torch.zeros(3, 1, 4, 6).byte(), "9": torch.zeros(3, 1, 4, 6).byte()}
    (axis,) = figure_of(film_picture, images, "step", "one chain").axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "9"]
    assert axis.get_xlabel() == "step"
    assert axis.get_ylabel() == "each row: one chain"


@pytest.mark.parametrize("columns", [1, 4, 7])
def test_rows_of_panels_are_aligned_for_any_numbers_of_columns(columns: int) -> None:
    panels = {name: torch.zeros(5, n, 1, 8, 8).byte() for name, n in (("a", 1), ("b", columns))}
    axes = figure_of(side_by_side, panels, "one sample").axes
    first, second = (axis.get_window_extent() for axis in axes)
    assert first.y0 == pytest.approx(second.y0, abs=1)
    assert first.y1 == pytest.approx(second.y1, abs=1)
    assert [axis.get_ylabel() for axis in axes] == ["each row: one sample", ""]
    assert [axis.get_title() for axis in axes] == ["a", "b"]


def test_a_caption_is_above_the_whole_image() -> None:
    image = Image.new("RGB", (20, 10), "red")
    captioned = np.asarray(caption(image, "a text that is wider than the image"))
    assert (captioned[-10:, :20] == [255, 0, 0]).all()
    assert (captioned[:-10] == captioned[:-10, :, :1]).all()
    assert (captioned[:-10] < 128).any()
    assert (captioned[:, -4:] == 255).all()
