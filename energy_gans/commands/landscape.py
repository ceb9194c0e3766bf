r"""`energy-gans landscape`: a potential in the plane, its gradient, and particles that move in it.

Samples of some methods move: those of a method with an energy are ends of Langevin chains, and those of
a VAPO flow up the gradient. They are shown on their way, those of a potential that knows the time each
in the potential of its time. Of other methods the samples are shown.

A potential has no zero that means anything, and at each time a constant of its own. So colours span what
is seen of it at each time, but for its lowest part. Chains feel the noise and the reference as well as
the gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks import check_count
from ..functional import keyed_generator
from ..methods import GenerativeModule
from ..plots.figures import write_picture
from ..plots.plane import Plane, landscape_film, landscape_picture
from ..storage.run import find_checkpoint
from .models import (
    class_labels,
    follow,
    held_out_samples,
    load_data,
    load_supporting,
    potential_field,
)
from .outputs import check_output

# Times in a picture, and by default in a film.
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
        time: The time in [0, 1] at which a picture shows a potential that knows it; 1 by default. In a
            film, and beside each of a picture's particles, the potential is that of their time.
        frames: The number of times that a film shows after the start; 48 by default.
        label: The class, for class-conditional models; none of them by default, if the model flows.
        seed: The seed of the particles.
        out: The picture, as `.png`, or particles in motion, as `.gif`.
        overwrite: Whether `out` may exist.
        trust: The packages whose classes the run's files may name besides this one, with commas
            between them: that of an own network, say. Their code is run.
    """
    path = check_output(out, overwrite, (".png", ".gif"))
    check_count("n", n)
    ckpt_path = str(find_checkpoint(ckpt_path))
    model = load_plane_model(ckpt_path, label, trust)
    film = path.suffix == ".gif"
    model.check_conditions(label, time)
    time = chosen_time(time, film)
    frames = chosen_frames(model, frames, film)
    y = held_out_samples(load_data(ckpt_path, trust), REAL_POINTS, seed)[0]
    course, times = particles_of(model, n, frames, label, seed)
    known = model.time_conditioned
    plane = Plane(lambda s: potential_field(model, label, s if known else None), y, course)
    if film:
        landscape_film(plane, course, times, path)
    else:
        write_picture(landscape_picture(plane, course, times, time), path)
    print(path)


def load_plane_model(ckpt_path: str, label: int | None, trust: str = "") -> GenerativeModule:
    r"""Returns the model of a checkpoint, once it is known to have a potential in the plane.

    Raises:
        ValueError: If it has none, or one for each class and none is given, or no such class.
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


def chosen_time(time: float | None, film: bool) -> float:
    r"""Returns the time at which the potential is shown.

    Raises:
        ValueError: If it is out of its range, or given for a film.
    """
    if time is None:
        return 1.0
    if film:
        raise ValueError(f"'time' should be left out of a film, which shows all, got {time}.")
    if not 0 <= time <= 1:
        raise ValueError(f"'time' should be in [0, 1], got {time}.")
    return time


def chosen_frames(model: GenerativeModule, frames: int | None, film: bool) -> int:
    r"""Returns how many times are shown after the start.

    Raises:
        ValueError: If there is none, or frames are asked of a picture or of samples that do not move.
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


def particles_of(
    model: GenerativeModule, n: int, frames: int, label: int | None, seed: int
) -> tuple[dict[float, Tensor], dict[float, float | None]]:
    r"""Returns particles on their way, or only samples for models without a trajectory.

    Arguments:
        model: The model.
        n: The number of particles.
        frames: How many times are shown after the start; at most all steps of chains.
        label: Their class, or `None`.
        seed: The seed.

    Returns:
        The particles, with shape :math:`(n, 2)`, and the time that the potential knows, or `None`, each
        by the time or the step.
    """
    random = keyed_generator(seed, "landscape", device=model.device)
    if not model.supports("trajectory"):
        return {0: model.sample(n, random=random)}, {0: None}
    labels = None
    if model.classes is not None:
        # Of a flow the label after the last class means none of them.
        labels = torch.full((n,), model.classes if label is None else label, device=model.device)
    states = follow(model, model.starting_points(n, labels, random), frames, labels, random)
    return {s.time: s.x for s in states}, {s.time: s.potential_time for s in states}
