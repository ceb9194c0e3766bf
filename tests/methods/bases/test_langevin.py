r"""Tests for the energy_gans.methods.bases.langevin module: samples and gradients."""

import pytest
import torch
from torch import nn

from energy_gans.methods import Chains

from ..test_gcn import model


def test_samples_of_a_linear_potential_are_the_gaussian_that_they_should_be() -> None:
    # Phi = b x with the reference N(0, s^2) is N(s^2 b, s^2), up to the error of the step size.
    descriptor = nn.Linear(2, 1)
    chains = Chains(steps=200, step_size=0.3, reference_std=0.8)
    gcn = model(descriptor=descriptor, chains=chains)
    x = gcn.sample(20_000, random=torch.Generator().manual_seed(0))
    mean = 0.64 * descriptor.weight[0].detach()
    torch.testing.assert_close(x.mean(0), mean, atol=0.03, rtol=0)
    variance = 0.64 / (1 - 0.3**2 / (4 * 0.64))
    torch.testing.assert_close(x.var(0), torch.full((2,), variance), rtol=0.05, atol=0)


def test_samples_are_a_function_of_their_generator() -> None:
    gcn = model(sample_steps=7)
    one, other, third = (gcn.sample(5, random=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, other) and not torch.equal(one, third)
    assert not one.requires_grad


@pytest.mark.parametrize("half", [False, True])
def test_a_compiled_gradient_is_the_gradient(half: bool) -> None:
    x = torch.randn(6, 2)
    given, eager = model(compile_gradient=True, half_chains=half), model(half_chains=half)
    expected = eager.gradient(eager.descriptor)(x)
    tolerance = {"atol": 1e-2, "rtol": 2e-2} if half else {}
    torch.testing.assert_close(given.gradient(given.descriptor)(x), expected, **tolerance)
    assert expected.dtype == torch.float32


def test_chains_of_half_precision_keep_whole_states() -> None:
    x, whole = (
        m.sample(50, random=torch.Generator().manual_seed(0))
        for m in (model(half_chains=True), model())
    )
    assert x.dtype == torch.float32
    assert 0 < (x - whole).abs().max() < 0.01


class Slope(nn.Module):
    r"""The potential 3 x_1 - 4 x_2, whose gradient has the norm 5 everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([3.0, -4.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.slope


def test_diagnostics_of_chains_in_a_constant_field() -> None:
    # Three silent steps move each chain by (3, -4) 3 / 2, and the bound stops the second element.
    chains = Chains(steps=3, step_size=1.0, bound=5.0, noise_std=0.0)
    gcn = model(descriptor=Slope(), chains=chains)
    start = torch.tensor([[0.0, 2.0], [0.5, -4.0]])
    end = gcn.run_chains(gcn.descriptor, start, None)
    torch.testing.assert_close(end, torch.tensor([[4.5, -4.0], [5.0, -5.0]]))
    moved = (end - start).norm(dim=1).mean() / 2**0.5
    expected = {"score_norm": torch.tensor(5.0), "drift": moved, "saturated": torch.tensor(1.0)}
    for name, value in expected.items():
        torch.testing.assert_close(gcn.noted[name], value)
    score = gcn.score_of(start, None)
    torch.testing.assert_close(score, torch.tensor([[3.0, -4.0]]).expand(2, -1))
    assert gcn.noted["score_norm"].item() == pytest.approx(5)


def test_the_score_that_chains_log_is_that_of_their_last_step() -> None:
    chains = Chains(steps=1, step_size=0.1, reference_std=2.0, clip_gradient=3.5)
    gcn, start = model(descriptor=Slope(), chains=chains), torch.tensor([[4.0, -8.0], [0.0, 0.0]])
    gcn.run_chains(gcn.descriptor, start, None)
    # The clipped gradients (3, -3.5) less start / 4
    expected = (torch.tensor([[2.0, -1.5], [3.0, -3.5]])).norm(dim=1).mean()
    torch.testing.assert_close(gcn.noted["score_norm"], expected)


@pytest.mark.parametrize("frames, steps", [(2, [0, 2, 4]), ([1, 4], [1, 4]), (4, [0, 1, 2, 3, 4])])
def test_a_trajectory_holds_the_states_of_its_frames(frames: int, steps: list[int]) -> None:
    chains = Chains(steps=4, step_size=1.0, reference_std=2.0, noise_std=0.0, clip_gradient=3.5)
    gcn = model(descriptor=Slope(), chains=chains)
    x, states = torch.tensor([[1.0, -1.0]]), []
    clipped = torch.tensor([3.0, -3.5])
    for _ in range(5):
        states.append(x)
        x = x + (clipped - x / 4) / 2
    found = list(gcn.trajectory(states[0], frames))
    assert [frame.time for frame in found] == steps
    for frame in found:
        state = states[frame.time]
        torch.testing.assert_close(frame.x, state)
        torch.testing.assert_close(frame.potential, state @ gcn.descriptor.slope.detach())
        torch.testing.assert_close(frame.speed, (clipped - state / 4).norm(dim=1))


def test_by_default_a_trajectory_has_the_steps_of_samples() -> None:
    gcn = model(descriptor=Slope(), sample_steps=6)
    assert [frame.time for frame in gcn.trajectory(torch.zeros(1, 2), 2)] == [0, 3, 6]
    gcn = model(descriptor=Slope(), chains=Chains(steps=8, bound=1.0))
    assert [frame.time for frame in gcn.trajectory(torch.zeros(1, 2), 2)] == [0, 4, 8]


class Product(nn.Module):
    r"""The potential x_1 x_2, in which each element attracts by the other."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x.prod(1)


def test_holes_are_filled_by_the_gradient_at_known_elements() -> None:
    chains = Chains(steps=3, step_size=0.5, reference_std=0.5, noise_std=0.0)
    gcn = model(descriptor=Product(), chains=chains)
    y, known = torch.tensor([[0.9, 0.0], [-0.4, 0.0], [0.2, 0.0]]), torch.tensor([[1.0, 0.0]])
    _, hole = gcn.starting_points(3, random=torch.Generator().manual_seed(0)).unbind(1)
    for _ in range(3):
        hole = hole + 0.5**2 / 2 * (y[:, 0] - hole / 0.5**2)
    found = gcn.fill(y, known, random=torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, torch.stack([y[:, 0], hole], 1))
