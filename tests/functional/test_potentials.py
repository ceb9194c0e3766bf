r"""Tests for the energy_gans.functional.potentials module."""

import math
from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
import scipy.integrate
import scipy.stats
import torch
from torch import Tensor

from energy_gans.functional import (
    climbing_loss,
    elastic,
    energy_distance,
    field,
    gaussian,
    interaction_energy,
    plummer,
    potential,
    potential_loss,
    potentials,
)

KERNELS = {
    "plummer-1": plummer,
    "plummer-3": partial(plummer, power=3.0, epsilon=0.5),
    "gaussian": partial(gaussian, bandwidths=(0.5, 2.0)),
}

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
every_dim = pytest.mark.parametrize("dim", [1, 2, 3, 6])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def at_distance(r: float, dim: int) -> tuple[Tensor, Tensor]:
    x = randn(1, dim)
    return x + r * torch.nn.functional.normalize(randn(1, dim)), x


# Two charges

two_charges = pytest.mark.parametrize(
    "power, epsilon, r, energy",
    [
        (1.0, 1.0, 1.0, 0.2928932),
        (3.0, 1.0, 1.0, 0.6464466),
        (2.0, 0.5, 0.5, 2.0),
        (1.0, 1.0, math.sqrt(3), 0.5),
    ],
)


@two_charges
@every_dim
def test_potential_at_two_charges(
    power: float, epsilon: float, r: float, energy: float, dim: int
) -> None:
    y, x = at_distance(r, dim)
    phi = potential(torch.cat([y, x]), y, x, partial(plummer, power=power, epsilon=epsilon))
    torch.testing.assert_close(phi, phi.new_tensor([energy, -energy]), rtol=0, atol=5e-8)


@two_charges
@every_dim
def test_energy_of_two_charges(
    power: float, epsilon: float, r: float, energy: float, dim: int
) -> None:
    y, x = at_distance(r, dim)
    f = interaction_energy(y, x, partial(plummer, power=power, epsilon=epsilon))
    assert f.item() == pytest.approx(energy, abs=5e-8)


@every_dim
@every_kernel
def test_the_force_on_a_generated_sample_points_to_the_real_one(
    kernel: Callable, dim: int
) -> None:
    y, x = at_distance(0.8, dim)
    force = -field(x, y, x, kernel)
    torch.testing.assert_close(torch.nn.functional.normalize(force), (y - x) / 0.8)


@every_kernel
def test_two_generated_samples_repel(kernel: Callable) -> None:
    x, other = at_distance(0.8, 3)
    far = torch.full((1, 3), 1e3, dtype=torch.float64)
    force = -field(x, far, torch.cat([x, other]), kernel)
    assert (force * (x - other)).sum() > 0


# The potential


@every_dim
@every_kernel
def test_the_potential_of_equal_sets_vanishes(kernel: Callable, dim: int) -> None:
    a, y = randn(5, dim), randn(8, dim)
    phi = potential(a, y, y[torch.randperm(8)], kernel)
    torch.testing.assert_close(phi, torch.zeros_like(phi), rtol=0, atol=1e-14)


@every_kernel
def test_the_potential_of_sets_with_equal_shares_vanishes(kernel: Callable) -> None:
    a, y = randn(5, 2), randn(4, 2)
    phi = potential(a, y, torch.cat([y, y, y]), kernel)
    torch.testing.assert_close(phi, torch.zeros_like(phi), rtol=0, atol=1e-14)


@every_dim
@every_kernel
def test_swapping_the_charges_negates_the_potential(kernel: Callable, dim: int) -> None:
    a, y, x = randn(5, dim), randn(8, dim), randn(6, dim)
    torch.testing.assert_close(potential(a, x, y, kernel), -potential(a, y, x, kernel))


@pytest.mark.parametrize("n, m", [(1, 4), (3, 2), (7, 7)])
@every_kernel
def test_the_potential_is_the_mean_of_the_potentials_of_pairs(
    kernel: Callable, n: int, m: int
) -> None:
    a, y, x = randn(5, 2), randn(n, 2), randn(m, 2)
    pairs = [potential(a, u[None], v[None], kernel) for u, v in product(y, x)]
    torch.testing.assert_close(potential(a, y, x, kernel), torch.stack(pairs).mean(0))


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_images_are_points(offset: float) -> None:
    a, y, x = randn(2, 3, 4, 4) + offset, randn(3, 3, 4, 4) + offset, randn(5, 3, 4, 4) + offset
    phi = potential(a, y, x, plummer)
    torch.testing.assert_close(phi, potential(a.flatten(1), y.flatten(1), x.flatten(1), plummer))


@pytest.mark.parametrize("block", [1, 9, 20, 10**6])
@every_kernel
def test_the_potential_does_not_depend_on_its_blocks(
    kernel: Callable, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, y, x = randn(7, 6), randn(5, 6), randn(3, 6)
    phi, e = potential(a, y, x, kernel), field(a, y, x, kernel)
    monkeypatch.setattr(potentials, "_BLOCK", block)
    torch.testing.assert_close(potential(a, y, x, kernel), phi)
    torch.testing.assert_close(field(a, y, x, kernel), e)


@pytest.mark.parametrize("block", [3, 8, 20])
def test_no_block_is_larger_than_allowed_or_one_row(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        sizes.append(len(a) * len(b))
        return plummer(a, b)

    monkeypatch.setattr(potentials, "_BLOCK", block)
    potential(randn(7, 2), randn(5, 2), randn(3, 2), kernel)
    assert max(sizes) <= max(block, 8)
    assert sum(sizes) == 7 * 8


def test_the_potential_of_float32_keeps_the_difference_of_close_means() -> None:
    a, y, x = (2 * torch.rand(n, 784) - 1 for n in (64, 1000, 1000))
    phi = potential(a, y, x, plummer)
    exact = potential(a.double(), y.double(), x.double(), plummer)
    # A mean of kernels in float32 has an error of up to 2^-25 of itself.
    assert (phi.double() - exact).abs().max() < 2**-26 * plummer(a, y).mean()


@pytest.mark.parametrize(
    "dtype, expected",
    [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
@pytest.mark.parametrize("dim", [2, 6])
def test_potentials_and_energies_are_float32_at_least(
    dim: int, dtype: torch.dtype, expected: torch.dtype
) -> None:
    a, y, x = (randn(n, dim).to(dtype) for n in (7, 5, 3))
    assert potential(a, y, x, plummer).dtype == expected
    assert interaction_energy(y, x, plummer).dtype == expected
    assert energy_distance(y, x).dtype == expected


@pytest.mark.parametrize("n, m", [(0, 3), (3, 0), (0, 0)])
def test_the_potential_needs_charges_of_both_signs(n: int, m: int) -> None:
    with pytest.raises(ValueError, match=f"'attract' and 'repel' .* got {n} and {m}"):
        potential(torch.zeros(2, 2), torch.zeros(n, 2), torch.zeros(m, 2), plummer)


def every_draw(points: Tensor, n: int) -> list[Tensor]:
    return [torch.stack(draw) for draw in product(points, repeat=n)]


@pytest.mark.parametrize("n, m", [(1, 1), (2, 3), (3, 2)])
@every_kernel
def test_the_potential_of_a_batch_is_unbiased(kernel: Callable, n: int, m: int) -> None:
    a, y, x = randn(4, 2), randn(3, 2), randn(3, 2)
    draws = product(every_draw(y, n), every_draw(x, m))
    mean = torch.stack([potential(a, *draw, kernel) for draw in draws]).mean(0)
    torch.testing.assert_close(mean, potential(a, y, x, kernel))


@pytest.mark.parametrize("m", [2, 3])
@every_kernel
def test_the_potential_at_an_own_sample_is_biased_by_the_self_term(
    kernel: Callable, m: int
) -> None:
    y, x = randn(3, 2), randn(3, 2)
    bias = torch.stack(
        [
            (potential(d[:1], y, d, kernel) - potential(d[:1], y, x, kernel))
            for d in every_draw(x, m)
        ]
    ).mean()
    expected = -(kernel(x, x).diagonal().mean() - kernel(x, x).mean()) / m
    torch.testing.assert_close(bias, expected)


# The field


@pytest.mark.parametrize("shape", [(1,), (2,), (4,), (5,), (1, 4, 4)])
@every_kernel
def test_the_field_is_the_negative_gradient(kernel: Callable, shape: tuple[int, ...]) -> None:
    a, y, x = randn(4, *shape).requires_grad_(), randn(5, *shape), randn(3, *shape)
    (gradient,) = torch.autograd.grad(potential(a, y, x, kernel).sum(), a)
    torch.testing.assert_close(field(a.detach(), y, x, kernel), -gradient)


@pytest.mark.parametrize("dim", [2, 6])
@every_kernel
def test_differences_of_the_potential_approach_the_field_with_order_two(
    kernel: Callable, dim: int
) -> None:
    a, y, x, u = randn(4, dim), randn(5, dim), randn(3, dim), randn(4, dim)
    slope = -(field(a, y, x, kernel) * u).sum(1)
    steps = torch.tensor([4e-2, 2e-2, 1e-2], dtype=torch.float64)
    errors = [
        (
            (potential(a + h * u, y, x, kernel) - potential(a - h * u, y, x, kernel)) / (2 * h)
            - slope
        )
        for h in steps
    ]
    logs = torch.stack(errors).norm(dim=1).log2()
    torch.testing.assert_close(logs.diff(), torch.full_like(logs[:2], -2.0), rtol=0, atol=0.1)


@pytest.mark.parametrize("dim", [2, 6])
@every_kernel
def test_the_field_holds_the_charges_fixed(kernel: Callable, dim: int) -> None:
    y, x = randn(5, dim), randn(3, dim)
    torch.testing.assert_close(field(x, y, x, kernel), field(x.clone(), y, x, kernel))
    torch.testing.assert_close(field(y, y, x, kernel), field(y.clone(), y, x, kernel))


# The energy


@pytest.mark.parametrize("n, m", [(1, 1), (5, 5), (4, 9), (9, 4)])
@every_dim
@every_kernel
def test_the_energy_is_half_the_difference_of_mean_potentials(
    kernel: Callable, dim: int, n: int, m: int
) -> None:
    y, x = randn(n, dim), randn(m, dim)
    phi_y, phi_x = potential(y, y, x, kernel), potential(x, y, x, kernel)
    torch.testing.assert_close(interaction_energy(y, x, kernel), (phi_y.mean() - phi_x.mean()) / 2)


@pytest.mark.parametrize("n, m", [(1, 1), (5, 5), (4, 9)])
@every_dim
@every_kernel
def test_the_gradient_of_the_energy_is_the_field_over_the_number_of_samples(
    kernel: Callable, dim: int, n: int, m: int
) -> None:
    y, x = randn(n, dim).requires_grad_(), randn(m, dim).requires_grad_()
    dy, dx = torch.autograd.grad(interaction_energy(y, x, kernel), (y, x))
    y, x = y.detach(), x.detach()
    torch.testing.assert_close(dx, field(x, y, x, kernel) / m)
    torch.testing.assert_close(dy, -field(y, y, x, kernel) / n)


@every_dim
@every_kernel
def test_samples_that_climb_the_potential_lower_the_energy(kernel: Callable, dim: int) -> None:
    y, x = randn(6, dim), randn(5, dim) + 1
    run_chains = x - 1e-2 * field(x, y, x, kernel)
    assert interaction_energy(y, run_chains, kernel) < interaction_energy(y, x, kernel)


@pytest.mark.parametrize("estimator", ["v", "u"])
@every_kernel
def test_swapping_the_samples_keeps_the_energy(kernel: Callable, estimator: str) -> None:
    y, x = randn(6, 3), randn(4, 3)
    torch.testing.assert_close(
        interaction_energy(x, y, kernel, estimator), interaction_energy(y, x, kernel, estimator)
    )


@pytest.mark.parametrize("dim", [2, 6])
@pytest.mark.parametrize("estimator", ["v", "u"])
@every_kernel
def test_motions_keep_the_energy(kernel: Callable, estimator: str, dim: int) -> None:
    y, x, shift = randn(6, dim), randn(4, dim), 10 * randn(dim)
    q = torch.linalg.qr(randn(dim, dim)).Q
    torch.testing.assert_close(
        interaction_energy(y @ q + shift, x @ q + shift, kernel, estimator),
        interaction_energy(y, x, kernel, estimator),
    )


@pytest.mark.parametrize("repeats", [1, 3])
@every_dim
@every_kernel
def test_the_energy_of_equal_measures_vanishes(kernel: Callable, dim: int, repeats: int) -> None:
    y = randn(6, dim)
    x = y[torch.randperm(6)].repeat(repeats, 1)
    assert interaction_energy(y, x, kernel).item() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("n, m", [(1, 2), (6, 6), (3, 8)])
@every_dim
@every_kernel
def test_the_energy_of_different_measures_is_positive(
    kernel: Callable, dim: int, n: int, m: int
) -> None:
    y = randn(n, dim)
    near = y[torch.arange(m) % n] + 1e-3 * randn(m, dim)
    assert interaction_energy(y, near, kernel) > 1e-10


@pytest.mark.parametrize("n, m", [(2, 2), (2, 3), (3, 2)])
@every_kernel
def test_the_u_estimator_is_unbiased(kernel: Callable, n: int, m: int) -> None:
    y, x = randn(3, 2), randn(3, 2) + 1
    draws = product(every_draw(y, n), every_draw(x, m))
    mean = torch.stack([interaction_energy(*draw, kernel, "u") for draw in draws]).mean()
    torch.testing.assert_close(mean, interaction_energy(y, x, kernel, "v"))


@pytest.mark.parametrize("n, m", [(1, 1), (2, 2), (2, 3), (3, 2)])
@every_kernel
def test_the_v_estimator_is_biased_by_the_self_terms(kernel: Callable, n: int, m: int) -> None:
    y, x = randn(3, 2), randn(3, 2) + 1
    draws = product(every_draw(y, n), every_draw(x, m))
    mean = torch.stack([interaction_energy(*draw, kernel, "v") for draw in draws]).mean()
    k_0 = kernel(y, y)[0, 0]
    bias = ((k_0 - kernel(y, y).mean()) / n + (k_0 - kernel(x, x).mean()) / m) / 2
    assert bias > 0.01
    torch.testing.assert_close(mean - interaction_energy(y, x, kernel, "v"), bias)


@pytest.mark.parametrize("power, epsilon", [(1.0, 1.0), (3.0, 1.0), (3.0, 0.1)])
def test_the_u_estimator_of_float32_images_is_that_of_float64(
    power: float, epsilon: float
) -> None:
    y, x = 2 * torch.rand(64, 784) - 1, 2 * torch.rand(64, 784) - 0.9
    kernel = partial(plummer, power=power, epsilon=epsilon)
    f = interaction_energy(y, x, kernel, "u").item()
    exact = interaction_energy(y.double(), x.double(), kernel, "u").item()
    assert f == pytest.approx(exact, rel=1e-2)


def mean_kernel(mu: float, power: float, sigma: float = 1.0, epsilon: float = 1.0) -> float:
    r"""Returns E k(a, b), a ~ N(0, sigma^2 I), b ~ N(mu, sigma^2 I) in the plane."""

    def mixed(t: float) -> float:
        wide = 1 + 4 * t * sigma**2
        return t ** (power / 2 - 1) * math.exp(-t * epsilon**2 - t * mu**2 / wide) / wide

    # The singularity at 0 is within the first piece.
    pieces = [scipy.integrate.quad(mixed, *ends)[0] for ends in ((0, 1), (1, math.inf))]
    return sum(pieces) / math.gamma(power / 2)


two_gaussians = pytest.mark.parametrize("power, energy", [(1.0, 0.0373562), (3.0, 0.0337696)])


@two_gaussians
def test_the_kernel_integrated_over_two_gaussians(power: float, energy: float) -> None:
    h = 0.1
    ticks = torch.arange(-12, 12 + h / 2, h, dtype=torch.float64)
    z = torch.cartesian_prod(ticks, ticks)
    k = plummer(z, torch.zeros_like(z[:1]), power)[:, 0]

    def mean(mu: float) -> float:
        density = torch.distributions.Normal(z.new_tensor([mu, 0.0]), 2**0.5).log_prob(z)
        return (k @ density.sum(1).exp()).item() * h**2

    assert mean(0.0) == pytest.approx(mean_kernel(0.0, power), rel=1e-7)
    assert mean(1.0) == pytest.approx(mean_kernel(1.0, power), rel=1e-7)
    assert mean(0.0) - mean(1.0) == pytest.approx(energy, abs=6e-8)


@two_gaussians
def test_the_u_estimator_of_two_gaussians(power: float, energy: float) -> None:
    kernel = partial(plummer, power=power)
    shift = torch.tensor([1.0, 0.0], dtype=torch.float64)
    f = torch.stack(
        [interaction_energy(randn(500, 2), randn(400, 2) + shift, kernel, "u") for _ in range(80)]
    )
    error = f.std().item() / math.sqrt(len(f))
    assert error < 0.03 * energy
    assert f.mean().item() == pytest.approx(
        mean_kernel(0.0, power) - mean_kernel(1.0, power), abs=4 * error
    )
    assert f.mean().item() == pytest.approx(energy, abs=4 * error)


@pytest.mark.parametrize("estimator", ["v", "u"])
def test_the_estimators_of_small_batches_differ_by_the_bias(estimator: str) -> None:
    shift = torch.tensor([1.0, 0.0], dtype=torch.float64)
    f = torch.stack(
        [
            interaction_energy(randn(16, 2), randn(16, 2) + shift, plummer, estimator)
            for _ in range(3000)
        ]
    )
    bias = (1 - mean_kernel(0.0, 1.0)) / 16 if estimator == "v" else 0.0
    error = f.std().item() / math.sqrt(len(f))
    assert error < 2e-3
    exact = mean_kernel(0.0, 1.0) - mean_kernel(1.0, 1.0)
    assert f.mean().item() == pytest.approx(exact + bias, abs=4 * error)


@pytest.mark.parametrize("estimator", ["w", "V", "", None])
def test_unknown_estimators_are_refused(estimator: str | None) -> None:
    with pytest.raises(ValueError, match=f"'estimator' should be 'v' or 'u', got {estimator!r}"):
        interaction_energy(torch.zeros(2, 2), torch.zeros(2, 2), plummer, estimator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distinct_pairs_are_felt_beside_self_terms_of_any_size(dtype: torch.dtype) -> None:
    kernel = partial(elastic, cutoff=0.1)
    y, x = (torch.randn(n, 32, dtype=dtype) for n in (50, 33))

    def mean(a: Tensor, b: Tensor) -> float:
        k = kernel(a, b).double()
        pairs = [
            v.item() for i, row in enumerate(k) for j, v in enumerate(row) if a is not b or i != j
        ]
        return math.fsum(pairs) / len(pairs)

    expected = (mean(y, y) + mean(x, x)) / 2 - mean(y, x)
    # Each self term is 1.7e32.
    assert abs(expected) < 1e-15
    assert interaction_energy(y, x, kernel, "u").item() == pytest.approx(expected, rel=1e-5, abs=0)


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_self_terms_that_are_no_numbers_are_left_out_of_distinct_pairs(value: float) -> None:
    y, x = randn(6, 3), randn(4, 3)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        k = plummer(a, b)
        return k.fill_diagonal_(value) if a is b else k

    expected = interaction_energy(y, x, plummer, "u")
    torch.testing.assert_close(interaction_energy(y, x, kernel, "u"), expected)


@pytest.mark.parametrize(
    "estimator, least, n, m", [("v", 1, 0, 3), ("v", 1, 3, 0), ("u", 2, 1, 3), ("u", 2, 3, 1)]
)
def test_too_few_samples_are_refused(estimator: str, least: int, n: int, m: int) -> None:
    message = f"at least {least} samples for estimator '{estimator}', got {n} and {m}"
    with pytest.raises(ValueError, match=message):
        interaction_energy(torch.zeros(n, 2), torch.zeros(m, 2), plummer, estimator)


# The energy distance


@pytest.mark.parametrize("n, m", [(2, 2), (3, 5)])
@every_dim
def test_energy_distance_of_two_point_masses_is_twice_their_distance(
    dim: int, n: int, m: int
) -> None:
    y, x = at_distance(0.7, dim)
    d = energy_distance(y.repeat(n, 1), x.repeat(m, 1))
    assert d.item() == pytest.approx(1.4, rel=1e-12)


@pytest.mark.parametrize("n, m", [(2, 2), (7, 7), (5, 9)])
def test_energy_distance_on_a_line_is_that_of_scipy_but_for_the_bias(n: int, m: int) -> None:
    y, x = randn(n, 1), randn(m, 1) + 0.5
    biased = scipy.stats.energy_distance(y[:, 0], x[:, 0]) ** 2
    bias = torch.pdist(y).mean().item() / n + torch.pdist(x).mean().item() / m
    assert energy_distance(y, x).item() == pytest.approx(biased - bias, rel=1e-9)


@every_dim
def test_energy_distance_is_the_mean_over_distinct_pairs(dim: int) -> None:
    y, x = randn(6, dim), randn(4, dim)
    within = torch.pdist(y).mean() + torch.pdist(x).mean()
    between = torch.stack([(u - v).norm() for u, v in product(y, x)]).mean()
    torch.testing.assert_close(energy_distance(y, x), 2 * between - within)


@pytest.mark.parametrize("mu, sigma", [(0.0, 1.0), (1.0, 1.0), (3.0, 0.5)])
def test_energy_distance_of_two_gaussians_on_a_line(mu: float, sigma: float) -> None:
    apart, together = scipy.stats.norm(mu, 2**0.5 * sigma), scipy.stats.norm(0, 2**0.5 * sigma)
    exact = 2 * (apart.expect(abs) - together.expect(abs))
    d = torch.stack(
        [energy_distance(sigma * randn(400, 1), sigma * randn(300, 1) + mu) for _ in range(50)]
    )
    error = d.std().item() / math.sqrt(len(d))
    assert error < 0.03 * max(sigma, mu)
    assert d.mean().item() == pytest.approx(exact, abs=4 * error)


@pytest.mark.parametrize("dim", [2, 6])
def test_energy_distance_is_in_data_units_and_keeps_under_motions(dim: int) -> None:
    y, x, shift = randn(6, dim), randn(4, dim), randn(dim)
    q = torch.linalg.qr(randn(dim, dim)).Q
    torch.testing.assert_close(
        energy_distance(3 * y @ q + shift, 3 * x @ q + shift), 3 * energy_distance(y, x)
    )


def test_energy_distance_is_the_energy_of_the_negative_distance() -> None:
    # The inverse of the Plummer kernel of power 1 tends to the distance with epsilon.
    y, x = randn(6, 3), randn(4, 3)
    f = interaction_energy(y, x, lambda a, b: -1 / plummer(a, b, epsilon=1e-6), "u")
    torch.testing.assert_close(2 * f, energy_distance(y, x))


@pytest.mark.parametrize("dim", [2, 6])
def test_the_gradient_of_the_energy_distance_is_finite(dim: int) -> None:
    y, x = randn(6, dim), randn(4, dim).requires_grad_()
    (gradient,) = torch.autograd.grad(energy_distance(y, x), x)
    unit = torch.nn.functional.normalize(x.detach()[:, None] - y, dim=2).mean(1)
    apart = torch.nn.functional.normalize(x.detach()[:, None] - x.detach(), dim=2).sum(1) / 3
    torch.testing.assert_close(gradient, (2 * unit - 2 * apart) / 4)


@pytest.mark.parametrize("dim", [2, 6])
def test_the_gradient_of_the_energy_distance_is_finite_where_samples_coincide(dim: int) -> None:
    x = randn(4, dim)
    y = x.clone()
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(energy_distance(y, x), x)
    apart = torch.nn.functional.normalize(y[:, None] - y, dim=2).sum(1)
    torch.testing.assert_close(gradient, apart * (2 / 16 - 2 / 12))


@pytest.mark.parametrize("n, m", [(1, 3), (3, 1)])
def test_energy_distance_needs_two_samples_of_each(n: int, m: int) -> None:
    with pytest.raises(ValueError, match=f"at least 2 samples .* got {n} and {m}"):
        energy_distance(torch.zeros(n, 2), torch.zeros(m, 2))


# The losses


def test_the_loss_of_a_learned_potential_is_zero_at_the_potential() -> None:
    phi = randn(7)
    assert potential_loss(phi.clone(), phi).item() == 0


@pytest.mark.parametrize("c", [-2.0, 0.5])
def test_the_loss_of_a_learned_potential_off_by_a_constant(c: float) -> None:
    phi = randn(7)
    assert potential_loss(phi + c, phi).item() == pytest.approx(c**2 / 2)


def test_the_potential_is_a_target() -> None:
    d, phi = randn(7).requires_grad_(), randn(7).requires_grad_()
    potential_loss(d, phi).backward()
    assert phi.grad is None
    torch.testing.assert_close(d.grad, (d - phi).detach() / 7)


def test_no_gradient_flows_through_the_potential_into_the_samples() -> None:
    w = randn(2).requires_grad_()
    x, y = randn(5, 2) * w, randn(4, 2)
    phi = potential(x, y, x, plummer)
    assert phi.requires_grad
    (gradient,) = torch.autograd.grad(potential_loss(x.sum(1), phi), w, retain_graph=True)
    (expected,) = torch.autograd.grad(potential_loss(x.sum(1), phi.detach()), w)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("n", [1, 8])
def test_the_climbing_loss_pushes_every_sample_up(n: int) -> None:
    d = torch.full((n,), 3.0, dtype=torch.float64, requires_grad=True)
    loss = climbing_loss(d)
    loss.backward()
    assert loss.item() == pytest.approx(-1.5)
    torch.testing.assert_close(d.grad, torch.full_like(d, -1 / (2 * n)))


@every_kernel
def test_climbing_the_exact_potential_is_half_the_descent_of_the_energy(kernel: Callable) -> None:
    y, x = randn(5, 2), randn(4, 2).requires_grad_()
    loss = climbing_loss(potential(x, y, x.detach(), kernel))
    (climb,) = torch.autograd.grad(loss, x)
    (descent,) = torch.autograd.grad(interaction_energy(y, x, kernel), x)
    torch.testing.assert_close(2 * climb, descent)


def test_the_loss_does_not_broadcast() -> None:
    with pytest.raises(ValueError, match=r"'d' and 'phi' should have one shape, got \(4, 1\)"):
        potential_loss(torch.zeros(4, 1), torch.zeros(4))
