r"""Tests for the energy_gans.functional.masks module."""

import math

import pytest
import torch

from energy_gans.functional.masks import (
    hole_masks,
    known_distances,
    patch_mask,
    spot_mask,
    square_mask,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (28, 28)])
@pytest.mark.parametrize("width", [1, 3, 7])
def test_a_square_hole_is_in_the_middle(size: tuple[int, int], width: int) -> None:
    known = square_mask(size, width)
    assert known.shape == (1, 1, *size)
    hole = (known[0, 0] == 0).nonzero()
    assert len(hole) == width**2
    assert (hole.amax(0) - hole.amin(0) == width - 1).all()
    margin = torch.tensor(size) - 1 - hole.amax(0) - hole.amin(0)
    assert ((margin == 0) | (margin == 1)).all()


@pytest.mark.parametrize("width", [0, 8, 9, -1])
def test_a_square_that_does_not_fit_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"'width' should be from 1 to 7 .* 8 x 9 .*got {width}"):
        square_mask((8, 9), width)


@pytest.mark.parametrize("size", [(8, 8), (28, 20), (64, 64)])
@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_spots_reach_their_share(size: tuple[int, int], share: float) -> None:
    known = spot_mask(size, share, generator(), n=20)
    assert known.shape == (20, 1, *size)
    assert set(known.unique().tolist()) == {0, 1}
    holes = 1 - known.flatten(1).mean(1)
    radius = max(1, min(size) // 16)
    assert (holes >= share).all()
    assert (holes <= share + (2 * radius + 1) ** 2 / known[0].numel()).all()
    assert not torch.equal(known[0], known[1])


def test_a_small_share_is_one_round_spot() -> None:
    known = spot_mask((64, 64), 1e-6, generator(3))
    i, j = (known[0, 0] == 0).nonzero().T.double()
    assert (i - i.mean()).square().add((j - j.mean()).square()).max() <= 16
    assert len(i) == 49


def test_spots_are_a_function_of_the_generator() -> None:
    a, b, c = (spot_mask((8, 8), 0.3, generator(seed), 4) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="'share' should be between 0 and 1, got"):
        spot_mask((8, 8), share, generator())


def test_spots_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="'share' should leave a pixel of 8 x 8 known, got 0.999"):
        spot_mask((8, 8), 0.999, generator())


@pytest.mark.parametrize("masks", [1, 5])
def test_distances_are_those_of_known_pixels(masks: int) -> None:
    a, b = torch.randn(5, 3, 4, 4), torch.randn(7, 3, 4, 4)
    known = spot_mask((4, 4), 0.4, generator(), masks)
    r2 = known_distances(a, b, known)
    assert (r2.shape, r2.dtype) == ((5, 7), torch.float64)
    for i in range(5):
        for j in range(7):
            expected = (known[i % masks] * (a[i] - b[j]).double()).square().sum()
            torch.testing.assert_close(r2[i, j], expected)


def test_images_that_agree_on_known_pixels_are_at_no_distance() -> None:
    a, known = 100 + torch.rand(6, 1, 8, 8), square_mask((8, 8), 4)
    b = torch.where(known == 1, a, -100)
    r2 = known_distances(a, b, known)
    assert (r2.diagonal() < 1e-6).all()
    assert (r2.argmin(1) == torch.arange(6)).all()


def test_kinds_of_holes_take_turns() -> None:
    known = hole_masks(("both", "square", "spot"), (8, 9), 3, 0.3, generator(), 7)
    square, spots = square_mask((8, 9), 3), spot_mask((8, 9), 0.3, generator(), 7)
    for i, (m, spot) in enumerate(zip(known, spots, strict=True)):
        assert torch.equal(m, (square[0] * spot, square[0], spot)[i % 3])


def test_a_square_is_half_of_the_image_by_default() -> None:
    known = hole_masks(("square",), (8, 12), None, 0.3, generator(), 2)
    assert torch.equal(known, square_mask((8, 12), 4).expand(2, -1, -1, -1))


def test_only_holes_of_the_given_kinds_have_to_fit() -> None:
    spots = hole_masks(("spot",), (8, 8), 9, 0.3, generator(), 2)
    assert torch.equal(spots, spot_mask((8, 8), 0.3, generator(), 2))
    square = hole_masks(("square",), (8, 8), 3, 0.0, generator(), 2)
    assert torch.equal(square, square_mask((8, 8), 3).expand(2, -1, -1, -1))


@pytest.mark.parametrize("kinds", [(), ("spot", "ring")])
def test_kinds_that_there_are_not_are_refused(kinds: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="'kinds' should be some of"):
        hole_masks(kinds, (8, 8), 3, 0.3, generator(), 2)


# Patches


@pytest.mark.parametrize("size, width, share", [((8, 8), 2, 0.6), ((12, 8), 4, 0.5)])
def test_patches_are_whole_and_as_many_as_asked_for(
    size: tuple[int, int], width: int, share: float
) -> None:
    known = patch_mask(size, width, share, torch.Generator().manual_seed(0), 50)
    assert (known.shape, known.dtype) == ((50, 1, *size), torch.float32)
    patches = known.unfold(2, width, width).unfold(3, width, width).flatten(4)
    assert torch.equal(patches.amin(4), patches.amax(4))
    holes = (patches[..., 0] == 0).flatten(1)
    assert set(holes.sum(1).tolist()) == {round(share * holes.shape[1])}
    # Each patch is a hole equally often.
    assert (holes.float().mean(0) - share).abs().max() < 0.3


def test_patches_are_cut_where_the_image_ends() -> None:
    known = patch_mask((7, 7), 4, 0.25, torch.Generator().manual_seed(1), 40)
    assert known.shape == (40, 1, 7, 7)
    assert {*(1 - known).sum((1, 2, 3)).int().tolist()} == {9, 12, 16}


def test_patches_are_a_function_of_the_generator() -> None:
    masks = [patch_mask((8, 8), 2, 0.5, torch.Generator().manual_seed(s), 9) for s in (0, 0, 1)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, 0.01, 0.99, math.nan, math.inf])
def test_patches_leave_something_known_and_something_not(share: float) -> None:
    with pytest.raises(ValueError, match=f"'share' should leave some of 16 patches .* {share}"):
        patch_mask((8, 8), 2, share, torch.Generator())
