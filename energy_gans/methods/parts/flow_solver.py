r"""The description of flows: the parameters of a solver of a velocity field.

The particles of a batch are solved together, with common steps. The solvers are those of
torchdiffeq, which also calls SciPy's RK45, on the CPU and with the batch as one vector.

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

# The name and the options of each solver in torchdiffeq.
_ADAPTIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "dopri5": ("dopri5", {}),
    "rk45": ("scipy_solver", {"solver": "RK45"}),
}
# The stages of a step of equal size: the time within the step, and the weights of the slopes of
# the stages before; and at last, without a time, the weights of the step itself.
_TABLEAUS: dict[str, tuple[tuple[float | None, tuple[float, ...]], ...]] = {
    "euler": ((0.0, ()), (None, (1.0,))),
    "midpoint": ((0.0, ()), (0.5, (0.5,)), (None, (0.0, 1.0))),
    "heun": ((0.0, ()), (1.0, (1.0,)), (None, (0.5, 0.5))),
    # torchdiffeq's "rk4" is the 3/8 rule.
    "rk4": (
        (0.0, ()),
        (1 / 3, (1 / 3,)),
        (2 / 3, (-1 / 3, 1.0)),
        (1.0, (1.0, -1.0, 1.0)),
        (None, (1 / 8, 3 / 8, 3 / 8, 1 / 8)),
    ),
}
_FIXED = {"euler": "euler", "midpoint": "midpoint", "heun": "heun2", "rk4": "rk4"}


class Solution(NamedTuple):
    r"""The solution of a flow.

    Arguments:
        points: The points of the particles at each time, with shape :math:`(F, B, *)`.
        evaluations: The number of evaluations of the field.
        exhausted: Whether the solver stopped before the end, because it had used up its
            evaluations or its step size underflowed.
        speed: The root mean square of the field's elements at its last evaluation.
    """

    points: Tensor
    evaluations: int
    exhausted: bool
    speed: float


@dataclass(frozen=True)
class Flow:
    r"""The description of a flow.

    Arguments:
        solver: `"dopri5"` or SciPy's `"rk45"`, the same pair of orders 5 and 4 with steps by the
            tolerances; or `"euler"`, `"midpoint"`, `"heun"` or `"rk4"` with steps of equal size.
        steps: The number of steps of equal size.
        rtol: The relative tolerance.
        atol: The absolute tolerance.
        terminal_time: The time at which the flow ends. It starts at 0.
        most_evaluations: The largest number of evaluations of the field for a batch. If it is not
            enough, a warning is emitted, and particles remain where the solver stopped.
        batch_size: The largest number of particles that are solved together.

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
        if self.solver not in _ADAPTIVE and self.solver not in _FIXED:
            known = [*_ADAPTIVE, *_FIXED]
            raise ValueError(f"'solver' should be one of {known}, got {self.solver!r}.")
        for name in ("steps", "most_evaluations", "batch_size"):
            check_count(name, getattr(self, name))
        for name in ("rtol", "atol", "terminal_time"):
            check_positive(name, getattr(self, name))

    def run(self, x: Tensor, velocity: Velocity, frames: int = 1) -> Solution:
        r"""Returns the points of particles at evenly spaced times.

        Arguments:
            x: The points at which the particles start, with shape :math:`(B, *)`.
            velocity: The field, a function of the time, a scalar, and of points :math:`(B, *)`.
            frames: The number :math:`F` of times. The start is none of them, the end is the last.

        Raises:
            FloatingPointError: If the field is not finite. The error names the solver and the
                time.
        """
        counted = _CountedField(velocity, self)
        points, exhausted = [], False
        times = torch.linspace(0, self.terminal_time, frames + 1, dtype=x.dtype, device=x.device)
        try:
            for interval in times.unfold(0, 2, 1):
                with warnings.catch_warnings():
                    # torchdiffeq passes SciPy an option that RK45 does not have.
                    warnings.filterwarnings("ignore", message="(?s).*no effect.*min_step")
                    x = odeint(counted, x, interval, **self.method(frames))[-1]
                points.append(x)
        except (_ExhaustedError, AssertionError) as error:
            if isinstance(error, AssertionError) and "underflow in dt" not in str(error):
                raise
            warnings.warn(
                f"{self.solver} stopped after {counted.count} of {self.most_evaluations} "
                f"evaluations at time {counted.time:.3g} of {self.terminal_time:g}: the samples "
                "are those of that time. Larger tolerances, another solver or more evaluations "
                "help, unless the potential has diverged.",
                stacklevel=2,
            )
            points += [counted.x] * (frames - len(points))
            exhausted = True
        return Solution(torch.stack(points), counted.count, exhausted, counted.speed)

    @property
    def is_fixed(self) -> bool:
        r"""Whether the solver has steps of equal size."""
        return self.solver in _FIXED

    def method(self, frames: int) -> dict[str, Any]:
        r"""Returns the arguments of torchdiffeq's `odeint` for the interval before each frame."""
        if self.solver in _FIXED:
            # All intervals together have the requested number of steps, and each has one at least.
            # With a step size instead, rounding would add a step to some intervals.
            steps = max(1, round(self.steps / frames))

            def grid(velocity: Velocity, x: Tensor, t: Tensor) -> Tensor:
                return torch.lerp(t[0], t[-1], torch.linspace(0, 1, steps + 1).to(t))

            return {"method": _FIXED[self.solver], "options": {"grid_constructor": grid}}
        name, options = _ADAPTIVE[self.solver]
        return {"method": name, "options": options, "rtol": self.rtol, "atol": self.atol}


class UnrolledFlow(Flow):
    r"""A flow by a solver with steps of equal size, as operations that do not depend on values.

    It takes the steps of :class:`Flow`, up to rounding, and can be traced. It does not check the
    field.
    """

    def run(self, x: Tensor, velocity: Velocity, frames: int = 1) -> Solution:
        nodes, points = _TABLEAUS[self.solver], []
        steps = max(1, round(self.steps / frames))
        size = self.terminal_time / (frames * steps)
        for i in range(frames * steps):
            slopes: list[Tensor] = []
            for node, weights in nodes:
                if node is None:
                    break
                a = x + size * _weighted_sum(weights, slopes) if slopes else x
                slopes.append(velocity(torch.tensor((i + node) * size, dtype=x.dtype), a))
            x = x + size * _weighted_sum(weights, slopes)
            if (i + 1) % steps == 0:
                points.append(x)
        return Solution(torch.stack(points), len(nodes) - 1, False, 0.0)


def _weighted_sum(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    r"""Returns a linear combination of slopes."""
    return sum(w * slope for w, slope in zip(weights, slopes, strict=True) if w)


class _ExhaustedError(Exception):
    r"""Raised when a flow has used up its evaluations."""


class _CountedField:
    r"""A field that counts its evaluations and stores the last one.

    Arguments:
        velocity: The field.
        flow: The flow that is solved.

    Raises:
        _ExhaustedError: If the field is evaluated more often than the flow allows.
        FloatingPointError: If the field is not finite.
    """

    def __init__(self, velocity: Velocity, flow: Flow) -> None:
        self.velocity, self.flow = velocity, flow
        self.count, self.time = 0, 0.0
        self.x: Tensor | None = None
        self.v: Tensor | None = None

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        if self.count == self.flow.most_evaluations:
            raise _ExhaustedError
        self.count += 1
        self.time, self.x = float(t), x.clone()
        self.v = self.velocity(t, x)
        if not self.v.isfinite().all():
            raise FloatingPointError(
                f"The field of the flow is not finite at time {self.time:.3g} of "
                f"{self.flow.terminal_time:g}, at evaluation {self.count} by {self.flow.solver}: "
                "the potential has diverged. An earlier checkpoint, a smaller learning rate or "
                "gradient_clip_norm usually helps."
            )
        return self.v

    @property
    def speed(self) -> float:
        r"""The root mean square of the field's elements at the last evaluation."""
        return self.v.double().square().mean().sqrt().item()
