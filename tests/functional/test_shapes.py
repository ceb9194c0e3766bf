r"""Tests of shapes: images are points, blocks of rows change nothing, one sample is a set."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

import energy_gans.functional as f
from energy_gans.functional import fields

from .test_precision import POINTS, A, B, C

# Losses of embeddings and of outputs of a network.
OF_POINTS = POINTS.keys() - {"nt_xent_loss", "nonsaturating_loss", "logistic_loss"}
BLOCKS: dict[str, Callable[[], Tensor]] = {
    "mean_distance": lambda: f.mean_distance(A, B),
    "potential_field": lambda: f.potential_field(A, B, C, f.plummer, attraction=2.0),
    "transport": lambda: f.transport(A, B, 8.0).target,
    "transport_error": lambda: f.transport(A, B, 8.0, iterations=1).error,
    "mean_shift_potential": lambda: f.mean_shift_potential(A, B, C, 3.0),
    "mean_shift": lambda: f.mean_shift(B, B, 3.0, own=True),
    "mean_shift_sharp": lambda: f.mean_shift(B, B, 3.0, "sharp", own=True),
    "drifting_field": lambda: f.drifting_field(B, C, B, 2.0, own=True),
}


@pytest.mark.parametrize("name", sorted(OF_POINTS))
def test_images_are_points(name: str) -> None:
    function, points = POINTS[name]
    expected = function(*points)
    found = function(*(p.unflatten(1, (2, 2, 3)) if p.ndim == 2 else p for p in points))
    if found.shape != expected.shape:
        assert found.shape == (len(expected), 2, 2, 3)
        found = found.flatten(1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("block", [1, 13])
def test_blocks_of_rows_do_not_change_results(
    monkeypatch: pytest.MonkeyPatch, name: str, block: int
) -> None:
    whole = BLOCKS[name]()
    monkeypatch.setattr(fields, "_BLOCK", block)
    torch.testing.assert_close(BLOCKS[name](), whole)


TOWARDS_ONE = {
    "laplace": partial(f.mean_shift, bandwidth=2.0),
    "gaussian": partial(f.mean_shift, bandwidth=2.0, kernel="gaussian"),
    "attention": partial(f.gaussian_mean_shift, bandwidth=2.0),
    "transport": lambda a, b: f.transport(a, b, 2.0).target - a,
}


@pytest.mark.parametrize("name", TOWARDS_ONE)
def test_a_single_sample_attracts_all_points(name: str) -> None:
    torch.testing.assert_close(TOWARDS_ONE[name](A, B[:1]), B[:1] - A)


def test_a_single_point_is_transported_to_the_mean() -> None:
    plan = f.transport(A[:1], B, 0.5)
    torch.testing.assert_close(plan.target, B.mean(0, keepdim=True))
    assert plan.error < 1e-12


def test_of_two_samples_each_is_attracted_by_the_other() -> None:
    pair = A[:2]
    torch.testing.assert_close(f.mean_shift(pair, pair, 2.0, own=True), pair.flip(0) - pair)


def test_a_field_of_one_sample_in_each_set_is_their_difference() -> None:
    y, x = B[:1], C[:1]
    expected = (y - x).expand_as(A)
    torch.testing.assert_close(f.mean_shift_field(A, y, x, 2.0), expected)
    torch.testing.assert_close(f.sinkhorn_field(A, y, x, 2.0), expected)


def test_an_error_as_large_as_the_tolerance_is_accepted() -> None:
    error = max(f.transport(A, b, 0.5, 3).error.item() for b in (B, C))
    assert f.sinkhorn_field(A, B, C, 0.5, 3, tolerance=error).isfinite().all()
    with pytest.raises(ValueError, match="did not converge"):
        f.sinkhorn_field(A, B, C, 0.5, 3, tolerance=error * (1 - 1e-9))
