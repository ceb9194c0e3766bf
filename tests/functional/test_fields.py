r"""Tests for the energy_gans.functional.fields module, and for what all fields have in common."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from energy_gans.functional import (
    distances,
    drifting_field,
    elastic,
    field,
    fields as module,
    gaussian,
    mean_shift_field,
    plummer,
    potential_field,
    sinkhorn_field,
    sliced_field,
)


def sliced(a: Tensor, y: Tensor, x: Tensor, **kwargs: float) -> Tensor:
    return sliced_field(a, y, x, 64, torch.Generator().manual_seed(0), **kwargs)


FIELDS = {
    "plummer": partial(potential_field, kernel=partial(plummer, power=3.0, epsilon=0.5)),
    "elastic": partial(potential_field, kernel=partial(elastic, cutoff=0.5, power=1.0)),
    "gaussian": partial(potential_field, kernel=gaussian),
    "energy distance": partial(potential_field, kernel=lambda a, b: -distances(a, b)),
    "laplace mean shift": partial(mean_shift_field, bandwidth=0.7),
    "gaussian mean shift": partial(mean_shift_field, bandwidth=0.7, kernel="gaussian"),
    "sharp mean shift": partial(mean_shift_field, bandwidth=0.7, kernel="sharp"),
    "drifting": partial(drifting_field, bandwidth=0.7),
    "sinkhorn": partial(sinkhorn_field, epsilon=0.3),
    "sliced": sliced,
}
every_field = pytest.mark.parametrize("v", FIELDS.values(), ids=FIELDS.keys())


def points(*sizes: int, dim: int = 3, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(n, dim, generator=random, dtype=dtype) for n in sizes]


# All fields


@every_field
def test_the_field_of_equal_sets_vanishes(v: Callable) -> None:
    a, y = points(5, 8)
    torch.testing.assert_close(v(a, y, y.flip(0)), torch.zeros_like(a), rtol=0, atol=1e-12)


@every_field
def test_exchanging_real_and_generated_turns_the_sign(v: Callable) -> None:
    a, y, x = points(5, 8, 6)
    torch.testing.assert_close(v(a, x, y), -v(a, y, x), rtol=1e-10, atol=1e-12)


@every_field
@pytest.mark.parametrize("attraction", [1.0, 2.0])
def test_a_translation_leaves_the_field(v: Callable, attraction: float) -> None:
    a, y, x = points(5, 8, 6)
    moved = v(a + 30, y + 30, x + 30, attraction=attraction)
    expected = v(a, y, x, attraction=attraction)
    torch.testing.assert_close(moved, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "v", [v for name, v in FIELDS.items() if name != "sliced"], ids=list(FIELDS)[:-1]
)
def test_a_rotation_turns_the_field(v: Callable) -> None:
    a, y, x = points(5, 8, 6)
    q = torch.linalg.qr(points(3)[0]).Q
    torch.testing.assert_close(v(a @ q, y @ q, x @ q), v(a, y, x) @ q, rtol=1e-9, atol=1e-11)


@every_field
def test_the_order_of_samples_does_not_matter(v: Callable) -> None:
    a, y, x = points(5, 8, 6)
    torch.testing.assert_close(v(a, y.flip(0), x.flip(0)), v(a, y, x), rtol=1e-9, atol=1e-12)


@every_field
def test_blocks_equal_the_whole(v: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    a, y, x = points(7, 8, 6)
    whole = v(a, y, x)
    monkeypatch.setattr(module, "_BLOCK", 30)
    torch.testing.assert_close(v(a, y, x), whole, rtol=1e-12, atol=1e-13)


@every_field
def test_attraction_scales_the_part_of_real_samples(v: Callable) -> None:
    a, y, x = points(5, 8, 6)
    base, towards_y = v(a, y, x), v(a, y, x, attraction=2.0) - v(a, y, x)
    torch.testing.assert_close(v(a, y, x, attraction=0.5), base - towards_y / 2)
    # What is left, without real samples, repels from generated ones alone.
    repelled = v(a, x, y, attraction=2.0) - v(a, x, y)
    if v is not FIELDS["drifting"]:
        torch.testing.assert_close(base, towards_y - repelled)


@every_field
@pytest.mark.parametrize("attraction", [0.0, -1.0, math.inf])
def test_an_attraction_that_is_not_positive_is_refused(v: Callable, attraction: float) -> None:
    with pytest.raises(ValueError, match="'attraction' should be positive and finite"):
        v(*points(5, 8, 6), attraction=attraction)


def test_points_may_be_the_first_of_the_generated_samples() -> None:
    y, x = points(8, 7)
    for v in (mean_shift_field, drifting_field):
        # A generated sample at infinity, which has no weight, changes nothing.
        more = torch.cat([x, torch.full((1, 3), 1e6, dtype=torch.float64)])
        torch.testing.assert_close(v(x, y, more, 0.7, own=True), v(x, y, x, 0.7, own=True))


@pytest.mark.parametrize("v", [mean_shift_field, drifting_field])
def test_blocks_leave_out_the_pair_of_a_sample_with_itself(
    v: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, x = points(8, 7)
    whole = v(x, y, x, 0.7, own=True)
    monkeypatch.setattr(module, "_BLOCK", 30)
    torch.testing.assert_close(v(x, y, x, 0.7, own=True), whole, rtol=1e-12, atol=1e-13)


@every_field
def test_a_far_generated_sample_moves_towards_the_real_ones(v: Callable) -> None:
    (y,) = points(8)
    far = torch.tensor([[3.0, 0.0, 0.0]], dtype=torch.float64)
    # The generated samples are even about the point, so that their own forces cancel.
    x = far + 0.1 * torch.cat([torch.eye(3), -torch.eye(3)])
    assert v(far, y * 0.1, x)[0, 0] < 0


@every_field
def test_images_are_points(v: Callable) -> None:
    a, y, x = (s.reshape(-1, 1, 2, 2) for s in points(5, 8, 6, dim=4))
    flat = v(a.flatten(1), y.flatten(1), x.flatten(1))
    torch.testing.assert_close(v(a, y, x), flat.reshape(5, 1, 2, 2), rtol=1e-9, atol=1e-12)


@every_field
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fields_are_float32_under_autocast(v: Callable, dtype: torch.dtype) -> None:
    a, y, x = points(5, 8, 6, dtype=torch.float32)
    # Numbers that bfloat16 holds exactly.
    a, y, x = (s.bfloat16().float() for s in (a, y, x))
    exact = v(a, y, x)
    with torch.autocast("cpu", torch.bfloat16):
        computed = v(a.to(dtype), y.to(dtype), x.to(dtype))
    rounding = {"rtol": 1e-2, "atol": 1e-2} if dtype == torch.bfloat16 else {"rtol": 0, "atol": 0}
    torch.testing.assert_close(computed.float(), exact, **rounding)


@every_field
def test_a_field_has_no_memory(v: Callable) -> None:
    a, y, x = points(5, 8, 6)
    copies = [s.clone() for s in (a, y, x)]
    first = v(a, y, x)
    assert torch.equal(v(a, y, x), first)
    assert all(torch.equal(s, copy) for s, copy in zip((a, y, x), copies, strict=True))


@every_field
@pytest.mark.parametrize("sizes", [(0, 4), (4, 0)])
def test_an_empty_set_is_refused(v: Callable, sizes: tuple[int, int]) -> None:
    a, y, x = points(3, *sizes)
    with pytest.raises(ValueError, match=r"'y' and 'x' should hold at least one sample each"):
        v(a, y, x)


@every_field
def test_sets_of_unlike_points_are_refused(v: Callable) -> None:
    a, y = points(3, 4)
    with pytest.raises(ValueError, match="should hold points of one shape"):
        v(a, y, points(4, dim=2)[0])


@pytest.mark.parametrize("block, sizes", [(3, [1] * 5), (8, [1] * 5), (20, [2, 2, 1]), (40, [5])])
def test_blocks_hold_the_pairs_that_are_allowed_or_one_row(
    block: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (a,) = points(5)
    monkeypatch.setattr(module, "_BLOCK", block)
    starts, parts = zip(*module.blocks_of(a, 8), strict=True)
    assert [len(part) for part in parts] == sizes
    assert torch.equal(torch.cat(parts), a)
    assert all(torch.equal(a[i], part[0]) for i, part in zip(starts, parts, strict=True))


def test_centred_sets_have_no_mean_and_keep_their_differences() -> None:
    a, b = (s + torch.tensor([10.0, -1e3, 3e5]) for s in points(5, 8))
    u, v = module.centred(a, b)
    torch.testing.assert_close(v.mean(0), torch.zeros(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(u[:, None] - v, a[:, None] - b, rtol=0, atol=1e-9)


# Potential fields


def test_a_potential_field_is_the_force_on_a_generated_sample() -> None:
    a, y, x = points(5, 8, 6)
    assert torch.equal(potential_field(a, y, x, plummer), -field(a, y, x, plummer))


# Drifting


def drift(a: Tensor, y: Tensor, x: Tensor, tau: float, own: bool) -> Tensor:
    r"""Algorithm 2, by plain loops."""
    n, m, b = len(y), len(x), len(a)
    samples = [*x, *y]
    k = [[math.exp(-float((p - s).norm()) / tau) for s in samples] for p in a]
    for i in range(b if own else 0):
        k[i][i] = 0.0
    rows = [sum(row) for row in k]
    columns = [sum(k[i][j] for i in range(b)) for j in range(m + n)]
    w = [[math.sqrt(k[i][j] ** 2 / rows[i] / columns[j]) for j in range(m + n)] for i in range(b)]
    moves = []
    for i in range(b):
        real = sum(w[i][m + j] * y[j] for j in range(n)) * sum(w[i][:m])
        generated = sum(w[i][j] * x[j] for j in range(m)) * sum(w[i][m:])
        moves.append(real - generated)
    return torch.stack(moves)


@pytest.mark.parametrize("tau", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("own", [False, True])
def test_drifting_equals_plain_loops(tau: float, own: bool) -> None:
    a, y, x = points(5, 8, 6)
    x = a if own else x
    torch.testing.assert_close(
        drifting_field(a, y, x, tau, own), drift(a, y, x, tau, own), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("block, parts", [(70, [5]), (69, [4, 1, 4, 1])])
def test_distances_are_computed_once_if_a_block_holds_them_all(
    monkeypatch: pytest.MonkeyPatch, block: int, parts: list[int]
) -> None:
    computed: list[int] = []

    def recorded(a: Tensor, b: Tensor) -> Tensor:
        computed.append(len(a))
        return distances(a, b)

    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "distances", recorded)
    module.drifting_fields(*points(5, 8, 6), [0.1, 1.0, 3.0])
    assert computed == parts


def test_far_samples_neither_overflow_nor_vanish() -> None:
    a, y, x = points(5, 8, 6)
    v = drifting_field(a, y + 1e4, x, 0.05)
    assert v.isfinite().all()


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.inf, math.nan])
def test_a_bandwidth_that_is_not_positive_is_refused(bandwidth: float) -> None:
    with pytest.raises(ValueError, match="'bandwidth' should be positive and finite"):
        drifting_field(*points(5, 8, 6), bandwidth)


def test_one_negative_that_is_the_point_itself_is_refused() -> None:
    a, y = points(1, 4)
    with pytest.raises(ValueError, match="'b' should hold at least 2 samples where own = True"):
        drifting_field(a, y, a, 1.0, own=True)


def test_fewer_samples_than_own_points_are_refused() -> None:
    with pytest.raises(ValueError, match="'own' should be False unless the points are the first"):
        drifting_field(*points(7, 8, 6), 1.0, own=True)


def test_a_single_own_point_drifts_like_one_whose_other_samples_are_given() -> None:
    random = torch.Generator().manual_seed(0)
    a, y, x = (torch.randn(n, 2, generator=random, dtype=torch.float64) for n in (1, 5, 3))
    v = drifting_field(a, y, torch.cat([a, x]), 0.7, own=True)
    torch.testing.assert_close(v, drifting_field(a, y, x, 0.7))
