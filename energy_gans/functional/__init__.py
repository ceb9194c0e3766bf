r"""The maths: tensors in, tensors out."""

from .distances import distances, distinct, median_distance, squared_distances
from .discrepancies import (
    discrepancy,
    matching_loss,
    repulsive_loss,
    share_within,
    unit_length,
)
from .gaussians import frechet_distance, moments
from .kernels import (
    elastic,
    elastic_power,
    elastic_profile,
    gaussian,
    gaussian_profile,
    plummer,
    polynomial,
)
from .neighbours import density_coverage, nearest, neighbour_radii, precision_recall
from .penalties import gradient_penalty
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
    "gradient_penalty",
    "unit_length",
    "share_within",
    "repulsive_loss",
    "matching_loss",
    "discrepancy",
    "class_sums",
    "climbing_loss",
    "closest_pairs",
    "density_coverage",
    "distances",
    "distinct",
    "elastic",
    "elastic_power",
    "elastic_profile",
    "energy_distance",
    "exponential_decay",
    "field",
    "fold",
    "frechet_distance",
    "gaussian",
    "gaussian_profile",
    "inception_score",
    "interaction_energy",
    "keyed_generator",
    "median_distance",
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
