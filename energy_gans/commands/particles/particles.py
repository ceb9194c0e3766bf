r"""`energy-gans particles`: particles that follow the flow of the EIEG metric, without a network.

Particles start at :math:`N(0, I)` in the space of the data. They move with the velocity
:func:`~energy_gans.functional.particle_velocity` under batches of real samples (Appendix B of the
EIEG paper). Among images most particles end as blurs, attracted by many images at once, and a few
as copies of one image.

The defaults are the paper's (Table 2) except for two. The paper takes 100,000 steps, the default
is 10,000. The paper's power :math:`n - 1` gives a force of :math:`10^{-1155}` between two digits
(:math:`n = 784`, :math:`r \approx 30`), which float64 can not represent, so no particle would
move. The default power is 1, the paper's in two dimensions; every power between 0 and :math:`n`
belongs to a metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from torch import Tensor

from ...checks import check_count, check_positive
from ...data.base import TensorDataModule
from ...functional import elastic, elastic_power
from ...functional.particles import check_force, check_mobilities, evolve, particle_velocity
from ...plots.figures import write_picture
from ...plots.points import trajectory_picture
from ...storage.arrays import write_samples
from ...terminal import progress_bar, say
from ..outputs import Output, check_output, markdown_heading, markdown_row, markdown_table
from ..results import Result
from .flow import data_batches, first_positions, reference_samples, states_to_show
from .measures import table_cells
from .pictures import film_of

HEADINGS = ("step", "energy", "nearest", "coincide", "velocity")


@dataclass(frozen=True, repr=False, eq=False)
class ParticleFlow(Result):
    r"""Particles that moved through a data set.

    Arguments:
        frames: The particles' positions, with shape :math:`(M, *)`, by step.
        rows: The cells of the table: the step, the energy, the distance to the nearest other
            particle, the share of particles that coincide, and the velocity.
        picture: A film of images, or panels of points.
        path: The array or the picture that was written, or `None`. An array has its picture
            beside it.
    """

    frames: dict[int, Tensor]
    rows: list[list[str]]
    picture: Image.Image
    path: Path | None

    @property
    def x(self) -> Tensor:
        r"""The last positions, with shape :math:`(M, *)`."""
        return self.frames[max(self.frames)]

    @property
    def table(self) -> str:
        r"""The measures of the particles at several steps, in Markdown."""
        return markdown_table([HEADINGS, *self.rows])

    def __str__(self) -> str:
        if self.path is None:
            return self.table.rstrip("\n")
        return "\n".join(dict.fromkeys(map(str, (self.path, self.path.with_suffix(".png")))))


def particles(
    data: TensorDataModule,
    particles: int = 64,
    data_batch: int = 64,
    steps: int = 10_000,
    step_size: float = 0.1,
    attraction: float = 100.0,
    repulsion: float = 50.0,
    cutoff: float = 1.0,
    power: float | None = 1.0,
    seed: int = 0,
    out: Output = None,
    overwrite: bool = False,
) -> ParticleFlow:
    r"""Moves particles through a data set by the EIEG metric's flow, without a network.

    Arguments:
        data: The data set, images or points in the plane: its class and arguments, as in a config.
        particles: The number of particles.
        data_batch: The number of real samples in a step.
        steps: The number of steps; the paper takes 100000.
        step_size: The size of a step.
        attraction: The mobility M1 of a particle under the force of real samples.
        repulsion: The mobility M2 of a particle under the force of other particles; equal to M1
            for the metric's own flow.
        cutoff: The distance within which forces fall to zero, in data units.
        power: The power p of the kernel 1/r^p, between 0 and the dimension n of the data; the
            paper's n - 1 if null, which moves no particle if n is large.
        seed: The seed of the first positions and of the order of the data.
        out: The picture, as `.png`, or the last positions as `.npz`, float32, with the picture
            beside.
        overwrite: Whether files may exist.
    """
    path = check_output(out, overwrite)
    if path is not None:
        check_output(path.with_suffix(".png"), overwrite)
    _check_shape(data.shape)
    _check_counts(particles, steps, step_size)
    check_mobilities(attraction, repulsion)
    power = elastic_power(power, math.prod(data.shape))
    check_force(cutoff, power)
    data.prepare_data()
    _check_batch(data, data_batch)
    x = first_positions(particles, data.shape, seed)
    y = reference_samples(data, seed)
    velocity = partial(
        particle_velocity, cutoff=cutoff, power=power, attraction=attraction, repulsion=repulsion
    )
    cells = partial(
        table_cells, y=y, velocity=velocity, kernel=partial(elastic, cutoff=cutoff, power=power)
    )
    batches = data_batches(data, data_batch, steps, seed)
    frames, rows = {}, []
    say(markdown_heading(HEADINGS).rstrip())
    with progress_bar(steps, "steps", items=batches) as bar:
        for step, state in states_to_show(x, evolve(x, bar, velocity, step_size), steps):
            frames[step] = state
            rows.append([str(step), *cells(state)])
            bar.clear()
            say(markdown_row(rows[-1]).rstrip())
    images = len(data.shape) == 3
    picture = film_of(frames, data) if images else trajectory_picture(frames, y)
    if path is not None:
        if path.suffix == ".npz":
            write_samples(frames[steps], path)
        write_picture(picture, path.with_suffix(".png"))
    return ParticleFlow(frames, rows, picture, path)


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


def _check_batch(data: TensorDataModule, size: int) -> None:
    r"""Raises a `ValueError` unless there are two training samples and enough for a batch."""
    check_count("data_batch", size)
    length = data.length("train")
    if length < 2:
        raise ValueError(f"'data' should hold at least 2 training samples, got {length}.")
    if size > length * data.repeat:
        raise ValueError(
            "'data_batch' should be at most the number of training samples, "
            f"{length * data.repeat}, got {size}."
        )
