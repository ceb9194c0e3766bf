r"""Tests for the energy_gans.methods.parts.flow_solver module."""

import math
import warnings

import pytest
import torch
from torch import Tensor

from energy_gans.methods import Flow
from energy_gans.methods.parts.flow_solver import UnrolledFlow

FIXED = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}


def decay(t: Tensor, x: Tensor) -> Tensor:
    return -x


def turning(t: Tensor, x: Tensor) -> Tensor:
    r"""A field with a known flow, x' = -(1 + t) x."""
    return -(1 + t) * x


def start(n: int = 7) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("solver", ["dopri5", "rk45"])
def test_adaptive_solvers_keep_their_tolerance(solver: str) -> None:
    for tolerance in (1e-3, 1e-6):
        flow = Flow(solver, rtol=tolerance, atol=tolerance, terminal_time=1.5)
        points, count, *_ = flow.run(start(), decay)
        error = (points[-1] - math.exp(-1.5) * start()).abs().max()
        assert 0 < error < 5 * tolerance
        assert 10 < count < 100


@pytest.mark.parametrize("solver, order", FIXED.items())
def test_solvers_of_one_step_size_have_their_order(solver: str, order: int) -> None:
    exact = start() * math.exp(-1.5)
    errors = []
    for steps in (64, 128):
        points, count, *_ = Flow(solver, steps=steps).run(start(), turning)
        assert count == steps * order
        errors.append((points[-1] - exact).abs().max().item())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("solver", FIXED)
def test_an_unrolled_flow_takes_the_steps_of_torchdiffeq(solver: str) -> None:
    for frames in (1, 3):
        options = {"solver": solver, "steps": 6, "terminal_time": 1.5}
        points, *_ = Flow(**options).run(start(), turning, frames)
        unrolled, *_ = UnrolledFlow(**options).run(start(), turning, frames)
        # The bounds of torchdiffeq's steps have the digits of float32.
        torch.testing.assert_close(unrolled, points, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("solver", ["dopri5", "rk45", "heun"])
def test_frames_are_on_the_way(solver: str) -> None:
    points, *_ = Flow(solver, steps=30, rtol=1e-6, atol=1e-6).run(start(), decay, frames=5)
    times = torch.arange(1, 6, dtype=torch.float64) / 5
    torch.testing.assert_close(
        points, torch.exp(-times)[:, None, None] * start(), rtol=1e-3, atol=1e-3
    )


def test_scipys_solver_has_the_steps_of_torchdiffeqs() -> None:
    # With the same pair of orders, the solutions differ by much less than the tolerance.
    a, b = (
        Flow(solver, rtol=1e-5, atol=1e-5).run(start(), turning) for solver in ("dopri5", "rk45")
    )
    torch.testing.assert_close(a[0], b[0], rtol=1e-4, atol=1e-4)
    assert abs(a[1] - b[1]) < 20


@pytest.mark.parametrize("solver", ["dopri5", "rk45", "euler"])
@pytest.mark.parametrize("frames", [1, 4])
def test_evaluations_are_bounded_and_what_there_is_is_kept(solver: str, frames: int) -> None:
    flow = Flow(solver, steps=2000, rtol=1e-12, atol=1e-12, most_evaluations=30)
    with pytest.warns(UserWarning, match=f"{solver} stopped after 30 of 30 .* time 0.* of 1: "):
        points, count, exhausted, speed = flow.run(start(), lambda t, x: torch.sin(40 * x), frames)
    assert (count, exhausted) == (30, True)
    assert 0.3 < speed < 1
    assert points.shape == (frames, 7, 2)
    assert points.isfinite().all()
    assert (points[-1] - start()).abs().max() > 1e-3


def test_scipys_solver_does_not_warn_of_what_it_was_not_told() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Flow("rk45").run(start(), decay)


@pytest.mark.parametrize(
    "wrong, told",
    [
        (
            {"solver": "rk5"},
            r"'solver' should be one of \['dopri5', 'rk45', 'euler', .* got 'rk5'",
        ),
        ({"steps": 0}, "'steps' should be"),
        ({"most_evaluations": 0}, "'most_evaluations' should be"),
        ({"batch_size": 0}, "'batch_size' should be"),
        ({"rtol": 0.0}, "'rtol' should be positive"),
        ({"atol": -1.0}, "'atol' should be positive"),
        ({"terminal_time": 0.0}, "'terminal_time' should be positive"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Flow(**wrong)


@pytest.mark.parametrize("solver", ["dopri5", "rk45", "euler"])
def test_a_field_that_is_not_finite_is_named_with_its_time(solver: str) -> None:
    def field(t: Tensor, x: Tensor) -> Tensor:
        return x if t < 0.25 else x / 0

    told = (
        f"not finite at time 0.[2-9].* of 1, at evaluation .* by {solver}: the potential has div"
    )
    with pytest.raises(FloatingPointError, match=told):
        Flow(solver).run(start(), field)


def test_a_solver_that_can_take_no_step_small_enough_keeps_what_there_is() -> None:
    x = start().float()
    with pytest.warns(
        UserWarning, match="dopri5 stopped after 2 of 1000 evaluations at time 0 of 1"
    ):
        solution = Flow().run(x, lambda t, x: 1e30 * torch.sin(x))
    assert solution.exhausted and solution.speed > 1e29
    assert torch.equal(solution.points[0], x)
