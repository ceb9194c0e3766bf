r"""Tests for the energy_gans.functional.elastic_kernels module."""

import math

import pytest
import torch
from scipy.special import hyp1f1
from torch import Tensor

from energy_gans.functional import (
    elastic,
    elastic_profile,
    gaussian,
    plummer,
    squared_distances,
    unit_length,
)

from .test_distances import randn, seed  # noqa: F401  (`seed` is a fixture)


def along_a_line(r: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(1, dim, dtype=r.dtype), torch.nn.functional.pad(r[:, None], (0, dim - 1))


@pytest.mark.parametrize(
    "cutoff, at_zero, at_cutoff, slope", [(0.1, 15, 10, -100), (0.8, 1.875, 1.25, -1.5625)]
)
def test_elastic_in_the_plane(
    cutoff: float, at_zero: float, at_cutoff: float, slope: float
) -> None:
    def k(r: float) -> Tensor:
        return elastic(*along_a_line(torch.tensor([r], dtype=torch.float64), 2), cutoff)[0, 0]

    assert k(0.0).item() == pytest.approx(at_zero)
    assert k(cutoff).item() == pytest.approx(at_cutoff)
    h = 1e-6
    assert ((k(cutoff) - k(cutoff - h)) / h).item() == pytest.approx(slope, rel=1e-4)
    assert ((k(cutoff + h) - k(cutoff)) / h).item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("n", [2, 3, 16])
def test_elastic_is_a_power_beyond_the_cutoff_and_a_parabola_within(n: int) -> None:
    e = 0.7
    r = torch.linspace(0.0, 2.0, 41, dtype=torch.float64)
    k = elastic(*along_a_line(r, n), e)[0]
    far = r > e
    torch.testing.assert_close(k[far].log(), -(n - 1) * r[far].log())
    torch.testing.assert_close(k[0], r.new_tensor((n + 1) / 2 * e ** (1 - n)))
    near = k[~far]
    # A parabola has constant second differences.
    curvature = near[2:] - 2 * near[1:-1] + near[:-2]
    torch.testing.assert_close(curvature, curvature[:1].expand_as(curvature))


@pytest.mark.parametrize("power, n", [(1.0, 2), (2.0, 3), (31.0, 32), (0.5, 2), (15.5, 16)])
@pytest.mark.parametrize("softening", ["cap", "plummer"])
def test_the_force_within_the_cutoff_falls_linearly_to_zero(
    power: float, n: int, softening: str
) -> None:
    z = 1e-4 * randn(1, n)
    e = 0.5
    (force,) = torch.func.grad(
        lambda z: elastic(z, torch.zeros_like(z), e, power, softening).sum()
    )(z)
    torch.testing.assert_close(force, -power * z[0] / e ** (power + 2), rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_what_the_cutoff_takes_away(n: int) -> None:
    e = 0.3
    r = e * (torch.arange(20_000).double() + 0.5) / 20_000
    k = elastic(*along_a_line(r, n), e)[0]
    lost = ((1 - k * r ** (n - 1)) * e / 20_000).sum()
    assert lost.item() == pytest.approx(e * (n**2 - 1) / (n * (n + 2)), rel=1e-6)


@pytest.mark.parametrize("softening", ["cap", "plummer"])
def test_elastic_scales_with_data_and_cutoff(softening: str) -> None:
    a, b, s = randn(6, 4), randn(5, 4), 2.5
    k = elastic(s * a, s * b, s * 0.6, None, softening)
    torch.testing.assert_close(k, s**-3 * elastic(a, b, 0.6, None, softening))


def test_elastic_softened_as_plummer_is_plummer() -> None:
    a, b = randn(6, 3), randn(5, 3)
    torch.testing.assert_close(
        elastic(a, b, 0.4, 1.7, "plummer"), plummer(a, b, power=1.7, epsilon=0.4)
    )


def test_high_powers_with_wide_cutoffs_approach_a_gaussian_as_one_over_the_power() -> None:
    r, sigma, error = torch.linspace(0, 4, 9).double(), 2.0, []
    for power in (100, 200):
        points, cutoff = along_a_line(r, power + 1), sigma * math.sqrt(power)
        k = elastic(*points, cutoff, softening="plummer", unit=cutoff)
        error.append((k - gaussian(*points, [sigma])).abs().max())
    assert error[1] < 0.003 and error[0] / error[1] == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("softening", ["cap", "plummer"])
def test_a_unit_of_length_is_one_factor_for_all_pairs(softening: str) -> None:
    a, b = randn(6, 8), randn(5, 8)
    b[0] = a[0]
    k = elastic(a, b, 0.5, 3.0, softening)
    scaled = elastic(a, b, 0.5, 3.0, softening, unit=torch.tensor(1.7).double())
    torch.testing.assert_close(scaled, 1.7**3 * k)


def two_gaussians(n: int, mean: float, cutoff: float) -> float:
    r"""Returns the elastic energy of N(0, I) and N(mean, I) in 2 or 3 dimensions by quadrature."""
    r = (torch.arange(400_000).double() + 0.5) * 1e-4
    k = elastic(*along_a_line(r, n), cutoff)[0]

    def expected(mu: float) -> Tensor:
        # Differences of two points are N(mu, 2 I), so distances are Rician, or its 3D analogue.
        if n == 2:
            bessel = torch.special.i0e(r * mu / 2)
            density = r / 2 * torch.exp(-((r - mu) ** 2) / 4) * bessel
        elif mu == 0:
            density = r**2 * torch.exp(-(r**2) / 4) / (2 * math.pi**0.5)
        else:
            both = torch.exp(-((r - mu) ** 2) / 4) - torch.exp(-((r + mu) ** 2) / 4)
            density = r / (2 * mu * math.pi**0.5) * both
        return (k * density).sum() * 1e-4

    return (2 * expected(0.0) - 2 * expected(mean)).item()


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("mean", [1.0, 2.0])
def test_the_elastic_energy_of_two_gaussians_converges_with_the_cutoff(
    n: int, mean: float
) -> None:
    a = math.sqrt(math.pi) / (math.gamma(n / 2) * 2 ** (n - 1))
    exact = 2 * a * (1 - hyp1f1((n - 1) / 2, n / 2, -(mean**2) / 4))
    known = {(2, 1.0): 0.2021528, (3, 1.0): 0.1511272, (2, 2.0): 0.6291586, (3, 2.0): 0.4619205}
    assert exact == pytest.approx(known[n, mean], abs=1e-7)
    errors = [exact - two_gaussians(n, mean, cutoff) for cutoff in (0.04, 0.02)]
    assert errors[0] == pytest.approx(2 * errors[1], rel=0.02)
    assert errors[1] < 0.02 * exact


@pytest.mark.parametrize("name, value", [("cutoff", 0.0), ("cutoff", -1.0), ("cutoff", math.inf)])
def test_elastic_refuses_a_cutoff_that_is_not_positive_and_finite(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"'{name}' should be positive and finite, got"):
        elastic(torch.zeros(1, 2), torch.zeros(1, 2), **{name: value})


@pytest.mark.parametrize("power", [0.0, -1.0, 3.0, 4.5])
def test_elastic_refuses_powers_outside_of_its_range(power: float) -> None:
    with pytest.raises(ValueError, match=f"'power' .* between 0 and the dimension 3, got {power}"):
        elastic(torch.zeros(1, 3), torch.zeros(1, 3), 0.1, power)


def test_elastic_needs_two_coordinates() -> None:
    for power in (None, 0.5):
        with pytest.raises(ValueError, match="at least 2 coordinates, got 1"):
            elastic(torch.zeros(1, 1), torch.zeros(1, 1), 0.1, power)


def test_elastic_refuses_other_softenings() -> None:
    with pytest.raises(ValueError, match="'softening' should be 'cap' or 'plummer', got 'cut'"):
        elastic(torch.zeros(1, 2), torch.zeros(1, 2), 0.1, softening="cut")


def test_an_elastic_kernel_beyond_its_type_is_refused_with_what_to_do() -> None:
    a = torch.randn(3, 784)
    with pytest.raises(
        ValueError, match=r"beyond torch.float32 for 'power' = 783.0, 'cutoff' = 0.1"
    ):
        elastic(a, a, cutoff=0.1)
    with pytest.raises(
        ValueError, match=r"'power' or 'unit' should be smaller or 'cutoff' larger"
    ):
        elastic(a.double(), a.double(), cutoff=0.1)
    unit = unit_length(0.1, squared_distances(a, a + 1))
    assert elastic(a, a + 1, cutoff=0.1, unit=unit).isfinite().all()
    assert elastic(a, a, cutoff=0.1, power=1.0).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("softening, at_zero", [("cap", 11.0), ("plummer", 1.0)])
def test_the_largest_value_that_a_type_holds_is_accepted(
    softening: str, at_zero: float, dtype: torch.dtype
) -> None:
    # At zero the kernel is 1 + p / 2 or 1, times the power p of unit over cut-off.
    largest = torch.finfo(dtype).max
    unit = 0.5 * (largest / at_zero) ** (1 / 20)
    k = elastic_profile(torch.zeros(1, dtype=dtype), 0.5, 20.0, softening, 0.999 * unit)
    assert k.item() == pytest.approx(0.999**20 * largest)
    with pytest.raises(ValueError, match="at distance 0 is beyond"):
        elastic_profile(torch.zeros(1, dtype=dtype), 0.5, 20.0, softening, 1.001 * unit)
