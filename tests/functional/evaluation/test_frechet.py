r"""Tests for the energy_gans.functional.evaluation.frechet module."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from energy_gans.functional import frechet_distance, moments

Gaussian = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def rotation(dim: int) -> Tensor:
    return torch.linalg.qr(randn(dim, dim)).Q


def gaussian(dim: int) -> Gaussian:
    a = randn(dim, 2 * dim)
    return randn(dim), a @ a.T / dim


def fitted(x: Tensor) -> Gaussian:
    return moments(x.sum(0), x.T @ x, len(x))


def distance(y: Gaussian, x: Gaussian) -> float:
    return frechet_distance(*y, *x).item()


# Moments


@pytest.mark.parametrize("n, dim", [(2, 1), (2, 5), (3, 3), (50, 4), (7, 20)])
def test_moments_are_those_of_numpy(n: int, dim: int) -> None:
    x = 3 * randn(n, dim) + 5 * randn(dim)
    mean, covariance = fitted(x)
    np.testing.assert_allclose(mean, x.numpy().mean(0), rtol=1e-12)
    expected = np.atleast_2d(np.cov(x.numpy(), rowvar=False))
    np.testing.assert_allclose(covariance, expected, rtol=1e-9, atol=1e-10)


def test_the_covariance_of_equal_samples_is_zero() -> None:
    mean, covariance = fitted(torch.full((9, 3), 0.75, dtype=torch.float64))
    assert (mean == 0.75).all()
    assert covariance.count_nonzero() == 0


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_samples_have_no_covariance(n: int) -> None:
    with pytest.raises(ValueError, match=f"'n' should be at least 2 for a covariance, got {n}"):
        moments(torch.zeros(3), torch.zeros(3, 3), n)


# Closed forms


@pytest.mark.parametrize("mean", [0.0, 1.5])
@pytest.mark.parametrize("std_y, std_x", [(1.0, 1.0), (2.0, 0.5), (0.0, 3.0), (0.0, 0.0)])
def test_distance_on_a_line(mean: float, std_y: float, std_x: float) -> None:
    y = torch.tensor([mean]), torch.tensor([[std_y**2]])
    x = torch.tensor([-1.0]), torch.tensor([[std_x**2]])
    expected = (mean + 1) ** 2 + (std_y - std_x) ** 2
    assert distance(y, x) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("turned", [False, True], ids=["diagonal", "commuting"])
@pytest.mark.parametrize("dim", [2, 7, 64])
def test_distance_of_commuting_covariances(dim: int, turned: bool) -> None:
    q = rotation(dim) if turned else torch.eye(dim, dtype=torch.float64)
    (mean_y, std_y), (mean_x, std_x) = ((randn(dim), 3 * randn(dim).abs()) for _ in range(2))
    std_y[: dim // 2] = 0
    y = mean_y, q * std_y.square() @ q.T
    x = mean_x, q * std_x.square() @ q.T
    expected = (mean_y - mean_x).square().sum() + (std_y - std_x).square().sum()
    # The roots of eigenvalues that should be zero are those of rounding errors.
    assert distance(y, x) == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("cosine", [-1.0, -0.3, 0.0, 0.6, 1.0])
def test_distance_of_gaussians_on_two_lines(cosine: float) -> None:
    u, v = rotation(9)[:2]
    a, b = 3 * u, 2 * (cosine * u + (1 - cosine**2) ** 0.5 * v)
    zero = torch.zeros(9)
    expected = 9 + 4 - 2 * 6 * abs(cosine)
    value = distance((zero, torch.outer(a, a)), (zero, torch.outer(b, b)))
    assert value == pytest.approx(expected, abs=1e-6)


def test_distance_of_two_points() -> None:
    a, b, zero = randn(5), randn(5), torch.zeros(5, 5)
    assert distance((a, zero), (b, zero)) == pytest.approx((a - b).square().sum().item())


@pytest.mark.parametrize("n, dim", [(2, 2), (2, 30), (10, 40), (300, 40)])
def test_a_gaussian_is_at_distance_zero_from_itself(n: int, dim: int) -> None:
    y = fitted(randn(n, dim) + 4)
    assert distance(y, y) == pytest.approx(0, abs=1e-6 * y[1].trace().item())


@pytest.mark.parametrize("n, m, dim", [(5, 5, 30), (3, 12, 20), (2, 2, 8), (40, 6, 20)])
def test_distance_from_fewer_samples_than_dimensions(n: int, m: int, dim: int) -> None:
    y, x = randn(n, dim) + randn(dim), 2 * randn(m, dim)
    a, b = (y - y.mean(0)) / (n - 1) ** 0.5, (x - x.mean(0)) / (m - 1) ** 0.5
    # The trace of the root is the sum of the singular values of the product of any two roots.
    root = torch.linalg.matrix_norm(a @ b.T, "nuc")
    expected = (y.mean(0) - x.mean(0)).square().sum() + a.square().sum() + b.square().sum()
    value = distance(fitted(y), fitted(x))
    assert value == pytest.approx((expected - 2 * root).item(), rel=1e-6)


# Other implementations


@pytest.mark.parametrize("dim", [1, 2, 10, 50])
def test_distance_is_that_of_scipys_root(dim: int) -> None:
    (mean_y, cov_y), (mean_x, cov_x) = y, x = gaussian(dim), gaussian(dim)
    root = scipy.linalg.sqrtm(cov_y.numpy() @ cov_x.numpy()).real
    expected = (mean_y - mean_x).square().sum() + (cov_y + cov_x).trace() - 2 * np.trace(root)
    assert distance(y, x) == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("n, m, dim", [(200, 300, 24), (500, 500, 3), (20, 30, 24)])
def test_distance_is_that_of_torch_fidelity(n: int, m: int, dim: int) -> None:
    y, x = randn(n, dim).exp(), 1.3 * randn(m, dim).exp() + 0.2
    statistics = [fid_features_to_statistics(features) for features in (x, y)]
    (expected,) = fid_statistics_to_metric(*statistics, verbose=False).values()
    assert distance(fitted(y), fitted(x)) == pytest.approx(expected, rel=1e-6)


# Identities


@pytest.mark.parametrize("dim", [1, 4, 20])
def test_distance_is_symmetric(dim: int) -> None:
    y, x = gaussian(dim), gaussian(dim)
    assert distance(y, x) == pytest.approx(distance(x, y), rel=1e-10)


@pytest.mark.parametrize("dim", [2, 20])
def test_distance_does_not_change_under_motions(dim: int) -> None:
    y, x, q, shift = gaussian(dim), gaussian(dim), rotation(dim), 10 * randn(dim)
    moved = [(mean @ q + shift, q.T @ cov @ q) for mean, cov in (y, x)]
    assert distance(*moved) == pytest.approx(distance(y, x), rel=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 0.1, 1e8])
def test_distance_scales_with_the_square_of_the_data(scale: float) -> None:
    y, x = gaussian(6), gaussian(6)
    scaled = [(scale * mean, scale**2 * cov) for mean, cov in (y, x)]
    assert distance(*scaled) == pytest.approx(scale**2 * distance(y, x), rel=1e-9)


def test_the_root_of_the_distance_is_a_metric() -> None:
    a, b, c = (gaussian(3) for _ in range(3))
    ab, bc, ac = (distance(u, v) ** 0.5 for u, v in ((a, b), (b, c), (a, c)))
    assert ac <= ab + bc and ab <= ac + bc and bc <= ab + ac


def test_all_is_float64() -> None:
    y = torch.tensor([1.0]), torch.tensor([[1.0]])
    assert frechet_distance(*y, *y).dtype == torch.float64
    x = torch.tensor([1 + 1e-9], dtype=torch.float64), torch.tensor([[1.0]])
    assert distance(y, x) == pytest.approx(1e-18, rel=1e-6)


@pytest.mark.parametrize(
    "mean_x, cov_y, cov_x",
    [((2,), (3, 3), (3, 3)), ((3,), (2, 2), (3, 3)), ((3,), (3, 3), (3,)), ((3,), (3, 3), (4, 4))],
)
def test_shapes_that_do_not_fit_are_refused(
    mean_x: tuple[int, ...], cov_y: tuple[int, ...], cov_x: tuple[int, ...]
) -> None:
    shapes = (3,), cov_y, mean_x, cov_x
    with pytest.raises(ValueError, match=r"should have shape \(D\) and the covariances \(D, D\)"):
        frechet_distance(*map(torch.zeros, shapes))
