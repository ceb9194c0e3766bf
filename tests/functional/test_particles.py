r"""Tests for the energy_gans.functional.particles module."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from energy_gans.functional import elastic, interaction_energy
from energy_gans.functional.particles import (
    check_force,
    evolve,
    force,
    particle_velocity,
)

from .test_distances import LargestTensor

SETTINGS = [
    (2, 1.0, 0.1),
    (2, 1.0, 1.5),
    (2, 0.5, 0.8),
    (3, 2.0, 0.5),
    (6, 5.0, 2.0),
    (6, 1.0, 3.0),
]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def nearest_other(x: Tensor) -> Tensor:
    r = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    return r.fill_diagonal_(torch.inf).amin(1)


# Identities


@pytest.mark.parametrize("n, power, cutoff", SETTINGS)
def test_equal_mobilities_descend_the_elastic_energy(n: int, power: float, cutoff: float) -> None:
    x, y = randn(7, n).requires_grad_(), randn(5, n)
    energy = interaction_energy(y, x, lambda a, b: elastic(a, b, cutoff, power))
    (gradient,) = torch.autograd.grad(energy, x)
    velocity = particle_velocity(x.detach(), y, cutoff, power, 3.0, 3.0)
    torch.testing.assert_close(velocity, -3.0 * len(x) * gradient)


@pytest.mark.parametrize("n, power, cutoff", SETTINGS)
def test_repulsion_moves_no_centre_of_mass(n: int, power: float, cutoff: float) -> None:
    total = force(x := randn(9, n), x, cutoff, power).sum(0)
    torch.testing.assert_close(total, torch.zeros(n, dtype=torch.float64), rtol=0, atol=1e-9)


def test_what_attracts_is_what_repels_but_for_the_sign() -> None:
    x = randn(6, 5)
    velocity = particle_velocity(x, x, 0.5, 2.0, 4.0, 4.0)
    torch.testing.assert_close(velocity, torch.zeros_like(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [2, 6])
def test_velocities_move_and_turn_with_the_points(n: int) -> None:
    x, y, shift = randn(7, n), randn(5, n), 100 * randn(n)
    turn = torch.linalg.qr(randn(n, n)).Q
    velocity = particle_velocity(x, y, 0.7, 1.5, 2.0, 1.0)
    turned = particle_velocity(x @ turn + shift, y @ turn + shift, 0.7, 1.5, 2.0, 1.0)
    torch.testing.assert_close(turned, velocity @ turn)


def test_lengths_scale_a_force() -> None:
    a, b = randn(7, 3), randn(5, 3)
    torch.testing.assert_close(force(10 * a, 10 * b, 5.0, 2.0), force(a, b, 0.5, 2.0) / 1000)


# Closed forms


@pytest.mark.parametrize("cutoff, largest", [(0.1, 100.0), (0.8, 1.5625)])
def test_the_force_is_largest_at_the_cutoff(cutoff: float, largest: float) -> None:
    r = torch.linspace(0, 3 * cutoff, 31, dtype=torch.float64)
    f = force(torch.stack([r, 0 * r], 1), torch.zeros(1, 2, dtype=torch.float64), cutoff)[:, 0]
    assert f.argmax() == 10
    assert f[10].item() == pytest.approx(largest)
    torch.testing.assert_close(f[:11], largest * torch.linspace(0, 1, 11, dtype=torch.float64))
    assert f[30].item() == pytest.approx(largest / 9)


@pytest.mark.parametrize("n", [2, 5])
def test_the_power_is_that_of_the_dimension_by_default(n: int) -> None:
    a, b = randn(3, n), randn(4, n)
    assert torch.equal(force(a, b, 0.1), force(a, b, 0.1, n - 1.0))
    near, far = 2 * torch.eye(1, n), 4 * torch.eye(1, n)
    ratio = force(near, 0 * near, 0.1).norm() / force(far, 0 * far, 0.1).norm()
    assert ratio.item() == pytest.approx(2**n)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 8, 784])
def test_a_point_exerts_no_force_where_it_is(n: int, dtype: torch.dtype) -> None:
    x = 1e3 + torch.randn(4, n, dtype=dtype)
    for i in range(4):
        assert force(x[i : i + 1], x[i : i + 1], 1e-9, 1.9).abs().max() == 0
    close = torch.cat([x[:1], x[:1]])
    assert force(close, close, 1e-9, 1.9).abs().max() == 0


def test_a_power_beyond_float64_exerts_no_force_and_is_finite() -> None:
    x = 30 * torch.randn(4, 784) / 28
    assert torch.equal(force(x, x.flip(0)[:1], 1.0)[:3], torch.zeros(3, 784))
    with pytest.raises(ValueError, match="beyond float64 for 'power' = 783.0"):
        force(x, x, 0.1)


# A plain loop


@pytest.mark.parametrize("shape", [(2,), (3,), (5,), (1, 4, 4), (784,)])
def test_forces_are_those_of_a_loop(shape: tuple[int, ...]) -> None:
    x, y = randn(5, *shape), randn(4, *shape)
    cutoff = math.prod(shape) ** 0.5
    expected = torch.zeros_like(x)
    for i in range(5):
        for sign, charges in ((-2.0, y), (0.5, x)):
            for b in charges:
                z = x[i] - b
                r = max(z.norm().item(), cutoff)
                expected[i] += sign / len(charges) * 1.5 * z * math.exp(-3.5 * math.log(r))
    velocity = particle_velocity(x, y, cutoff, 1.5, 2.0, 0.5)
    torch.testing.assert_close(velocity, expected)
    single = particle_velocity(x.float(), y.float(), cutoff, 1.5, 2.0, 0.5)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=1e-6 * velocity.norm())


def test_points_that_nearly_coincide_push_each_other_apart() -> None:
    # So near that a matrix product would lose the difference; the force of other pairs is
    # negligible.
    b = 100 + randn(3, 784)
    steps = torch.tensor([1e-9, 1e-6, 1e-3], dtype=torch.float64)
    a = b.clone()
    a[:, 0] += steps
    r = a[:, 0] - b[:, 0]
    torch.testing.assert_close(force(a, b, 1e-12, 2.0)[:, 0], 2 / 3 * r**-3, rtol=1e-9, atol=1e-3)


@pytest.mark.parametrize("n", [2, 4])
def test_in_few_dimensions_a_force_has_all_its_digits_beside_a_far_charge(n: int) -> None:
    b, power = randn(2, n), n - 0.5
    a = b[:1] + 1e-3 * randn(1, n)
    r = (a - b).norm(dim=1, keepdim=True)
    expected = (power * (a - b) * r ** -(power + 2)).mean(0, keepdim=True)
    torch.testing.assert_close(force(a, b, 1e-9, power), expected, rtol=1e-14, atol=0)


def everywhere(x: Tensor) -> Tensor:
    return x


def tiny(x: Tensor) -> Tensor:
    return 1e-5 * x


def far_along_one_axis(x: Tensor) -> Tensor:
    return torch.cat([x[:, :1] + 1e7, x[:, 1:]], 1)


def two_clusters(x: Tensor) -> Tensor:
    # Within a cluster, squared distances are 2e-6 of those to the middle.
    return 1e-3 * x + torch.ones(len(x), 1).index_fill(0, torch.arange(0, len(x), 2), -1.0)


@pytest.mark.parametrize("place", [everywhere, tiny, far_along_one_axis, two_clusters])
@pytest.mark.parametrize("n", [2, 784])
def test_no_tensor_of_all_differences_is_made(n: int, place: Callable[[Tensor], Tensor]) -> None:
    x, y = place(randn(100, n)), place(randn(120, n))
    with LargestTensor() as largest:
        particle_velocity(x, y, 1.0, 1.0)
    assert largest.numel <= 120 * max(n, 100)


@pytest.mark.parametrize("cutoff, fits", [(0.0972, True), (0.0971, False)])
def test_the_largest_force_that_float64_holds_is_accepted(cutoff: float, fits: bool) -> None:
    # The force p e^-(p + 2) is 1.6e308 for the first cut-off, and 2.2e308 for the second.
    if fits:
        check_force(cutoff, 300.0)
    else:
        with pytest.raises(ValueError, match="beyond float64 for 'power' = 300.0"):
            check_force(cutoff, 300.0)


def test_without_repulsion_a_point_at_infinity_moves_no_other() -> None:
    x, y = randn(3, 2), randn(4, 2)
    lost = torch.cat([x, torch.full((1, 2), torch.inf, dtype=x.dtype)])
    velocity = particle_velocity(lost, y, 0.5, 1.0, repulsion=0.0)
    assert torch.equal(velocity[:3], particle_velocity(x, y, 0.5, 1.0, repulsion=0.0))


# Evolution


def test_one_point_falls_into_another_as_euler_says() -> None:
    # Within the cut-off the force is linear, at the rate p / e^(p + 2) = 1 / 8.
    x, y = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
    errors = []
    for steps in (50, 100, 200):
        *_, last = evolve(x, [y] * steps, lambda x, y: particle_velocity(x, y, 2.0), 8 / steps)
        assert last[0, 0].item() == pytest.approx((1 - 1 / steps) ** steps)
        errors.append(abs(last[0, 0].item() - math.exp(-1)))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.02)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.02)


def test_in_a_constant_field_momentum_reaches_its_closed_form() -> None:
    x, v, h, mu = torch.zeros(3, 2, dtype=torch.float64), randn(3, 2), 0.3, 0.8
    for k, state in enumerate(evolve(x, [None] * 40, lambda x, y: v, h, mu), 1):
        covered = (k - mu * (1 - mu**k) / (1 - mu)) / (1 - mu)
        torch.testing.assert_close(state, h * covered * v)


def test_momentum_is_that_of_a_loop() -> None:
    x, batches = randn(5, 2), [randn(4, 2) for _ in range(6)]

    def velocity(x: Tensor, y: Tensor) -> Tensor:
        return particle_velocity(x, y, 0.5, 1.0)

    *_, last = evolve(x, batches, velocity, 0.2, 0.7)
    place, speed = x.clone(), torch.zeros_like(x)
    for y in batches:
        speed = 0.7 * speed + velocity(place, y)
        place = place + 0.2 * speed
    torch.testing.assert_close(last, place)


def test_without_momentum_nothing_is_carried_on_from_an_infinite_step() -> None:
    velocities = iter([torch.full((1, 2), torch.inf), torch.zeros(1, 2)])
    states = evolve(torch.zeros(1, 2), [None] * 2, lambda x, y: next(velocities), 1.0)
    assert next(states).isinf().all()
    assert next(states).isinf().all()


@pytest.mark.parametrize("momentum", [-0.1, 1.0, math.nan])
def test_a_momentum_out_of_its_range_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match=r"'momentum' should be in \[0, 1\), got"):
        next(evolve(torch.zeros(2, 2), [None], lambda x, y: x, 0.1, momentum))


def test_batches_are_taken_one_at_a_time_and_points_left_as_they_are() -> None:
    taken = []

    def batches() -> Iterator[Tensor]:
        for i in range(5):
            taken.append(i)
            yield torch.full((3, 2), float(i))

    x = torch.zeros(4, 2)
    states = evolve(x, batches(), lambda x, y: y.mean() - x, 0.5)
    assert taken == []
    assert [next(states)[0, 0].item() for _ in range(3)] == [0.0, 0.5, 1.25]
    assert taken == [0, 1, 2]
    assert x.abs().max() == 0


@pytest.mark.parametrize("repulsion, coincide", [(1.0, False), (0.5, True)])
def test_where_attraction_is_twice_repulsion_points_pair_up(
    repulsion: float, coincide: bool
) -> None:
    # Two generated points per real point: their charges balance for equal mobilities only.
    angle = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    y, x = torch.stack([angle.cos(), angle.sin()], 1), randn(16, 2)

    def velocity(x: Tensor, y: Tensor) -> Tensor:
        return particle_velocity(x, y, 0.1, 1.0, 1.0, repulsion)

    *_, last = evolve(x, [y] * 600, velocity, 0.01)
    nearest = nearest_other(last)
    to_real = torch.cdist(last, y).amin(1)
    if coincide:
        assert nearest.median() < 1e-9
        assert to_real.median() < 0.05
    else:
        assert nearest.min() > 1e-3
        assert nearest.median() > 0.03


@pytest.mark.parametrize(
    "told, arguments",
    [
        ("'cutoff' should be positive", {"cutoff": 0.0}),
        ("'power' should be between 0 and the dimension 2", {"power": 2.0}),
        ("'power' should be between 0 and the dimension 2", {"power": 0.0}),
        ("'attraction' should be positive", {"attraction": 0.0}),
        ("'repulsion' should be finite and at least 0", {"repulsion": -1.0}),
        ("'repulsion' should be finite and at least 0", {"repulsion": math.nan}),
        ("'b' should hold at least one point", {"y": torch.zeros(0, 2)}),
        ("should hold points of one shape", {"y": torch.zeros(4, 3)}),
        ("at least 2 coordinates", {"x": torch.zeros(4, 1), "y": torch.zeros(4, 1)}),
    ],
)
def test_what_makes_no_sense_is_refused(told: str, arguments: dict) -> None:
    given = {"x": torch.randn(3, 2), "y": torch.randn(4, 2), "cutoff": 1.0} | arguments
    with pytest.raises(ValueError, match=told):
        particle_velocity(**given)


def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'step_size' should be positive"):
        next(evolve(torch.zeros(2, 2), [torch.ones(2, 2)], lambda x, y: x, 0.0))
