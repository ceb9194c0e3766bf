r"""Tests for the energy_gans.plots.figures module."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from energy_gans.plots.curves import curves_picture
from energy_gans.plots.figures import GENERATED, write_film


def coloured(values: list[float]) -> int:
    r"""Returns how many pixels of a picture of one curve have the curve's colour."""
    picture = np.asarray(curves_picture({"a": ([float(i) for i in range(len(values))], values)}))
    return int((picture == [int(GENERATED[i : i + 2], 16) for i in (1, 3, 5)]).all(-1).sum())


@pytest.mark.parametrize("values", [[3.0], [math.nan, 3.0, math.nan]])
def test_a_curve_of_one_point_is_seen(values: list[float]) -> None:
    assert coloured([math.nan] * len(values)) == 0
    assert coloured(values) >= 20
    # Of more points the line alone is drawn.
    assert coloured([3.0, 3.0]) > coloured(values)


def test_a_film_shows_its_images_in_order_and_rests_at_the_last(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    write_film([Image.new("RGB", (4, 4), (level, 0, 0)) for level in (0, 100, 200)], path)
    with Image.open(path) as film:
        shown = []
        for k in range(film.n_frames):
            film.seek(k)
            shown.append((film.convert("RGB").getpixel((1, 1))[0], film.info["duration"]))
        assert film.info["loop"] == 0
    # A GIF counts hundredths of a second.
    assert shown == [(0, 80), (100, 80), (200, 1070)]
    assert [*tmp_path.iterdir()] == [path]
