r"""Tests for the energy_gans.methods.scattering_gan module."""

from functools import partial

import pytest
import torch
import torch.nn as nn
from lightning.pytorch import seed_everything
from torch import Tensor
from torch.nn.functional import normalize

from energy_gans.data import EmbeddedDigits
from energy_gans.functional import energy_distance, fold, scattering_field
from energy_gans.methods import ScatteringGAN
from energy_gans.networks import MLP, ResNetAutoencoder, ResNetGenerator

from . import harness
from .harness import adam, batches, sgd, stepped

fit = partial(harness.fit, batch_size=16)
RATE = 0.05


def model(**kwargs: object) -> ScatteringGAN:
    seed_everything(7, verbose=False)
    defaults = {
        "generator": MLP(2, 2, [16]),
        "tracker": MLP(2, 2, [16], nn.SiLU),
        "latent_dim": 2,
        "generator_optimizer": sgd(RATE),
        "tracker_optimizer": sgd(RATE),
    }
    return ScatteringGAN(**(defaults | kwargs))


def points(n: int, seed: int = 0, shift: float = 0.0) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) + shift


def slope(gan: ScatteringGAN) -> Tensor:
    r"""Returns the gradient of all of the generator's parameters."""
    return torch.cat([p.grad.flatten() for p in gan.generator.parameters()])


def exact_field(x: Tensor, y: Tensor) -> Tensor:
    r"""Returns the mean of all unit vectors to real samples less that to other generated ones."""
    to_y, to_x = (normalize(v[None] - x[:, None], dim=2) for v in (y, x))
    return to_y.mean(1) - to_x.sum(1) / (len(x) - 1)


class Exact(nn.Module):
    r"""The exact field of given samples, at the generated ones, times a trained number."""

    def __init__(self, y: Tensor, factor: float = 1.0) -> None:
        super().__init__()
        self.y, self.factor = y, nn.Parameter(torch.tensor(factor))

    def forward(self, a: Tensor) -> Tensor:
        return self.factor * exact_field(a, self.y)


def unit(v: Tensor) -> Tensor:
    return v / v.norm()


def plain_loop(gan: ScatteringGAN, ys: list[Tensor], rho: float, partners: int) -> None:
    r"""Computes both gradients first, triple by triple, then makes both steps."""
    for step, y in enumerate(ys):
        random, n = torch.Generator().manual_seed(fold(gan.seed, "noise", step)), len(y)
        x = gan.generator(torch.randn(n, 2, generator=random))
        real = torch.randint(n, (partners, n), generator=random)
        others = torch.randint(n - 1, (partners, n), generator=random)
        loss_t = loss_g = 0.0
        for i in range(n):
            a, s = x[i].detach(), torch.zeros(2)
            for k in range(partners):
                y_k, x_k = y[real[k, i]], x[(i + 1 + others[k, i]) % n].detach()
                s = s + (unit(y_k - a) - unit(x_k - a)) / partners
            t = gan.tracker(a[None])[0]
            loss_t = loss_t + (t - s).square().sum() / n
            loss_g = loss_g - (x[i] * (rho * t + (1 - rho) * s).detach()).sum() / n
        slopes = torch.autograd.grad(loss_t, list(gan.tracker.parameters()))
        stepped(gan.generator, loss_g, RATE)
        with torch.no_grad():
            for p, g in zip(gan.tracker.parameters(), slopes, strict=True):
                p -= RATE * g


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
def test_training_is_a_loop_over_triples(rho: float) -> None:
    fitted, looped = (model(tracker_weight=rho, partners=2) for _ in range(2))
    plain_loop(looped, batches(fit(fitted, 3), 3), rho, 2)
    start = model()
    for name, p in fitted.named_parameters():
        torch.testing.assert_close(p, looped.get_parameter(name), rtol=1e-4, atol=1e-6)
        assert (p - start.get_parameter(name)).abs().max() > 1e-4


def test_the_exact_field_minimises_the_trackers_loss() -> None:
    gan, x, y = model(), points(6), points(7, 1, 0.5)
    i, j, k = torch.cartesian_prod(torch.arange(6), torch.arange(6), torch.arange(7)).unbind(1)
    i, j, k = i[i != j], j[i != j], k[i != j]
    s = scattering_field(x[i], y[k], x[j])

    def mean_loss(t: Tensor) -> Tensor:
        gan.tracker = lambda _: t[i]
        return next(gan.tracker_losses(x[i], s, []))

    del gan.tracker
    exact = exact_field(x, y).requires_grad_()
    smallest, d = mean_loss(exact), points(6, 2)
    (gradient,) = torch.autograd.grad(smallest, exact)
    assert gradient.abs().max() < 1e-6
    # The loss at the minimum is the variance of the noise.
    noise = s - exact.detach()[i]
    torch.testing.assert_close(smallest.detach(), noise.square().sum(1).mean())
    torch.testing.assert_close(mean_loss(exact + d) - smallest, d.square().sum(1).mean())


def test_a_sample_meets_real_and_generated_samples_evenly() -> None:
    gan, x, y = model(partners=20_000), points(6), points(6, 1, 0.5)
    exact = exact_field(x, y)
    torch.testing.assert_close(gan.scatter(x, y), exact, rtol=0, atol=0.04)


def test_an_exact_tracker_gives_the_gradient_of_half_the_energy_distance() -> None:
    frozen = {"generator_optimizer": sgd(0.0), "tracker_optimizer": sgd(0.0)}
    gan = model(tracker_weight=1.0, **frozen)
    data = fit(gan, 0)
    (y,) = batches(data, 1)
    gan.tracker = Exact(y)
    fit(gan, 1)
    found = slope(gan)
    gan.zero_grad()
    random = torch.Generator().manual_seed(fold(gan.seed, "noise", 0))
    x = gan.generator(torch.randn(16, 2, generator=random))
    (energy_distance(y, x) / 2).backward()
    torch.testing.assert_close(found, slope(gan), rtol=1e-4, atol=1e-6)


def test_the_noisy_field_has_that_gradient_in_the_mean() -> None:
    frozen = {"generator_optimizer": sgd(0.0), "tracker_optimizer": sgd(0.0)}
    gan = model(tracker_weight=0.0, partners=40_000, **frozen)
    (y,) = batches(fit(gan, 1), 1)
    found = slope(gan)
    gan.zero_grad()
    random = torch.Generator().manual_seed(fold(gan.seed, "noise", 0))
    x = gan.generator(torch.randn(16, 2, generator=random))
    (energy_distance(y, x) / 2).backward()
    assert (found - slope(gan)).norm() < 0.02 * found.norm()


def test_without_its_weight_the_tracker_moves_no_generator() -> None:
    one, other = (
        model(tracker_weight=0.0, tracker=MLP(2, 2, hidden)) for hidden in ([16], [8, 8])
    )
    one.generator.load_state_dict(other.generator.state_dict())
    fit(one, 3)
    fit(other, 3)
    for p, q in zip(one.generator.parameters(), other.generator.parameters(), strict=True):
        assert torch.equal(p, q)


def test_with_all_the_weight_only_the_tracker_moves_the_generator() -> None:
    gan = model(tracker_optimizer=sgd(0.0), tracker_weight=1.0)
    nn.init.zeros_(gan.tracker[-1].weight)
    before = [p.detach().clone() for p in gan.generator.parameters()]
    fit(gan, 3)
    assert all(torch.equal(p, q) for p, q in zip(gan.generator.parameters(), before, strict=True))


def test_equal_distributions_have_no_field() -> None:
    gan, n = model(partners=64), 4000
    x = points(n)
    means = {}
    for shift in (0.0, 0.5):
        s = gan.scatter(x, points(n, 1, shift))
        # The mean along any function of the points, not only that of all vectors.
        means[shift] = torch.stack([(f * s).sum(1).mean() for f in (1, x, x.sin())]).abs().max()
    assert means[0.0] < 0.04 < 0.4 < means[0.5]


@pytest.mark.parametrize("partners", [4, 16])
def test_partners_divide_the_variance(partners: int) -> None:
    x, y = points(500), points(500, 1, 1.0)
    spread = [model(partners=k).scatter(x, y) for k in (1, partners)]
    exact = exact_field(x, y)
    one, several = ((s - exact).square().mean().item() for s in spread)
    assert one / several == pytest.approx(partners, rel=0.2)


def test_a_sample_meets_all_others_and_never_itself() -> None:
    # Far from the real samples, the field at a point is the direction to another point.
    gan, x = model(partners=1), torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    seen = [set(), set(), set()]
    for _ in range(60):
        away = torch.tensor([1e6, 0.0]).expand(3, 2)
        for i, v in enumerate(torch.tensor([1.0, 0.0]) - gan.scatter(x, away)):
            seen[i].add(tuple(round(c, 3) for c in v.tolist()))
    h = round(0.5**0.5, 3)
    assert seen == [{(1.0, 0.0), (0.0, 1.0)}, {(-1.0, 0.0), (-h, h)}, {(0.0, -1.0), (h, -h)}]


def test_parts_of_a_minibatch_add_up_to_it() -> None:
    whole, parts = model(tracker_weight=0.5), model(tracker_weight=0.5, accumulate=4)
    fit(whole, 5)
    fit(parts, 5)
    for p, q in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


def test_a_step_makes_the_updates_it_is_asked_for() -> None:
    gan = model(
        updates_per_step=2,
        discriminator_steps=3,
        **dict(
            zip(
                ("generator_optimizer", "tracker_optimizer"), (adam(1e-3), adam(1e-3)), strict=True
            )
        ),
    )
    fit(gan, 2, batch_size=48)
    steps = [{int(s["step"]) for s in o.state.values()} for o in gan.trainer.optimizers]
    assert steps == [{4}, {12}]
    assert gan.global_step == 2


def test_an_update_evaluates_each_network_once() -> None:
    gan, calls = model(), []
    fit(gan, 0)
    for network in (gan.generator, gan.tracker):
        network.register_forward_hook(lambda network, *_: calls.append(network))
    fit(gan, 3)
    # The check of the first batch evaluates both, too.
    assert [calls.count(network) for network in (gan.generator, gan.tracker)] == [4, 4]


def test_the_tracker_learns_the_field() -> None:
    still = {"generator_optimizer": sgd(0.0), "tracker_optimizer": adam(1e-2)}
    gan = model(partners=16, tracker=MLP(2, 2, [64, 64], nn.SiLU), **still)
    data = fit(gan, 120, batch_size=128)
    x, y = gan.sample(400, random=torch.Generator().manual_seed(0)), data.contents("train")[0]
    exact = exact_field(x, y)
    with torch.no_grad():
        error = (gan.tracker(x) - exact).square().mean() / exact.square().mean()
    assert error < 0.2
    assert gan.trainer.callback_metrics["train/field"].item() == pytest.approx(
        exact.square().mean().sqrt().item(), rel=0.3
    )


def test_images_train_channels_last_and_in_parts() -> None:
    sizes = {"channels": 1, "size": 8, "width": 4}
    networks = {"generator": ResNetGenerator(4, **sizes), "tracker": ResNetAutoencoder(**sizes)}
    gan = model(**networks, latent_dim=4, channels_last=True, accumulate=2)
    start = [p.detach().clone() for p in gan.parameters()]
    harness.fit(gan, 2, 16, partial(EmbeddedDigits, digits="8x8", size=8))
    assert all((p - q).abs().max() > 0 for p, q in zip(gan.parameters(), start, strict=True))


def test_losses_and_the_field_are_float32_under_autocast() -> None:
    gan = model()
    fit(gan, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x, tracked = gan.generator(points(8)).detach(), []
        s = gan.scatter(x, points(8, 1))
        (loss,) = gan.tracker_losses(x, s, tracked)
        assert x.dtype == tracked[0].dtype == torch.bfloat16
        assert s.dtype == loss.dtype == torch.float32


@pytest.mark.parametrize(
    "options, message",
    [
        ({"tracker_weight": 1.5}, r"'tracker_weight' should be in \[0, 1\], got 1.5"),
        ({"tracker_weight": -0.1}, r"'tracker_weight' should be in \[0, 1\], got -0.1"),
        ({"tracker_weight": float("nan")}, r"'tracker_weight' should be in \[0, 1\], got nan"),
        ({"partners": 0}, "'partners' should be at least 1, got 0"),
        ({"latent_dim": 0}, "'latent_dim' should be at least 1, got 0"),
    ],
)
def test_numbers_out_of_range_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**options)


@pytest.mark.parametrize(
    "options, batch_size, message",
    [
        ({"generator": MLP(2, 3, [4])}, 16, r"generator' should map \(2, 2\).*got \(2, 3\)"),
        (
            {"tracker": MLP(2, 1, [4])},
            16,
            r"tracker' should map .* \(2, 2\), to vel.*got \(2, 1\)",
        ),
        ({"tracker": MLP(3, 2, [4])}, 16, r"tracker' should map .*fails: mat1 and mat2"),
        ({}, 1, "batch_size' should be at least 2 for ScatteringGAN, got 1"),
        ({"discriminator_steps": 3}, 3, "batch_size' should be at least 6 .*, got 3"),
    ],
)
def test_what_does_not_fit_is_named(options: dict, batch_size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(model(**options), 1, batch_size=batch_size)
