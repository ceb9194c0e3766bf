r"""Tests for the energy_gans.methods.ggcn module."""

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn

from energy_gans.functional import fold
from energy_gans.methods import GGCN, Chains
from energy_gans.networks import MLP

from .harness import adam, batches, fit, noises, sgd, stepped
from .test_gcn import CHAINS, Descriptor, chain, model as gcn, moved, slope

LR_G, LR_Z = 0.03, 0.2


class Conditional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.shift = MLP(2, 2, [16]), nn.Embedding(8, 2)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.net(z + self.shift(label))


def model(**kwargs: object) -> GGCN:
    r"""Returns a GGCN on points with the same initial weights every time."""
    seed_everything(7, verbose=False)
    defaults = {
        "descriptor": Descriptor(kwargs.get("classes")),
        "generator": MLP(2, 2, [16]),
        "shape": [2],
        "latent_dim": 2,
        "chains": CHAINS,
        "buffer_size": 8,
        "latent_step_size": LR_Z,
        "generator_optimizer": sgd(LR_G),
        "descriptor_optimizer": sgd(0.05),
    }
    return GGCN(**(defaults | kwargs))


def drawn(random: torch.Generator, kept: Tensor | None, learned: bool) -> Tensor:
    r"""Returns the latents of a minibatch of 8, in the order in which they are drawn."""
    z = torch.randn(8, 2, generator=random)
    if learned:
        torch.randint(1, (8,), generator=random), torch.rand(8, generator=random)
    return z if kept is None else kept


def zeta_of(seed: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed(fold(seed, "interpolation", step))


def latents(generator: nn.Module, z: Tensor, target: Tensor) -> Tensor:
    r"""Makes a gradient step of each latent on its own squared distance (Eq. 20)."""
    z = z.detach().clone()
    for i in range(len(z)):
        zi = z[i].clone().requires_grad_()
        loss = (generator(zi[None]) - target[i]).square().sum()
        z[i] = z[i] - LR_Z * torch.autograd.grad(loss, zi)[0]
    return z


def assert_learned(trained: GGCN, looped: GGCN) -> None:
    initial = model()
    for part in ("descriptor", "generator"):
        for name, p in trained.get_submodule(part).named_parameters():
            other = looped.get_submodule(part).get_parameter(name)
            torch.testing.assert_close(p, other, rtol=1e-4, atol=1e-6)
    start = initial.generator.get_parameter("0.weight")
    assert (trained.generator.get_parameter("0.weight") - start).abs().max() > 1e-4


@pytest.mark.parametrize("start", ["generator", "persistent"])
@pytest.mark.parametrize("learned", [False, True])
def test_training_is_algorithm_2(learned: bool, start: str) -> None:
    # The descriptor takes two minibatches of 8, the generator the second one.
    options = {"gamma": 0.4, "learn_hidden_space": learned, "discriminator_steps": 2}
    options["start"] = start
    trained, looped = model(**options), model()
    data = fit(trained, steps=3)
    network, generator = looped.descriptor, looped.generator
    kept = ends = None
    for i, (y, random) in enumerate(zip(batches(data, 3), noises(looped, 3), strict=True)):
        interpolation = zeta_of(looped.seed, i)
        for j, part in enumerate(y.chunk(2)):
            z = drawn(random, kept, learned or start == "persistent")
            x0 = generator(z).detach() if ends is None else ends
            x = chain(network, x0, random)
            zeta = torch.rand((), generator=interpolation).item()
            moved(network, x0, x, part, zeta, 0.4, head=False)
            if j == 1:
                loss = (generator(z) - x).square().sum(1).mean()
                stepped(generator, loss, LR_G)
                z = latents(generator, z, x) if learned else z
            kept = z if learned or start == "persistent" else None
            ends = x if start == "persistent" else None
    assert_learned(trained, looped)


@pytest.mark.parametrize("learned", [False, True])
def test_amortised_training_climbs_the_potential(learned: bool) -> None:
    trained = model(gamma=0.4, learn_hidden_space=learned, amortized_sampling=True)
    data = fit(trained, steps=3, batch_size=8)
    looped = model()
    network, generator = looped.descriptor, looped.generator
    kept = None

    def log_density(x: Tensor) -> Tensor:
        return network(x)[:, 0] - x.square().sum(1) / (2 * 0.8**2)

    for i, (y, random) in enumerate(zip(batches(data, 3), noises(looped, 3), strict=True)):
        z = drawn(random, kept, learned)
        before = generator(z).detach()
        direction = slope(log_density, before)
        stepped(generator, -log_density(generator(z)).mean(), LR_G)
        if learned:
            a = z.clone().requires_grad_()
            (s,) = torch.autograd.grad((generator(a) * direction).sum(), a)
            kept = z = z + LR_Z * s
        x = generator(z).detach()
        zeta = torch.rand((), generator=zeta_of(looped.seed, i)).item()
        moved(network, before, x, y, zeta, 0.4, head=False)
    assert_learned(trained, looped)


def test_a_latent_of_a_linear_generator_moves_as_it_should() -> None:
    # z <- z - 2 l A^T (A z - x).
    a, target = torch.randn(2, 2), torch.randn(5, 2)
    ggcn = model(generator=nn.Linear(2, 2, bias=False))
    ggcn.generator.weight.data = a
    z = torch.randn(5, 2)
    state = {"z": z}
    ggcn.descend = lambda optimizer, losses: losses[0]
    ggcn.optimizers = lambda: (None, None)
    ggcn.update_generator(state, lambda x: (x - target).square().sum(1).mean())
    torch.testing.assert_close(state["z"], z - 2 * LR_Z * (z @ a.T - target) @ a)


def test_images_of_the_buffer_go_on_and_the_rest_starts_at_the_generator() -> None:
    ggcn = model(start="persistent", restart=0.5, buffer_size=64, learn_hidden_space=False)
    fit(ggcn, steps=4, batch_size=64)
    assert ggcn.buffer.states["x"].shape == (64, 1, 2)
    ggcn.share_of = lambda draw, n, *shape: draw(n, *shape)
    state = ggcn.initial_states(torch.zeros(64, 2), None)
    kept = (state["x"] == ggcn.buffer.states["x"][:, 0]).all(1)
    assert 15 < kept.sum() < 50
    rest = ggcn.generator(state["z"])
    torch.testing.assert_close(state["x"][~kept], rest[~kept].detach())


def spread(repulsion: bool) -> Tensor:
    chains = Chains(steps=1, step_size=0.3, reference_std=1.0)
    ggcn = model(
        chains=chains,
        amortized_sampling=True,
        repulsion=repulsion,
        buffer_size=32,
        learn_hidden_space=False,
        generator_optimizer=adam(0.03),
        descriptor_optimizer=sgd(0.0),
    )
    fit(ggcn, steps=100, batch_size=32)
    return ggcn.sample(1000, random=torch.Generator().manual_seed(0)).std(0)


def test_steins_direction_keeps_amortised_samples_apart() -> None:
    # The descriptor is not trained, so the density is nearly standard normal.
    assert spread(False).max() < 0.1
    assert spread(True).min() > 0.5


def test_samples_are_the_generators_or_are_moved_by_chains() -> None:
    ggcn = model()
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(3))
    x = ggcn.sample(5, random=torch.Generator().manual_seed(3))
    torch.testing.assert_close(x, ggcn.generator(z).detach())
    torch.testing.assert_close(ggcn.decode(z), x)
    ggcn.sample_steps = 4
    random = torch.Generator().manual_seed(3)
    expected = chain(ggcn.descriptor, ggcn.generator(torch.randn(5, 2, generator=random)), random)
    x = ggcn.sample(5, random=torch.Generator().manual_seed(3))
    torch.testing.assert_close(x, expected.detach())


def test_samples_are_those_of_both_moving_averages() -> None:
    ggcn = model(sample_steps=2)
    average = ggcn.average(0.5)
    known = ggcn.sample(5, random=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for p in ggcn.ema_source.parameters():
            p.zero_()
    assert torch.equal(known, ggcn.sample(5, random=torch.Generator().manual_seed(3)))
    average.update_parameters(ggcn.ema_source)
    assert not torch.equal(known, ggcn.sample(5, random=torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("amortized", [False, True])
def test_a_conditional_model_trains_and_samples(amortized: bool) -> None:
    ggcn = model(classes=8, generator=Conditional(), amortized_sampling=amortized, gamma=0.1)
    fit(ggcn, steps=2, batch_size=8)
    label = torch.arange(8)
    assert ggcn.sample(8, label, random=torch.Generator().manual_seed(0)).shape == (8, 2)
    assert set(ggcn.buffer.states) == {"x", "z", "label"}


@pytest.mark.parametrize("amortized", [False, True])
def test_a_class_that_is_not_in_the_minibatch_is_not_trained(amortized: bool) -> None:
    options = {"generator": Conditional(), "amortized_sampling": amortized, "gamma": 0.1}
    ggcn = model(classes=8, **options)
    seen: list[Tensor] = []
    update = ggcn.update
    ggcn.update = lambda y, label: (seen.append(label), update(y, label))[1]
    before = [ggcn.descriptor.head.weight.clone(), ggcn.generator.shift.weight.clone()]
    fit(ggcn, steps=1, batch_size=8)
    present = torch.isin(torch.arange(8), seen[0])
    assert 1 < present.sum() < 8
    for old, new in zip(before, (ggcn.descriptor.head, ggcn.generator.shift), strict=True):
        assert torch.equal((new.weight != old).any(1), present)


@pytest.mark.parametrize("start", [None, "generator"])
def test_trajectories_start_at_samples_of_the_generator_or_at_noise(start: str | None) -> None:
    ggcn = model(classes=8, generator=Conditional())
    label, z = torch.arange(5), torch.randn(5, 2, generator=torch.Generator().manual_seed(3))
    found = ggcn.starting_points(5, label, torch.Generator().manual_seed(3), start)
    torch.testing.assert_close(found, ggcn.generator(z, label).detach())
    found = ggcn.starting_points(5, label, torch.Generator().manual_seed(3), "noise")
    torch.testing.assert_close(found, 0.8 * z)
    with pytest.raises(ValueError, match="for a GCN, which has no generator, got 'generator'"):
        gcn().starting_points(5, start="generator")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"latent_dim": 0}, "'latent_dim'"),
        ({"latent_step_size": 0.0}, "'latent_step_size'"),
        ({"sample_steps": -1}, "'sample_steps'"),
        ({"accumulate": 2}, "'accumulate'"),
        ({"repulsion": True}, "'repulsion'"),
        ({"amortized_sampling": True, "start": "persistent"}, "which has no chains, got 'persis"),
        ({"start": "noise"}, r"'start' should be one of \('generator', 'persistent'\)"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**arguments)


def test_a_generator_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="generator' should map"):
        fit(model(generator=MLP(2, 3, [16])), steps=1)
