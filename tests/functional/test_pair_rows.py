r"""Tests for the energy_gans.functional.pair_rows module."""

import pytest
import torch
from torch import Tensor

from energy_gans.functional import distinct, plummer, squared_distances
from energy_gans.functional.pair_rows import SharedPoints, pairs_between, pairs_within


def shared(x: Tensor, processes: int) -> list[SharedPoints]:
    r"""Returns the points as each of several processes sees them."""
    parts = x.chunk(processes)
    return [SharedPoints(p, x.detach(), i * len(parts[0])) for i, p in enumerate(parts)]


def k(r2: Tensor) -> Tensor:
    return (r2 + 0.1).pow(-1.5)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("dim", [2, 8])
@pytest.mark.parametrize("fixed", [False, True])
def test_means_over_rows_and_their_gradients_are_those_of_all_pairs(
    processes: int, dim: int, fixed: bool
) -> None:
    u, v = torch.randn(2, 12, dim, dtype=torch.float64)
    u.requires_grad_(not fixed)
    v.requires_grad_()
    uu, vv = (k(distinct(squared_distances(a, a))) for a in (u, v))
    whole = uu.mean() + 3 * vv.mean() - 2 * k(squared_distances(u, v)).mean()
    parts = []
    for s, t in zip(shared(u, processes), shared(v, processes), strict=True):
        rows = k(pairs_within(s)), k(pairs_within(t)), k(pairs_between(s, t))
        assert all(len(r) in (12 // processes, 24 // processes) for r in rows)
        parts.append(rows[0].mean() + 3 * rows[1].mean() - 2 * rows[2].mean())
    mean = torch.stack(parts).mean()
    torch.testing.assert_close(mean, whole)
    for x in [v] if fixed else [u, v]:
        expected, found = (torch.autograd.grad(f, x, retain_graph=True) for f in (whole, mean))
        torch.testing.assert_close(found, expected)


def test_the_first_rows_hold_each_pair_between_two_sets_once() -> None:
    u, v = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True).unbind()
    for u_set in (u, u.detach()):
        found = [
            pairs_between(s, t)[:2].flatten()
            for s, t in zip(shared(u_set, 3), shared(v, 3), strict=True)
        ]
        every = squared_distances(u, v).flatten()
        torch.testing.assert_close(torch.cat(found).sort().values, every.sort().values)


def test_a_single_process_computes_the_kernel_of_all_pairs() -> None:
    x = torch.randn(5, 2)
    whole = SharedPoints(x, x)
    expected = plummer(x, x, power=3.0, epsilon=0.1**0.5)
    torch.testing.assert_close(k(pairs_between(whole, whole)), expected)
    assert pairs_within(whole).diagonal().isposinf().all()
