r"""The measures of particles in the table."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ...functional import interaction_energy
from ...functional.distances import distinct, median_distance, squared_distances

# Particles coincide if their distance is below this share of the real samples' median distance.
COINCIDENT = 1e-3


def table_cells(
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
