r"""`energy-gans particles`: particles that move through a data set, without a network.

By default, particles start at :math:`N(0, I)` in the space of the data and follow the flow of the
EIEG metric, with the velocity :func:`~energy_gans.functional.particle_velocity` under batches of
real samples (Appendix B of the EIEG paper). Among images most particles end as blurs, attracted by
many images at once, and a few as copies of one image.

The defaults are the paper's (Table 2) except for two. The paper takes 100,000 steps, the default
is 10,000. The paper's power :math:`n - 1` gives a force of :math:`10^{-1155}` between two digits
(:math:`n = 784`, :math:`r \approx 30`), which float64 can not represent, so no particle would
move. The default power is 1, the paper's in two dimensions; every power between 0 and :math:`n`
belongs to a metric.

With `field`, particles follow any field (:mod:`energy_gans.fields`). The random directions or
partners of a step are a function of the seed and the step. In the sliced field, thousands of
particles become images of the data set (Hertrich et al., with momentum).

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), https://arxiv.org/abs/2303.10553
    Generative Sliced MMD Flows with Riesz Kernels (Hertrich et al., 2023),
    https://arxiv.org/abs/2305.11463
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ...checks import check_count, check_positive
from ...fields import ParticleField
from ...functional.particles import check_momentum, evolve
from ...methods.bases.capabilities import clip_images
from ...plots.figures import write_film, write_picture
from ...storage.arrays import write_samples
from ...terminal import progress_bar, say
from ..outputs import Output, check_output, markdown_table
from ..real_data import RealData, as_data_module
from ..results import Result
from .course import HEADINGS, follow
from .flow import Flow, field_flow, metric_flow
from .pictures import Picture, check_picture, film_images, picture_of
from .samples import Start, check_batch, data_batches, first_positions, reference_samples
from .training_images import distances_to_training

# The settings of the EIEG metric's flow, for which a field has its own.
SETTINGS = ("attraction", "repulsion", "cutoff", "power")


@dataclass(frozen=True, repr=False, eq=False)
class ParticleFlow(Result):
    r"""Particles that moved through a data set.

    Arguments:
        x: The last positions, with shape :math:`(M, *)`.
        frames: The positions by step, with shape :math:`(M, *)`; those of the first 2,000
            particles if there are more.
        rows: The cells of the table for these particles: the step, the energy, the distance to the
            nearest other particle, the share of particles that coincide, and the velocity.
        picture: A picture of images, or panels of points.
        path: The array, the film or the picture that was written, or `None`. An array and a film
            have the picture beside them.
        to_training: The distances of 500 particles to the nearest training image, with shape
            :math:`(500)` or fewer, and those of as many held-out images; `None` for points in the
            plane.
    """

    x: Tensor
    frames: dict[int, Tensor]
    rows: list[list[str]]
    picture: Image.Image
    path: Path | None
    to_training: tuple[Tensor, Tensor] | None

    @property
    def table(self) -> str:
        r"""The measures of the particles at several steps, in Markdown."""
        return markdown_table([HEADINGS, *self.rows])

    def __str__(self) -> str:
        if self.path is None:
            return self.table.rstrip("\n")
        return "\n".join(dict.fromkeys(map(str, (self.path, self.path.with_suffix(".png")))))


def particles(
    data: RealData,
    particles: int = 64,
    data_batch: int | None = 64,
    steps: int = 10_000,
    step_size: float = 0.1,
    attraction: float = 100.0,
    repulsion: float = 50.0,
    cutoff: float = 1.0,
    power: float | None = 1.0,
    seed: int = 0,
    out: Output = None,
    overwrite: bool = False,
    field: ParticleField | None = None,
    momentum: float = 0.0,
    start: Start = "normal",
    picture: Picture = "steps",
) -> ParticleFlow:
    r"""Moves particles through a data set, in a field, without a network.

    Arguments:
        data: The data set, images or points in the plane: its class and arguments, as in a config.
        particles: The number of particles. Of more than 2,000, the table measures the first ones.
        data_batch: The number of real samples in a step; the whole training set if null.
        steps: The number of steps; the paper takes 100000.
        step_size: The size of a step.
        attraction: The mobility M1 of a particle under the force of real samples.
        repulsion: The mobility M2 of a particle under the force of other particles; equal to M1
            for the metric's own flow.
        cutoff: The distance within which forces fall to zero, in data units.
        power: The power p of the kernel 1/r^p, between 0 and the dimension n of the data; the
            paper's n - 1 if null, which moves no particle if n is large.
        seed: The seed of the first positions, of the order of the data and of random fields.
        out: The picture, as `.png`; or with the picture beside, the last particles as `.npz`,
            float32, images clipped to [-1, 1], or a film as `.gif`.
        overwrite: Whether files may exist.
        field: The field, in place of the EIEG metric's flow, whose settings attraction, repulsion,
            cutoff and power are then left out.
        momentum: The share of the last velocity that is added to the field, in [0, 1).
        start: The law of the first positions: normal, or uniform in [-1, 1].
        picture: Some images at several steps, or a grid of the last images.

    Returns:
        The last positions, with shape :math:`(N, *)`, those on the way, and the measures.

    Raises:
        ValueError: If an argument is out of its range or does not fit the data.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    path = _check_paths(out, overwrite)
    data = as_data_module("data", data)
    _check_shape(data.shape)
    _check_counts(particles, steps, step_size)
    check_momentum(momentum)
    check_picture(picture, data.shape)
    flow = _choose_flow(field, data.shape, seed, (attraction, repulsion, cutoff, power))
    data.prepare_data()
    check_batch(data, data_batch)
    x, y = first_positions(particles, data.shape, seed, start), reference_samples(data, seed)
    batches = data_batches(data, data_batch, steps, seed)
    with progress_bar(steps, "steps", items=batches) as bar:
        states = evolve(x, enumerate(bar, 1), flow.velocity, step_size, momentum)
        film = path is not None and path.suffix == ".gif"
        course = follow(x, states, y, flow, steps, film, bar.clear)
    drawn = picture_of(course.frames, y, data, picture)
    if path is not None:
        if path.suffix == ".npz":
            write_samples(clip_images(course.x), path)
        elif film:
            write_film(film_images(course.film, y), path)
        write_picture(drawn, path.with_suffix(".png"))
    to_training = None
    if len(data.shape) == 3:
        to_training = distances_to_training(course.x, data, seed)
        own, others = (r.median().item() for r in to_training)
        say(
            f"\nMedian distance to the nearest training image: {own:.4g}; of held-out images: "
            f"{others:.4g}"
        )
    return ParticleFlow(course.x, course.frames, course.rows, drawn, path, to_training)


def _check_paths(out: Output, overwrite: bool) -> Path | None:
    r"""Returns the path of the output after checking that it and its picture can be written."""
    path = check_output(out, overwrite, (".png", ".npz", ".gif"))
    if path is not None:
        check_output(path.with_suffix(".png"), overwrite)
    return path


def _check_shape(shape: tuple[int, ...]) -> None:
    r"""Raises a `ValueError` unless samples of a shape are images or points in the plane."""
    if not (len(shape) == 3 and shape[0] in (1, 3)) and tuple(shape) != (2,):
        raise ValueError(f"'data' should be images or points in the plane, got shape {shape}.")


def _check_counts(particles: int, steps: int, step_size: float) -> None:
    r"""Raises a `ValueError` unless there are two particles, one step and a positive step size."""
    if particles < 2:
        raise ValueError(f"'particles' should be at least 2, got {particles}.")
    check_count("steps", steps)
    check_positive("step_size", step_size)


def _choose_flow(
    field: ParticleField | None, shape: tuple[int, ...], seed: int, values: tuple[Any, ...]
) -> Flow:
    r"""Returns the flow of a field, or that of the EIEG metric.

    Raises:
        ValueError: If settings of the metric's flow are given besides a field, or the flow's own
            checks fail.
    """
    settings = dict(zip(SETTINGS, values, strict=True))
    if field is None:
        return metric_flow(shape, **settings)
    parameters = inspect.signature(particles).parameters
    for name, value in settings.items():
        if value != parameters[name].default:
            raise ValueError(
                f"{name!r} should be left out where 'field' is given, got {value!r}: it is a "
                "setting of the EIEG metric's flow, and a field has its own."
            )
    return field_flow(field, seed)
