r"""Trajectories of a model's samples, and their table."""

from __future__ import annotations

import torch
from torch import Tensor

from ..methods import GenerativeModule
from ..methods.bases.capabilities import Frame
from ..terminal import say
from .outputs import markdown_heading, markdown_row

# The columns of time and speed in a table of a trajectory, by the model's dynamics.
_HEADINGS = {"chains": ("step", "score"), "flow": ("time", "speed")}


def follow_trajectory(
    model: GenerativeModule,
    x: Tensor,
    frames: int | list[int],
    labels: Tensor | None,
    random: torch.Generator,
) -> list[Frame]:
    r"""Returns the states of a trajectory; the command line prints a row for each of them.

    Arguments:
        model: The model, which supports `trajectory`.
        x: The starting points, with shape :math:`(n, *)`.
        frames: The number of states after the first one, or the steps of chains that are kept.
        labels: The classes of the samples, with shape :math:`(n)`, or `None`.
        random: The generator of the chains' noise.

    Raises:
        ValueError: If states are not finite.
    """
    say(trajectory_table(model.dynamics, []).rstrip())
    states = []
    for frame in model.trajectory(x, frames, labels, random):
        if not frame.x.isfinite().all():
            raise ValueError(
                "The chains are not finite any more: the training went wrong, or there are too "
                "many 'steps' without bounds."
            )
        say(_trajectory_row(frame).rstrip())
        moved = (part.cpu() for part in (frame.x, frame.potential, frame.speed))
        states.append(Frame(frame.time, *moved, frame.potential_time))
    if model.dynamics == "flow":
        say(f"{model.evaluations} evaluations of the field by {model.flow.solver}")
    return states


def trajectory_table(dynamics: str, states: list[Frame]) -> str:
    r"""Returns the mean potential and speed of the states of a trajectory, as Markdown.

    Arguments:
        dynamics: `"chains"` or `"flow"`.
        states: The states.
    """
    time, speed = _HEADINGS[dynamics]
    return markdown_heading([time, "potential", speed]) + "".join(map(_trajectory_row, states))


def _trajectory_row(frame: Frame) -> str:
    r"""Returns the row of a state in a table."""
    at = frame.time if isinstance(frame.time, int) else f"{frame.time:.3g}"
    means = [f"{values.mean():.4g}" for values in (frame.potential, frame.speed)]
    return markdown_row([at, *means])
