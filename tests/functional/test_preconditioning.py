r"""Tests for the energy_gans.functional.preconditioning module, against Gaussian data."""

import pytest
import torch
from torch import Tensor

from energy_gans.functional import conditional_moments, preconditioning

STD = 0.7
CASES = pytest.mark.parametrize("sigma, omega", [(0.01, 1.0), (0.3, 1.2), (1.5, 0.7)])


def path(sigma: float, omega: float) -> tuple[Tensor, ...]:
    r"""Returns a, v and their derivatives along the conditional path."""
    t = torch.linspace(0, 1, 41, dtype=torch.float64)
    a, v = conditional_moments(t, sigma, omega)
    return a, v, v**2 / (omega * sigma) ** 2, -(v**2) / sigma**2


@CASES
def test_without_a_network_the_potential_is_that_of_gaussian_data(
    sigma: float, omega: float
) -> None:
    a, v, da, dv = path(sigma, omega)
    b, _, width = preconditioning(v, sigma, omega, STD)
    variance, change = a**2 * STD**2 + v, 2 * a * da * STD**2 + dv
    torch.testing.assert_close(b, change / (2 * variance))
    torch.testing.assert_close(width**2, variance)


@pytest.mark.parametrize("t", [1e-7, 1e-4, 0.01, 1.0])
def test_float32_keeps_its_digits_at_all_times(t: float) -> None:
    for std in (0.5, 1.0, 3.0):
        _, v = conditional_moments(torch.tensor([t], dtype=torch.float64), 0.01, 1.0)
        for found, expected in zip(
            preconditioning(v.float(), 0.01, 1.0, std),
            preconditioning(v, 0.01, 1.0, std),
            strict=True,
        ):
            torch.testing.assert_close(found.double(), expected, rtol=2e-6, atol=0)


@CASES
def test_what_is_left_of_the_velocity_has_the_size_that_is_said(
    sigma: float, omega: float
) -> None:
    a, v, da, dv = path(sigma, omega)
    _, c, width = preconditioning(v, sigma, omega, STD)
    # u = a' y + v' / (2 sqrt v) noise, and x = a y + sqrt v noise.
    total = da**2 * STD**2 + dv**2 / (4 * v)
    shared = a * da * STD**2 + dv / 2
    left = total - shared**2 / (a**2 * STD**2 + v)
    torch.testing.assert_close((c / width) ** 2, left)


@pytest.mark.parametrize("name", ["sigma", "omega", "data_std"])
def test_standard_deviations_have_to_be_positive(name: str) -> None:
    stds = {"sigma": 0.1, "omega": 1.0, "data_std": 0.5} | {name: 0.0}
    with pytest.raises(ValueError, match=f"'{name}' should be positive"):
        preconditioning(torch.ones(3), **stds)
