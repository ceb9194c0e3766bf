r"""Tests for the energy_gans.functional.evaluation.feature_spread module."""

import math

import pytest
import torch

from energy_gans.functional.evaluation.feature_spread import (
    extent,
    separation,
    share_of_dimensions,
    shrinkage,
)


def rotation(n: int) -> torch.Tensor:
    q = torch.linalg.qr(torch.randn(n, n, generator=torch.Generator().manual_seed(1)).double())
    return q[0]


def corners(*sides: float) -> torch.Tensor:
    r"""Returns the corners of a box: their variances are the squares of half its sides."""
    axes = [torch.tensor([-side / 2, side / 2], dtype=torch.float64) for side in sides]
    return torch.cartesian_prod(*axes)


def test_the_extent_and_the_dimensions_of_a_box() -> None:
    u = corners(6.0, 2.0, 4.0) @ rotation(3) + 5.0
    assert extent(u).item() == pytest.approx(math.sqrt(9 + 1 + 4))
    assert share_of_dimensions(u).item() == pytest.approx((9 + 1 + 4) ** 2 / (3 * (81 + 1 + 16)))


def test_a_line_uses_one_dimension_and_a_cube_all() -> None:
    assert share_of_dimensions(corners(1.0, 1.0, 1.0, 1.0)).item() == pytest.approx(1.0)
    line = torch.arange(7.0)[:, None] * torch.randn(5, generator=torch.Generator().manual_seed(0))
    assert share_of_dimensions(line).item() == pytest.approx(1 / 5)
    assert share_of_dimensions(torch.ones(4, 3)).isnan()
    assert extent(torch.ones(4, 3)) == 0


def test_classes_far_from_the_origin_keep_their_digits() -> None:
    u = corners(6.0, 2.0, 4.0).float() / 16 + 4096.0
    assert extent(u).item() == pytest.approx(math.sqrt(14) / 16, rel=1e-6)


def test_the_separation_of_boxes() -> None:
    box = corners(2.0, 2.0)
    u = torch.cat([box, box + torch.tensor([6.0, 8.0]), box[:, [1, 0]]])
    label = torch.tensor([3] * 4 + [7] * 4 + [3] * 4)
    mixed = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert separation(u[mixed], label[mixed]).item() == pytest.approx(10 / math.sqrt(2))


def test_the_separation_is_that_of_a_plain_loop_and_has_no_unit() -> None:
    random = torch.Generator().manual_seed(0)
    u = torch.randn(40, 3, generator=random).double()
    label = torch.randint(4, (40,), generator=random)
    groups = [u[label == c] for c in range(4)]
    means = [group.mean(0) for group in groups]
    apart = [math.dist(means[i], means[j]) for i in range(4) for j in range(i)]
    within = sum(math.dist(a, means[c]) ** 2 for a, c in zip(u, label.tolist(), strict=True)) / 40
    expected = sum(apart) / 6 / math.sqrt(within)
    assert separation(u, label).item() == pytest.approx(expected)
    assert separation(7 * u @ rotation(3) - 2, label).item() == pytest.approx(expected)


def test_one_class_lies_apart_from_none() -> None:
    assert separation(torch.randn(5, 2), torch.zeros(5, dtype=torch.long)).isnan()


def test_samples_that_coincide_have_shrunk_and_wider_ones_have_not() -> None:
    y = torch.randn(50, 3)
    assert shrinkage(torch.ones(9, 3), y) == 1
    assert shrinkage(3 * y, y) == shrinkage(y + 5, y).round(decimals=5) == 0
    torch.testing.assert_close(shrinkage(0.3 * y, y), torch.tensor(0.7, dtype=torch.float64))
