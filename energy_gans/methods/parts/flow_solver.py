r"""Flows as a method holds them: the numbers of a solver, checked once, and how particles follow a field.

Particles of a batch are solved together, and the solver takes their steps alike. The solvers are those
of torchdiffeq, which also calls SciPy's RK45, on the host and with the batch as one vector.

References:
    torchdiffeq (Chen, 2018), https://github.com/rtqichen/torchdiffeq
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchdiffeq import odeint

from ...checks import check_count, check_positive

Velocity = Callable[[Tensor, Tensor], Tensor]

# torchdiffeq's name of each solver and its options.
ADAPTIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "dopri5": ("dopri5", {}),
    "rk45": ("scipy_solver", {"solver": "RK45"}),
}
FIXED = {"euler": "euler", "midpoint": "midpoint", "heun": "heun2", "rk4": "rk4"}


class Solution(NamedTuple):
    r"""What a solver found.

    Arguments:
        points: The points of the particles at each time, with shape :math:`(F, B, *)`.
        evaluations: The number of evaluations of the field.
        exhausted: Whether the solver stopped before the end: it had no evaluations left, or could not
            take a step as small as it needed.
        speed: The root mean square of the field's elements at its last evaluation.
    """

    points: Tensor
    evaluations: int
    exhausted: bool
    speed: float


@dataclass(frozen=True)
class Flow:
    r"""Creates the description of a flow.

    Arguments:
        solver: `"dopri5"` or SciPy's `"rk45"`, the same pair of orders 5 and 4, with steps as the
            tolerances ask; or `"euler"`, `"midpoint"`, `"heun"` or `"rk4"` with steps of one size.
        steps: The number of steps of one size.
        rtol: The relative tolerance.
        atol: The absolute tolerance.
        terminal_time: The time at which the flow ends, from 0 on.
        most_evaluations: The most evaluations of the field for a batch. Where they do not do, a
            warning says so, and particles stay where they are.
        batch_size: The most particles that are solved together.

    Raises:
        ValueError: If the solver is unknown, or a number is out of its range.
    """

    solver: str = "dopri5"
    steps: int = 20
    rtol: float = 1e-4
    atol: float = 1e-4
    terminal_time: float = 1.0
    most_evaluations: int = 1000
    batch_size: int = 1000

    def __post_init__(self) -> None:
        if self.solver not in ADAPTIVE and self.solver not in FIXED:
            known = [*ADAPTIVE, *FIXED]
            raise ValueError(f"'solver' should be one of {known}, got {self.solver!r}.")
        for name in ("steps", "most_evaluations", "batch_size"):
            check_count(name, getattr(self, name))
        for name in ("rtol", "atol", "terminal_time"):
            check_positive(name, getattr(self, name))

    def run(self, x: Tensor, velocity: Velocity, frames: int = 1) -> Solution:
        r"""Returns the points of particles at evenly spaced times, and how they were found.

        Arguments:
            x: Where they start, with shape :math:`(B, *)`.
            velocity: The field, a function of the time, a scalar, and of points :math:`(B, *)`.
            frames: The number of times :math:`F` after the start, of which the last is the end.

        Returns:
            The solution.

        Raises:
            FloatingPointError: If the field is not finite, that names the solver and the time.
        """
        counted = Counted(velocity, self)
        points, exhausted = [], False
        times = torch.linspace(0, self.terminal_time, frames + 1, dtype=x.dtype, device=x.device)
        try:
            for interval in times.unfold(0, 2, 1):
                with warnings.catch_warnings():
                    # torchdiffeq hands SciPy an option that its RK45 does not have.
                    warnings.filterwarnings("ignore", message="(?s).*no effect.*min_step")
                    x = odeint(counted, x, interval, **self.method(frames))[-1]
                points.append(x)
        except (ExhaustedError, AssertionError) as error:
            if isinstance(error, AssertionError) and "underflow in dt" not in str(error):
                raise
            warnings.warn(
                f"{self.solver} stopped after {counted.count} of {self.most_evaluations} evaluations "
                f"at time {counted.time:.3g} of {self.terminal_time:g}: the samples are those of that "
                "time. Larger tolerances, another solver or more evaluations help, unless the "
                "potential has diverged.",
                stacklevel=2,
            )
            points += [counted.x] * (frames - len(points))
            exhausted = True
        return Solution(torch.stack(points), counted.count, exhausted, counted.speed)

    def method(self, frames: int) -> dict[str, Any]:
        r"""Returns the arguments of torchdiffeq's `odeint` for one of the frames' intervals."""
        if self.solver in FIXED:
            # As many steps in all as were asked for, and one an interval at least. A step size would be
            # rounded, to one step more in some intervals.
            steps = max(1, round(self.steps / frames))

            def grid(velocity: Velocity, x: Tensor, t: Tensor) -> Tensor:
                return torch.lerp(t[0], t[-1], torch.linspace(0, 1, steps + 1).to(t))

            return {"method": FIXED[self.solver], "options": {"grid_constructor": grid}}
        name, options = ADAPTIVE[self.solver]
        return {"method": name, "options": options, "rtol": self.rtol, "atol": self.atol}


class ExhaustedError(Exception):
    r"""Creates the sign that a field was evaluated as often as it may be."""


class Counted:
    r"""Creates a field that counts its evaluations, and knows the last one.

    Arguments:
        velocity: The field.
        flow: The flow that is solved.

    Raises:
        ExhaustedError: If it is evaluated more often than the flow allows.
        FloatingPointError: If it is not finite.
    """

    def __init__(self, velocity: Velocity, flow: Flow) -> None:
        self.velocity, self.flow = velocity, flow
        self.count, self.time = 0, 0.0
        self.x: Tensor | None = None
        self.v: Tensor | None = None

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        if self.count == self.flow.most_evaluations:
            raise ExhaustedError
        self.count += 1
        self.time, self.x = float(t), x.clone()
        self.v = self.velocity(t, x)
        if not self.v.isfinite().all():
            raise FloatingPointError(
                f"The field of the flow is not finite at time {self.time:.3g} of "
                f"{self.flow.terminal_time:g}, at evaluation {self.count} by {self.flow.solver}: the "
                "potential has diverged. An earlier checkpoint, a smaller learning rate or "
                "gradient_clip_norm are the usual mends."
            )
        return self.v

    @property
    def speed(self) -> float:
        r"""The root mean square of the field's elements at the last evaluation."""
        return self.v.double().square().mean().sqrt().item()
