r"""The maths: tensors in, tensors out."""

from .kernels import gaussian, plummer, squared_distances
from .potentials import (
    climbing_loss,
    energy_distance,
    field,
    interaction_energy,
    potential,
    potential_loss,
)
from .random import fold, keyed_generator
from .schedules import exponential_decay, warmed_decay

__all__ = [
    "climbing_loss",
    "energy_distance",
    "exponential_decay",
    "field",
    "fold",
    "gaussian",
    "interaction_energy",
    "keyed_generator",
    "plummer",
    "potential",
    "potential_loss",
    "squared_distances",
    "warmed_decay",
]
