r"""Tests for the names under which methods log the losses and the measures of a step."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from energy_gans.data import EmbeddedDigits
from energy_gans.fields import EnergyDistanceField
from energy_gans.methods import EIEGGAN, CoulombGAN, GenerativeModule, ScatteringGAN
from energy_gans.methods.baselines import BEGAN, GAN, MMDGAN, WGAN, WGANGP
from energy_gans.networks import MLP

from .harness import fit, model
from .test_eieg_gan import direct
from .test_field_generator import field_generator
from .test_gcn import model as gcn
from .test_ggcn import model as ggcn
from .test_inpainting import model as inpainting
from .test_multigrid import model as multigrid
from .test_vapo import model as vapo

BOTH = {"loss_d", "loss_g"}
CHAINS = {"score_norm", "drift", "saturated", "gap", "gap_share"}


def scattering() -> GenerativeModule:
    return ScatteringGAN(MLP(2, 2, [8]), MLP(2, 2, [8]), latent_dim=2)


MODELS: dict[str, tuple[Callable[[], GenerativeModule], set[str]]] = {
    "CoulombGAN": (partial(model, CoulombGAN), BOTH),
    "EIEGGAN": (partial(model, EIEGGAN, 3), BOTH | {"within_cutoff"}),
    "EIEGGenerator": (direct, {"loss_g", "within_cutoff"}),
    "EIEGGenerator with a kernel": (
        partial(direct, cutoff=0.1, kernel=lambda a, b: a @ b.T),
        {"loss_g"},
    ),
    "FieldGenerator": (
        partial(field_generator, field=EnergyDistanceField()),
        {"loss_g", "field", "shrinkage"},
    ),
    "GCN": (gcn, {"loss_d"} | CHAINS),
    "GGCN": (partial(ggcn, buffer_size=16), BOTH | CHAINS),
    "GGCN without chains": (
        partial(ggcn, buffer_size=16, amortized_sampling=True),
        BOTH | {"score_norm", "gap", "gap_share"},
    ),
    "InpaintingGGCN": (inpainting, BOTH | {"score_norm", "gap", "gap_share"}),
    "MultigridGCN": (multigrid, {"loss_d"} | CHAINS),
    "ScatteringGAN": (scattering, {"loss_t", "loss_g", "field"}),
    "VAPO": (vapo, {"loss_d", "drive", "kinetic"}),
    "BEGAN": (partial(model, BEGAN, 2), BOTH | {"k", "convergence"}),
    "GAN": (partial(model, GAN), BOTH),
    "MMDGAN": (
        partial(model, MMDGAN, 3, decoder=MLP(3, 2, [8], nn.SiLU)),
        BOTH | {"reconstruction"},
    ),
    "WGAN": (partial(model, WGAN), BOTH),
    "WGANGP": (partial(model, WGANGP), BOTH | {"penalty"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_step_logs_its_losses_and_measures_by_name(name: str) -> None:
    make, names = MODELS[name]
    images = partial(EmbeddedDigits, "8x8", size=8)
    data = {"data": images} if name in ("InpaintingGGCN", "MultigridGCN") else {}
    trained = make()
    fit(trained, 1, log_every_n_steps=1, **data)
    logged = trained.trainer.callback_metrics
    assert set(logged) == {f"train/{one}" for one in names}
    assert all(value.isfinite() for value in torch.stack(list(logged.values())))
