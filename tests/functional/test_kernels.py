r"""Tests for the energy_gans.functional.kernels module."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_kid import kernel_poly

from energy_gans.functional import (
    elastic,
    gaussian,
    plummer,
    polynomial,
    squared_distances,
)

from .test_distances import (  # noqa: F401  (`seed` is a fixture)
    DIMENSIONS,
    close,
    every_place,
    randn,
    reference,
    rotation,
    seed,
)

KERNELS_OF_DISTANCE = {
    "squared_distances": squared_distances,
    "plummer-1": plummer,
    "plummer-3": partial(plummer, power=3.0, epsilon=0.7),
    "plummer-1.7": partial(plummer, power=1.7, epsilon=0.4),
    "gaussian": partial(gaussian, bandwidths=(0.5, 2.0)),
    "elastic": partial(elastic, cutoff=0.4, power=1.5),
    "elastic-plummer": partial(elastic, cutoff=0.4, power=1.5, softening="plummer"),
}
KERNELS = KERNELS_OF_DISTANCE | {"polynomial": polynomial}

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
every_kernel_of_distance = pytest.mark.parametrize(
    "kernel", KERNELS_OF_DISTANCE.values(), ids=KERNELS_OF_DISTANCE.keys()
)


@pytest.mark.parametrize("power, epsilon", [(1.0, 1.0), (3.0, 1.0), (3.0, 0.05)])
@pytest.mark.parametrize("dim", DIMENSIONS)
@every_place
def test_plummer_of_float32_is_good_to_1e5(
    place: Callable[[int], tuple[Tensor, Tensor]], dim: int, power: float, epsilon: float
) -> None:
    a, b = place(dim)
    # Points on a line at the same distances: the kernel depends only on distances.
    line = reference(a, b).sqrt().flatten()[:, None]
    exact = plummer(line, torch.zeros_like(line[:1]), power, epsilon).reshape(len(a), len(b))
    torch.testing.assert_close(plummer(a, b, power, epsilon).double(), exact, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("dim", [3, 784])
@every_kernel
def test_images_are_points(kernel: Callable, dim: int) -> None:
    a, b = randn(4, dim, 2, 3), randn(5, dim, 2, 3)
    assert torch.equal(kernel(a, b), kernel(a.flatten(1), b.flatten(1)))


@pytest.mark.parametrize("dim", [3, 5])
@pytest.mark.parametrize(
    "a_dtype, b_dtype, dtype",
    [
        (torch.bfloat16, torch.bfloat16, torch.float32),
        (torch.float16, torch.float16, torch.float32),
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float32, torch.float32, torch.float32),
        (torch.float32, torch.float64, torch.float64),
        (torch.uint8, torch.uint8, torch.float32),
    ],
)
@every_kernel
def test_results_are_float32_at_least(
    kernel: Callable, a_dtype: torch.dtype, b_dtype: torch.dtype, dtype: torch.dtype, dim: int
) -> None:
    a, b = (3 * torch.rand(4, dim)).to(a_dtype), (3 * torch.rand(5, dim)).to(b_dtype)
    k = kernel(a, b)
    assert k.dtype == dtype
    torch.testing.assert_close(k.double(), kernel(a.double(), b.double()), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dim", [3, 5, 784])
@every_kernel
def test_autocast_changes_nothing(kernel: Callable, dim: int, dtype: torch.dtype) -> None:
    a, b = torch.randn(8, dim).to(dtype), torch.randn(6, dim).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        k = kernel(a, b)
    assert k.dtype == torch.float32
    assert torch.equal(k, kernel(a, b))


@pytest.mark.parametrize("dim", [2, 4, 5, 8])
@every_kernel
def test_first_and_second_derivatives_are_those_of_differences(kernel: Callable, dim: int) -> None:
    a, b = randn(3, dim).requires_grad_(), randn(4, dim).requires_grad_()
    assert torch.autograd.gradcheck(kernel, (a, b))
    assert torch.autograd.gradgradcheck(kernel, (a, b))


def test_derivatives_hold_in_one_dimension() -> None:
    a, b = randn(3, 1).requires_grad_(), randn(4, 1).requires_grad_()
    assert torch.autograd.gradcheck(squared_distances, (a, b))
    assert torch.autograd.gradgradcheck(squared_distances, (a, b))


@pytest.mark.parametrize("dim", [2, 4, 5, 8])
@every_kernel
def test_derivatives_hold_at_coincident_points(kernel: Callable, dim: int) -> None:
    a = randn(3, dim)
    b = torch.cat([a[1:], randn(1, dim)]).requires_grad_()
    a.requires_grad_()
    assert torch.autograd.gradcheck(kernel, (a, b))
    assert torch.autograd.gradgradcheck(kernel, (a, b))


@pytest.mark.parametrize("dim", [2, 5])
def test_derivatives_hold_between_a_set_and_itself(dim: int) -> None:
    x = randn(4, dim).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: plummer(x, x), x)
    assert torch.autograd.gradgradcheck(lambda x: plummer(x, x), x)


@pytest.mark.parametrize("dim", [3, 784])
def test_gradients_of_float32_are_those_of_float64(dim: int) -> None:
    a, b = close(dim)

    def gradient(a: Tensor, b: Tensor) -> Tensor:
        return torch.func.grad(lambda a: plummer(a, b, 3.0, dim**0.5).sum())(a)

    exact = gradient(a.double(), b.double())
    torch.testing.assert_close(gradient(a, b).double(), exact, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kernel", [squared_distances, plummer, gaussian, polynomial])
@pytest.mark.parametrize("b_shape", [(3, 4), (3, 5, 1), (3,)])
def test_points_of_two_shapes_are_refused(kernel: Callable, b_shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"'a' and 'b' .* got \(5,\) and \("):
        kernel(torch.zeros(2, 5), torch.zeros(b_shape))


# Every kernel


@pytest.mark.parametrize("dim", [2, 5, 50])
@every_kernel
def test_kernels_are_symmetric(kernel: Callable, dim: int) -> None:
    a, b = randn(6, dim), randn(9, dim)
    torch.testing.assert_close(kernel(a, b), kernel(b, a).T)


@pytest.mark.parametrize("dim", [2, 5, 50])
@every_kernel_of_distance
def test_kernels_do_not_change_under_motions(kernel: Callable, dim: int) -> None:
    a, b, q, shift = randn(6, dim), randn(9, dim), rotation(dim), 10 * randn(dim)
    torch.testing.assert_close(kernel(a @ q + shift, b @ q + shift), kernel(a, b))


@pytest.mark.parametrize("dim", [1, 2, 5, 20])
@pytest.mark.parametrize(
    "kernel",
    [
        partial(plummer, power=0.5, epsilon=0.5),
        partial(plummer, power=1.0, epsilon=0.5),
        partial(plummer, power=3.0, epsilon=1.0),
        partial(gaussian, bandwidths=(0.5, 1.0)),
    ],
)
def test_kernels_are_strictly_positive_definite(kernel: Callable, dim: int) -> None:
    x = 4 * randn(12, dim)
    assert torch.linalg.eigvalsh(kernel(x, x)).min() > 1e-10


# Plummer


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("epsilon", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0, 5.0])
def test_plummer_at_zero(power: float, epsilon: float, dim: int) -> None:
    a = randn(1, dim)
    assert plummer(a, a, power, epsilon).item() == pytest.approx(epsilon**-power, rel=1e-12)


@pytest.mark.parametrize("dim", [1, 3, 16])
@pytest.mark.parametrize("power, value", [(1.0, 0.7071068), (2.0, 0.5), (3.0, 0.3535534)])
def test_plummer_at_one(power: float, value: float, dim: int) -> None:
    b = randn(1, dim)
    a = b + torch.nn.functional.normalize(randn(1, dim))
    assert plummer(a, b, power).item() == pytest.approx(value, abs=5e-8)


@pytest.mark.parametrize("dim", [2, 6])
@pytest.mark.parametrize("scale", [0.1, 7.0])
@pytest.mark.parametrize("power", [1.0, 3.0])
def test_plummer_scales_with_data_and_epsilon(power: float, scale: float, dim: int) -> None:
    a, b = randn(4, dim), randn(5, dim)
    torch.testing.assert_close(
        plummer(scale * a, scale * b, power, scale * 0.6),
        scale**-power * plummer(a, b, power, 0.6),
    )


@pytest.mark.parametrize("dim", [1, 5])
@pytest.mark.parametrize("power, epsilon", [(1.0, 1.0), (3.0, 1.0), (3.0, 0.2), (0.7, 2.0)])
def test_the_force_is_largest_at_epsilon_over_the_root_of_power_plus_one(
    power: float, epsilon: float, dim: int
) -> None:
    r = torch.linspace(0, 4 * epsilon, 4001, dtype=torch.float64)
    a = torch.zeros(4001, dim, dtype=torch.float64)
    a[:, 0] = r
    a.requires_grad_()
    plummer(a, a.new_zeros(1, dim), power, epsilon).sum().backward()
    assert (a.grad[:, 0] <= 0).all()
    largest = r[a.grad[:, 0].argmin()].item()
    assert largest == pytest.approx(epsilon / math.sqrt(power + 1), abs=epsilon / 1000)


def laplacian(k: Tensor, a: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(k.sum(), a, create_graph=True)
    second = [
        torch.autograd.grad(g.sum(), a, create_graph=True)[0][:, i]
        for i, g in enumerate(gradient.unbind(1))
    ]
    return torch.stack(second).sum(0)


every_space = pytest.mark.parametrize(
    "m, d, epsilon",
    [(2, 1, 1.0), (2, 3, 0.5), (4, 2, 1.3), (5, 3, 1.0), (5, 3, 0.4), (6, 1, 1.0), (8, 6, 0.7)],
)


@every_space
def test_laplacian_of_plummer(m: int, d: int, epsilon: float) -> None:
    a, b = randn(6, m).requires_grad_(), randn(1, m)
    r2 = reference(a.detach(), b)[:, 0]
    expected = d * (epsilon**2 + r2) ** -(2 + d / 2) * (r2 * (2 + d - m) - m * epsilon**2)
    torch.testing.assert_close(laplacian(plummer(a, b, d, epsilon), a), expected)


@every_space
def test_laplacian_of_plummer_at_zero(m: int, d: int, epsilon: float) -> None:
    b = randn(1, m)
    a = b.clone().requires_grad_()
    expected = -d * m * epsilon ** -(d + 2)
    assert laplacian(plummer(a, b, d, epsilon), a).item() == pytest.approx(expected, rel=1e-9)


def test_laplacian_of_plummer_at_zero_in_five_dimensions_is_minus_15() -> None:
    a = torch.zeros(1, 5, dtype=torch.float64, requires_grad=True)
    assert laplacian(plummer(a, a.detach(), 3.0), a).item() == pytest.approx(-15, rel=1e-12)


@pytest.mark.parametrize("m, d", [(5, 3), (5, 1), (6, 3), (8, 6)])
def test_laplacian_of_plummer_is_negative_where_theorem_1_holds(m: int, d: int) -> None:
    a = (torch.logspace(-2, 2, 30)[:, None] * randn(30, m)).requires_grad_()
    assert (laplacian(plummer(a, a.new_zeros(1, m), d, 0.8), a) < 0).all()


@pytest.mark.parametrize("epsilon", [0.3, 1.0])
@pytest.mark.parametrize("factor, sign", [(0.99, -1), (1.01, 1)])
def test_laplacian_of_plummer_changes_sign_in_the_plane(
    factor: float, sign: int, epsilon: float
) -> None:
    r = factor * epsilon * math.sqrt(2 / 3)
    a = torch.tensor([[r, 0.0]], dtype=torch.float64, requires_grad=True)
    assert laplacian(plummer(a, torch.zeros_like(a), 3.0, epsilon), a).sign() == sign


@every_space
def test_slope_of_the_laplacian_along_the_radius(m: int, d: int, epsilon: float) -> None:
    r = torch.linspace(0.05, 3, 8, dtype=torch.float64, requires_grad=True)
    a = r[:, None] * torch.nn.functional.normalize(randn(1, m))
    k = plummer(a, torch.zeros_like(a[:1]), d, epsilon)
    (slope,) = torch.autograd.grad(laplacian(k, a).sum(), r)
    r = r.detach()
    expected = d * (d + 2) * r * (epsilon**2 + r**2) ** -(3 + d / 2)
    expected = expected * ((m - 2 - d) * r**2 + (m + 2) * epsilon**2)
    torch.testing.assert_close(slope, expected)


@every_space
def test_slope_of_the_laplacian_in_epsilon(m: int, d: int, epsilon: float) -> None:
    # A distance w along one more axis softens the kernel just as epsilon does.
    w = torch.full((6, 1), 0.6 * epsilon, dtype=torch.float64, requires_grad=True)
    a = randn(6, m).requires_grad_()
    k = plummer(torch.cat([a, w], 1), a.new_zeros(1, m + 1), d, 0.8 * epsilon)
    (slope,) = torch.autograd.grad(laplacian(k, a).sum(), w)
    r2 = a.detach().square().sum(1)
    expected = d * (d + 2) * epsilon * (epsilon**2 + r2) ** -(3 + d / 2)
    expected = expected * (m * epsilon**2 - (4 + d - m) * r2)
    torch.testing.assert_close(slope[:, 0] / 0.6, expected)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["power", "epsilon"])
def test_plummer_refuses_what_is_not_positive_and_finite(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"'{name}' .* got {value}"):
        plummer(torch.zeros(1, 2), torch.zeros(1, 2), **{name: value})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0, 4.5])
def test_plummers_gradient_is_finite_for_each_softening_length_that_is_not_refused(
    power: float, dtype: torch.dtype
) -> None:
    a = torch.randn(4, 3, dtype=dtype, requires_grad=True)
    with pytest.raises(ValueError, match=f"'epsilon' should be at least .* in {dtype}") as refused:
        plummer(a, a, power, 1e-150)
    least = float(str(refused.value).split("at least ")[1].split(" in ")[0])
    for epsilon in (1.05 * least, 10 * least):
        (gradient,) = torch.autograd.grad(plummer(a, a.detach(), power, epsilon).sum(), a)
        assert gradient.isfinite().all()
    with pytest.raises(ValueError, match="'epsilon' should be at least"):
        plummer(a, a, power, 0.9 * least)


# Gaussian


@pytest.mark.parametrize("dim", [1, 3, 7])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
def test_gaussian_is_a_normal_density_but_for_its_norm(sigma: float, dim: int) -> None:
    a, b = randn(5, dim), randn(4, dim)
    covariance = sigma**2 * torch.eye(dim, dtype=torch.float64)
    normal = torch.distributions.MultivariateNormal(b, covariance)
    density = normal.log_prob(a[:, None]).exp() / normal.log_prob(b).exp()
    torch.testing.assert_close(gaussian(a, b, [sigma]), density)


@pytest.mark.parametrize("dim", [2, 6])
def test_gaussian_is_the_mean_over_bandwidths(dim: int) -> None:
    a, b = randn(5, dim), randn(4, dim)
    single = (gaussian(a, b, [0.5]) + gaussian(a, b, [1.0]) + gaussian(a, b, [4.0])) / 3
    torch.testing.assert_close(gaussian(a, b, (0.5, 1.0, 4.0)), single)


@pytest.mark.parametrize("dim", [1, 2])
def test_gaussian_felt_from_a_gaussian_cloud_is_a_wider_gaussian(dim: int) -> None:
    sigma, std, h = 0.8, 0.6, 0.1
    ticks = torch.arange(-6, 6 + h / 2, h, dtype=torch.float64)
    cloud = torch.cartesian_prod(*[ticks] * dim).reshape(-1, dim)
    density = torch.distributions.Normal(0.0, std).log_prob(cloud).sum(1).exp()
    a = randn(4, dim)
    wide = math.hypot(sigma, std)
    expected = (sigma / wide) ** dim * gaussian(a, a.new_zeros(1, dim), [wide])[:, 0]
    torch.testing.assert_close(gaussian(a, cloud, [sigma]) @ density * h**dim, expected)


def test_gaussian_needs_bandwidths() -> None:
    with pytest.raises(ValueError, match=r"'bandwidths' .* got none"):
        gaussian(torch.zeros(1, 2), torch.zeros(1, 2), [])


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_gaussian_refuses_bandwidths_that_are_not_positive_and_finite(value: float) -> None:
    with pytest.raises(ValueError, match=f"'bandwidths' .* got {value}"):
        gaussian(torch.zeros(1, 2), torch.zeros(1, 2), [1.0, value])


# Polynomial


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("dim", [1, 3, 2048])
def test_polynomial_is_that_of_torch_fidelity(dim: int, degree: int) -> None:
    a, b = randn(6, dim), randn(9, dim)
    expected = kernel_poly(a.numpy(), b.numpy(), kid_kernel_poly_degree=degree)
    torch.testing.assert_close(polynomial(a, b, degree), torch.from_numpy(expected))


@pytest.mark.parametrize("dim", [1, 5, 784])
@pytest.mark.parametrize("u, v", [(0.0, 3.0), (1.0, 1.0), (2.0, -0.5), (-1.0, 1.0)])
def test_polynomial_of_constant_images(u: float, v: float, dim: int) -> None:
    a, b = torch.full((1, dim), u), torch.full((1, dim), v)
    assert polynomial(a, b).item() == pytest.approx((u * v + 1) ** 3, rel=1e-5)


@pytest.mark.parametrize("dim", [1, 2, 6])
def test_the_cubic_kernel_has_the_features_of_all_cubic_polynomials(dim: int) -> None:
    x = 2 * randn(90, dim)
    eigenvalues = torch.linalg.eigvalsh(polynomial(x, x))
    rank = math.comb(dim + 3, 3)
    assert eigenvalues[-rank] > 1e-9 * eigenvalues[-1]
    assert eigenvalues[:-rank].abs().max() < 1e-12 * eigenvalues[-1]


@pytest.mark.parametrize("dim", [2, 5])
def test_polynomial_does_not_change_under_rotations(dim: int) -> None:
    a, b, q = randn(6, dim), randn(9, dim), rotation(dim)
    torch.testing.assert_close(polynomial(a @ q, b @ q), polynomial(a, b))


@pytest.mark.parametrize("degree", [0, -1])
def test_degrees_below_one_are_refused(degree: int) -> None:
    with pytest.raises(ValueError, match=f"'degree' should be at least 1, got {degree}"):
        polynomial(torch.zeros(1, 2), torch.zeros(1, 2), degree)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "power, factor, order", [(0.5, 1.0, 3.0), (1.5, 1.0, 3.5), (3.0, 1.5, 5.0), (20.0, 10.0, 22.0)]
)
def test_the_least_epsilon_is_that_of_a_finite_derivative(
    power: float, factor: float, order: float, dtype: torch.dtype
) -> None:
    # The derivative by the squared distance is p / 2 times the power -(p + 2) of epsilon.
    least = (factor / torch.finfo(dtype).max) ** (1 / order)
    a = torch.zeros(1, 5, dtype=dtype, requires_grad=True)
    plummer(a, torch.zeros_like(a), power, 1.001 * least).sum().backward()
    assert torch.equal(a.grad, torch.zeros_like(a))
    with pytest.raises(ValueError, match="'epsilon' should be at least"):
        plummer(a, torch.zeros_like(a), power, 0.999 * least)
