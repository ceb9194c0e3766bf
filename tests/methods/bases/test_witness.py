r"""Tests for the energy_gans.methods.bases.witness module."""

import pytest
import torch
from torch import nn

from energy_gans.functional import gaussian
from energy_gans.methods import EIEGGAN
from energy_gans.methods.baselines import MMDGAN
from energy_gans.methods.bases.feature_gan import FeatureGAN

from ..harness import model


@pytest.mark.parametrize(
    "method, kernel", [(MMDGAN, None), (MMDGAN, gaussian), (EIEGGAN, None), (EIEGGAN, gaussian)]
)
def test_with_normalised_features_the_unit_of_data_does_not_matter(
    method: type[FeatureGAN], kernel: object
) -> None:
    gan = model(method, normalize=True, kernel=kernel, discriminator=nn.Identity())
    y, x, a = torch.randn(3, 6, 3, dtype=torch.float64, generator=torch.manual_seed(0)).unbind()
    potentials = []
    for unit in (1.0, 7.0):
        gan.charges = (unit * y, unit * x)
        potentials.append(gan.potential(unit * a))
    torch.testing.assert_close(*potentials)
    assert potentials[0].std() > 0.01
