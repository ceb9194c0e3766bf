r"""The maths: tensors in, tensors out."""

from .discrepancies import (
    discrepancy,
    matching_loss,
    repulsive_loss,
    share_within,
    unit_length,
)
from .distances import distances, distinct, median_distance, squared_distances
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
    "class_sums",
    "climbing_loss",
    "closest_pairs",
    "density_coverage",
    "discrepancy",
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
    "gradient_penalty",
    "inception_score",
    "interaction_energy",
    "keyed_generator",
    "matching_loss",
    "median_distance",
    "moments",
    "nearest",
    "neighbour_radii",
    "plummer",
    "polynomial",
    "potential",
    "potential_loss",
    "precision_recall",
    "repulsive_loss",
    "share_within",
    "squared_distances",
    "support_size",
    "unit_length",
    "warmed_decay",
]
