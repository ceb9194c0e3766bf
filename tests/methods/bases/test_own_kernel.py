r"""Tests for kernels of one's own in place of that of a method."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from energy_gans.cli import main
from energy_gans.functional import gaussian, plummer, polynomial
from energy_gans.methods import EIEGGAN, CoulombGAN, EIEGGenerator
from energy_gans.methods.baselines import MMDGAN
from energy_gans.networks import MLP
from energy_gans.storage import load_model

from ..harness import fit, model, sgd

BANDWIDTHS = (0.3, 1.0)
gauss = partial(gaussian, bandwidths=BANDWIDTHS)


class Gauss(nn.Module):
    def __init__(self, width: float = 0.5) -> None:
        super().__init__()
        self.width = nn.Parameter(torch.tensor(width))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(a, b).square() / self.width**2)


def direct(**kwargs: Any) -> EIEGGenerator:
    torch.manual_seed(7)
    return EIEGGenerator(MLP(2, 2, [16]), 2, generator_optimizer=sgd(0.05), **kwargs)


def assert_trains_alike(one: nn.Module, other: nn.Module, steps: int = 3) -> None:
    r"""Asserts that two methods have the same weights after some steps, and one potential."""
    start = [p.detach().clone() for p in one.generator.parameters()]
    fit(one, steps)
    fit(other, steps)
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        assert_close(p, q, rtol=1e-4, atol=1e-6)
    assert not torch.equal(start[0], next(one.generator.parameters()))
    a = torch.randn(5, 2)
    assert_close(one.potential_at(a), other.potential_at(a), rtol=1e-3, atol=1e-5)


def test_the_plummer_kernel_as_an_argument_is_that_of_the_parameters() -> None:
    kernel = partial(plummer, power=3.0, epsilon=0.3)
    assert_trains_alike(
        model(CoulombGAN, power=3.0, epsilon=0.3), model(CoulombGAN, kernel=kernel)
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"objective": "repulsive"}, {"normalize": True}, {"gradient_penalty": 0.5}],
    ids=str,
)
def test_gaussian_kernels_as_an_argument_are_those_of_the_bandwidths(
    options: dict[str, Any],
) -> None:
    one = model(MMDGAN, 3, bandwidths=BANDWIDTHS, **options)
    assert_trains_alike(one, model(MMDGAN, 3, kernel=gauss, **options))


@pytest.mark.parametrize("objective", ["attractive", "repulsive"])
def test_an_eieg_gan_without_its_stabilising_term_is_an_mmd_gan(objective: str) -> None:
    options = {"kernel": gauss, "objective": objective}
    assert_trains_alike(model(EIEGGAN, 3, stabilizer=0.0, **options), model(MMDGAN, 3, **options))


@pytest.mark.parametrize("scope", ["both", "real"])
@pytest.mark.parametrize("objective", ["attractive", "repulsive"])
def test_the_stabilising_term_is_a_multiple_of_the_kernel(objective: str, scope: str) -> None:
    gan = model(
        EIEGGAN, 3, kernel=gauss, stabilizer=0.7, stabilizer_scope=scope, objective=objective
    )
    y, x = torch.randn(6, 2), torch.randn(6, 2)
    (loss,) = gan.discriminator_losses(x, y)
    u, v = gan.features(y), gan.features(x)
    uu, vv, uv = (
        sum(gauss(a[i : i + 1], b[j : j + 1]) for i in range(6) for j in range(6) if i != j or c)
        / 36
        for a, b, c in ((u, u, False), (v, v, False), (u, v, True))
    )
    energy = uu - vv if objective == "repulsive" else -(uu + vv - 2 * uv)
    expected = energy + 0.7 * (uu + vv if scope == "both" else uu)
    assert_close(loss, expected.squeeze())


def test_a_direct_generator_descends_the_discrepancy_of_the_kernel() -> None:
    for alone in (True, False):
        model = direct(kernel=gauss, self_interaction=alone)
        y, x = torch.randn(7, 2), torch.randn(7, 2, requires_grad=True)
        (found,) = torch.autograd.grad(model.own_loss(y, x), x)
        energy = alone * gauss(x, x).mean() - 2 * gauss(y, x).mean()
        assert_close(found, torch.autograd.grad(energy, x)[0])
    fit(model, 2)
    assert model.potential(torch.randn(4, 2)).shape == (4,)


def test_kernels_need_not_depend_on_distances() -> None:
    gan = model(MMDGAN, 3, kernel=partial(polynomial, degree=1))
    fit(gan, 2)
    assert gan.unseen == [] and gan.potential_at(torch.zeros(2, 2)).isfinite().all()


METHODS: dict[str, Callable[..., nn.Module]] = {
    "CoulombGAN": partial(model, CoulombGAN),
    "EIEGGAN": partial(model, EIEGGAN, 3),
    "EIEGGenerator": direct,
    "MMDGAN": partial(model, MMDGAN, 3),
}
LEFT_OUT = [
    ("CoulombGAN", "power", 3.0),
    ("CoulombGAN", "epsilon", 0.3),
    ("CoulombGAN", "epsilon_decay", 0.9),
    ("CoulombGAN", "epsilon_min", 0.1),
    ("EIEGGAN", "cutoff", 0.2),
    ("EIEGGAN", "power", 1.0),
    ("EIEGGAN", "softening", "plummer"),
    ("EIEGGAN", "stabilizer_cutoff", 0.3),
    ("EIEGGAN", "stabilizer_power", 0.3),
    ("EIEGGenerator", "cutoff", 0.2),
    ("EIEGGenerator", "power", 0.5),
    ("EIEGGenerator", "softening", "plummer"),
    ("MMDGAN", "bandwidths", (1.0,)),
]


@pytest.mark.parametrize("name, argument, value", LEFT_OUT)
def test_parameters_of_the_default_kernel_are_left_out(
    name: str, argument: str, value: object
) -> None:
    default = {"CoulombGAN": "Plummer", "MMDGAN": "Gaussian"}.get(name, "elastic")
    message = (
        f"^'{argument}' should be left out where 'kernel' is given, got .*: it is a parameter of "
        rf"the {default} kernel\.$"
    )
    with pytest.raises(ValueError, match=message):
        METHODS[name](kernel=gauss, **{argument: value})


@pytest.mark.parametrize("name", METHODS)
def test_a_kernel_of_another_shape_is_refused_on_the_first_batch(name: str) -> None:
    gan = METHODS[name](kernel=lambda a, b: (a * b).sum(1))
    with pytest.raises(ValueError, match="'model.init_args.kernel' should map points of shapes"):
        fit(gan, 1)


def test_a_module_is_saved_and_not_trained() -> None:
    gan = model(CoulombGAN, kernel=Gauss(0.5))
    fit(gan, 3)
    assert gan.state_dict()["own_kernel.width"] == 0.5
    assert not gan.own_kernel.width.requires_grad


@pytest.mark.parametrize("kind", ["module", "function"])
def test_a_config_names_a_kernel(
    tiny: Callable[..., list[str]], tmp_path: Path, kind: str
) -> None:
    init = "--model.init_args"
    name = f"{__name__}.Gauss" if kind == "module" else "energy_gans.functional.gaussian"
    args = tiny("--trainer.max_steps=1", f"{init}.kernel={name}", points=True)
    with pytest.raises(SystemExit, match="'epsilon_decay' should be left out where 'kernel' is"):
        main(args)
    main([*args, f"{init}.epsilon_decay=1.0", f"{init}.epsilon_min=0.0"])
    path = next(tmp_path.rglob("last.ckpt"))
    with pytest.raises(ValueError, match="'model.kernel"):
        load_model(path)
    own = Gauss() if kind == "module" else gaussian
    assert load_model(path, kernel=own).own_kernel is own
    if kind == "module":
        assert isinstance(load_model(path, trust="tests").own_kernel, Gauss)


def test_distances_are_computed_only_where_they_are_used() -> None:
    for normalize, penalty in ((False, 0.0), (True, 0.0), (False, 1.0)):
        gan = model(MMDGAN, 3, kernel=plummer, normalize=normalize, gradient_penalty=penalty)
        fit(gan, 0)
        y, x = torch.zeros(4, 2), torch.ones(4, 2)
        with (
            mock.patch.object(gan, "pair_distances", wraps=gan.pair_distances) as distances,
            mock.patch.object(gan, "witness", wraps=gan.witness) as witness,
        ):
            next(gan.discriminator_losses(x, y))
        assert (distances.called, witness.called) == (normalize or penalty > 0, penalty > 0)
