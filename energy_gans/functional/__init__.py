r"""The mathematics, as functions from tensors to tensors."""

from .adversarial import (
    balanced,
    convergence,
    equilibrium_loss,
    logistic_loss,
    nonsaturating_loss,
    reconstruction_error,
    wasserstein_loss,
)
from .amortized import amortized_loss, ascent_loss, stein_direction
from .contrastive import contrastive_loss, gap_share, magnitude, transport_cost
from .discrepancies import (
    ElasticTerm,
    discrepancy,
    elastic_sums,
    kernel_within,
    matching_loss,
    repulsive_loss,
    share_within,
    unit_length,
)
from .distances import distances, distinct, median_distance, squared_distances
from .elastic_kernels import elastic, elastic_log_force, elastic_power, elastic_profile
from .energy_fields import scattering_field, sliced_field
from .evaluation.birthday import closest_pairs, support_size
from .evaluation.feature_spread import extent, separation, share_of_dimensions, shrinkage
from .evaluation.frechet import frechet_distance, moments
from .evaluation.inception_score import class_sums, inception_score
from .evaluation.markov import markov_lines
from .evaluation.neighbours import density_coverage, nearest, neighbour_radii, precision_recall
from .evaluation.ngrams import NGramTable, ngram_divergence, seen_share
from .field_scale import (
    feature_unit,
    mean_distance,
    root_mean_square,
    sum_in_units,
    unit_field,
)
from .fields import drifting_field, drifting_fields, potential_field
from .filters import (
    difference_of_gaussians,
    filter_bank,
    gabor,
    response_distance,
    responses,
)
from .flow_terms import alignment, covariance, kinetic_energy, spread_energy
from .grids import downscale, upscale
from .homotopy import (
    conditional_moments,
    conditional_point,
    conditional_velocity,
    flow_time,
    homotopy_time,
    innovation,
    time_rate,
)
from .image_slices import image_sliced_field
from .interpolation import lerp, slerp
from .kernels import gaussian, gaussian_profile, plummer, polynomial
from .langevin import annealed, gibbs_score, langevin, langevin_step, potential_gradient
from .masks import hole_masks, known_distances, patch_mask, spot_mask, square_mask
from .mean_shift import (
    gaussian_mean_shift,
    mean_shift,
    mean_shift_field,
    mean_shift_fields,
    mean_shift_potential,
)
from .ngram_fields import (
    draw_characters,
    ngram_field,
    ngram_keys,
    ngram_numbers,
    ngram_potential,
)
from .particles import evolve, force, particle_velocity
from .penalties import gradient_penalty
from .potentials import (
    climbing_loss,
    energy_distance,
    field,
    interaction_energy,
    potential,
    potential_loss,
)
from .preconditioning import preconditioning
from .random import fold, keyed_generator, keyed_subset
from .schedules import exponential_decay, warmed_decay
from .self_supervision import hole_error, nt_xent_loss
from .stability import critical_coefficient, elastic_transform, growth_rate
from .transport_fields import Transport, sinkhorn_field, transport

__all__ = [
    "ElasticTerm",
    "NGramTable",
    "Transport",
    "alignment",
    "amortized_loss",
    "annealed",
    "ascent_loss",
    "balanced",
    "class_sums",
    "climbing_loss",
    "closest_pairs",
    "conditional_moments",
    "conditional_point",
    "conditional_velocity",
    "contrastive_loss",
    "convergence",
    "covariance",
    "critical_coefficient",
    "density_coverage",
    "difference_of_gaussians",
    "discrepancy",
    "distances",
    "distinct",
    "downscale",
    "draw_characters",
    "drifting_field",
    "drifting_fields",
    "elastic",
    "elastic_log_force",
    "elastic_power",
    "elastic_profile",
    "elastic_sums",
    "elastic_transform",
    "energy_distance",
    "equilibrium_loss",
    "evolve",
    "exponential_decay",
    "extent",
    "feature_unit",
    "field",
    "filter_bank",
    "flow_time",
    "fold",
    "force",
    "frechet_distance",
    "gabor",
    "gap_share",
    "gaussian",
    "gaussian_mean_shift",
    "gaussian_profile",
    "gibbs_score",
    "gradient_penalty",
    "growth_rate",
    "hole_error",
    "hole_masks",
    "homotopy_time",
    "image_sliced_field",
    "inception_score",
    "innovation",
    "interaction_energy",
    "kernel_within",
    "keyed_generator",
    "keyed_subset",
    "kinetic_energy",
    "known_distances",
    "langevin",
    "langevin_step",
    "lerp",
    "logistic_loss",
    "magnitude",
    "markov_lines",
    "matching_loss",
    "mean_distance",
    "mean_shift",
    "mean_shift_field",
    "mean_shift_fields",
    "mean_shift_potential",
    "median_distance",
    "moments",
    "nearest",
    "neighbour_radii",
    "ngram_divergence",
    "ngram_field",
    "ngram_keys",
    "ngram_numbers",
    "ngram_potential",
    "nonsaturating_loss",
    "nt_xent_loss",
    "particle_velocity",
    "patch_mask",
    "plummer",
    "polynomial",
    "potential",
    "potential_field",
    "potential_gradient",
    "potential_loss",
    "precision_recall",
    "preconditioning",
    "reconstruction_error",
    "repulsive_loss",
    "response_distance",
    "responses",
    "root_mean_square",
    "scattering_field",
    "seen_share",
    "separation",
    "share_of_dimensions",
    "share_within",
    "shrinkage",
    "sinkhorn_field",
    "slerp",
    "sliced_field",
    "spot_mask",
    "spread_energy",
    "square_mask",
    "squared_distances",
    "stein_direction",
    "sum_in_units",
    "support_size",
    "time_rate",
    "transport",
    "transport_cost",
    "unit_field",
    "unit_length",
    "upscale",
    "warmed_decay",
    "wasserstein_loss",
]
