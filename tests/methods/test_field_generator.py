r"""Tests for the energy_gans.methods.field_generator module."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn
from torch.optim import SGD

from energy_gans.callbacks import DivergenceGuard
from energy_gans.fields import (
    DriftingField,
    ElasticField,
    EnergyDistanceField,
    KernelField,
    MeanShiftField,
    ParticleField,
    ScatteringField,
    SinkhornField,
    SlicedField,
    SumOfFields,
)
from energy_gans.functional import (
    drifting_field,
    fold,
    mean_distance,
    potential_field,
)
from energy_gans.methods import FieldGenerator
from energy_gans.networks import MLP

from .harness import RING, adam, batches, fit, sgd
from .test_eieg_gan import direct


class Labelled(nn.Module):
    r"""A generator of points of given classes."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = MLP(10, 2, [16])

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.mlp(torch.cat([z, nn.functional.one_hot(label, 8).to(z)], 1))


def field_generator(**kwargs: object) -> FieldGenerator:
    seed_everything(7, verbose=False)
    defaults = {
        "generator": MLP(2, 2, [16]),
        "latent_dim": 2,
        "generator_optimizer": sgd(0.02),
    }
    return FieldGenerator(**(defaults | kwargs))


def looped(model: FieldGenerator, ys: list[Tensor], step_loss: Callable) -> FieldGenerator:
    r"""Trains a model by a plain loop over batches.

    Arguments:
        model: The model.
        ys: The batches.
        step_loss: The loss of real samples, latents of two minibatches, and the step.
    """
    step = SGD(model.generator.parameters(), 0.02)
    for i, y in enumerate(ys):
        random = torch.Generator().manual_seed(fold(model.seed, "noise", i))
        z, more = (torch.randn(len(y), 2, generator=random) for _ in range(2))
        model.zero_grad()
        step_loss(y, z, more, i).backward()
        step.step()
    return model


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


def gradients(model: nn.Module, steps: int = 1) -> list[Tensor]:
    before = [p.detach().clone() for p in model.generator.parameters()]
    fit(model, steps)
    return [
        (p.detach() - q).flatten()
        for p, q in zip(model.generator.parameters(), before, strict=True)
    ]


# Identities


@pytest.mark.parametrize("softening", ["cap", "plummer"])
def test_in_an_elastic_field_it_is_the_direct_eieg_generator(softening: str) -> None:
    field = ElasticField(0.2, softening=softening)
    ours = gradients(field_generator(field=field, unit="data", normalize=False))
    theirs = gradients(direct(cutoff=0.2, softening=softening))
    # Up to a factor, as EIEGGenerator scales its loss.
    ours, theirs = torch.cat(ours), torch.cat(theirs)
    assert nn.functional.cosine_similarity(ours, theirs, 0).item() == pytest.approx(1, abs=1e-6)


def test_training_equals_a_plain_loop() -> None:
    fitted, other = field_generator(field=DriftingField(0.3)), field_generator()
    ys = batches(fit(fitted, 3), 3)
    unit = mean_distance(ys[0], ys[0]).float()

    def loss(y: Tensor, z: Tensor, more: Tensor, i: int) -> Tensor:
        x = other.generator(z) / unit
        v = drifting_field(x.detach(), y / unit, x.detach(), 0.3, own=True)
        v = v / v.square().sum(1).mean().sqrt()
        return ((x - (x + v).detach()) ** 2).sum(1).mean()

    looped(other, ys, loss)
    assert_same_weights(fitted.generator, other.generator)
    torch.testing.assert_close(fitted.maps.unit, unit[None])


def test_separate_negatives_are_a_second_minibatch() -> None:
    fitted = field_generator(
        field=EnergyDistanceField(), negatives="separate", unit="data", normalize=False
    )
    other = field_generator()
    ys = batches(fit(fitted, 2), 2)

    def loss(y: Tensor, z: Tensor, more: Tensor, i: int) -> Tensor:
        x, apart = other.generator(z), other.generator(more).detach()
        v = potential_field(x.detach(), y, apart, lambda a, b: -torch.cdist(a, b))
        return -2 * (x * v).sum(1).mean()

    looped(other, ys, loss)
    assert_same_weights(fitted.generator, other.generator)


def test_features_move_and_carry_the_gradient_to_the_generator() -> None:
    maps = [nn.Linear(2, 5), nn.Sequential(nn.Linear(2, 3), nn.Tanh())]
    field = EnergyDistanceField()
    fitted = field_generator(
        field=field, features=maps, feature_weights=[3.0, 1.0], normalize=False, unit="data"
    )
    other, fixed = field_generator(), [p.detach().clone() for m in maps for p in m.parameters()]
    ys = batches(fit(fitted, 2), 2)

    def loss(y: Tensor, z: Tensor, more: Tensor, i: int) -> Tensor:
        x, total = other.generator(z), 0
        for one, weight in zip(maps, (3, 1), strict=True):
            u, v = one(y).detach(), one(x)
            total = total + weight * (field(v.detach(), u, v.detach(), own=True) * v).sum(1).mean()
        # The mean over two maps.
        return -total

    looped(other, ys, loss)
    assert_same_weights(fitted.generator, other.generator)
    assert all(torch.equal(p, q) for p, q in zip(fitted.maps.parameters(), fixed, strict=True))


def test_a_queue_lets_past_real_samples_attract() -> None:
    fitted = field_generator(field=EnergyDistanceField(), queue=24, unit="data", normalize=False)
    other, ys = field_generator(), []

    def loss(y: Tensor, z: Tensor, more: Tensor, i: int) -> Tensor:
        x = other.generator(z)
        real = torch.cat(ys[: i + 1])[-24 - len(y) :]
        return (
            -(EnergyDistanceField()(x.detach(), real, x.detach(), own=True) * x).sum(1).mean() * 2
        )

    ys = batches(fit(fitted, 4), 4)
    looped(other, ys, loss)
    assert_same_weights(fitted.generator, other.generator)
    torch.testing.assert_close(fitted.past.sets[0], torch.cat(ys)[-24:])


def test_the_range_scales_the_lengths_of_a_field_and_decays_to_1() -> None:
    fitted = field_generator(
        field=MeanShiftField(0.3), unit="data", normalize=False, initial_range=4.0, range_decay=0.4
    )
    other, ys = field_generator(), batches(fit(fitted, 3), 3)

    def loss(y: Tensor, z: Tensor, more: Tensor, i: int) -> Tensor:
        x = other.generator(z)
        field = MeanShiftField(0.3 * max(1.0, 4.0 * 0.4**i))
        return -(field(x.detach(), y, x.detach(), own=True) * x).sum(1).mean() * 2

    looped(other, ys, loss)
    assert_same_weights(fitted.generator, other.generator)


def test_a_class_conditional_generator_follows_the_fields_of_classes() -> None:
    field = EnergyDistanceField()
    fitted = field_generator(
        generator=Labelled(), field=field, classes=8, unit="data", normalize=False
    )
    other = field_generator(generator=(network := Labelled()))
    network.load_state_dict(fitted.generator.state_dict())
    module = fit(fitted, 2)
    ys, labels = batches(module, 2), module.contents("train")[1]
    data = module.contents("train")[0]

    def loss(y: Tensor, z: Tensor, more: Tensor, i: int) -> Tensor:
        label = labels[(y[:, None] == data).all(2).nonzero()[:, 1]]
        x, total = network(z, label), 0
        for c in range(8):
            own = x[label == c]
            if len(own) > 1:
                v = field(own.detach(), y[label == c], own.detach(), own=True)
                total = total + (own * v).sum()
        return -2 * total / len(y)

    looped(other, ys, loss)
    assert_same_weights(fitted.generator, network)
    assert fitted.sample(6).shape == (6, 2)
    with pytest.raises(ValueError, match="no potential of all classes"):
        fitted.potential(torch.zeros(1, 2))
    # No potential needs real samples, so none are stored, nor taken from an older file.
    assert fitted.charges is None
    fitted.on_load_checkpoint({"charges": [torch.zeros(1, 2)] * 2, "state_dict": {}})
    assert fitted.charges is None


# What is logged


def test_the_size_of_the_field_is_logged_and_the_loss_is_constant() -> None:
    model = field_generator(field=DriftingField(0.3))
    fit(model, 2)
    assert set(model.noted) == {"field", "shrinkage"}
    model = field_generator(field=SumOfFields([EnergyDistanceField(), MeanShiftField(0.3)]))
    fit(model, 2)
    assert set(model.noted) == {"field_1", "field_2", "shrinkage"}


def test_the_field_falls_as_samples_approach_the_data() -> None:
    sizes = []
    for steps in (1, 60):
        model = field_generator(field=EnergyDistanceField(), generator_optimizer=sgd(0.1))
        fit(model, steps, batch_size=128)
        sizes.append(model.noted["field"])
    assert sizes[1] < sizes[0] / 2


def test_a_field_that_attracts_too_much_is_stopped_by_the_guard() -> None:
    # Nothing repels, so all samples fall on one point.
    model = field_generator(
        field=EnergyDistanceField(attraction=1e6), generator_optimizer=adam(0.01), unit="data"
    )
    guard = DivergenceGuard({"shrinkage": 0.9}, average_steps=10)
    with pytest.raises(FloatingPointError, match="train/shrinkage averages 0.9.*above 0.9"):
        fit(model, 300, batch_size=64, callbacks=[guard])
    healthy = field_generator(field=EnergyDistanceField(), generator_optimizer=adam(0.01))
    fit(
        healthy,
        300,
        batch_size=64,
        callbacks=[DivergenceGuard({"shrinkage": 0.9}, average_steps=10)],
    )
    assert healthy.noted["shrinkage"] < 0.3


# The potential


def test_the_potential_is_that_of_the_last_minibatch() -> None:
    model = field_generator(field=EnergyDistanceField(), unit="data")
    fit(model, 1)
    y, x = model.charges
    a = torch.randn(5, 2)
    force = torch.func.grad(lambda a: model.potential_at(a).sum())(a)
    torch.testing.assert_close(force, model.field(a, y, x), rtol=1e-4, atol=1e-5)
    assert torch.equal(model.potential_function()(a), model.potential_at(a))


def test_a_field_without_a_potential_says_so() -> None:
    model = field_generator(field=DriftingField(0.3))
    fit(model, 1)
    with pytest.raises(ValueError, match="DriftingField.* has no potential"):
        model.potential_at(torch.zeros(1, 2))


# What is refused


@pytest.mark.parametrize(
    "given, named",
    [
        ({"unit": "pixel"}, "'unit' should be 'mean_distance' or 'data', got 'pixel'"),
        ({"negatives": "none"}, "'negatives' should be 'own' or 'separate', got 'none'"),
        ({"field": SinkhornField(1.0)}, r"'negatives' should be 'separate' for SinkhornField\("),
        ({"queue": -1}, "'queue' should be finite and at least 0, got -1"),
        (
            {"feature_weights": [1, 1]},
            "'feature_weights' should hold one number for each of 1",
        ),
        ({"feature_weights": [0.0]}, "'feature_weights' should be positive"),
        ({"initial_range": 0.5}, "'initial_range' should be finite and at least 1, got 0.5"),
        ({"range_decay": 0.0}, r"'range_decay' should be in \(0, 1\], got 0.0"),
        ({"range_decay": 1.5}, r"'range_decay' should be in \(0, 1\], got 1.5"),
        ({"classes": 0}, "'classes' should be at least 1, got 0"),
        ({"guidance": 0.5, "classes": 8}, "'guidance' should be finite and at least 1, got 0.5"),
        ({"guidance": 2.0}, "'guidance' should be 1 without 'classes', got 2.0"),
        ({"accumulate": 2}, "'accumulate' should be 1"),
        ({"discriminator_steps": 2}, "'discriminator_steps' should be 1"),
        ({"latent_dim": 0}, "'latent_dim' should be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(given: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        field_generator(**given)


@pytest.mark.parametrize(
    "given, named",
    [
        (
            {"features": nn.Linear(3, 4)},
            "'model.init_args.features' should map the shape of 'data'",
        ),
        (
            {"features": nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False))},
            "the features of Sequential change with the other samples of a batch",
        ),
        ({"generator": MLP(2, 3, [4])}, "'model.init_args.generator' should map"),
        ({"field": ElasticField(power=5.0), "unit": "data"}, "'power' should be between 0 and"),
        (
            {"features": nn.Linear(2, 1), "field": ElasticField()},
            "The elastic kernel needs points of at least 2 coordinates",
        ),
    ],
)
def test_what_does_not_fit_the_data_is_refused(given: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        fit(field_generator(**given), 1)


def test_one_own_sample_is_no_minibatch() -> None:
    with pytest.raises(ValueError, match="should be at least 2 for FieldGenerator, got 1"):
        fit(field_generator(), 1, batch_size=1)
    fit(field_generator(field=SlicedField(4), negatives="separate", unit="data"), 1, batch_size=1)


def test_features_that_all_coincide_are_refused() -> None:
    constant = nn.Linear(2, 3)
    nn.init.zeros_(constant.weight)
    with pytest.raises(ValueError, match="all points coincide"):
        fit(field_generator(features=constant), 1)


def test_maps_stay_in_evaluation_mode() -> None:
    model = field_generator(features=nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4)))
    fit(model, 2)
    model.train()
    assert model.generator.training and not any(m.training for m in model.maps.modules())
    assert model.maps[0][1].num_batches_tracked == 0


def test_a_field_of_ones_own_is_followed() -> None:
    class Towards(ParticleField):
        def velocity(self, a: Tensor, y: Tensor, x: Tensor, *_: object) -> Tensor:
            return y.mean(0) - a

    model = field_generator(field=Towards(), generator_optimizer=sgd(0.1), unit="data")
    fit(model, 80, batch_size=64)
    assert model.sample(100).std() < 0.5
    assert isinstance(model.construction, dict)
    assert KernelField(lambda a, b: a @ b.T).description is None


@pytest.mark.parametrize("field", [SlicedField(4), ScatteringField()], ids=repr)
def test_random_fields_are_a_function_of_the_seed_and_the_step(field: ParticleField) -> None:
    runs = []
    for _ in range(2):
        fit(model := field_generator(field=field), 2)
        runs.append(model)
        torch.rand(3)
    for p, q in zip(*(run.generator.parameters() for run in runs), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("field", [SlicedField(4), ScatteringField()], ids=repr)
def test_random_fields_draw_from_the_generator_that_processes_share(field: ParticleField) -> None:
    model = field_generator(field=field, unit="data", negatives="separate", normalize=False)
    other = field_generator()
    (y,) = batches(fit(model, 1, batch_size=6), 1)
    random = torch.Generator().manual_seed(fold(model.seed, "noise", 0))
    z, more = (torch.randn(6, 2, generator=random) for _ in range(2))
    x, apart = other.generator(z), other.generator(more).detach()
    (-2 * (field(x.detach(), y, apart, random=random) * x).sum(1).mean()).backward()
    SGD(other.generator.parameters(), 0.02).step()
    assert_same_weights(model.generator, other.generator)


def test_the_queue_goes_on_where_a_checkpoint_was_written(tmp_path: Path) -> None:
    model, other = (field_generator(field=EnergyDistanceField(), queue=24) for _ in range(2))
    fit(model, 3)
    model.trainer.save_checkpoint(tmp_path / "a.ckpt")
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    other.on_load_checkpoint(checkpoint)
    (found,), (expected,) = other.past.sets, model.past.sets
    assert len(found) == 24 and torch.equal(found, expected)
    del checkpoint["past"]
    other.on_load_checkpoint(checkpoint)
    assert other.past.sets == []


def test_another_run_of_a_model_starts_without_the_queue_and_the_units_of_the_first() -> None:
    model = field_generator(field=EnergyDistanceField(), queue=24)
    ys = batches(fit(model, 3), 1)
    unit = model.maps.unit.clone()
    fit(model, 1, data=lambda **kwargs: RING(radius=5.0, **kwargs))
    assert len(model.past.sets[0]) == len(ys[0])
    assert (model.maps.unit > 3 * unit).all()


def test_labels_that_are_no_classes_are_refused() -> None:
    model = field_generator(generator=Labelled(), classes=3)
    with pytest.raises(ValueError, match="should hold 16 labels from 0 to 2"):
        fit(model, 1)


def test_the_potential_weighs_the_maps_as_the_loss_does() -> None:
    maps = [nn.Flatten(), nn.Linear(2, 3)]
    model = field_generator(
        field=EnergyDistanceField(), features=maps, feature_weights=[2.0, 0.5], unit="data"
    )
    fit(model, 1)
    (y, x), a = model.charges, torch.randn(4, 2)
    parts = [model.field.potential(one(a), one(y), one(x)) for one in maps]
    torch.testing.assert_close(model.potential(a), 2 * parts[0] + 0.5 * parts[1])
