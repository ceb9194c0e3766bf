r"""`energy-gans landscape`: a potential in the plane, its gradient, and particles that move in it.

If the model has a trajectory (Langevin chains, or the flow of a VAPO), the picture shows particles
at several times. A potential that depends on time is drawn anew for each of these times. For other
models the picture shows samples.

A potential is defined up to a constant, which can differ between times. So each panel has a colour
scale of its own, which does not resolve the lowest quarter of the values. Noise and the reference
density move chains, too, not only the gradient that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..checks import Names, check_count
from ..functional import keyed_generator
from ..functional.langevin import Field
from ..methods import GenerativeModule
from ..methods.bases.capabilities import Frame
from ..plots.figures import write_film, write_picture
from ..plots.plane import Plane, landscape_film, landscape_picture
from .models import (
    Checkpoint,
    argument_of,
    class_labels,
    find_model,
    load_supporting,
    potential_field,
)
from .outputs import Output, check_output
from .real_data import RunData, held_out_samples, load_data
from .results import Result
from .trajectories import follow_trajectory, trajectory_table

# The number of times in a picture, and by default in a film.
PANELS, FRAMES = 6, 48
REAL_POINTS = 1000


@dataclass(frozen=True, repr=False, eq=False)
class Landscape(Result):
    r"""A potential in the plane, and particles in it.

    Arguments:
        frames: The particles' states in order of time: `time`, `x` with shape :math:`(n, 2)`,
            `potential` and `speed` with shape :math:`(n)`. Empty if samples of the method do not
            move.
        x: The last particles, or samples if these do not move, with shape :math:`(n, 2)`.
        dynamics: `"chains"`, `"flow"`, or `None` if samples of the method do not move.
        picture: The picture, or `None` if a film was written.
        path: The file that was written, or `None`.
    """

    frames: list[Frame]
    x: Tensor
    dynamics: str | None
    picture: Image.Image | None
    path: Path | None

    @property
    def table(self) -> str:
        r"""The mean potential and speed at each time, in Markdown; empty without states."""
        return trajectory_table(self.dynamics, self.frames) if self.frames else ""

    def __str__(self) -> str:
        if self.path is None:
            return self.table.rstrip("\n") or f"{len(self.x)} samples in the plane"
        return str(self.path)


def landscape(
    ckpt_path: Checkpoint,
    n: int = 400,
    time: float | None = None,
    frames: int | None = None,
    label: int | None = None,
    seed: int = 0,
    out: Output = None,
    overwrite: bool = False,
    trust: Names = "",
    data: RunData = None,
) -> Landscape:
    r"""Draws a model's potential in the plane, its gradient and particles that follow it.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run, or that folder: then its last one.
        n: The number of particles.
        time: The time in [0, 1] of the potential in the left panel, if the potential depends on
            time; 1 by default. Panels and films of particles use the time of the particles.
        frames: The number of times that a film shows after the start; 48 by default.
        label: The class, for class-conditional models. A VAPO uses its unconditional potential by
            default.
        seed: The seed of the particles.
        out: The picture, as `.png`, or a film of the particles, as `.gif`.
        overwrite: Whether `out` may exist.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.
        data: The data module, or held-out samples; the data of the model's run by default.

    Returns:
        The states of the particles, with shape :math:`(n, 2)`, and the picture.

    Raises:
        ValueError: If an argument is out of its range or does not fit the model.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    path = check_output(out, overwrite, (".png", ".gif"))
    check_count("n", n)
    ckpt_path = find_model(ckpt_path)
    model = _load_plane_model(ckpt_path, label, trust)
    film = path is not None and path.suffix == ".gif"
    model.check_conditions(label, time)
    time = _potential_time(time, film)
    frames = _frame_count(model, frames, film)
    data = load_data(ckpt_path, trust, data, held_out_only=True)
    y, _ = held_out_samples(data, REAL_POINTS, seed)
    states, x = _particles(model, n, frames, label, seed)
    course = {s.time: s.x for s in states} or {0: x}
    times = {s.time: s.potential_time for s in states} or {0: None}
    plane = Plane(_potential_in_time(model, label), y, course)
    picture = None if film else landscape_picture(plane, course, times, time)
    if film:
        write_film(landscape_film(plane, course, times), path)
    elif path is not None:
        write_picture(picture, path)
    return Landscape(states, x, model.dynamics, picture, path)


def _potential_in_time(model: GenerativeModule, label: int | None) -> Callable[[float], Field]:
    r"""Returns the potential at a time, as functions of points on the CPU."""

    def at(time: float) -> Field:
        phi = potential_field(model, label, time if model.time_conditioned else None)
        return lambda a: phi(a.to(model.device)).cpu()

    return at


def _load_plane_model(
    ckpt_path: Checkpoint, label: int | None, trust: Names = ""
) -> GenerativeModule:
    r"""Returns the model of a checkpoint after checking that it has a potential in the plane.

    Raises:
        ValueError: If it has none, if it needs a class and `label` is `None`, or if `label` is no
            class of the model.
    """
    model = load_supporting(ckpt_path, "potential_at", trust)
    shape = model.sample_shape
    if shape != (2,):
        raise ValueError(
            f"{argument_of(ckpt_path)} should hold a model of points in the plane, got one of "
            f"samples of shape {shape}."
        )
    class_labels(label, model, 1, torch.Generator(model.device))
    model.check_conditions(label)
    return model


def _potential_time(time: float | None, film: bool) -> float:
    r"""Returns the time of the potential in the left panel of a picture.

    Raises:
        ValueError: If the time is not in [0, 1], or is given for a film.
    """
    if time is None:
        return 1.0
    if film:
        raise ValueError(f"'time' should be left out of a film, which shows all, got {time}.")
    if not 0 <= time <= 1:
        raise ValueError(f"'time' should be in [0, 1], got {time}.")
    return time


def _frame_count(model: GenerativeModule, frames: int | None, film: bool) -> int:
    r"""Returns the number of times that are shown after the start.

    Raises:
        ValueError: If `frames` is not positive, or given for a picture, or if a film is requested
            from a model without a trajectory.
    """
    if film and not model.supports("trajectory"):
        raise ValueError(
            f"'out' should end in .png for a {type(model).__name__}, whose samples do not move."
        )
    if frames is None:
        return FRAMES if film else PANELS - 1
    if not film:
        raise ValueError(f"'frames' should be left out of a picture, got {frames}.")
    check_count("frames", frames)
    return frames


def _particles(
    model: GenerativeModule, n: int, frames: int, label: int | None, seed: int
) -> tuple[list[Frame], Tensor]:
    r"""Returns the states of a trajectory, none for models without one, and the last particles.

    Arguments:
        model: The model.
        n: The number of particles.
        frames: The number of times after the start; chains have at most one for each step.
        label: The class of the particles, or `None`.
        seed: The seed.
    """
    random = keyed_generator(seed, "landscape", device=model.device)
    if not model.supports("trajectory"):
        return [], model.sample(n, random=random).cpu()
    labels = None
    if model.classes is not None:
        # In a flow, the label after the last class is the unconditional one.
        labels = torch.full((n,), model.classes if label is None else label, device=model.device)
    states = follow_trajectory(
        model, model.starting_points(n, labels, random), frames, labels, random
    )
    return states, states[-1].x
