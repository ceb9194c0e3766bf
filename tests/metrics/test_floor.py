r"""Tests for the energy_gans.metrics.floor module."""

import itertools

import pytest
import torch
from torch import Tensor

from energy_gans.functional import frechet_distance
from energy_gans.metrics.floor import Floor, choose_floor
from energy_gans.metrics.reference import Part, reference_order

SIZES = (2, 3, 7, 60, 150, 1000)


@pytest.mark.parametrize(
    "n, reference_n, length, held_out, expected",
    [
        # The held-out images are enough.
        (60, 500, 500, 60, Floor(60, 0, 0, 500)),
        (10, 500, 500, 60, Floor(10, 0, 0, 500)),
        # The rest of the reference's split fills the gap.
        (100, 300, 500, 60, Floor(60, 40, 0, 300)),
        (260, 300, 500, 60, Floor(60, 200, 0, 300)),
        # Some images are taken from the reference.
        (100, 500, 500, 60, Floor(60, 0, 40, 460)),
        (100, 490, 500, 60, Floor(60, 10, 30, 460)),
        (100, 500, 500, 0, Floor(0, 0, 100, 400)),
        # Half of all images replace samples, the other half is the reference.
        (2000, 500, 500, 60, Floor(60, 0, 220, 280)),
        (2000, 500, 501, 60, Floor(60, 1, 219, 281)),
        # More held-out images than the reference has.
        (2000, 50, 50, 600, Floor(600, 0, 0, 50)),
        # More reference images than there are.
        (60, 9999, 500, 60, Floor(60, 0, 0, 500)),
    ],
)
def test_real_images_that_stand_in_for_samples(
    n: int, reference_n: int, length: int, held_out: int, expected: Floor
) -> None:
    assert choose_floor(n, reference_n, length, held_out) == expected


def test_no_image_is_on_both_sides() -> None:
    for n, reference_n, length, held_out in itertools.product(SIZES, SIZES, SIZES, (0, *SIZES)):
        if min(reference_n, length) + held_out < 8:
            continue
        floor = choose_floor(n, reference_n, length, held_out)
        parts = floor.parts("train", "val")
        orders = {
            "train": reference_order(length, length),
            "val": reference_order(held_out, held_out),
        }
        real = [(p.split, i) for p in parts for i in orders[p.split][p.start : p.stop].tolist()]
        left = [("train", i) for i in orders["train"][: floor.reference_n].tolist()]
        assert len({*real, *left}) == len(real) + len(left) == floor.n + floor.reference_n
        # Images outside of the original reference come first.
        outside = real[: floor.held_out + floor.spare]
        whole = {("train", i) for i in orders["train"][:reference_n].tolist()}
        assert not whole & {*outside}
        assert whole == {*left, *real[len(outside) :]}
        # Fewer images than samples only if the reference would otherwise be the smaller set.
        total = held_out + length if reference_n >= length else len(real) + len(left)
        assert floor.n == n or (
            n > floor.n >= floor.reference_n - 1 and len(real) + len(left) == total
        )


@pytest.mark.parametrize("sizes", [(5, 2, 2, 1), (5, 9, 3, 0), (1, 1, 1, 9)])
def test_fewer_than_four_images_are_refused(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="'data' should have at least 4 images .* got [23]"):
        choose_floor(*sizes)


def test_what_they_are_is_stamped() -> None:
    reference, held_out = {"split": "train"}, {"split": "val"}
    floor = Floor(60, 10, 30, 460)
    assert floor.about(40, reference, held_out) == {"split": "val", "n": 40}
    assert floor.about(60, reference, held_out) == {"split": "val", "n": 60}
    more = {"split": "val", "n": 60, "more": {"split": "train", "n": 40}}
    assert floor.about(100, reference, held_out) == more
    parts = [Part("val", 0, 60), Part("train", 490, 500), Part("train", 460, 490)]
    assert floor.parts("train", "val") == parts


def distance(x: Tensor, y: Tensor) -> float:
    return frechet_distance(y.mean(0), y.T.cov(), x.mean(0), x.T.cov()).item()


def test_the_floor_is_what_a_perfect_generator_has() -> None:
    random = torch.Generator().manual_seed(0)
    n, length, held_out, repeats = 200, 300, 20, 100
    floor = choose_floor(n, length, length, held_out)
    assert (floor.n, floor.reference_n) == (160, 160)
    values = []
    for _ in range(repeats):
        data = torch.randn(2, length, 16, generator=random, dtype=torch.float64)
        real, perfect = data[0], data[1]
        left, held_back = real[: floor.reference_n], real[floor.reference_n :]
        new = torch.randn(held_out, 16, generator=random, dtype=torch.float64)
        values.append(
            [
                distance(torch.cat([new, held_back]), left),
                distance(perfect[: floor.n], left),
                distance(perfect[:n], real),
                distance(new, real),
            ]
        )
    values = torch.tensor(values)
    theirs, matched, all_samples, few = values.mean(0).tolist()
    error = values[:, :2].std(0).norm().item() / repeats**0.5
    assert abs(theirs - matched) < 4 * error < 0.1 * matched
    # The earlier floor: the held-out images alone, compared with all samples.
    assert few > 4 * all_samples
