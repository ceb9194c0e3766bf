r"""Tests for the energy_gans.plots.figures module."""

import math

import numpy as np
import pytest

from energy_gans.plots.curves import curves_picture
from energy_gans.plots.figures import GENERATED


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
