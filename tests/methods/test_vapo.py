r"""Tests for the energy_gans.methods.vapo module."""

import math

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn

from energy_gans.methods import VAPO, Flow

from .harness import adam, batches, fit, noises, sgd, stepped

LR, SIGMA, OMEGA, EPSILON = 0.05, 0.3, 1.2, 0.02
LENGTH = math.log((1 + EPSILON) / EPSILON)
FLOW = Flow("euler", steps=4)


class Potential(nn.Module):
    def __init__(self, classes: int | None = None, time: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2 + time, 16), nn.SiLU())
        self.head = nn.Linear(16, 1)
        self.embedding = None if classes is None else nn.Embedding(classes + 1, 16)

    def forward(
        self, x: Tensor, label: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        h = self.body(x if time is None else torch.cat([x, time[:, None]], 1))
        return self.head(h if label is None else h * self.embedding(label))


def model(**kwargs: object) -> VAPO:
    r"""Returns a VAPO on points with the same initial weights every time."""
    seed_everything(7, verbose=False)
    network = Potential(kwargs.get("classes"), kwargs.get("time_conditioned", False))
    defaults = {
        "descriptor": network,
        "shape": [2],
        "sigma": SIGMA,
        "omega": OMEGA,
        "sharpness": EPSILON,
        "flow": FLOW,
        "descriptor_optimizer": sgd(LR),
    }
    return VAPO(**(defaults | kwargs))


def slope(network: nn.Module, x: Tensor, *more: Tensor, graph: bool = True) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(network(x, *more).sum(), x, create_graph=graph)[0]


# Training


def drive(phi: Tensor, field: Tensor, y: Tensor, x: Tensor, t: Tensor, e1: bool) -> list[Tensor]:
    r"""Returns the first term of the loss at each point, in flow time, by a loop."""
    terms = []
    for i in range(len(x)):
        v = OMEGA**2 * SIGMA**2 / (SIGMA**2 + t[i] * OMEGA**2)
        a = t[i] * v / SIGMA**2
        rate = LENGTH * (t[i] + EPSILON)
        if e1:
            gamma = ((y[i] - x[i]) ** 2).sum() / SIGMA**2
            mean = (2 * v + (1 - a) ** 2 * (y[i] ** 2).sum()) / SIGMA**2
            others = torch.cat([phi[:i], phi[i + 1 :]]).mean()
            terms.append((phi[i] - others) * (gamma - mean) / 2 * rate)
        else:
            u = v**2 / (OMEGA * SIGMA) ** 2 * y[i] - v / (2 * SIGMA**2) * (x[i] - a * y[i])
            terms.append(-(field[i] * u).sum() * rate)
    return terms


@pytest.mark.parametrize("estimator", ["e1", "e2", "e4"])
@pytest.mark.parametrize("timed", [False, True])
def test_training_is_a_plain_loop(estimator: str, timed: bool) -> None:
    k = 3 if estimator == "e2" else 1
    options = {"estimator": estimator, "particles": k, "time_conditioned": timed}
    trained = model(**options, spectral_gap=0.2)
    data = fit(trained, steps=3, batch_size=8)
    looped = model(time_conditioned=timed)
    network = looped.descriptor
    for y, random in zip(batches(data, 3), noises(looped, 3), strict=True):
        s = torch.rand(8, k, generator=random).flatten()
        noise = torch.randn(8, k, 2, generator=random).flatten(0, 1)
        y = y.repeat_interleave(k, 0)
        t = EPSILON * (torch.exp(s * LENGTH) - 1)
        v = OMEGA**2 * SIGMA**2 / (SIGMA**2 + t * OMEGA**2)
        x = (t * v / SIGMA**2)[:, None] * y + v.sqrt()[:, None] * noise
        more = (None, s) if timed else ()
        phi, field = network(x, *more)[:, 0], slope(network, x, *more)
        parts = zip(*(p.split(k) if k > 1 else [p] for p in (phi, field, y, x, t)), strict=True)
        terms = [d for part in parts for d in drive(*part, e1=estimator != "e4")]
        loss = torch.stack(terms).mean() + field.square().sum(1).mean() / 2
        # Half the variance, by pairs of points of different real samples.
        pairs = (phi.view(8, k, 1, 1) - phi.view(1, 1, 8, k)).square().sum((1, 3))
        spread = (pairs.sum() - pairs.trace()) / (8 * 7 * k**2) / 4
        loss = (loss + 0.2 * spread) / 2
        stepped(network, loss, LR)
    initial = model(time_conditioned=timed)
    for name, p in trained.descriptor.named_parameters():
        torch.testing.assert_close(p, network.get_parameter(name), rtol=1e-4, atol=1e-6)
    start = initial.descriptor.get_parameter("body.0.weight")
    assert (trained.descriptor.get_parameter("body.0.weight") - start).abs().max() > 1e-4


@pytest.mark.parametrize("data_std", [None, 0.5])
def test_points_of_a_sample_keep_its_label_and_its_times(data_std: float | None) -> None:
    # With one group for each sample, the loss of a batch is the mean of those of its samples.
    options = {"estimator": "e2", "particles": 3, "classes": 5, "time_conditioned": True}
    vapo = model(**options, data_std=data_std)
    y, s, noise = torch.randn(4, 2), torch.rand(4, 3), torch.randn(4, 3, 2)
    label = torch.tensor([2, 0, 3, 1])
    alone = [vapo.loss(y[i], label[i], s[i], noise[i]) for i in torch.arange(4).split(1)]
    loss = vapo.loss(y, label, s, noise)
    torch.testing.assert_close(loss, torch.stack(alone).mean())
    loss.backward()
    # Neither the fifth class nor that of no label is trained.
    trained = (vapo.descriptor.embedding.weight.grad != 0).any(1)
    assert trained.tolist() == [True] * 4 + [False] * 2


def preconditioned(vapo: VAPO, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the potential, and the scale of gradients, for data of size 0.5, by a loop."""
    phi, units = [], []
    for i in range(len(x)):
        v = OMEGA**2 * SIGMA**2 / (SIGMA**2 + EPSILON * torch.expm1(s[i] * LENGTH) * OMEGA**2)
        a, share = 1 - v / OMEGA**2, 1 + v / OMEGA**2
        speed = LENGTH * EPSILON * torch.exp(s[i] * LENGTH) * v / (2 * SIGMA**2)
        q = a**2 * 0.25 + v
        network = vapo.descriptor(x[i : i + 1] / q.sqrt(), None, s[i : i + 1])[0, 0]
        bowl = (share * a * 0.25 / q - 1) * x[i].square().sum() / 2
        phi.append(speed * (bowl + share * 0.5 * v.sqrt() * network))
        units.append(speed * share * 0.5 * (v / q).sqrt())
    return torch.stack(phi), torch.stack(units)


@pytest.mark.parametrize("estimator", ["e1", "e4"])
def test_preconditioned_training_is_a_plain_loop(estimator: str) -> None:
    trained = model(estimator=estimator, time_conditioned=True, data_std=0.5)
    data = fit(trained, steps=3, batch_size=8)
    looped = model(time_conditioned=True)
    for y, random in zip(batches(data, 3), noises(looped, 3), strict=True):
        s = torch.rand(8, 1, generator=random).flatten()
        noise = torch.randn(8, 1, 2, generator=random).flatten(0, 1)
        t = EPSILON * (torch.exp(s * LENGTH) - 1)
        v = OMEGA**2 * SIGMA**2 / (SIGMA**2 + t * OMEGA**2)
        x = ((t * v / SIGMA**2)[:, None] * y + v.sqrt()[:, None] * noise).requires_grad_()
        phi, unit = preconditioned(looped, x, s)
        (field,) = torch.autograd.grad(phi.sum(), x, create_graph=True)
        terms = torch.stack(drive(phi, field, y, x, t, e1=estimator == "e1"))
        loss = ((terms + field.square().sum(1) / 2) / unit**2).mean() / 2
        stepped(looped.descriptor, loss, LR)
    for name, p in trained.descriptor.named_parameters():
        torch.testing.assert_close(p, looped.descriptor.get_parameter(name), rtol=1e-4, atol=1e-6)


def test_a_compiled_gradient_teaches_the_same() -> None:
    plain, compiled = model(), model(compile_gradient=True)
    for vapo in (plain, compiled):
        fit(vapo, steps=2, batch_size=8)
    for a, b in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_spectral_norms_are_held_down() -> None:
    norms = []
    for factor in (0.0, 1.0):
        network = Potential()
        network.spectral_norms = lambda n=network: n.head.weight.norm()
        vapo = model(descriptor=network, spectral_norms=factor)
        with torch.no_grad():
            network.head.weight.fill_(1.0)
        fit(vapo, steps=5)
        norms.append(network.head.weight.norm().item())
    assert norms[1] < norms[0] - 0.1


def test_parts_of_a_minibatch_add_up_where_nothing_is_centred() -> None:
    whole, parts = model(), model(accumulate=4)
    for vapo in (whole, parts):
        fit(vapo, steps=2)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


# Errors


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"sigma": 0.0}, "'sigma' should be positive"),
        ({"omega": -1.0}, "'omega' should be positive"),
        ({"sharpness": 0.0}, "'sharpness' should be positive"),
        ({"data_std": 0.5}, "'data_std' should be null without time_conditioned, got 0.5"),
        ({"data_std": 0.0, "time_conditioned": True}, "'data_std' should be positive"),
        ({"estimator": "e3"}, "'estimator' should be one of .*got 'e3'"),
        ({"estimator": "e2"}, "'particles' should be 2 or more for the estimator 'e2'"),
        ({"particles": 0}, "'particles' should be at least 1, got 0"),
        ({"particles": 2}, "'particles' should be .* 1 for the others, got 2 for 'e4'"),
        ({"spectral_gap": -1.0}, "'spectral_gap' should not be negative"),
        ({"spectral_norms": -1.0}, "'spectral_norms' should not be negative"),
        ({"spectral_norms": 1.0}, "'spectral_norms' should be 0 for .* got 1.0 for Potential"),
        ({"label_dropout": 1.0}, r"'label_dropout' should be in \[0, 1\)"),
        ({"guidance": 1.0}, "'guidance' should be 0 without classes"),
        ({"classes": 0}, "'classes' should be"),
    ],
)
def test_arguments_out_of_range_are_refused(wrong: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        model(**wrong)


class Coupled(Potential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


@pytest.mark.parametrize(
    "options, told",
    [
        ({"descriptor": nn.Linear(2, 3)}, "'model.init_args.descriptor' should map the shape"),
        ({"descriptor": Coupled()}, "got one that uses batch statistics"),
        ({"shape": [3]}, "'model.init_args.shape' should be that of 'data'"),
        ({"classes": 3}, "'label' should hold 16 labels from 0 to 2"),
        (
            {"classes": 8, "descriptor": Potential(classes=7)},
            "labels from 0 to 8, which means none of 8 classes, .*index out of range",
        ),
    ],
)
def test_what_does_not_fit_the_data_is_refused(options: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit(model(**options), steps=1)


def test_a_conditional_model_trains_with_adam() -> None:
    vapo = model(classes=8, time_conditioned=True, descriptor_optimizer=adam(1e-2))
    fit(vapo, steps=3)
    assert vapo.sample(4, torch.arange(4)).isfinite().all()
