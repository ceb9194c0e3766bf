r"""Tests for the gradients of the energy_gans.methods.eieg_gan module at high powers."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from torch import Tensor

from energy_gans.functional import distinct, matching_loss, squared_distances

from .test_eieg_gan import Pair, direct, gan, k, scaled


def clouds(n: int, case: str) -> tuple[Tensor, Tensor]:
    r"""Returns real and generated features at distances above 0.8, except for two by `case`."""
    u = 2 * torch.arange(6.0)[:, None] * torch.eye(n)[0]
    v = u + 8 * torch.eye(n)[1]
    if case != "apart":
        u[1] = u[0] + {"coincident": 0.0, "nearly": 1e-6, "inside": 0.5}[case] * torch.eye(n)[1]
    return u, v


def kernel(e: float, p: float, softening: str) -> Pair:
    if softening == "cap":
        return partial(k, e=e, p=p)
    return lambda a, b: ((a - b).square().sum() + e**2) ** (-p / 2)


CASES = ["apart", "coincident", "nearly", "inside"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("objective", ["attractive", "repulsive"])
@pytest.mark.parametrize("scope", ["real", "both"])
@pytest.mark.parametrize("softening", ["cap", "plummer"])
@pytest.mark.parametrize("n, p_s", [(2, None), (16, None), (16, 1.0), (32, None), (32, 1.0)])
def test_the_discriminators_gradient_is_exact_and_of_a_size_that_adam_sees(
    n: int, p_s: float | None, softening: str, scope: str, objective: str, case: str
) -> None:
    options = {"objective": objective, "softening": softening, "stabilizer_scope": scope}
    model = gan(n, stabilizer_power=p_s, **options)
    plain, repelling = kernel(0.1, n - 1, softening), kernel(0.8, p_s or n - 1, softening)
    sign = 1 if objective == "repulsive" else -1

    def f_u(a: Tensor, b: Tensor) -> Tensor:
        return sign * plain(a, b) + repelling(a, b)

    def f_v(a: Tensor, b: Tensor) -> Tensor:
        return (repelling(a, b) if scope == "both" else 0) - plain(a, b)

    u, v = (a.double().requires_grad_() for a in clouds(n, case))
    terms = [(1, u, u, f_u), (1, v, v, f_v)]
    if objective == "attractive":
        terms.append((2, u, v, plain))
    expected = torch.autograd.grad(scaled(terms), [u, v])

    u, v = (a.requires_grad_() for a in clouds(n, case))
    uu, vv = (distinct(squared_distances(a, a)) for a in (u, v))
    loss = model.separating_loss(n, uu, vv, squared_distances(u, v))
    assert loss.isfinite()
    check_gradients(torch.autograd.grad(loss, [u, v]), expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("softening", ["cap", "plummer"])
@pytest.mark.parametrize("n", [2, 16, 32])
@pytest.mark.parametrize("make", [gan, direct])
def test_the_generators_gradient_is_exact_and_of_a_size_that_adam_sees(
    make: Callable, n: int, softening: str, case: str
) -> None:
    model = make(cutoff=0.1, softening=softening)
    v, u = (a.double().requires_grad_() for a in clouds(n, case))
    plain = kernel(0.1, n - 1, softening)
    loss = scaled([(1, v, v, plain), (-2, u, v, plain)])
    expected = torch.autograd.grad(loss, [v])

    v, u = (a.requires_grad_() for a in clouds(n, case))
    vv, uv = distinct(squared_distances(v, v)), squared_distances(u, v)
    loss = (
        matching_loss(*model.kernels(n, vv, uv)) if make is gan else model.matching_loss(n, vv, uv)
    )
    check_gradients(torch.autograd.grad(loss, [v]), expected)


def check_gradients(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-7)
    assert max(a.abs().max() for a in found) > 1e-3
