r"""What moves particles: the flow of the EIEG metric, or a field."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor

from ...fields import ParticleField
from ...fields.base import check_field
from ...functional import distances, elastic, elastic_power, keyed_generator
from ...functional.particles import check_force, check_mobilities, particle_velocity

# The number of a step, and its real samples.
Step = tuple[int, Tensor]


class Flow(NamedTuple):
    r"""What moves particles.

    Attributes:
        velocity: The velocity of particles, with shape :math:`(M, *)`, in a step: a function of
            the seed and of the step's number and real samples, with shape :math:`(N, *)`.
        kernel: The kernel of the table's energy.
    """

    velocity: Callable[[Tensor, Step], Tensor]
    kernel: Callable[[Tensor, Tensor], Tensor]


def metric_flow(
    shape: tuple[int, ...], attraction: float, repulsion: float, cutoff: float, power: float | None
) -> Flow:
    r"""Returns the flow of the EIEG metric, with the energy of its elastic kernel.

    Raises:
        ValueError: If a number is out of its range.
    """
    check_mobilities(attraction, repulsion)
    power = elastic_power(power, math.prod(shape))
    check_force(cutoff, power)
    velocity = partial(
        particle_velocity, cutoff=cutoff, power=power, attraction=attraction, repulsion=repulsion
    )
    return Flow(lambda x, step: velocity(x, step[1]), partial(elastic, cutoff=cutoff, power=power))


def field_flow(field: ParticleField, seed: int) -> Flow:
    r"""Returns the flow of a field in which particles repel one another.

    The energy is that of the kernel :math:`-\|a - b\|`, half the squared energy distance, which is
    comparable between fields.

    Raises:
        ValueError: If the field needs samples that are independent of the points.
    """
    check_field("field", field)
    if field.independent:
        raise ValueError(
            f"'field' should be one in which particles repel one another, got {field!r}, whose "
            "generated samples have to be independent of the points: take another one, such as "
            "EnergyDistanceField, or train a FieldGenerator with separate negatives."
        )

    def velocity(x: Tensor, step: Step) -> Tensor:
        number, y = step
        random = keyed_generator(seed, "field", number)
        return field(x, y, x, own=True, random=random)

    return Flow(velocity, lambda a, b: -distances(a, b))
