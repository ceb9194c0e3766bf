r"""Tests for the energy_gans.methods.vapo module against solutions in closed form."""

import math
from functools import partial

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn

from energy_gans.data import GaussianMixture
from energy_gans.methods import VAPO, Flow

from .harness import fit, sgd
from .test_vapo import EPSILON, LENGTH, OMEGA, SIGMA, model


class Quadratic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.k, self.b = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.k * x**2 / 2 + self.b * x


@pytest.mark.parametrize("jacobian", [True, False])
def test_a_quadratic_without_time_learns_the_best_one(jacobian: bool) -> None:
    m, spread, sigma, epsilon = 0.6, 0.5, 0.3, 0.1
    seed_everything(0, verbose=False)
    vapo = VAPO(
        descriptor=Quadratic(),
        shape=[1],
        sigma=sigma,
        sharpness=epsilon,
        jacobian=jacobian,
        descriptor_optimizer=sgd(0.1),
    )
    seen: list[Tensor] = []
    step = vapo.update

    def watched(*args: object) -> dict[str, Tensor]:
        seen.append(torch.stack([vapo.descriptor.k, vapo.descriptor.b]).detach())
        return step(*args)

    vapo.update = watched
    data = partial(GaussianMixture, means=[[m]], std=spread, samples=8192)
    fit(vapo, steps=400, batch_size=2048, data=data)
    length = math.log((1 + epsilon) / epsilon)
    t = epsilon * torch.expm1((torch.arange(4000) + 0.5) / 4000 * length)
    v = sigma**2 / (sigma**2 + t)
    a = t * v / sigma**2
    rate = length * (t + epsilon) if jacobian else torch.ones_like(t)
    mean, variance = a * m, a**2 * spread**2 + v
    dmean = v**2 / sigma**2 * m * rate
    dvariance = v**2 / sigma**2 * (2 * a * spread**2 - 1) * rate
    matrix = torch.stack(
        [torch.stack([variance + mean**2, mean]), torch.stack([mean, torch.ones_like(mean)])]
    ).mean(2)
    right = torch.stack([mean * dmean + dvariance / 2, dmean]).mean(1)
    exact = torch.linalg.solve(matrix, right)
    torch.testing.assert_close(torch.stack(seen[150:]).mean(0), exact, rtol=0.03, atol=0.03)


def test_the_exact_solution_needs_time_and_maps_the_prior_to_the_data() -> None:
    class Exact(nn.Module):
        r"""The potential of B6.3 in flow time."""

        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor, time: Tensor) -> Tensor:
            t = (EPSILON * torch.expm1(time * LENGTH))[:, None]
            v = OMEGA**2 * SIGMA**2 / (SIGMA**2 + t * OMEGA**2)
            a, da = t * v / SIGMA**2, v**2 / (OMEGA * SIGMA) ** 2
            variance = a**2 * 0.25 + v
            dvariance = v**2 / SIGMA**2 * (2 * a * 0.25 / OMEGA**2 - 1)
            phi = da * 0.6 * x + dvariance / (4 * variance) * (x - a * 0.6) ** 2
            return phi * LENGTH * (t + EPSILON)

    flow = Flow(rtol=1e-6, atol=1e-6)
    vapo = model(descriptor=Exact(), shape=[1], time_conditioned=True, flow=flow)
    x = vapo.sample(1000, random=torch.Generator().manual_seed(0))
    z = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0))
    a = OMEGA**2 / (SIGMA**2 + OMEGA**2)
    variance = a**2 * 0.25 + a * SIGMA**2
    torch.testing.assert_close(x, 0.6 * a + math.sqrt(variance) * z, rtol=1e-3, atol=1e-3)
    assert 20 < vapo.evaluations < 300
    # In the homotopy's own time, the same network without the rate gives the same flow.
    flow = Flow(rtol=1e-6, atol=1e-6)
    literal = model(
        descriptor=Rated(Exact()), shape=[1], time_conditioned=True, flow=flow, jacobian=False
    )
    again = literal.sample(1000, random=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again, x, rtol=1e-3, atol=1e-3)


def test_a_preconditioned_flow_needs_no_network_for_gaussian_data() -> None:
    vapo = model(time_conditioned=True, data_std=0.5, flow=Flow("rk4", steps=100))
    nn.init.zeros_(vapo.descriptor.head.weight)
    x = vapo.sample(9, random=torch.Generator().manual_seed(3))
    z = torch.randn(9, 2, generator=torch.Generator().manual_seed(3))
    v = OMEGA**2 * SIGMA**2 / (SIGMA**2 + OMEGA**2)
    width = math.sqrt((1 - v / OMEGA**2) ** 2 * 0.25 + v)
    torch.testing.assert_close(x, width * z, rtol=1e-4, atol=1e-5)


class Rated(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.network(x, time) / (LENGTH * EPSILON * torch.exp(time * LENGTH))[:, None]
