r"""Tests for the energy_gans.methods.vapo and flow_module modules."""

import math
from functools import partial
from unittest import mock

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from energy_gans.data import GaussianMixture, Ring
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
    r"""Returns the first term of the loss at each point, in a loop, of flow time."""
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
        # Half the variance, of pairs of points of different real samples.
        pairs = (phi.view(8, k, 1, 1) - phi.view(1, 1, 8, k)).square().sum((1, 3))
        spread = (pairs.sum() - pairs.trace()) / (8 * 7 * k**2) / 4
        loss = (loss + 0.2 * spread) / 2
        stepped(network, loss, LR)
    initial = model(time_conditioned=timed)
    for name, p in trained.descriptor.named_parameters():
        torch.testing.assert_close(p, network.get_parameter(name), rtol=1e-4, atol=1e-6)
    start = initial.descriptor.get_parameter("body.0.weight")
    assert (trained.descriptor.get_parameter("body.0.weight") - start).abs().max() > 1e-4


def preconditioned(vapo: VAPO, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the potential in a loop, and what slopes are measured in, for data of size 0.5."""
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


def test_a_preconditioned_flow_needs_no_network_for_gaussian_data() -> None:
    vapo = model(time_conditioned=True, data_std=0.5, flow=Flow("rk4", steps=100))
    nn.init.zeros_(vapo.descriptor.head.weight)
    x = vapo.sample(9, random=torch.Generator().manual_seed(3))
    z = torch.randn(9, 2, generator=torch.Generator().manual_seed(3))
    v = OMEGA**2 * SIGMA**2 / (SIGMA**2 + OMEGA**2)
    width = math.sqrt((1 - v / OMEGA**2) ** 2 * 0.25 + v)
    torch.testing.assert_close(x, width * z, rtol=1e-4, atol=1e-5)


def test_a_compiled_gradient_teaches_the_same() -> None:
    plain, compiled = model(), model(compile_gradient=True)
    for vapo in (plain, compiled):
        fit(vapo, steps=2, batch_size=8)
    for a, b in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


class Quadratic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.k, self.b = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.k * x**2 / 2 + self.b * x


@pytest.mark.parametrize("jacobian", [True, False])
def test_a_quadratic_without_time_learns_the_best_one(jacobian: bool) -> None:
    m, spread, sigma, epsilon = 0.6, 0.5, 0.3, 0.1
    seed_everything(0, verbose=False)
    vapo = VAPO(
        descriptor=Quadratic(),
        shape=[1],
        sigma=sigma,
        sharpness=epsilon,
        jacobian=jacobian,
        descriptor_optimizer=sgd(0.1),
    )
    seen: list[Tensor] = []
    step = vapo.update

    def watched(*args: object) -> dict[str, Tensor]:
        seen.append(torch.stack([vapo.descriptor.k, vapo.descriptor.b]).detach())
        return step(*args)

    vapo.update = watched
    data = partial(GaussianMixture, means=[[m]], std=spread, samples=8192)
    fit(vapo, steps=400, batch_size=2048, data=data)
    length = math.log((1 + epsilon) / epsilon)
    t = epsilon * torch.expm1((torch.arange(4000) + 0.5) / 4000 * length)
    v = sigma**2 / (sigma**2 + t)
    a = t * v / sigma**2
    rate = length * (t + epsilon) if jacobian else torch.ones_like(t)
    mean, variance = a * m, a**2 * spread**2 + v
    dmean = v**2 / sigma**2 * m * rate
    dvariance = v**2 / sigma**2 * (2 * a * spread**2 - 1) * rate
    matrix = torch.stack(
        [torch.stack([variance + mean**2, mean]), torch.stack([mean, torch.ones_like(mean)])]
    ).mean(2)
    right = torch.stack([mean * dmean + dvariance / 2, dmean]).mean(1)
    exact = torch.linalg.solve(matrix, right)
    torch.testing.assert_close(torch.stack(seen[150:]).mean(0), exact, rtol=0.03, atol=0.03)


def test_the_exact_solution_needs_time_and_maps_the_prior_to_the_data() -> None:
    class Exact(nn.Module):
        r"""The potential of B6.3, in flow time."""

        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor, time: Tensor) -> Tensor:
            t = (EPSILON * torch.expm1(time * LENGTH))[:, None]
            v = OMEGA**2 * SIGMA**2 / (SIGMA**2 + t * OMEGA**2)
            a, da = t * v / SIGMA**2, v**2 / (OMEGA * SIGMA) ** 2
            variance = a**2 * 0.25 + v
            dvariance = v**2 / SIGMA**2 * (2 * a * 0.25 / OMEGA**2 - 1)
            phi = da * 0.6 * x + dvariance / (4 * variance) * (x - a * 0.6) ** 2
            return phi * LENGTH * (t + EPSILON)

    flow = Flow(rtol=1e-6, atol=1e-6)
    vapo = model(descriptor=Exact(), shape=[1], time_conditioned=True, flow=flow)
    x = vapo.sample(1000, random=torch.Generator().manual_seed(0))
    z = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0))
    a = OMEGA**2 / (SIGMA**2 + OMEGA**2)
    variance = a**2 * 0.25 + a * SIGMA**2
    torch.testing.assert_close(x, 0.6 * a + math.sqrt(variance) * z, rtol=1e-3, atol=1e-3)
    assert 20 < vapo.evaluations < 300
    # In the homotopy's own time the same network without the rate is the same flow.
    flow = Flow(rtol=1e-6, atol=1e-6)
    literal = model(
        descriptor=Rated(Exact()), shape=[1], time_conditioned=True, flow=flow, jacobian=False
    )
    again = literal.sample(1000, random=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again, x, rtol=1e-3, atol=1e-3)


class Rated(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.network(x, time) / (LENGTH * EPSILON * torch.exp(time * LENGTH))[:, None]


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


# Sampling


def test_samples_follow_the_gradient_from_the_prior() -> None:
    vapo = model(flow=Flow("euler", steps=4, terminal_time=1.5, batch_size=3))
    x = OMEGA * torch.randn(7, 2, generator=torch.Generator().manual_seed(3))
    for _ in range(4):
        x = x + 1.5 / 4 * slope(vapo.descriptor, x, graph=False)
    found = vapo.sample(7, random=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, x)
    assert vapo.evaluations == 4


def test_labels_are_dropped_and_samples_guided() -> None:
    vapo = model(classes=8, guidance=0.5, label_dropout=0.3)
    fit(vapo, steps=3)
    vapo.share_of = lambda draw, n, *shape: draw(n, *shape)
    label = torch.arange(8).repeat(500)
    dropped = vapo.drop_labels(label)
    assert (dropped == 8).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(dropped[dropped < 8], label[dropped < 8])
    label = torch.arange(7)
    x = OMEGA * torch.randn(7, 2, generator=torch.Generator().manual_seed(3))
    for _ in range(4):
        own = slope(vapo.descriptor, x, label, graph=False)
        none = slope(vapo.descriptor, x, torch.full((7,), 8), graph=False)
        x = x + (1.5 * own - 0.5 * none) / 4
    found = vapo.sample(7, label, torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, x)
    y = torch.randn(5, 2)
    assert torch.equal(vapo.potential(y), vapo.potential(y, torch.full((5,), 8)))
    assert not torch.equal(vapo.potential(y), vapo.potential(y, torch.zeros(5).long()))


def test_the_potential_is_that_of_the_flows_end() -> None:
    vapo, y = model(time_conditioned=True), torch.randn(5, 2)
    torch.testing.assert_close(vapo.potential(y), vapo.descriptor(y, None, torch.ones(5))[:, 0])
    early = vapo.descriptor(y, None, torch.full((5,), 0.2))[:, 0]
    torch.testing.assert_close(vapo.potential(y, time=torch.full((5,), 0.2)), early)


def test_samples_are_those_of_the_moving_average() -> None:
    vapo = model()
    vapo.average(0.5)
    known = vapo.sample(5, random=torch.Generator().manual_seed(3))
    with torch.no_grad():
        vapo.descriptor.head.weight.zero_()
    assert torch.equal(known, vapo.sample(5, random=torch.Generator().manual_seed(3)))


def test_parts_of_a_minibatch_add_up_where_nothing_is_centred() -> None:
    whole, parts = model(), model(accumulate=4)
    for vapo in (whole, parts):
        fit(vapo, steps=2)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


# What is refused


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


# Validation


class Rough(nn.Module):
    r"""A potential whose slope is waves of some height and number, and that counts its evaluations."""

    def __init__(self, height: float, waves: float) -> None:
        super().__init__()
        self.height, self.waves, self.calls = height, waves, 0
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return -self.weight * self.height / self.waves * (self.waves * x).cos().sum(1)


@mock.patch("energy_gans.data.batches.EVALUATION_BATCH", 16)
def validated(vapo: VAPO, command: str = "fit") -> None:
    seed_everything(7, verbose=False)
    data = Ring(samples=64, batch_size=16)
    trainer = Trainer(
        max_steps=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        inference_mode=False,
        val_check_interval=1,
        check_val_every_n_epoch=None,
    )
    trainer.fit(vapo, data) if command == "fit" else trainer.validate(vapo, data, verbose=False)


def rough(height: float, waves: float, **kwargs: object) -> VAPO:
    flow = Flow(most_evaluations=100, **kwargs)
    return model(descriptor=Rough(height, waves), flow=flow, descriptor_optimizer=sgd(0.0))


def batches_validated(vapo: VAPO, command: str = "fit") -> int:
    with mock.patch.object(VAPO, "sample", autospec=True, side_effect=VAPO.sample) as sample:
        validated(vapo, command)
    return sample.call_count


def test_a_diverged_potential_stops_training_after_one_batch() -> None:
    vapo = rough(1e6, 1e4)
    told = (
        r"The potential has diverged at step 1: dopri5 stopped after \d+ evaluations in a field of"
    )
    with (
        mock.patch.object(VAPO, "sample", autospec=True, side_effect=VAPO.sample) as sample,
        pytest.warns(UserWarning, match="dopri5 stopped after"),
        pytest.raises(FloatingPointError, match=told),
    ):
        validated(vapo)
    assert sample.call_count == 1
    assert vapo.descriptor.calls < 150


@pytest.mark.parametrize("solver", ["dopri5", "rk45", "euler"])
def test_a_potential_that_is_not_finite_stops_training_at_its_first_evaluation(
    solver: str,
) -> None:
    vapo = rough(math.nan, 1.0, solver=solver)
    with pytest.raises(
        FloatingPointError, match=f"not finite at time 0 .* evaluation 1 by {solver}"
    ):
        validated(vapo)


def test_a_rough_potential_costs_a_batch_of_each_validation_and_no_run() -> None:
    vapo = rough(1.0, 4000.0)
    with pytest.warns(UserWarning, match="The rest of the validation after step 1 is left out"):
        # One of four batches, after each of two steps.
        assert batches_validated(vapo) == 2
    assert vapo.exhausted and vapo.trainer.global_step == 2
    assert vapo.trainer.callback_metrics["val/energy_distance"].isfinite()


def test_all_of_a_validation_is_measured_where_solvers_reach_the_end_or_nobody_trains() -> None:
    assert batches_validated(rough(1.0, 2.0)) == 8
    with pytest.warns(UserWarning, match="dopri5 stopped after"):
        assert batches_validated(rough(1.0, 4000.0), "validate") == 4


def test_tolerances_that_are_too_small_are_no_divergence() -> None:
    vapo = rough(1.0, 20.0, rtol=1e-12, atol=1e-12)
    with pytest.warns(UserWarning, match="dopri5 stopped after 100"):
        assert batches_validated(vapo) == 2
