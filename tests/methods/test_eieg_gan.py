r"""Tests for the energy_gans.methods.eieg_gan module."""

from collections.abc import Callable

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn
from torch.optim import SGD

from energy_gans.functional import elastic, field, fold
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
    r"""Returns the cut kernel of two points, after Eq. 4 as it stands."""
    r = (a - b).norm()
    if r > e:
        return r**-p
    return (p + 2) / (2 * e**p) - p * (a - b).square().sum() / (2 * e ** (p + 2))


def mean(a: Tensor, b: Tensor, e: float, p: float) -> Tensor:
    r"""Returns the sum over pairs of different points, over the number of all pairs."""
    pairs = [
        k(s, t, e, p) for i, s in enumerate(a) for j, t in enumerate(b) if a is not b or i != j
    ]
    return torch.stack(pairs).sum() / (len(a) * len(b))


def unit(*pairs: tuple[Tensor, Tensor]) -> float:
    r"""Returns the smallest distance of different points, 0.1 at least."""
    found = [0.1 + 1e9]
    for a, b in pairs:
        r = torch.cdist(a.detach(), b.detach())
        found.append((r + 1e9 * torch.eye(len(r)) if a is b else r).min().item())
    return max(min(found), 0.1)


def algorithm_1(model: EIEGGAN, ys: list[Tensor], loss_d: Callable, p: float) -> None:
    r"""Runs Algorithm 1: the discriminator's steps on fresh minibatches, then the generator's."""
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
            (unit((u, u), (v, v), (u, v)) ** p * loss_d(u, v)).backward()
            d_step.step()
        u, v = features(part, random)
        model.zero_grad()
        loss_g = mean(v, v, 0.1, p) - 2 * mean(u.detach(), v, 0.1, p)
        (unit((v, v), (u, v)) ** p * loss_g).backward()
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

    def loss_d(u: Tensor, v: Tensor) -> Tensor:
        energy = mean(u, u, 0.1, p) + mean(v, v, 0.1, p) - 2 * mean(u, v, 0.1, p)
        repelled = [u] if scope == "real" else [u, v]
        return -energy + 1.3 * sum(mean(w, w, e_s, p_s or p) for w in repelled)

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

    def loss_d(u: Tensor, v: Tensor) -> Tensor:
        return mean(u, u, 0.1, 1.0) - mean(v, v, 0.1, 1.0)

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
    for loss in model.discriminator_losses(model.drawn(8), torch.randn(8, 2)):
        loss.backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.discriminator.parameters())


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


@pytest.mark.parametrize("features", [16, 32])
def test_many_features_train_with_the_papers_power(features: int) -> None:
    model = gan(features)
    before = [p.clone() for p in model.parameters()]
    fit(model, 3)
    for p, q in zip(model.parameters(), before, strict=True):
        assert p.isfinite().all()
        assert not torch.equal(p, q)


def test_the_direct_generator_descends_the_energy_of_samples() -> None:
    fitted, looped = direct(), direct()
    ys = batches(fit(fitted, 3), 3)
    step = SGD(looped.generator.parameters(), 0.02)
    for i, y in enumerate(ys):
        random = torch.Generator().manual_seed(fold(looped.seed, "noise", i))
        x = looped.generator(torch.randn(len(y), 2, generator=random))
        looped.zero_grad()
        loss = mean(x, x, 0.2, 1.0) - 2 * mean(y, x, 0.2, 1.0)
        (max(unit((x, x), (y, x)), 0.2) * loss).backward()
        step.step()
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_without_self_interaction_only_the_attraction_is_left() -> None:
    fitted, looped = direct(self_interaction=False), direct()
    ys = batches(fit(fitted, 1), 1)
    random = torch.Generator().manual_seed(fold(looped.seed, "noise", 0))
    x = looped.generator(torch.randn(16, 2, generator=random))
    (max(unit((x, x), (ys[0], x)), 0.2) * -2 * mean(ys[0], x, 0.2, 1.0)).backward()
    SGD(looped.generator.parameters(), 0.02).step()
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_the_direct_potential_is_that_of_the_last_minibatch() -> None:
    model = direct()
    fit(model, 1)
    y, x = model.charges
    a = torch.randn(5, 2)
    force = torch.func.grad(lambda a: model.potential(a).sum())(a)
    expected = -field(a, y, x, lambda a, b: elastic(a, b, 0.2))
    cosine = nn.functional.cosine_similarity(force, expected)
    torch.testing.assert_close(cosine, torch.ones(5))
    assert (force.norm(dim=1) / expected.norm(dim=1)).std() < 1e-4


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
    ],
)
def test_features_that_do_not_fit_are_refused_at_the_first_batch(
    features: int, options: dict, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        fit(gan(features, **options), 1)


def test_the_direct_generator_has_no_discriminator_to_step() -> None:
    with pytest.raises(ValueError, match="'discriminator_steps' should be 1"):
        direct(discriminator_steps=3)
