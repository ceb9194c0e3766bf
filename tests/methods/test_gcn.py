r"""Tests for the energy_gans.methods.gcn module and its base class."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn

from energy_gans.data import GaussianMixture
from energy_gans.functional import fold
from energy_gans.methods import GCN
from energy_gans.methods.parts.chains import Chains

from .harness import adam, batches, fit, noises, sgd

CHAINS = Chains(steps=4, step_size=0.3, reference_std=0.8)
LR = 0.05


class Descriptor(nn.Module):
    def __init__(self, classes: int | None = None) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2))
        self.head = nn.Linear(16, classes or 1)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        phi = self.head(self.body(x))
        return phi if label is None else phi.gather(1, label[:, None])


def model(**kwargs: object) -> GCN:
    r"""Returns a GCN on points with the same initial weights every time."""
    seed_everything(7, verbose=False)
    defaults = {
        "descriptor": Descriptor(kwargs.get("classes")),
        "shape": [2],
        "chains": CHAINS,
        "buffer_size": 64,
        "descriptor_optimizer": sgd(LR),
    }
    return GCN(**(defaults | kwargs))


# Training


def slope(network: Callable, x: Tensor, create_graph: bool = False) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(network(x).sum(), x, create_graph=create_graph)[0]


def chain(network: nn.Module, x: Tensor, random: torch.Generator) -> Tensor:
    r"""Runs the chains of `CHAINS` by lines 5 to 10 of Algorithm 1."""
    for _ in range(4):
        g = slope(network, x) - x / 0.8**2
        x = x + 0.3**2 / 2 * g + 0.3 * torch.randn(x.shape, generator=random)
    return x


def moved(
    network: Descriptor, x0: Tensor, x: Tensor, y: Tensor, zeta: float, gamma: float, head: bool
) -> None:
    r"""Makes one ascent step of Eq. 18."""
    loss = network(x).mean() - network(y).mean()
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    with torch.enable_grad():
        costs = [slope(network, a, create_graph=True).square().sum(1).mean() for a in (x0, x)]
        cost = gamma / 2 * (zeta * costs[0] + (1 - zeta) * costs[1])
        penalties = torch.autograd.grad(
            cost, list(network.parameters()), allow_unused=True, materialize_grads=True
        )
    with torch.no_grad():
        for (name, p), g, h in zip(network.named_parameters(), gradients, penalties, strict=True):
            p -= LR * (g if head and not name.startswith("head") else g + h)


@pytest.mark.parametrize("start", ["persistent", "data", "noise"])
@pytest.mark.parametrize("gamma, penalized", [(0.0, "all"), (0.7, "all"), (0.7, "head")])
def test_training_is_the_papers_algorithm(start: str, gamma: float, penalized: str) -> None:
    trained = model(gamma=gamma, penalized=penalized, start=start, buffer_size=16)
    data = fit(trained, steps=3)
    looped = model()
    states = None
    for i, (y, random) in enumerate(zip(batches(data, 3), noises(looped, 3), strict=True)):
        fresh = None if start == "data" else 0.8 * torch.randn(16, 2, generator=random)
        if start == "persistent":
            # With one chain a place, the draws of slots and restarts have no effect.
            torch.randint(1, (16,), generator=random), torch.rand(16, generator=random)
        x0 = {"data": y, "noise": fresh, "persistent": fresh if states is None else states}[start]
        states = chain(looped.descriptor, x0, random)
        zeta = torch.Generator().manual_seed(fold(looped.seed, "interpolation", i))
        zeta = torch.rand((), generator=zeta).item()
        moved(looped.descriptor, x0, states, y, zeta, gamma, penalized == "head")
    initial = model()
    for name, p in trained.descriptor.named_parameters():
        torch.testing.assert_close(p, looped.descriptor.get_parameter(name), rtol=1e-4, atol=1e-6)
        assert (
            name == "head.bias" or (p - initial.descriptor.get_parameter(name)).abs().max() > 1e-4
        )


def test_with_no_wasserstein_term_it_is_the_gcn_bit_for_bit() -> None:
    # A term with a negligible factor draws zeta, and changes nothing.
    gcn, weightless = model(gamma=0.0), model(gamma=1e-30)
    for trained in (gcn, weightless):
        fit(trained, steps=5)
    for a, b in zip(gcn.parameters(), weightless.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("gamma", [0.0, 0.4])
def test_a_linear_potential_learns_its_fixed_point(gamma: float) -> None:
    # For data with mean m, theta = m / (sigma^2 + gamma), independent of zeta.
    m, variance = 1.2, 0.5
    seed_everything(0, verbose=False)
    gcn = GCN(
        descriptor=nn.Linear(1, 1, bias=False),
        shape=[1],
        chains=Chains(steps=3, step_size=0.5, reference_std=math.sqrt(variance)),
        gamma=gamma,
        buffer_size=1024,
        descriptor_optimizer=sgd(0.3),
    )
    seen: list[float] = []
    step = gcn.update

    def watched(*args: object) -> dict[str, Tensor]:
        seen.append(gcn.descriptor.weight.item())
        return step(*args)

    gcn.update = watched
    data = partial(GaussianMixture, means=[[m]], std=0.1, samples=4096)
    fit(gcn, steps=150, batch_size=1024, data=data)
    theta = sum(seen[50:]) / len(seen[50:])
    assert theta == pytest.approx(m / (variance + gamma), rel=0.02)


def test_the_energy_gap_and_the_state_of_chains_are_logged() -> None:
    gcn = model(gamma=0.5, start="noise", chains=Chains(steps=3, step_size=4.0, bound=1.0))
    fit(gcn, steps=1)
    logged = gcn.noted
    assert set(logged) == {"score_norm", "drift", "saturated", "gap", "gap_share", "transport"}
    assert logged["drift"] > 0 and logged["saturated"] > 0.3 and logged["score_norm"] > 0


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_gap_is_logged_and_its_share_of_the_largest(weight: float) -> None:
    gcn = model(magnitude=weight)
    fit(gcn, steps=3)
    assert gcn.noted["gap"] != 0
    torch.testing.assert_close(gcn.noted["gap_share"], weight / 2 * gcn.noted["gap"])


def test_parts_of_a_minibatch_add_up_to_the_whole() -> None:
    whole, parts = model(gamma=0.5, magnitude=0.1), model(gamma=0.5, magnitude=0.1, accumulate=4)
    for gcn in (whole, parts):
        fit(gcn, steps=3)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b)


# Classes


def test_a_conditional_model_learns_each_class() -> None:
    chains = Chains(steps=10, step_size=0.4, reference_std=1.0)
    gcn = model(classes=8, chains=chains, descriptor_optimizer=adam(0.03))
    data = fit(gcn, steps=60, batch_size=64)
    label = torch.arange(8).repeat_interleave(200)
    x = gcn.sample(1600, label, random=torch.Generator().manual_seed(0))
    y, known = data.contents("train")
    for k in range(8):
        expected = y[known == k].mean(0)
        mean = x[label == k].mean(0)
        assert (mean @ expected) / (mean.norm() * expected.norm()) > 0.8


class Slopes(nn.Module):
    r"""A linear potential for each of two classes, with the slopes 2 and 5."""

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return torch.tensor([2.0, 5.0])[label] * x[:, 0]


@pytest.mark.parametrize("parts", [1, 2])
def test_chains_and_real_samples_keep_their_own_labels(parts: int) -> None:
    gcn = model(classes=2, gamma=0.5, accumulate=parts)
    x, y = torch.full((4, 1), 3.0), torch.full((4, 1), 7.0)
    label_x, label = torch.tensor([0, 0, 0, 1]), torch.tensor([1, 1, 0, 1])
    found = torch.stack(list(gcn.losses(Slopes(), torch.zeros(4, 1), x, label_x, y, label)))
    # The slopes of chains are 2, 2, 2 and 5, those of real samples 5, 5, 2 and 5.
    expected = 3 * 11 / 4 - 7 * 17 / 4 + 0.5 / 2 * (3 * 2**2 + 5**2) / 4
    assert len(found) == parts
    assert found.mean().item() == pytest.approx(expected)


def test_labels_are_drawn_where_none_are_given() -> None:
    gcn = model(classes=3)
    assert gcn.sample(10, random=torch.Generator().manual_seed(0)).shape == (10, 2)


# Errors


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"gamma": -1.0}, "'gamma'"),
        ({"magnitude": -0.1}, "'magnitude'"),
        ({"start": "fire"}, "'start' should be one of"),
        ({"penalized": "none"}, "'penalized' should be 'all' or"),
        ({"penalized": "head", "descriptor": nn.Linear(2, 1)}, "no layer of that name"),
        ({"buffer_size": 0}, "'buffer_size'"),
        ({"buffer_dtype": "int"}, "'buffer_dtype'"),
        ({"restart": 2.0}, "'restart'"),
        ({"classes": 0}, "'classes'"),
        ({"sample_steps": 0}, "'sample_steps'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"shape": [3]}, r"'model.init_args.shape' should be that of 'data', \[2\], got \[3\]"),
        ({"descriptor": nn.Linear(3, 1)}, "descriptor' should map the shape of 'data'"),
        ({"descriptor": nn.Linear(2, 2)}, "descriptor' should map the shape of 'data'"),
        (
            {"descriptor": nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))},
            "batch norm couples samples",
        ),
        ({"buffer_size": 8}, "multiple of the minibatch of 16, got 8"),
        ({"classes": 3}, "from 0 to 2, one a sample, got 0 to 7"),
    ],
)
def test_a_first_batch_that_does_not_fit_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(model(**arguments), steps=1)


def test_labels_that_do_not_fit_are_refused() -> None:
    gcn = model(classes=3)
    for label in (torch.tensor([0, 3]), torch.tensor([0]), torch.tensor([0.0, 1.0])):
        with pytest.raises(ValueError, match="'label' should hold 2 labels from 0 to 2"):
            gcn.sample(2, label)
    with pytest.raises(ValueError, match="unconditional"):
        model().sample(2, torch.tensor([0, 1]))


def test_what_is_logged_is_the_mean_over_the_parts_of_a_minibatch() -> None:
    def noted(accumulate: int) -> dict[str, Tensor]:
        gcn = model(gamma=0.5, magnitude=0.1, accumulate=accumulate)
        fit(gcn, 1)
        return gcn.noted

    whole, parts = noted(1), noted(4)
    for name in ("gap", "transport"):
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-4, atol=1e-6)
