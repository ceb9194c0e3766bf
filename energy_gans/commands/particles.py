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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..checks import check_count, check_positive
from ..data.base import TensorDataModule, to_unit_range
from ..data.batches import StepOrder
from ..functional import elastic, elastic_power, interaction_energy, keyed_generator, keyed_subset
from ..functional.distances import distinct, median_distance, squared_distances
from ..functional.particles import check_force, check_mobilities, evolve, particle_velocity
from ..metrics.images import to_uint8
from ..metrics.reference import nearest_in_pixels
from ..plots.figures import write_picture
from ..plots.images import film_picture
from ..plots.points import trajectory_picture
from ..storage.arrays import write_samples
from ..terminal import progress_bar, say
from .outputs import Output, check_output, markdown_heading, markdown_row, markdown_table
from .results import Result

# The number of real samples in the table's measures and in pictures of the plane.
REFERENCE = 500
# The number of times in a picture, and of rows in a film.
FRAMES = 9
ROWS = 8
# Particles coincide if their distance is below this share of the real samples' median distance.
COINCIDENT = 1e-3
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
    x = _first_positions(particles, data.shape, seed)
    y = _reference_samples(data, seed)
    velocity = partial(
        particle_velocity, cutoff=cutoff, power=power, attraction=attraction, repulsion=repulsion
    )
    cells = partial(
        _table_cells, y=y, velocity=velocity, kernel=partial(elastic, cutoff=cutoff, power=power)
    )
    batches = _data_batches(data, data_batch, steps, seed)
    frames, rows = {}, []
    say(markdown_heading(HEADINGS).rstrip())
    with progress_bar(steps, "steps", items=batches) as bar:
        for step, state in _states_to_show(x, evolve(x, bar, velocity, step_size), steps):
            frames[step] = state
            rows.append([str(step), *cells(state)])
            bar.clear()
            say(markdown_row(rows[-1]).rstrip())
    images = len(data.shape) == 3
    picture = _film(frames, data) if images else trajectory_picture(frames, y)
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


def _first_positions(n: int, shape: tuple[int, ...], seed: int) -> Tensor:
    r"""Returns particles drawn from :math:`N(0, I)`, with shape :math:`(n, *)`.

    Raises:
        ValueError: If the particles do not fit into memory.
    """
    try:
        return torch.randn(n, *shape, generator=keyed_generator(seed, "particles"))
    except (RuntimeError, TypeError) as error:
        # A number beyond int64 is a TypeError.
        raise ValueError(
            f"'particles' should fit into memory, got {n} of shape {tuple(shape)}."
        ) from error


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


def _data_batches(data: TensorDataModule, size: int, steps: int, seed: int) -> Iterator[Tensor]:
    r"""Yields the real samples of each step, a function of the seed and the step.

    Arguments:
        data: The data module.
        size: The number of samples in a step.
        steps: The number of steps.
        seed: The seed of the order.
    """
    made = 0
    order = StepOrder(data.length("train"), size, seed, lambda: made, repeat=data.repeat)
    while made < steps:
        epoch = list(islice(order, steps - made))
        for y, _ in data.loader("train", epoch):
            yield to_unit_range(y)
        made += len(epoch)


def _reference_samples(data: TensorDataModule, seed: int) -> Tensor:
    r"""Returns the random training samples to which the table's measures refer."""
    indices = keyed_subset(data.length("train"), REFERENCE, seed, "reference")
    return to_unit_range(next(iter(data.loader("train", [indices])))[0])


def _states_to_show(
    x: Tensor, states: Iterator[Tensor], steps: int
) -> Iterator[tuple[int, Tensor]]:
    r"""Yields the step and the particles at the first, the last and quadratically spaced steps.

    Arguments:
        x: The first positions of the particles.
        states: The positions after each step.
        steps: The number of steps.
    """
    times = {round(steps * (i / (FRAMES - 1)) ** 2) for i in range(FRAMES)}
    yield 0, x
    for step, x in enumerate(states, 1):
        if step in times:
            yield step, x


def _table_cells(
    x: Tensor,
    y: Tensor,
    velocity: Callable[[Tensor, Tensor], Tensor],
    kernel: Callable[[Tensor, Tensor], Tensor],
) -> list[str]:
    r"""Returns the cells of a row of the table: energy, distances and velocity.

    Arguments:
        x: The particles.
        y: The real samples.
        velocity: The velocity :math:`v(x, y)`.
        kernel: The kernel of the energy, whose self terms are left out.
    """
    speed = velocity(x, y).flatten(1).norm(dim=1).mean()
    # In float64, as forces are: at a high power the kernel's self terms are beyond float32.
    energy = interaction_energy(y.double(), x.double(), kernel, "u")
    cells = [energy, *_spacing(x, y), speed]
    return [f"{cell:.4g}" for cell in cells]


def _spacing(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the median distance to the nearest other particle, and the share that coincide.

    Arguments:
        x: The particles, with shape :math:`(M, *)`.
        y: The real samples, with shape :math:`(N, *)`; their median distance is the unit.
    """
    nearest = distinct(squared_distances(x, x)).amin(1).sqrt()
    typical = median_distance(distinct(squared_distances(y, y)))
    return nearest.median(), (nearest < COINCIDENT * typical).float().mean()


def _film(frames: dict[int, Tensor], data: TensorDataModule) -> Image.Image:
    r"""Returns a picture of particles at several steps, with their nearest training images.

    Arguments:
        frames: The particles by step, with shape :math:`(M, C, H, W)`.
        data: The data module.
    """
    films = {step: to_uint8(x[:ROWS].clamp(-1, 1)) for step, x in frames.items()}
    last, order = films[max(films)], torch.arange(data.length("train"))
    nearest = nearest_in_pixels(last, data, "train", order)[:, 0]
    y, _ = next(iter(data.loader("train", [nearest])))
    columns = {f"{step:,}": images for step, images in films.items()}
    columns["nearest"] = to_uint8(y)
    heading = "step, and the training image nearest to the last state"
    return film_picture(columns, heading, "one particle")
