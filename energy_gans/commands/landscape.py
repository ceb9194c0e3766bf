r"""`energy-gans landscape`: a potential in the plane, its gradient, and particles that move in it.

Samples of some methods move: those of a method with an energy are ends of Langevin chains, and those of
a VAPO flow up the gradient. They are shown on their way, those of a potential that knows the time each
in the potential of its time. Of other methods the samples are shown.

A potential has no zero that means anything, and at each time a constant of its own. So colours span what
is seen of it at each time, but for its lowest part. Chains feel the noise and the reference as well as
the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..callbacks.pictures import write_picture
from ..functional import keyed_generator
from ..functional.checks import check_count
from ..methods import GenerativeModule
from ..methods.energy import EnergyModule
from ..methods.flow_module import FlowModule
from ..storage.runs import find_checkpoint
from .chains import data_of
from .feature_space import held_out
from .flows import run_flow
from .labels import class_labels
from .planes import Plane, landscape_film, landscape_picture
from .potentials import load_potential_model, sample_shape, shown_potential
from .sample import checked_output
from .synthesize import run_chains, shown_times, started

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
    r"""Pictures a checkpoint's potential in the plane, its gradient, and particles that move in it.

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
    path = checked_output(out, overwrite, (".png", ".gif"))
    check_count("n", n)
    ckpt_path = str(find_checkpoint(ckpt_path))
    model = load_plane_model(ckpt_path, label, trust)
    film = path.suffix == ".gif"
    time = chosen_time(model, time, film)
    frames = chosen_frames(model, frames, film)
    y = held_out(data_of(ckpt_path, trust), REAL_POINTS, seed)[0]
    course = particles_of(model, n, frames, label, seed)
    plane = Plane(lambda s: shown_potential(model, label, s), y, course)
    times = {t: known_time(model, t) for t in course}
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
    model = load_potential_model(ckpt_path, trust)
    shape = sample_shape(model)
    if shape != (2,):
        raise ValueError(
            f"'ckpt_path' = {ckpt_path!r} should hold a model of points in the plane, got one of "
            f"samples of shape {shape}."
        )
    class_labels(label, model, 1, torch.Generator())
    if isinstance(model, EnergyModule) and model.classes is not None and label is None:
        raise ValueError(
            f"'label' should be given, from 0 to {model.classes - 1}: each class of a "
            f"{type(model).__name__} has a potential of its own."
        )
    return model


def chosen_time(model: GenerativeModule, time: float | None, film: bool) -> float:
    r"""Returns the time at which the potential is shown.

    Raises:
        ValueError: If it is out of its range, or means nothing to a model or in a film.
    """
    if time is None:
        return 1.0
    if not knows_time(model):
        raise ValueError(
            f"'time' should be left out: the potential of this {type(model).__name__} knows none, "
            f"got {time}."
        )
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
    if film and not isinstance(model, EnergyModule | FlowModule):
        raise ValueError(
            f"'out' should end in .png for a {type(model).__name__}, whose samples do not move."
        )
    if frames is None:
        return FRAMES if film else PANELS - 1
    if not film:
        raise ValueError(f"'frames' should be left out of a picture, got {frames}.")
    check_count("frames", frames)
    return frames


def knows_time(model: GenerativeModule) -> bool:
    r"""Returns whether a model's potential knows the time."""
    return isinstance(model, FlowModule) and model.time_conditioned


def known_time(model: GenerativeModule, time: float) -> float | None:
    r"""Returns the time that a potential knows at one of a flow, or `None` if it knows none."""
    if not knows_time(model):
        return None
    return model.known_time(torch.tensor(time)).clamp(max=1).item()


def particles_of(
    model: GenerativeModule, n: int, frames: int, label: int | None, seed: int
) -> Mapping[float, Tensor]:
    r"""Returns particles on their way by time or step, or samples alone of a model whose do not move.

    Arguments:
        model: The model.
        n: The number of particles.
        frames: How many times are shown after the start; at most all steps of chains.
        label: Their class, or `None`.
        seed: The seed.
    """
    random = keyed_generator(seed, "landscape", device=model.device)
    if isinstance(model, FlowModule):
        given = model.classes if label is None else label
        labels = None if given is None else torch.full((n,), given, device=model.device)
        return run_flow(model, n, labels, frames, random)
    if isinstance(model, EnergyModule):
        start = "noise" if model.latent_network is None else "generator"
        x, labels = started(model, None, start, n, label, seed, random)
        steps = model.sample_steps or model.chains.steps
        times = shown_times(steps, -(-steps // frames), False)
        return run_chains(model, x, labels, times, random)
    return {0: model.sample(n, random=random)}
