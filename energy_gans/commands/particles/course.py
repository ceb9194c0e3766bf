r"""The course of particles: their states at several steps, with the measures of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from ...functional import interaction_energy
from ...functional.distances import distinct, median_distance, squared_distances
from ...terminal import say
from ..outputs import markdown_heading, markdown_row
from .flow import Flow

# The number of steps in the table and in a picture, and in a film.
TABLE_STEPS, FILM_STEPS = 9, 48
# The number of particles whose states are kept. Their pairs have to fit into memory, as well as
# their states at all steps that are shown.
TABLE_PARTICLES = 2000
# The number of images in a film.
FILM_IMAGES = 36
# Particles coincide if their distance is below this share of the real samples' median distance.
COINCIDENT = 1e-3
HEADINGS = ("step", "energy", "nearest", "coincide", "velocity")


class Course(NamedTuple):
    r"""Particles at several steps.

    Attributes:
        x: The last positions, with shape :math:`(M, *)`.
        frames: The positions of the first particles in the steps of the table.
        rows: The rows of the table.
        film: The positions of the first particles in the steps of a film, if there is one.
    """

    x: Tensor
    frames: dict[int, Tensor]
    rows: list[list[str]]
    film: dict[int, Tensor]


def follow(
    x: Tensor,
    states: Iterator[Tensor],
    y: Tensor,
    flow: Flow,
    steps: int,
    film: bool,
    before_row: Callable[[], None],
) -> Course:
    r"""Returns the course of particles, and says the rows of the table on the way.

    Arguments:
        x: The first positions, with shape :math:`(M, *)`.
        states: The positions after each step.
        y: The real samples of the measures, with shape :math:`(N, *)`.
        flow: What moves the particles.
        steps: The number of steps.
        film: Whether there is a film.
        before_row: Called before a row is said.
    """
    say(markdown_heading(HEADINGS).rstrip())
    shown, filmed = _spread(steps, TABLE_STEPS), _spread(steps, FILM_STEPS) if film else set()
    frames, rows, pictures = {}, [], {}
    for step, last in _with_first(x, states):
        if step in filmed:
            pictures[step] = last[: FILM_IMAGES if last.ndim == 4 else TABLE_PARTICLES].clone()
        if step in shown:
            frames[step] = last[:TABLE_PARTICLES].clone()
            rows.append([str(step), *_table_cells(frames[step], y, flow, step)])
            before_row()
            say(markdown_row(rows[-1]).rstrip())
    return Course(last, frames, rows, pictures)


def _spread(steps: int, n: int) -> set[int]:
    r"""Returns the first step, the last and quadratically spaced ones, `n` in all or fewer."""
    return {round(steps * (i / (n - 1)) ** 2) for i in range(n)}


def _with_first(x: Tensor, states: Iterator[Tensor]) -> Iterator[tuple[int, Tensor]]:
    r"""Yields the numbers of steps and the positions after them, from the first positions on."""
    yield 0, x
    yield from enumerate(states, 1)


def _table_cells(x: Tensor, y: Tensor, flow: Flow, step: int) -> list[str]:
    r"""Returns the cells of a row of the table: energy, distances and velocity.

    Arguments:
        x: The particles.
        y: The real samples.
        flow: What moves the particles, and the kernel of the energy, whose self terms are left
            out.
        step: The step.
    """
    speed = flow.velocity(x, (step, y)).flatten(1).norm(dim=1).mean()
    # In float64, as forces are: at a high power the kernel's self terms are beyond float32.
    energy = interaction_energy(y.double(), x.double(), flow.kernel, "u")
    cells = [energy, *_spacing(x, y), speed]
    return [f"{cell:.4g}" for cell in cells]


def _spacing(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the median distance to the nearest other particle, and the share that coincide.

    Arguments:
        x: The particles, with shape :math:`(M, *)`.
        y: The real samples, with shape :math:`(N, *)`; their median distance is the unit.
    """
    nearest_other = distinct(squared_distances(x, x)).amin(1).sqrt()
    typical = median_distance(distinct(squared_distances(y, y)))
    return nearest_other.median(), (nearest_other < COINCIDENT * typical).float().mean()
