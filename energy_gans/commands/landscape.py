r"""`energy-gans landscape`: a potential in the plane, its gradient, and particles that move in it.

If the model has a trajectory (Langevin chains, or the flow of a VAPO), the picture shows particles
at several times. A potential that depends on time is drawn anew for each of these times. For other
models the picture shows samples.

A potential is defined up to a constant, which can differ between times. So each panel has a colour
scale of its own, which does not resolve the lowest quarter of the values. Noise and the reference
density move chains, too, not only the gradient that is drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks import check_count
from ..functional import keyed_generator
from ..methods import GenerativeModule
from ..plots.figures import write_picture
from ..plots.plane import Plane, landscape_film, landscape_picture
from ..storage.saved_run import find_checkpoint
from .models import (
    class_labels,
    follow_trajectory,
    held_out_samples,
    load_data,
    load_supporting,
    potential_field,
)
from .outputs import check_output

# The number of times in a picture, and by default in a film.
PANELS, FRAMES = 6, 48
REAL_POINTS = 1000


def landscape(
    ckpt_path: str,
    n: int = 400,
    time: float | None = None,
    frames: int | None = None,
    label: int | None = None,
    seed: int = 0,
    out: str = "landscape.png",
    overwrite: bool = False,
    trust: str = "",
) -> None:
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
        trust: Other packages whose classes the run's files may name, separated by commas, such as
            the package of your own network. Their code is run.
    """
    path = check_output(out, overwrite, (".png", ".gif"))
    check_count("n", n)
    ckpt_path = str(find_checkpoint(ckpt_path))
    model = _load_plane_model(ckpt_path, label, trust)
    film = path.suffix == ".gif"
    model.check_conditions(label, time)
    time = _potential_time(time, film)
    frames = _frame_count(model, frames, film)
    y = held_out_samples(load_data(ckpt_path, trust), REAL_POINTS, seed)[0]
    course, times = _particles(model, n, frames, label, seed)
    known = model.time_conditioned
    plane = Plane(lambda s: potential_field(model, label, s if known else None), y, course)
    if film:
        landscape_film(plane, course, times, path)
    else:
        write_picture(landscape_picture(plane, course, times, time), path)
    print(path)


def _load_plane_model(ckpt_path: str, label: int | None, trust: str = "") -> GenerativeModule:
    r"""Returns the model of a checkpoint after checking that it has a potential in the plane.

    Raises:
        ValueError: If it has none, if it needs a class and `label` is `None`, or if `label` is no
            class of the model.
    """
    model = load_supporting(ckpt_path, "potential_at", trust)
    shape = model.sample_shape
    if shape != (2,):
        raise ValueError(
            f"'ckpt_path' = {ckpt_path!r} should hold a model of points in the plane, got one of "
            f"samples of shape {shape}."
        )
    class_labels(label, model, 1, torch.Generator())
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
) -> tuple[dict[float, Tensor], dict[float, float | None]]:
    r"""Returns the states of a trajectory, or only samples for models without a trajectory.

    Arguments:
        model: The model.
        n: The number of particles.
        frames: The number of times after the start; chains have at most one for each step.
        label: The class of the particles, or `None`.
        seed: The seed.

    Returns:
        The particles, with shape :math:`(n, 2)`, and the time of the potential, `None` if it does
        not depend on time. Both are dicts by time, or by step for chains.
    """
    random = keyed_generator(seed, "landscape", device=model.device)
    if not model.supports("trajectory"):
        return {0: model.sample(n, random=random)}, {0: None}
    labels = None
    if model.classes is not None:
        # In a flow, the label after the last class is the unconditional one.
        labels = torch.full((n,), model.classes if label is None else label, device=model.device)
    states = follow_trajectory(
        model, model.starting_points(n, labels, random), frames, labels, random
    )
    return {s.time: s.x for s in states}, {s.time: s.potential_time for s in states}
