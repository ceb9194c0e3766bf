r"""Tests that functions of empty batches return empty tensors or raise a clear error."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import energy_gans.functional as functional
from energy_gans.functional import __all__ as names

FEW, MANY, X = torch.zeros(0, 3), torch.zeros(0, 9), torch.ones(4, 3)
WIDE, NONE, SQUARE = torch.ones(4, 9), torch.zeros(0), torch.zeros(0, 0)
NO_IMAGES, IMAGES = torch.zeros(0, 1, 8, 8), torch.ones(4, 1, 8, 8)
NO_LABELS = torch.zeros(0, dtype=torch.long)
NO_LINES, LINES = torch.zeros(0, 3, dtype=torch.long), torch.ones(4, 3, dtype=torch.long)
KEYS = functional.ngram_keys(2, 4, 8)

EMPTY: dict[str, list[Callable]] = {
    "class_sums": [lambda f: f(FEW)],
    "conditional_moments": [lambda f: f(NONE, 0.1, 1.0)],
    "conditional_point": [lambda f: f(FEW, FEW, NONE, NONE)],
    "conditional_velocity": [lambda f: f(FEW, FEW, NONE, 0.1, 1.0)],
    "distances": [lambda f: f(FEW, X), lambda f: f(WIDE, MANY)],
    "distinct": [lambda f: f(SQUARE)],
    "downscale": [lambda f: f(NO_IMAGES, 2)],
    "drifting_field": [lambda f: f(FEW, X, X, 1.0), lambda f: f(MANY, WIDE, WIDE, 1.0)],
    "drifting_fields": [lambda f: f(FEW, X, X, [1.0])],
    "mean_shift_fields": [lambda f: f(FEW, X, X, [1.0, 2.0])],
    "elastic": [lambda f: f(FEW, X, 0.1), lambda f: f(WIDE, MANY, 0.1)],
    "elastic_log_force": [lambda f: f(NONE, 0.1, 1.0)],
    "elastic_profile": [lambda f: f(NONE, 0.1, 1.0)],
    "elastic_transform": [lambda f: f(NONE, 0.1)],
    "field": [lambda f: f(FEW, X, X, functional.plummer)],
    "flow_time": [lambda f: f(NONE, 0.1)],
    "force": [lambda f: f(FEW, X, 0.1), lambda f: f(MANY, WIDE, 0.1)],
    "gaussian": [lambda f: f(FEW, X), lambda f: f(X, FEW)],
    "gaussian_profile": [lambda f: f(NONE)],
    "gaussian_mean_shift": [lambda f: f(FEW, X, 1.0)],
    "gibbs_score": [lambda f: f(torch.neg, 1.0, 1.0)(FEW)],
    "growth_rate": [lambda f: f(NONE, 1.0)],
    "hole_masks": [lambda f: f(["both"], (8, 8), 2, 0.1, torch.Generator(), 0)],
    "homotopy_time": [lambda f: f(NONE, 0.1)],
    "innovation": [lambda f: f(FEW, FEW, NONE, 0.1, 1.0)],
    "kernel_within": [lambda f: f(FEW, functional.plummer)],
    "known_distances": [
        lambda f: f(NO_IMAGES, IMAGES, torch.ones(1, 1, 8, 8)),
        lambda f: f(IMAGES, NO_IMAGES, torch.ones(1, 1, 8, 8)),
    ],
    "langevin": [lambda f: list(f(FEW, torch.neg, [0.1]))],
    "langevin_step": [lambda f: f(FEW, torch.neg, 0.1)],
    "lerp": [lambda f: f(FEW, FEW, torch.ones(2))],
    "mean_shift": [lambda f: f(FEW, X, 1.0), lambda f: f(MANY, WIDE, 1.0, "sharp")],
    "mean_shift_field": [lambda f: f(FEW, X, X, 1.0)],
    "mean_shift_potential": [lambda f: f(FEW, X, X, 1.0)],
    "draw_characters": [lambda f: f(FEW[:, None], FEW)],
    "nearest": [lambda f: f(FEW, X, 2)],
    "ngram_field": [lambda f: f(NO_LINES, [KEYS.to(NO_LINES.device)], [torch.zeros(256)])],
    "ngram_numbers": [lambda f: f(NO_LINES, KEYS.to(NO_LINES.device))],
    "ngram_potential": [lambda f: f(NONE, NONE)],
    "plummer": [lambda f: f(FEW, X), lambda f: f(WIDE, MANY)],
    "polynomial": [lambda f: f(FEW, X), lambda f: f(X, FEW)],
    "potential": [lambda f: f(MANY, WIDE, WIDE, functional.plummer)],
    "potential_field": [lambda f: f(FEW, X, X, functional.plummer)],
    "potential_gradient": [lambda f: f(lambda x: x.sum(1))(FEW)],
    "preconditioning": [lambda f: f(NONE, 0.1, 1.0, 0.5)],
    "reconstruction_error": [lambda f: f(FEW, FEW)],
    "patch_mask": [lambda f: f((8, 8), 2, 0.5, torch.Generator(), 0)],
    "responses": [lambda f: f(NO_IMAGES, functional.filter_bank(1, 5))],
    "scattering_field": [lambda f: f(FEW, FEW, FEW)],
    "slerp": [lambda f: f(FEW, FEW, torch.ones(2))],
    "image_sliced_field": [lambda f: f(NO_IMAGES, IMAGES, IMAGES, 2)],
    "sliced_field": [lambda f: f(FEW, X, X, 4)],
    "spot_mask": [lambda f: f((8, 8), 0.1, torch.Generator(), 0)],
    "squared_distances": [lambda f: f(FEW, X), lambda f: f(X, FEW), lambda f: f(MANY, MANY)],
    "stein_direction": [lambda f: f(FEW, X, X)],
    "time_rate": [lambda f: f(NONE, 0.1)],
    "upscale": [lambda f: f(NO_IMAGES, 2)],
}

REFUSED: dict[str, list[Callable]] = {
    "hole_error": [lambda f: f(NO_IMAGES, NO_IMAGES, NO_IMAGES)],
    "nt_xent_loss": [lambda f: f(FEW, FEW, 0.1)],
    "alignment": [lambda f: f(FEW, FEW)],
    "amortized_loss": [lambda f: f(FEW, FEW)],
    "ascent_loss": [lambda f: f(FEW, FEW)],
    "climbing_loss": [lambda f: f(NONE)],
    "closest_pairs": [lambda f: f(FEW, 1)],
    "contrastive_loss": [lambda f: f(NONE, X[0]), lambda f: f(X[0], NONE)],
    "covariance": [lambda f: f(NONE, NONE), lambda f: f(FEW, FEW)],
    "density_coverage": [lambda f: f(FEW, X, NONE, 1), lambda f: f(X, FEW, X[:, 0], 1)],
    "discrepancy": [
        lambda f: f(SQUARE, X, X),
        lambda f: f(X, SQUARE, X),
        lambda f: f(X, X, SQUARE),
    ],
    "drifting_field": [lambda f: f(X, FEW, X, 1.0), lambda f: f(X, X, FEW, 1.0)],
    "drifting_fields": [lambda f: f(X, FEW, X, [1.0])],
    "mean_shift_fields": [lambda f: f(X, FEW, X, [1.0])],
    "elastic_sums": [lambda f: f([(SQUARE, [functional.ElasticTerm(1.0, 0.1, 2.0)])])],
    "energy_distance": [lambda f: f(FEW, X), lambda f: f(X, FEW)],
    "evolve": [
        lambda f: list(f(X, [FEW], lambda x, y: functional.particle_velocity(x, y, 0.1), 1.0))
    ],
    "extent": [lambda f: f(FEW)],
    "shrinkage": [lambda f: f(FEW, X), lambda f: f(X, FEW)],
    "feature_unit": [lambda f: f(FEW, FEW)],
    "field": [lambda f: f(X, FEW, X, functional.plummer)],
    "force": [lambda f: f(X, FEW, 0.1)],
    "gap_share": [lambda f: f(NONE, X[0], 0.1), lambda f: f(X[0], NONE, 0.1)],
    "gaussian_mean_shift": [lambda f: f(X, FEW, 1.0)],
    "gradient_penalty": [lambda f: f(lambda a: a.sum(1), FEW, FEW, NONE)],
    "interaction_energy": [
        lambda f: f(FEW, X, functional.plummer),
        lambda f: f(X, FEW, functional.plummer, "u"),
    ],
    "kinetic_energy": [lambda f: f(FEW)],
    "logistic_loss": [lambda f: f(NONE, X[0]), lambda f: f(X[0], NONE)],
    "magnitude": [lambda f: f(NONE, X[0]), lambda f: f(X[0], NONE)],
    "NGramTable": [lambda f: f(NO_LINES, 1), lambda f: f(LINES, 1).look_up(NO_LINES)],
    "markov_lines": [lambda f: f(NO_LINES, 0, 1, torch.Generator())],
    "matching_loss": [lambda f: f(SQUARE, X), lambda f: f(X, SQUARE)],
    "mean_distance": [lambda f: f(FEW, X), lambda f: f(X, FEW)],
    "mean_shift": [lambda f: f(X, FEW, 1.0)],
    "mean_shift_field": [lambda f: f(X, FEW, X, 1.0)],
    "mean_shift_potential": [lambda f: f(X, X, FEW, 1.0)],
    "median_distance": [lambda f: f(SQUARE)],
    "moments": [lambda f: f(torch.zeros(3), torch.zeros(3, 3), 0)],
    "nearest": [lambda f: f(X, FEW)],
    "neighbour_radii": [lambda f: f(FEW, 1)],
    "ngram_divergence": [lambda f: f(NO_LINES, LINES, 1), lambda f: f(LINES, NO_LINES, 1)],
    "nonsaturating_loss": [lambda f: f(NONE)],
    "particle_velocity": [lambda f: f(X, FEW, 0.1), lambda f: f(FEW, X, 0.1)],
    "seen_share": [lambda f: f(NO_LINES, LINES, 1), lambda f: f(LINES, NO_LINES, 1)],
    "potential": [lambda f: f(X, X, FEW, functional.plummer)],
    "potential_field": [lambda f: f(X, FEW, X, functional.plummer)],
    "potential_loss": [lambda f: f(NONE, NONE)],
    "precision_recall": [lambda f: f(FEW, X, NONE, X[:, 0]), lambda f: f(X, FEW, X[:, 0], NONE)],
    "repulsive_loss": [lambda f: f(SQUARE, X), lambda f: f(X, SQUARE)],
    "response_distance": [lambda f: f(FEW, X)],
    "root_mean_square": [lambda f: f(FEW)],
    "separation": [lambda f: f(FEW, NO_LABELS)],
    "share_of_dimensions": [lambda f: f(FEW)],
    "sinkhorn_field": [lambda f: f(FEW, X, X, 1.0), lambda f: f(X, FEW, X, 1.0)],
    "image_sliced_field": [lambda f: f(IMAGES, NO_IMAGES, IMAGES, 2)],
    "sliced_field": [lambda f: f(X, FEW, X, 4)],
    "spread_energy": [lambda f: f(NONE), lambda f: f(FEW)],
    "stein_direction": [lambda f: f(X, FEW, FEW)],
    "unit_field": [lambda f: f(NONE)],
    "sum_in_units": [lambda f: f([FEW]), lambda f: f([])],
    "support_size": [lambda f: f(NONE)],
    "transport": [lambda f: f(FEW, X, 1.0), lambda f: f(X, FEW, 1.0)],
    "transport_cost": [lambda f: f(lambda a: a.sum(1), FEW, FEW, 0.5)],
    "unit_length": [lambda f: f(0.1, SQUARE)],
    "wasserstein_loss": [lambda f: f(NONE, X[0]), lambda f: f(X[0], NONE)],
}

# Functions of numbers, of scalars and of statistics of groups; and a share, which is zero without
# pairs.
OF_NO_BATCH = {
    *("ElasticTerm", "annealed", "balanced", "convergence", "critical_coefficient"),
    *("difference_of_gaussians", "elastic_power", "equilibrium_loss", "exponential_decay"),
    *("filter_bank", "fold", "frechet_distance", "gabor", "inception_score", "keyed_generator"),
    *("Transport", "keyed_subset", "ngram_keys"),
    *("share_within", "square_mask", "warmed_decay"),
}


def test_each_public_function_is_tried() -> None:
    assert {*EMPTY, *REFUSED, *OF_NO_BATCH} == set(names)


@pytest.mark.parametrize("name", EMPTY)
def test_of_no_samples_functions_give_nothing(name: str) -> None:
    for call in EMPTY[name]:
        result = call(getattr(functional, name))
        for value in [result] if isinstance(result, Tensor) else result:
            assert value.numel() == 0


@pytest.mark.parametrize("name", REFUSED)
def test_means_of_no_samples_are_refused_in_a_sentence(name: str) -> None:
    for call in REFUSED[name]:
        with pytest.raises(ValueError, match=r"'\w+'.* should (hold|have|be) .*\.$"):
            call(getattr(functional, name))
