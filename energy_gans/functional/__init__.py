r"""The maths: tensors in, tensors out."""

from .gaussians import frechet_distance, moments
from .kernels import gaussian, plummer, polynomial, squared_distances
from .neighbours import density_coverage, nearest, neighbour_radii, precision_recall
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
from .scores import class_sums, inception_score
from .support import closest_pairs, support_size

__all__ = [
    "class_sums",
    "climbing_loss",
    "closest_pairs",
    "density_coverage",
    "energy_distance",
    "exponential_decay",
    "field",
    "fold",
    "frechet_distance",
    "gaussian",
    "inception_score",
    "interaction_energy",
    "keyed_generator",
    "moments",
    "nearest",
    "neighbour_radii",
    "plummer",
    "polynomial",
    "potential",
    "potential_loss",
    "precision_recall",
    "squared_distances",
    "support_size",
    "warmed_decay",
]
