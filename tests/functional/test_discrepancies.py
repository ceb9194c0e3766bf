r"""Tests for the energy_gans.functional.discrepancies module."""

from functools import partial

import pytest
import torch
from torch import Tensor

from energy_gans.functional import (
    ElasticTerm,
    discrepancy,
    distinct,
    elastic,
    elastic_log_force,
    elastic_profile,
    elastic_sums,
    interaction_energy,
    kernel_within,
    matching_loss,
    repulsive_loss,
    share_within,
    squared_distances,
    unit_length,
)

E = 0.5


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def matrices(
    u: Tensor, v: Tensor, cutoff: float = E, unit: float | Tensor = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns the elastic kernel between real, between generated and between both features."""
    r2 = distinct(squared_distances(u, u)), distinct(squared_distances(v, v))
    k = partial(elastic_profile, cutoff=cutoff, power=u.shape[1] - 1.0, unit=unit)
    return k(r2[0]), k(r2[1]), k(squared_distances(u, v))


def points(n: int, m: int, dim: int) -> tuple[Tensor, Tensor]:
    return torch.randn(n, dim).double(), torch.randn(m, dim).double()


@pytest.mark.parametrize("n, m", [(6, 6), (5, 8)])
def test_the_discrepancy_is_twice_the_interaction_energy_but_for_self_terms(
    n: int, m: int
) -> None:
    u, v = points(n, m, 3)
    at_zero = elastic(u[:1], u[:1], E).item()
    energy = interaction_energy(u, v, partial(elastic, cutoff=E), "v")
    expected = 2 * energy - at_zero * (1 / n + 1 / m)
    torch.testing.assert_close(discrepancy(*matrices(u, v)), expected)


def test_one_real_and_one_generated_point() -> None:
    u, v = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    energy = interaction_energy(u, v, partial(elastic, cutoff=0.1), "v")
    assert 2 * energy.item() == pytest.approx(28.0)


@pytest.mark.parametrize("dim", [2, 5])
def test_of_points_within_the_cutoff_only_the_means_count(dim: int) -> None:
    u, v = (0.01 * p for p in points(6, 4, dim))
    energy = 2 * interaction_energy(u, v, partial(elastic, cutoff=E), "v")
    means = (u.mean(0) - v.mean(0)).square().sum()
    torch.testing.assert_close(energy, (dim - 1) * E ** -(dim + 1) * means, rtol=1e-6, atol=0.0)


def checkerboard(side: int, spacing: float) -> tuple[Tensor, Tensor]:
    cells = [(i, j) for i in range(side) for j in range(side)]
    places = torch.tensor(cells).double() * spacing
    even = torch.tensor([(i + j) % 2 == 0 for i, j in cells])
    return places[even], places[~even]


def test_the_cut_kernel_is_not_positive_definite() -> None:
    kernel = partial(elastic, cutoff=E)
    u, v = checkerboard(2, E / 2**0.5 * 0.99)
    assert interaction_energy(u, v, kernel, "v").item() == pytest.approx(0.0, abs=1e-12)
    u, v = checkerboard(4, 0.8 * E)
    energy = 2 * interaction_energy(u, v, kernel, "v").item()
    assert energy * E == pytest.approx(-0.0333, abs=1e-4)
    softened = partial(elastic, cutoff=E, softening="plummer")
    assert interaction_energy(u, v, softened, "v") > 0


def test_the_generators_loss_moves_samples_as_the_discrepancy_does() -> None:
    u, v = points(5, 6, 3)

    def of(loss: str) -> Tensor:
        w = v.clone().requires_grad_()
        uu, vv, uv = matrices(u, w)
        value = {"whole": discrepancy(uu, vv, uv), "part": matching_loss(vv, uv)}[loss]
        return torch.autograd.grad(value, w)[0]

    torch.testing.assert_close(of("part"), of("whole"))


def test_losses_are_sums_over_all_pairs() -> None:
    u, v = points(4, 4, 3)
    uu, vv, uv = matrices(u, v)
    within = across = within_real = 0.0
    for i in range(4):
        for j in range(4):
            across += elastic(u[i : i + 1], v[j : j + 1], E).item() / 16
            if i != j:
                within += elastic(v[i : i + 1], v[j : j + 1], E).item() / 16
                within_real += elastic(u[i : i + 1], u[j : j + 1], E).item() / 16
    assert matching_loss(vv, uv).item() == pytest.approx(within - 2 * across)
    assert repulsive_loss(uu, vv).item() == pytest.approx(within_real - within)


def test_with_its_own_cutoff_the_stabilising_term_leaves_the_attraction() -> None:
    uu, vv, uv = matrices(*points(6, 6, 4))
    stabilised = -discrepancy(uu, vv, uv) + 1.0 * (uu.mean() + vv.mean())
    torch.testing.assert_close(stabilised, 2 * uv.mean())


@pytest.mark.parametrize("n", [2, 16, 32])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_high_powers_and_coincident_points_stay_within_float32(n: int, size: float) -> None:
    u, v = (size * torch.randn(8, n)).requires_grad_(), (size * torch.randn(8, n))
    v[0], v[1] = u[0].detach(), u[0].detach()
    v.requires_grad_()
    r2 = [distinct(squared_distances(u, u)), distinct(squared_distances(v, v))]
    r2.append(squared_distances(u, v))
    k = partial(elastic_profile, cutoff=0.1, power=n - 1.0, unit=unit_length(0.1, *r2))
    loss = -discrepancy(*map(k, r2))
    assert loss.isfinite()
    loss.backward()
    for p in (u, v):
        assert p.grad.isfinite().all()
        # Adam squares gradients.
        assert p.grad.double().square().max() < torch.finfo(torch.float32).max


@pytest.mark.parametrize("size", [0.3, 1e3])
def test_gradients_do_not_vanish_where_all_points_are_far(size: float) -> None:
    u, v = size * torch.randn(8, 32), (size * torch.randn(8, 32)).requires_grad_()
    r2 = distinct(squared_distances(v, v)), squared_distances(u, v)
    k = partial(elastic_profile, cutoff=0.01, power=31.0, unit=unit_length(0.01, *r2))
    matching_loss(k(r2[0]), k(r2[1])).backward()
    assert v.grad.isfinite().all()
    assert v.grad.abs().max() * size > 1e-2


def test_the_unit_of_length_changes_no_direction() -> None:
    u, v = points(5, 5, 4)
    v.requires_grad_()
    gradients = []
    for unit in (1.0, unit_length(E, squared_distances(u, v))):
        _, vv, uv = matrices(u, v, unit=unit)
        gradients.append(torch.autograd.grad(matching_loss(vv, uv), v)[0])
    ratio = gradients[1] / gradients[0]
    torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio))


def test_the_unit_of_length_is_the_smallest_distance_but_no_less_than_the_cutoff() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 7.0]])
    r2 = distinct(squared_distances(x, x))
    assert unit_length(0.1, r2).item() == pytest.approx(18**0.5)
    assert unit_length(6.0, r2).item() == 6.0
    assert unit_length(0.1, distinct(torch.zeros(1, 1))).item() == 1.0


@pytest.mark.parametrize("softening", ["cap", "plummer"])
def test_the_strongest_force_of_a_sum_of_kernels_is_one(softening: str) -> None:
    r2 = [torch.rand(s).double() * 9 for s in ((4, 5), (3,))]
    terms = [
        [ElasticTerm(1.0, 0.5, 3.0), ElasticTerm(-0.7, 1.5, 2.0)],
        [ElasticTerm(2.0, 0.5, 3.0)],
    ]

    def force(r2: Tensor, terms: list[ElasticTerm]) -> Tensor:
        r = r2.sqrt().requires_grad_()
        k = [c * elastic_profile(r**2, e, p, softening) for c, e, p in terms]
        return torch.autograd.grad(sum(k).sum(), r)[0].abs().max()

    largest = max(force(s, t) for s, t in zip(r2, terms, strict=True))
    sums = elastic_sums(list(zip(r2, terms, strict=True)), softening)
    for s, t, found in zip(r2, terms, sums, strict=True):
        expected = sum(c * elastic_profile(s, e, p, softening) for c, e, p in t) / largest
        torch.testing.assert_close(found, expected)


def test_the_force_of_the_elastic_kernel_is_its_derivative() -> None:
    for softening in ("cap", "plummer"):
        r = torch.linspace(0.05, 3, 50).double().requires_grad_()
        k = elastic_profile(r**2, 0.5, 4.0, softening)
        force = torch.autograd.grad(k.sum(), r)[0].abs()
        torch.testing.assert_close(
            elastic_log_force(r.detach() ** 2, 0.5, 4.0, softening), force.log()
        )
        none = elastic_log_force(torch.tensor([0.0, torch.inf]), 0.5, 4.0, softening)
        assert none.tolist() == [-torch.inf, -torch.inf]


def test_pairs_whose_terms_cancel_have_no_say_in_the_scale() -> None:
    near, far = torch.tensor([1.0, 0.0]).requires_grad_(), torch.tensor([64.0]).requires_grad_()
    terms = [ElasticTerm(1.0, 0.1, 31.0), ElasticTerm(-1.0, 0.8, 31.0)]
    sums = elastic_sums([(near, terms), (far, terms[:1])])
    assert torch.equal(sums[0], torch.zeros(2))
    gradients = torch.autograd.grad(sums[0].sum() + sums[1].sum(), [near, far])
    assert torch.equal(gradients[0], torch.zeros(2))
    # A force of one at the distance r = 8 is 1 / 2r of the squared distance.
    assert gradients[1].item() == pytest.approx(-1 / 16)


def test_sets_of_several_processes_have_one_scale() -> None:
    sets = [(torch.rand(6) + size, [ElasticTerm(1.0, 0.1, 4.0)]) for size in (2.0, 0.2)]
    # The second set has the stronger forces.
    forces: list[Tensor] = []
    elastic_sums(sets[1:], largest=lambda force: forces.append(force) or force)
    (found,) = elastic_sums(sets[:1], largest=lambda force: torch.maximum(force, forces[0]))
    assert torch.equal(found, elastic_sums(sets)[0])
    assert not torch.equal(found, elastic_sums(sets[:1])[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_have_the_type_of_the_squared_distances(dtype: torch.dtype) -> None:
    (found,) = elastic_sums([(torch.rand(3, dtype=dtype), [ElasticTerm(1.0, 0.1, 4.0)])])
    assert found.dtype == dtype


def test_forces_that_cancel_do_not_hide_those_of_other_pairs() -> None:
    # At the first distance, the forces of the high power are beyond float64 and cancel.
    terms = [ElasticTerm(c, e, p) for c, e, p in ((1, 0.1, 1e4), (-1, 0.8, 1e4), (1, 0.5, 1))]
    (found,) = elastic_sums([(torch.tensor([0.85, 5.0]).square().double(), terms)])
    # Where r^-1 has the force one, its value is r.
    assert found[1].item() == pytest.approx(5.0)


@pytest.mark.parametrize("r2", [0.0, torch.inf])
def test_pairs_without_any_force_give_zeros(r2: float) -> None:
    r2 = torch.full((2, 2), r2, requires_grad=True)
    (k,) = elastic_sums([(r2, [ElasticTerm(1.0, 0.1, 31.0)])])
    k.sum().backward()
    assert torch.equal(k, torch.zeros(2, 2)) and torch.equal(r2.grad, torch.zeros(2, 2))


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
def test_sums_of_kernels_of_the_papers_power_are_finite_in_784_dimensions(size: float) -> None:
    u, v = size * torch.randn(6, 784), (size * torch.randn(6, 784)).requires_grad_()
    v.data[0] = u[0]
    term = [ElasticTerm(1.0, 0.1, 783.0)]
    vv, uv = elastic_sums(
        [(distinct(squared_distances(v, v)), term), (squared_distances(u, v), term)]
    )
    matching_loss(vv, uv).backward()
    assert v.grad.isfinite().all()
    assert v.grad.norm(dim=1).max() > 1e-2


def test_the_share_within_the_cutoff_is_that_of_distinct_pairs() -> None:
    x = torch.tensor([[0.0], [1.0], [5.0]])
    r2 = distinct(squared_distances(x, x))
    assert share_within(1.5, r2).item() == pytest.approx(1 / 3)
    assert share_within(1.5, r2, squared_distances(x, x + 0.25)).item() == pytest.approx(7 / 15)


def test_distances_up_to_the_cutoff_are_within_it() -> None:
    assert share_within(1.5, torch.tensor([2.25, 2.5, 3.2, torch.inf])) == 1 / 3
    assert share_within(1.5, torch.tensor([1.0, torch.inf])) == 1
    assert share_within(1.5, torch.tensor([torch.inf])) == 0


def clusters(a: Tensor) -> int:
    r"""Returns the number of groups of points that are within 0.01 of one another."""
    close = torch.cdist(a, a) < 0.01
    return len({tuple(row.nonzero().flatten().tolist()) for row in close})


def descended(coefficient: float, steps: int = 200) -> Tensor:
    r"""Returns real features after descent on the stabilised loss, with equal cut-offs."""
    u, v = (torch.rand(32, 2).double().requires_grad_() for _ in range(2))
    optimizer = torch.optim.Adam([u, v], lr=0.02)
    for _ in range(steps):
        uu, vv, uv = matrices(u, v, cutoff=0.1)
        loss = -discrepancy(uu, vv, uv) + coefficient * (uu.mean() + vv.mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return u.detach()


def test_without_the_stabilising_term_features_collapse() -> None:
    assert clusters(descended(0.0, steps=600)) <= 4
    assert clusters(descended(1.2)) == 32


def test_a_kernel_within_a_set_has_no_self_terms() -> None:
    u, _ = points(4, 0, 3)
    k = kernel_within(u, partial(elastic, cutoff=E))
    expected = [
        [0 if i == j else elastic(u[i : i + 1], u[j : j + 1], E).item() for j in range(4)]
        for i in range(4)
    ]
    torch.testing.assert_close(k, torch.tensor(expected, dtype=k.dtype))
