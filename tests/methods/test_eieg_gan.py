r"""Tests for the energy_gans.methods.eieg_gan module."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn
from torch.optim import SGD

from energy_gans.functional import fold
from energy_gans.functional.pair_rows import SharedPoints
from energy_gans.methods import EIEGGAN, EIEGGenerator
from energy_gans.networks import MLP

from .harness import batches, fit, sgd


def gan(features: int = 3, **kwargs: object) -> EIEGGAN:
    seed_everything(7, verbose=False)
    defaults = {
        "generator": MLP(2, 2, [16]),
        "discriminator": MLP(2, features, [16], nn.SiLU),
        "latent_dim": 2,
        "generator_optimizer": sgd(0.02),
        "discriminator_optimizer": sgd(0.01),
    }
    return EIEGGAN(**(defaults | kwargs))


def direct(**kwargs: object) -> EIEGGenerator:
    seed_everything(7, verbose=False)
    defaults = {
        "generator": MLP(2, 2, [16]),
        "latent_dim": 2,
        "generator_optimizer": sgd(0.02),
        "cutoff": 0.2,
    }
    return EIEGGenerator(**(defaults | kwargs))


def k(a: Tensor, b: Tensor, e: float, p: float) -> Tensor:
    r"""Returns the kernel with cut-off of two points by Eq. 4."""
    r = (a - b).norm()
    if r > e:
        return r**-p
    return (p + 2) / (2 * e**p) - p * (a - b).square().sum() / (2 * e ** (p + 2))


Pair = Callable[[Tensor, Tensor], Tensor]
Terms = list[tuple[float, Tensor, Tensor, Pair]]


def pairs(a: Tensor, b: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [(s, t) for i, s in enumerate(a) for j, t in enumerate(b) if a is not b or i != j]


def scaled(terms: Terms) -> Tensor:
    r"""Returns a sum of means over all pairs, divided by the strongest force of a pair."""
    total, forces = torch.zeros(()), []
    for weight, a, b, pair in terms:
        values = [pair(s, t) for s, t in pairs(a, b)]
        total = total + weight * torch.stack(values).sum() / (len(a) * len(b))
        force = torch.func.grad(pair)
        forces += [force(s, t).norm() for s, t in pairs(a.detach(), b.detach())]
    return total / torch.stack(forces).max()


def algorithm_1(model: EIEGGAN, ys: list[Tensor], loss_d: Callable, p: float) -> None:
    r"""Runs Algorithm 1: steps of the discriminator on new minibatches, then of the generator."""
    g_step = SGD(model.generator.parameters(), 0.02)
    d_step = SGD(model.discriminator.parameters(), 0.01)

    def features(y: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        z = torch.randn(len(y), 2, generator=random)
        return model.discriminator(y), model.discriminator(model.generator(z))

    for step, y in enumerate(ys):
        random = torch.Generator().manual_seed(fold(model.seed, "noise", step))
        for part in y.chunk(2):
            u, v = features(part, random)
            model.zero_grad()
            scaled(loss_d(u, v)).backward()
            d_step.step()
        u, v = features(part, random)
        model.zero_grad()
        kernel = partial(k, e=0.1, p=p)
        scaled([(1, v, v, kernel), (-2, u.detach(), v, kernel)]).backward()
        g_step.step()


@pytest.mark.parametrize(
    "power, e_s, p_s, scope", [(None, 0.8, None, "both"), (1.0, 0.3, 1.5, "real")]
)
def test_training_is_algorithm_1(
    power: float | None, e_s: float, p_s: float | None, scope: str
) -> None:
    options = {"power": power, "stabilizer": 1.3, "stabilizer_cutoff": e_s}
    options |= {"stabilizer_power": p_s, "stabilizer_scope": scope, "discriminator_steps": 2}
    fitted, looped = gan(**options), gan(**options)
    p = 2.0 if power is None else power

    def plain(a: Tensor, b: Tensor) -> Tensor:
        return k(a, b, 0.1, p)

    def stabilized(a: Tensor, b: Tensor) -> Tensor:
        return plain(a, b) - 1.3 * k(a, b, e_s, p_s or p)

    def loss_d(u: Tensor, v: Tensor) -> Terms:
        other = plain if scope == "real" else stabilized
        return [(-1, u, u, stabilized), (-1, v, v, other), (2, u, v, plain)]

    algorithm_1(looped, batches(fit(fitted, 3, batch_size=12), 3), loss_d, p)
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
    for network in ("generator", "discriminator"):
        moved = getattr(fitted, network)[0].weight - getattr(gan(**options), network)[0].weight
        assert moved.abs().max() > 1e-4


def test_the_repulsive_objective_is_that_of_wang() -> None:
    options = {"objective": "repulsive", "stabilizer": 0.0, "power": 1.0}
    options |= {"discriminator_steps": 2}
    fitted, looped = gan(**options), gan(**options)

    def loss_d(u: Tensor, v: Tensor) -> Terms:
        kernel = partial(k, e=0.1, p=1.0)
        return [(1, u, u, kernel), (-1, v, v, kernel)]

    algorithm_1(looped, batches(fit(fitted, 2, batch_size=12), 2), loss_d, 1.0)
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_the_generators_loss_leaves_the_discriminator_alone() -> None:
    model = gan()
    fit(model, 1)
    model.zero_grad()
    for loss in model.generator_losses(torch.randn(8, 2)):
        loss.backward()
    assert all(p.grad is None and p.requires_grad for p in model.discriminator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.generator.parameters())


def test_the_discriminators_loss_leaves_the_generator_alone() -> None:
    model = gan()
    fit(model, 1)
    model.zero_grad()
    for loss in model.discriminator_losses(model.draw_samples(8), torch.randn(8, 2)):
        loss.backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.discriminator.parameters())


@pytest.mark.parametrize("features", [16, 32])
def test_many_features_train_with_the_papers_power(features: int) -> None:
    model = gan(features)
    before = [p.clone() for p in model.parameters()]
    fit(model, 3)
    # The last bias of the discriminator adds a constant to all features, which no distance depends
    # on.
    (constant,) = model.unseen
    assert constant is model.discriminator[-1].bias
    for p, q in zip(model.parameters(), before, strict=True):
        assert p.isfinite().all()
        assert torch.equal(p, q) == (p is constant)


@pytest.mark.parametrize("make", [gan, direct])
def test_the_potential_is_high_where_real_data_is(make: Callable) -> None:
    model = make()
    with pytest.raises(ValueError, match=r"and there was none yet"):
        model.potential(torch.zeros(1, 2))
    fit(model, 1)
    model.charges = (torch.full((4, 2), 3.0), torch.full((4, 2), -3.0))
    with torch.no_grad():
        there, here = model.potential(torch.tensor([[3.0, 3.0], [-3.0, -3.0]]))
    assert there > 0 > here


@pytest.mark.parametrize("make", [gan, direct])
def test_the_potential_at_a_charge_is_finite_at_the_papers_power(make: Callable) -> None:
    model = make(cutoff=0.1) if make is direct else make(32)
    y = 3 * torch.randn(4, 32)
    model.charges = (y, -y)
    if make is gan:
        model.discriminator = nn.Identity()
    phi = model.potential(y)
    assert phi.isfinite().all() and (phi > 0).all()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"cutoff": 0.0}, "'cutoff' should be positive"),
        ({"power": -1.0}, "'power' should be positive"),
        ({"softening": "none"}, "'softening' should be 'cap' or 'plummer'"),
        ({"accumulate": 2}, "'accumulate' should be 1"),
    ],
)
@pytest.mark.parametrize("make", [gan, direct])
def test_numbers_out_of_their_range_are_refused(make: Callable, options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(**options)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"stabilizer": -1.0}, "'stabilizer' should not be negative"),
        ({"stabilizer_cutoff": 0.0}, "'cutoff' should be positive"),
        ({"stabilizer_scope": "all"}, "'stabilizer_scope' should be 'real' or 'both'"),
        ({"objective": "hinge"}, "'objective' should be 'attractive' or 'repulsive'"),
        ({"gradient_penalty": -1.0}, "'gradient_penalty' should not be negative"),
    ],
)
def test_options_of_the_discriminator_are_checked(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gan(**options)


@pytest.mark.parametrize(
    "features, options, words",
    [
        (1, {}, "at least 2 coordinates, got 1"),
        (3, {"power": 3.0}, "'power' should be between 0 and the dimension 3, got 3.0"),
        (3, {"stabilizer_power": 4.0}, "between 0 and the dimension 3, got 4.0"),
        (3, {"stabilizer_power": 0.0}, "'stabilizer_power' should be positive"),
    ],
)
def test_features_that_do_not_fit_are_refused_at_the_first_batch(
    features: int, options: dict, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        fit(gan(features, **options), 1)


def test_the_share_of_pairs_of_features_within_the_cutoff_is_logged() -> None:
    random = torch.Generator().manual_seed(0)
    u, v = torch.randn(6, 3, generator=random), 0.5 + 0.6 * torch.randn(4, 3, generator=random)
    near = [[(s - t).norm() <= 1.5 for s, t in pairs(a, b)] for a, b in ((u, u), (v, v), (u, v))]
    assert len({sum(some) / len(some) for some in near}) == 3
    model = gan(cutoff=1.5)
    distances, _ = model.pair_distances(SharedPoints(u, u), SharedPoints(v, v))
    model.separating_loss(3, *distances)
    expected = torch.cat([torch.stack(some) for some in near]).float().mean()
    torch.testing.assert_close(model.noted["within_cutoff"], expected)
