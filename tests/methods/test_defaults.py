r"""Tests that methods have the default numbers that are documented, and keep arguments by name."""

import inspect

import pytest
import torch

from energy_gans.methods import GenerativeModule
from energy_gans.methods.parts.chains import Chains
from energy_gans.methods.parts.recent_samples import RecentSamples
from energy_gans.networks import MLP, MultigridDescriptors

from .bases.test_arguments import METHODS

ALL = {"updates_per_step": 1, "discriminator_steps": 1, "accumulate": 1}
ALL |= {"gradient_clip_norm": None, "channels_last": False, "initial_weights": None}
FEATURES = {"objective": "attractive", "normalize": False, "gradient_penalty": 0.0}
ELASTIC = {"cutoff": 0.1, "power": None, "softening": "cap"}
ENERGY = {"gamma": 0.0, "penalized": "all", "magnitude": 0.0, "classes": None}
ENERGY |= {"sample_steps": None, "half_chains": False, "compile_gradient": False, "chains": None}
REPLAY = {"buffer_size": 4096, "restart": 0.0, "buffer_dtype": "float32", "buffer_folder": None}
DEFAULTS = {
    "CoulombGAN": {"power": 1.0, "epsilon": 0.2, "epsilon_decay": 1.0, "epsilon_min": 0.0}
    | {"potential_scale": 1.0, "noise_std": 0.0},
    "EIEGGAN": ELASTIC
    | FEATURES
    | {"stabilizer": 1.0, "stabilizer_cutoff": 0.8, "stabilizer_power": None}
    | {"stabilizer_scope": "both"},
    "EIEGGenerator": ELASTIC | {"self_interaction": True},
    "FieldGenerator": {"field": None, "features": None, "feature_weights": None}
    | {"unit": "mean_distance", "normalize": True, "negatives": "own", "queue": 0}
    | {"initial_range": 1.0, "range_decay": 1.0, "classes": None, "guidance": 1.0},
    "GCN": ENERGY | REPLAY | {"start": "persistent"},
    "GGCN": ENERGY
    | REPLAY
    | {"start": "generator", "learn_hidden_space": True, "latent_step_size": 0.1}
    | {"amortized_sampling": False, "repulsion": False, "sample_steps": 0},
    "InpaintingGGCN": ENERGY
    | {"fidelity": 1.0, "masks": ("square", "spot", "both"), "square": None}
    | {"spots": 0.25, "examples": 256},
    "MultigridGCN": ENERGY | {"seeds": 4096},
    "NGramGenerator": {"orders": (1, 2, 3, 4), "real_lines": 65536, "bits": 22}
    | {"generated_lines": 16384, "pseudo_count": 1.0},
    "ScatteringGAN": {"tracker_weight": 0.5, "partners": 8},
    "VAPO": {"estimator": "e4", "particles": 1, "jacobian": True, "spectral_gap": 0.0}
    | {"spectral_norms": 0.0, "sigma": 0.01, "sharpness": None, "data_std": None}
    | {"compile_gradient": False, "flow": None, "omega": 1.0, "time_conditioned": False}
    | {"label_dropout": 0.1, "guidance": 0.0, "classes": None},
    "BEGAN": {"gamma": 0.5, "lambda_k": 0.001, "eta": 1},
    "GAN": {},
    "MMDGAN": FEATURES
    | {"bandwidths": (1.0, 2.0, 4.0, 8.0, 16.0), "decoder": None, "reconstruction": 8.0}
    | {"clip": None},
    "WGAN": {"clip": 0.01},
    "WGANGP": {"gradient_penalty": 10.0},
}
# The learning rates of Adam, in units of 1e-4.
RATES = {
    "CoulombGAN": {"generator": 1, "discriminator": 20},
    "EIEGGenerator": {"generator": 10},
    "FieldGenerator": {"generator": 10},
    "GCN": {"descriptor": 1},
    "GGCN": {"generator": 10, "descriptor": 1},
    "InpaintingGGCN": {"generator": 10, "descriptor": 1},
    "MultigridGCN": {"descriptor": 1},
    "NGramGenerator": {"generator": 10},
    "ScatteringGAN": {"generator": 20, "tracker": 20},
    "VAPO": {"descriptor": 10},
}
RATES |= {
    name: {"generator": 3, "discriminator": 10}
    for name in ("EIEGGAN", "BEGAN", "GAN", "MMDGAN", "WGAN", "WGANGP")
}
# Arguments that become another attribute, or that a method needs besides networks.
DERIVED = {"flow", "sharpness", "chains", "objective", "power", "cutoff", "softening", "field"}
DERIVED |= {"stabilizer_cutoff", "stabilizer_power", "feature_weights", "features", "masks"}


def make(name: str) -> GenerativeModule:
    r"""Returns a method with its defaults, and networks that it does not evaluate."""
    parts = {
        "generator": MLP(2, 2, [4]),
        "discriminator": MLP(2, 2, [4]),
        "tracker": MLP(2, 2, [4]),
        "descriptor": MultigridDescriptors(1, [1, 4, 8], 4) if "grid" in name else MLP(2, 1, [4]),
        "shape": [1, 8, 8] if name in ("MultigridGCN", "InpaintingGGCN") else [2],
        "latent_dim": 2,
    }
    parameters = inspect.signature(METHODS[name]).parameters
    return METHODS[name](**{key: part for key, part in parts.items() if key in parameters})


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_those_that_are_documented(name: str) -> None:
    model, expected = make(name), ALL | DEFAULTS[name]
    parameters = inspect.signature(METHODS[name]).parameters
    stated = {key: p.default for key, p in parameters.items() if key in expected}
    assert stated == expected
    kept = {key: getattr(model, key) for key in expected if hasattr(model, key)}
    kept |= {key: len(v.samples) for key, v in kept.items() if isinstance(v, RecentSamples)}
    assert {key: kept[key] for key in kept.keys() - DERIVED} == {
        key: expected[key] for key in kept.keys() - DERIVED
    }
    assert model.memory_format == torch.contiguous_format


@pytest.mark.parametrize("name", METHODS)
def test_default_optimizers_have_the_rates_that_are_documented(name: str) -> None:
    model = make(name)
    found = {}
    for network, make_optimizer, scheduler in model.trained:
        optimizer = make_optimizer([{"params": list(network.parameters())}])
        assert type(optimizer) is torch.optim.Adam and scheduler is None
        found[model.name_of(network)] = round(optimizer.defaults["lr"] * 1e4)
    assert found == RATES[name]


def test_by_default_chains_are_thirty_steps_of_a_tenth_from_a_standard_normal() -> None:
    expected = Chains(steps=30, step_size=0.1, reference_std=1.0)
    assert make("GCN").chains == expected == make("GGCN").chains


@pytest.mark.parametrize("name", ["GCN", "GGCN"])
def test_by_default_buffers_hold_4096_floats_and_none_starts_anew(name: str) -> None:
    buffer = make(name).buffer
    assert (buffer.size, buffer.restart, buffer.folder) == (4096, 0.0, None)
    assert buffer.dtype == torch.float32


def test_by_default_elastic_kernels_are_those_of_the_paper() -> None:
    gan = make("EIEGGAN")
    kernels = {make("EIEGGenerator").kernel: 0.1, gan.kernel: 0.1, gan.stabilizer_kernel: 0.8}
    for kernel, cutoff in kernels.items():
        assert (kernel.cutoff, kernel.power, kernel.softening) == (cutoff, None, "cap")


def test_by_default_the_sharpness_is_the_papers() -> None:
    assert make("VAPO").sharpness == pytest.approx(0.01**2)
