r"""Tests for the energy_gans.methods.eieg_gan module."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn
from torch.optim import SGD

from energy_gans.functional import (
    distinct,
    elastic,
    field,
    fold,
    matching_loss,
    squared_distances,
)
from energy_gans.methods import EIEGGAN, EIEGGenerator
from energy_gans.methods.baselines import MMDGAN
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


def mmd_gan(**kwargs: object) -> MMDGAN:
    return MMDGAN(generator=MLP(2, 2, [4]), discriminator=MLP(2, 3, [4]), latent_dim=2, **kwargs)


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


Pair = Callable[[Tensor, Tensor], Tensor]
Terms = list[tuple[float, Tensor, Tensor, Pair]]


def pairs(a: Tensor, b: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [(s, t) for i, s in enumerate(a) for j, t in enumerate(b) if a is not b or i != j]


def scaled(terms: Terms) -> Tensor:
    r"""Returns a sum of means over all pairs, in units of the strongest force of a pair."""
    total, forces = torch.zeros(()), []
    for weight, a, b, pair in terms:
        values = [pair(s, t) for s, t in pairs(a, b)]
        total = total + weight * torch.stack(values).sum() / (len(a) * len(b))
        force = torch.func.grad(pair)
        forces += [force(s, t).norm() for s, t in pairs(a.detach(), b.detach())]
    return total / torch.stack(forces).max()


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


@pytest.mark.parametrize("collapsed", ["all", "most"])
@pytest.mark.parametrize("make", [gan, mmd_gan])
def test_normalised_features_may_collapse(make: Callable, collapsed: str) -> None:
    model = make(normalize=True)
    u, v = torch.ones(2, 8, 3).unbind()
    if collapsed == "most":
        v[0], v[1] = torch.tensor([1.0, 1.0, 3.0]), torch.tensor([1.0, 4.0, 1.0])
    model.discriminator = nn.Identity()
    v.requires_grad_()
    pairs, _ = model.pair_distances(u, v)
    loss = model.separating_loss(3, *pairs)
    (gradient,) = torch.autograd.grad(loss, v)
    assert loss.isfinite() and gradient.isfinite().all()
    assert (gradient.abs().max() > 1e-3) == (collapsed == "most")
    assert model.witness(u, v.detach())(torch.randn(5, 3)).isfinite().all()


@pytest.mark.parametrize("features", [16, 32])
def test_many_features_train_with_the_papers_power(features: int) -> None:
    model = gan(features)
    before = [p.clone() for p in model.parameters()]
    fit(model, 3)
    # The discriminator's last bias adds a constant to all features, which no distance sees.
    (constant,) = model.unseen
    assert constant is model.discriminator[-1].bias
    for p, q in zip(model.parameters(), before, strict=True):
        assert p.isfinite().all()
        assert torch.equal(p, q) == (p is constant)


def clouds(n: int, case: str) -> tuple[Tensor, Tensor]:
    r"""Returns real and generated features, each further than 0.8 from its own kind, and far apart."""
    u = 2 * torch.arange(6.0)[:, None] * torch.eye(n)[0]
    v = u + 8 * torch.eye(n)[1]
    if case != "apart":
        u[1] = u[0] + {"coincident": 0.0, "nearly": 1e-6, "inside": 0.5}[case] * torch.eye(n)[1]
    return u, v


def kernel(e: float, p: float, softening: str) -> Pair:
    if softening == "cap":
        return partial(k, e=e, p=p)
    return lambda a, b: ((a - b).square().sum() + e**2) ** (-p / 2)


CASES = ["apart", "coincident", "nearly", "inside"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("objective", ["attractive", "repulsive"])
@pytest.mark.parametrize("scope", ["real", "both"])
@pytest.mark.parametrize("softening", ["cap", "plummer"])
@pytest.mark.parametrize("n, p_s", [(2, None), (16, None), (16, 1.0), (32, None), (32, 1.0)])
def test_the_discriminators_gradient_is_exact_and_of_a_size_that_adam_sees(
    n: int, p_s: float | None, softening: str, scope: str, objective: str, case: str
) -> None:
    options = {"objective": objective, "softening": softening, "stabilizer_scope": scope}
    model = gan(n, stabilizer_power=p_s, **options)
    plain, repelling = kernel(0.1, n - 1, softening), kernel(0.8, p_s or n - 1, softening)
    sign = 1 if objective == "repulsive" else -1

    def f_u(a: Tensor, b: Tensor) -> Tensor:
        return sign * plain(a, b) + repelling(a, b)

    def f_v(a: Tensor, b: Tensor) -> Tensor:
        return (repelling(a, b) if scope == "both" else 0) - plain(a, b)

    u, v = (a.double().requires_grad_() for a in clouds(n, case))
    terms = [(1, u, u, f_u), (1, v, v, f_v)]
    if objective == "attractive":
        terms.append((2, u, v, plain))
    expected = torch.autograd.grad(scaled(terms), [u, v])

    u, v = (a.requires_grad_() for a in clouds(n, case))
    uu, vv = (distinct(squared_distances(a, a)) for a in (u, v))
    loss = model.separating_loss(n, uu, vv, squared_distances(u, v))
    assert loss.isfinite()
    check_gradients(torch.autograd.grad(loss, [u, v]), expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("softening", ["cap", "plummer"])
@pytest.mark.parametrize("n", [2, 16, 32])
@pytest.mark.parametrize("make", [gan, direct])
def test_the_generators_gradient_is_exact_and_of_a_size_that_adam_sees(
    make: Callable, n: int, softening: str, case: str
) -> None:
    model = make(cutoff=0.1, softening=softening)
    v, u = (a.double().requires_grad_() for a in clouds(n, case))
    plain = kernel(0.1, n - 1, softening)
    loss = scaled([(1, v, v, plain), (-2, u, v, plain)])
    expected = torch.autograd.grad(loss, [v])

    v, u = (a.requires_grad_() for a in clouds(n, case))
    vv, uv = distinct(squared_distances(v, v)), squared_distances(u, v)
    loss = (
        matching_loss(*model.kernels(n, vv, uv)) if make is gan else model.matching_loss(n, vv, uv)
    )
    check_gradients(torch.autograd.grad(loss, [v]), expected)


def check_gradients(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-7)
    assert max(a.abs().max() for a in found) > 1e-3


def test_the_direct_generator_descends_the_energy_of_samples() -> None:
    fitted, looped = direct(), direct()
    ys = batches(fit(fitted, 3), 3)
    step = SGD(looped.generator.parameters(), 0.02)
    for i, y in enumerate(ys):
        random = torch.Generator().manual_seed(fold(looped.seed, "noise", i))
        x = looped.generator(torch.randn(len(y), 2, generator=random))
        looped.zero_grad()
        kernel = partial(k, e=0.2, p=1.0)
        scaled([(1, x, x, kernel), (-2, y, x, kernel)]).backward()
        step.step()
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_without_self_interaction_only_the_attraction_is_left() -> None:
    fitted, looped = direct(self_interaction=False), direct()
    ys = batches(fit(fitted, 1), 1)
    random = torch.Generator().manual_seed(fold(looped.seed, "noise", 0))
    x = looped.generator(torch.randn(16, 2, generator=random))
    scaled([(-2, ys[0], x, partial(k, e=0.2, p=1.0))]).backward()
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
