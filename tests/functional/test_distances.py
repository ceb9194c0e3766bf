r"""Tests for the energy_gans.functional.distances module."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from energy_gans.functional import distances, distinct, median_distance, squared_distances
from energy_gans.functional.distances import CHUNK

DIMENSIONS = [2, 3, 5, 784, 3072]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def reference(a: Tensor, b: Tensor) -> Tensor:
    a, b = a.double().flatten(1), b.double().flatten(1)
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square()


def rotation(dim: int) -> Tensor:
    return torch.linalg.qr(randn(dim, dim)).Q


# Squared distances


@pytest.mark.parametrize("dim", [1, 2, 4, 5, 784])
@pytest.mark.parametrize("n, m", [(1, 1), (7, 7), (3, 8), (8, 3)])
def test_squared_distances_are_those_of_cdist(dim: int, n: int, m: int) -> None:
    a, b = randn(n, dim), randn(m, dim)
    torch.testing.assert_close(squared_distances(a, b), reference(a, b), rtol=1e-9, atol=0.0)


def ordinary(dim: int) -> tuple[Tensor, Tensor]:
    return torch.randn(24, dim), torch.randn(16, dim)


def close(dim: int) -> tuple[Tensor, Tensor]:
    b = torch.randn(24, dim)
    return b + torch.logspace(-7, -1, 24)[:, None] * torch.randn(24, dim), b


def one_ulp_apart(dim: int) -> tuple[Tensor, Tensor]:
    b = torch.rand(24, dim) + 0.5
    rows, columns = torch.arange(24), torch.randint(dim, (24,))
    a = b.clone()
    a[rows, columns] = torch.nextafter(b[rows, columns], torch.full((24,), torch.inf))
    return a, b


def coincident(dim: int) -> tuple[Tensor, Tensor]:
    b = torch.randn(24, dim)
    return b.flip(0), b


def far_by_1e3(dim: int) -> tuple[Tensor, Tensor]:
    a, b = ordinary(dim)
    return a + 1e3, b + 1e3


def far_by_1e4(dim: int) -> tuple[Tensor, Tensor]:
    a, b = ordinary(dim)
    return a + 1e4, b + 1e4


def far_one_ulp_apart(dim: int) -> tuple[Tensor, Tensor]:
    a = torch.randn(24, dim) + 1e4
    return torch.nextafter(a, torch.full_like(a, torch.inf)), a


def two_far_clusters(dim: int) -> tuple[Tensor, Tensor]:
    a, b = ordinary(dim)
    a[::2] += 1e4
    b[::2] += 1e4
    return a, b


def two_far_clusters_of_close_pairs(dim: int) -> tuple[Tensor, Tensor]:
    a, b = one_ulp_apart(dim)
    a[::2] += 1e4
    b[::2] += 1e4
    return a, b


PLACES = [
    ordinary,
    close,
    one_ulp_apart,
    coincident,
    far_by_1e3,
    far_by_1e4,
    far_one_ulp_apart,
    two_far_clusters,
    two_far_clusters_of_close_pairs,
]

every_place = pytest.mark.parametrize("place", PLACES, ids=[place.__name__ for place in PLACES])


@pytest.mark.parametrize("dim", DIMENSIONS)
@every_place
def test_squared_distances_of_float32_are_good_to_1e5(
    place: Callable[[int], tuple[Tensor, Tensor]], dim: int
) -> None:
    a, b = place(dim)
    r2 = squared_distances(a, b)
    assert r2.dtype == torch.float32
    torch.testing.assert_close(r2.double(), reference(a, b), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("dim", DIMENSIONS)
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_coincident_points_are_at_distance_zero(dim: int, offset: float) -> None:
    a = torch.randn(16, dim) + offset
    assert (squared_distances(a, a.clone()).diagonal() == 0).all()


@pytest.mark.parametrize("dim", [3, 5])
def test_a_tiny_coordinate_is_not_lost_beside_a_far_cluster(dim: int) -> None:
    a, b = torch.zeros(1, dim), torch.zeros(2, dim)
    b[0, 0], b[1] = 1e-9, 1e4
    torch.testing.assert_close(
        squared_distances(a, b).double(), reference(a, b), rtol=1e-5, atol=0
    )


class LargestTensor(TorchDispatchMode):
    r"""Records the number of elements of the largest tensor that any operation returns."""

    numel = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        for result in results if isinstance(results, (tuple, list)) else [results]:
            if isinstance(result, Tensor):
                self.numel = max(self.numel, result.numel())
        return results


def test_no_tensor_of_all_differences_is_made() -> None:
    n, dim = 512, 3072
    a = torch.randn(n, dim, requires_grad=True)
    b = torch.randn(n, dim)
    with LargestTensor() as largest:
        squared_distances(a, b).sum().backward()
    assert n * dim <= largest.numel < 2 * n * dim


@pytest.mark.parametrize("axes", [1, 3072])
def test_points_far_from_the_origin_take_no_more_work(axes: int) -> None:
    n, dim = 128, 3072
    a, b = torch.randn(n, dim), torch.randn(n, dim)
    a[:, :axes] += 1e6
    b[:, :axes] += 1e6
    largest = LargestTensor()
    with largest:
        squared_distances(a, b)
    assert largest.numel == n * dim


def test_no_tensor_of_all_differences_is_made_where_all_points_nearly_coincide() -> None:
    n, dim = 80, 3072
    a = torch.cat([torch.full((n, dim), 1e5), torch.full((n, dim), -1e5)]) + torch.randn(dim)
    with LargestTensor() as largest:
        r2 = squared_distances(a, a)
    assert r2[:n, :n].count_nonzero() == 0
    assert largest.numel <= CHUNK < 2 * n**2 * dim


# Functions of squared distances


def test_distances_of_coincident_points_have_no_gradient() -> None:
    a = torch.zeros(1, 3, requires_grad=True)
    r = distances(a, torch.tensor([[0.0, 0.0, 0.0], [3.0, 4.0, 0.0]]))
    assert r[0, 1].item() == 5.0
    assert r[0, 0].item() < 1e-15
    r.sum().backward()
    assert torch.equal(a.grad, torch.tensor([[-0.6, -0.8, 0.0]]))


@pytest.mark.parametrize("dim", [2, 16])
def test_distinct_pairs_carry_no_gradient_through_self_terms(dim: int) -> None:
    x = torch.randn(5, dim, requires_grad=True)
    r2 = distinct(squared_distances(x, x))
    assert r2.diagonal().isposinf().all()
    weights = torch.randn(5, 5)
    (weights * (1 / (1 + r2))).sum().backward()
    i, j = ~torch.eye(5, dtype=torch.bool), torch.eye(5, dtype=torch.bool)
    y = x.detach().clone().requires_grad_()
    plain = squared_distances(y, y)
    (weights * (1 / (1 + plain)))[i].sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    assert j.sum() == 5


def test_the_median_distance_is_that_of_pdist() -> None:
    a = torch.randn(10, 4, requires_grad=True)
    median = median_distance(distinct(squared_distances(a, a)))
    torch.testing.assert_close(median, torch.pdist(a.detach()).median())
    assert not median.requires_grad


def test_points_that_coincide_do_not_tell_a_scale() -> None:
    a = torch.randn(4, 3)
    often = distinct(squared_distances(*[torch.cat([a, a[:1].expand(20, 3)])] * 2))
    apart = torch.cdist(a, a)
    assert apart[apart > 0].min() <= median_distance(often) <= apart.max()
    for n in (1, 3):
        assert median_distance(torch.zeros(n, n)) == 0


def test_one_point_has_no_median_distance() -> None:
    with pytest.raises(ValueError, match="'r2' should hold at least one finite"):
        median_distance(distinct(torch.zeros(1, 1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_the_median_of_shared_distances_is_that_of_all(dtype: torch.dtype, n: int) -> None:
    r2 = torch.rand(n, dtype=dtype).pow(8)
    r2[: n // 3] = r2[0]
    r2 = torch.cat([r2, torch.tensor([0.0, torch.inf], dtype=dtype)])
    median = median_distance(r2, total=lambda counts: counts)
    assert median.dtype == dtype
    assert torch.equal(median, median_distance(r2))
    # Another process holds the same distances twice.
    more = median_distance(torch.cat([r2, r2]), total=lambda counts: counts + counts // 2)
    assert torch.equal(more, median)


def test_the_median_of_very_many_shared_distances_is_the_lower_of_the_middle_two() -> None:
    # Processes hold each of two distances more often than float32 can count.
    median = median_distance(torch.tensor([4.0, 9.0]), total=lambda counts: counts * 2**25)
    assert median == 2


@pytest.mark.parametrize("dtype, rounds", [(torch.float32, 4), (torch.float64, 8)])
def test_processes_send_256_counts_for_each_byte_of_a_number(
    dtype: torch.dtype, rounds: int
) -> None:
    sent: list[int] = []
    median_distance(
        torch.rand(99, dtype=dtype), total=lambda counts: sent.append(len(counts)) or counts
    )
    assert sent == [256] * rounds


def test_shared_points_that_all_coincide_have_the_median_distance_zero() -> None:
    assert median_distance(torch.zeros(3), total=lambda counts: 2 * counts) == 0


def test_a_traced_graph_of_distances_does_not_choose_by_values() -> None:
    a, b = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    graph = make_fx(squared_distances, tracing_mode="fake")(a, b)
    # The matrix form would recompute the pairs that nearly coincide.
    torch.testing.assert_close(graph(a, a + 1e-9), squared_distances(a, a + 1e-9))
    assert graph(a, a).diagonal().eq(0).all()
