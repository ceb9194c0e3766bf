r"""Tests for the energy_gans.methods.bases.feature_gan module: normalised features."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from energy_gans.functional.pair_rows import SharedPoints
from energy_gans.methods.baselines import MMDGAN
from energy_gans.networks import MLP

from ..harness import fit
from ..test_eieg_gan import gan


def test_normalised_features_have_no_size() -> None:
    losses = []
    for size in (1.0, 100.0):
        model = gan(normalize=True)
        model.discriminator[-1].weight.data.mul_(size)
        model.discriminator[-1].bias.data.mul_(size)
        fit(model, 0)
        x, y = torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(0)).unbind()
        losses.append(next(model.discriminator_losses(x, y)).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def mmd_gan(**kwargs: object) -> MMDGAN:
    return MMDGAN(generator=MLP(2, 2, [4]), discriminator=MLP(2, 3, [4]), latent_dim=2, **kwargs)


@pytest.mark.parametrize("collapsed", ["all", "most"])
@pytest.mark.parametrize("make", [gan, mmd_gan])
def test_normalised_features_may_collapse(make: Callable, collapsed: str) -> None:
    model = make(normalize=True)
    u, v = torch.ones(2, 8, 3).unbind()
    if collapsed == "most":
        v[0], v[1] = torch.tensor([1.0, 1.0, 3.0]), torch.tensor([1.0, 4.0, 1.0])
    model.discriminator = nn.Identity()
    v.requires_grad_()
    pairs, _ = model.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
    loss = model.separating_loss(3, *pairs)
    (gradient,) = torch.autograd.grad(loss, v)
    assert loss.isfinite() and gradient.isfinite().all()
    assert (gradient.abs().max() > 1e-3) == (collapsed == "most")
    assert model.witness(u, v.detach())(torch.randn(5, 3)).isfinite().all()


def test_the_unit_of_normalised_features_is_the_median_distance_of_all_pairs() -> None:
    random = torch.Generator().manual_seed(0)
    u, v = torch.randn(6, 3, generator=random), 4 + torch.randn(4, 3, generator=random)
    sets = [[p, q] for w in (u, v) for i, p in enumerate(w) for j, q in enumerate(w) if i != j]
    sets += [[p, q] for p in u for q in v]
    median = torch.stack([(p - q).norm() for p, q in sets]).median()
    for model in (gan(normalize=True), mmd_gan(normalize=True)):
        (uu, vv, uv), length = model.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
        torch.testing.assert_close(length, median)
        torch.testing.assert_close(uv, torch.cdist(u, v).square() / median**2)
        assert uu.shape == (6, 6) and vv.shape == (4, 4) and uu.diagonal().isinf().all()
        model.normalize = False
        (_, _, plain), length = model.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
        assert length == 1
        torch.testing.assert_close(plain, torch.cdist(u, v).square())
