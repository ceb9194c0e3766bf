r"""Tests for the energy_gans.methods.bases.capabilities module."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from lightning.pytorch import LightningModule
from torch import Tensor

import energy_gans
from energy_gans import methods
from energy_gans.fields import EnergyDistanceField
from energy_gans.methods import (
    EIEGGAN,
    GCN,
    GGCN,
    VAPO,
    Chains,
    CoulombGAN,
    EIEGGenerator,
    FieldGenerator,
    GenerativeModule,
    InpaintingGGCN,
    MultigridGCN,
    NGramGenerator,
    ScatteringGAN,
)
from energy_gans.methods.bases.capabilities import Capabilities
from energy_gans.methods.bases.direct_generator import DirectGeneratorModule
from energy_gans.networks import MLP, DCGANDiscriminator

MEMBERS = ("potential_at", "trajectory", "fill", "features")
SUPPORTED = {
    CoulombGAN: ("potential_at",),
    EIEGGAN: ("potential_at", "features"),
    EIEGGenerator: ("potential_at",),
    FieldGenerator: ("potential_at",),
    GCN: ("potential_at", "trajectory", "fill"),
    GGCN: ("potential_at", "trajectory", "fill"),
    InpaintingGGCN: ("potential_at", "trajectory", "fill"),
    MultigridGCN: ("potential_at", "trajectory", "fill"),
    NGramGenerator: (),
    ScatteringGAN: (),
    VAPO: ("potential_at", "trajectory"),
    methods.baselines.WGANGP: ("potential_at",),
    methods.baselines.MMDGAN: ("potential_at", "features"),
}
A = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))


def coulomb() -> CoulombGAN:
    discriminator = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    return CoulombGAN(generator=MLP(2, 2, [8]), discriminator=discriminator, latent_dim=2)


def scattering() -> ScatteringGAN:
    return ScatteringGAN(generator=MLP(2, 2, [8]), tracker=MLP(2, 2, [8]), latent_dim=2)


def gcn(classes: int | None = None) -> GCN:
    chains = Chains(steps=4, step_size=0.1, reference_std=1.0)
    return GCN(descriptor=MLP(2, 1, [8]), shape=[2], chains=chains, classes=classes)


@pytest.mark.parametrize("method", SUPPORTED)
def test_a_method_says_what_it_supports(method: type[GenerativeModule]) -> None:
    assert tuple(m for m in MEMBERS if method.supports(m)) == SUPPORTED[method]


@pytest.mark.parametrize(
    "ask, told",
    [
        (lambda model: model.trajectory(A), "Samples of CoulombGAN do not move"),
        (lambda model: model.starting_points(3), "Samples of CoulombGAN do not move"),
        (lambda model: model.fill(A, A), "CoulombGAN fills no holes"),
        (lambda model: model.features(A), "CoulombGAN has no feature space"),
        (lambda _: scattering().potential_at(A), "ScatteringGAN has no potential"),
        (lambda model: model.potential_at(A, label=1), "'label' should be left out: .* got 1"),
        (lambda model: model.potential_at(A, time=0.5), "'time' should be left out: .* got 0.5"),
    ],
)
def test_what_a_method_does_not_support_is_refused(ask: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ask(coulomb())


IMAGES = torch.zeros(3, 1, 8, 8)


def images_gcn() -> GCN:
    return GCN(DCGANDiscriminator(1, 8, 4), [1, 8, 8], Chains(1, 0.1, 1.0))


def trained(cls: type, *networks: nn.Module) -> GenerativeModule:
    model = cls(*networks, latent_dim=2)
    model.charges = (torch.randn(4, 2), torch.randn(4, 2))
    return model


@pytest.mark.parametrize(
    "ask, said",
    [
        (lambda: gcn().potential_at(torch.zeros(3, 5)), r"'a' .* \(B, 2\), got \(3, 5\)"),
        (lambda: gcn().potential_at(torch.zeros(2)), r"'a' .* \(B, 2\), got \(2,\)"),
        (
            lambda: trained(EIEGGenerator, MLP(2, 2)).potential_at(torch.zeros(3, 5)),
            r"'a' .* \(B, 2\), got \(3, 5\)",
        ),
        (
            lambda: trained(EIEGGAN, MLP(2, 2), MLP(2, 4)).potential_at(torch.zeros(3, 5)),
            r"'a' .* \(B, 2\), got \(3, 5\)",
        ),
        (
            lambda: images_gcn().fill(IMAGES[:, :, :4], IMAGES[:, :, :4]),
            r"'y' .* \(B, 1, 8, 8\), got \(3, 1, 4, 8\)",
        ),
        (
            lambda: images_gcn().fill(IMAGES, IMAGES[:, 0]),
            r"'known' .* \(B, 1, 8, 8\), got \(3, 8, 8\)",
        ),
    ],
)
def test_points_of_another_shape_are_refused(ask: Callable[[], Tensor], said: str) -> None:
    with pytest.raises(ValueError, match=f"{said}\\.$"):
        ask()


def test_a_generator_of_a_field_without_a_potential_has_none() -> None:
    model = DirectGeneratorModule(generator=MLP(2, 2, [8]), latent_dim=2)
    assert not model.supports("potential_at")
    with pytest.raises(ValueError, match="DirectGeneratorModule has no potential"):
        model.potential_at(A)


def test_looking_at_a_potential_changes_nothing() -> None:
    model = coulomb().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    phi = model.potential_at(A)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    # In evaluation mode, as for samples, each value depends on its own point only.
    torch.testing.assert_close(phi[:1], model.potential_at(A[:1]))
    assert model.discriminator[1].training


def test_the_potential_is_that_of_the_weights_that_samples_are_drawn_by() -> None:
    model = gcn()
    model.average(0.5)
    before = model.potential_at(A)
    with torch.no_grad():
        for p in model.descriptor.parameters():
            p.add_(1.0)
    assert torch.equal(model.potential_at(A), before)
    assert not torch.equal(model.potential(A), before)


def test_a_class_has_to_be_given_where_each_has_a_potential() -> None:
    model = gcn(classes=3)
    assert model.potential_needs_label
    with pytest.raises(ValueError, match="'label' should be given, from 0 to 2"):
        model.potential_at(A)


def test_a_trajectory_ends_where_samples_do() -> None:
    model = gcn()
    random = torch.Generator().manual_seed(3)
    *frames, last = model.trajectory(model.starting_points(6, random=random), 2, random=random)
    assert [frame.time for frame in (*frames, last)] == [0, 2, 4]
    assert torch.equal(last.x, model.sample(6, random=torch.Generator().manual_seed(3)))
    torch.testing.assert_close(last.potential, model.potential_at(last.x))
    a = last.x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model.potential_at(a).sum(), a)
    torch.testing.assert_close(last.speed, (slope - last.x).norm(dim=1))


@pytest.mark.parametrize("frames", [0, -1])
def test_a_trajectory_has_at_least_one_frame(frames: int) -> None:
    for model in (gcn(), VAPO(MLP(2, 1, [8]), shape=[2])):
        with pytest.raises(ValueError, match=f"'frames' should be at least 1, got {frames}"):
            next(model.trajectory(A, frames))


def test_holes_are_filled_and_known_pixels_are_kept() -> None:
    model = gcn()
    model.shape = (1, 4, 4)
    model.descriptor = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    y = torch.rand(3, 1, 4, 4)
    known = (torch.arange(16).reshape(1, 1, 4, 4) % 2).expand(3, -1, -1, -1).float()
    fills = [model.fill(y, known, random=torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert torch.equal(fills[0][known == 1], y[known == 1])
    assert torch.equal(fills[0], fills[1])
    assert not torch.equal(fills[0], fills[2])
    assert fills[0].abs().max() <= 1


def test_the_shape_of_a_sample_is_known() -> None:
    assert coulomb().sample_shape == gcn().sample_shape == (2,)


def test_nobody_asks_a_model_what_it_is() -> None:
    root = Path(energy_gans.__file__).parent
    classes = {name for room in (methods, methods.baselines) for name in room.__all__}
    classes |= {base.__name__ for c in SUPPORTED for base in bases_of(c)}
    # It is permitted to test whether a module is one of this package.
    classes.discard("GenerativeModule")
    found = []
    for path in [*root.glob("commands/**/*.py"), *root.glob("callbacks/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "isinstance",
                "issubclass",
            ):
                names = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                found += [f"{path}:{node.lineno}"] * bool(names & classes)
    assert found == []


def bases_of(method: type) -> list[type]:
    r"""Returns the base classes of a method within the package."""
    return [c for c in method.__mro__ if c.__module__.startswith("energy_gans.")]


def test_every_public_method_is_in_the_table() -> None:
    rooms = (methods, methods.baselines)
    public = {getattr(room, name) for room in rooms for name in room.__all__}
    public = {c for c in public if isinstance(c, type) and issubclass(c, GenerativeModule)}
    public.discard(GenerativeModule)
    assert {c for c in public if c.supports("potential_at")} == public - {
        NGramGenerator,
        ScatteringGAN,
    }
    assert all(hasattr(Capabilities, member) for member in MEMBERS)


@pytest.mark.parametrize("method", SUPPORTED)
def test_no_method_is_more_than_five_classes_deep(method: type) -> None:
    def depth(cls: type) -> int:
        if cls is LightningModule:
            return 1
        above = [depth(base) for base in cls.__bases__ if issubclass(base, LightningModule)]
        return 1 + max(above)

    assert depth(method) <= 5


def test_a_function_of_the_potential_computes_the_minibatch_once() -> None:
    networks = {"generator": MLP(2, 2, [8]), "latent_dim": 2}
    for model in (
        EIEGGAN(discriminator=MLP(2, 3, [8]), normalize=True, **networks),
        EIEGGenerator(**networks),
        CoulombGAN(discriminator=MLP(2, 1, [8]), **networks),
        gcn(),
    ):
        model.charges = A + 1, A - 1
        function = model.potential_function()
        expected = model.potential_at(A)
        model.charges = A + 2, A
        assert torch.equal(function(A), expected)
        with pytest.raises(ValueError, match="'label' should be left out"):
            function(A, label=1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64])
def test_points_of_any_type_have_the_potential_of_floats(dtype: torch.dtype) -> None:
    networks = {"generator": MLP(2, 2, [8]), "latent_dim": 2}
    field = FieldGenerator(**networks, field=EnergyDistanceField(), unit="data")
    eieg = EIEGGAN(discriminator=MLP(2, 3, [8]), **networks)
    a = (4 * A).to(dtype)
    for model in (coulomb(), gcn(), EIEGGenerator(**networks), field, eieg):
        model.charges = A + 1, A - 1
        expected = model.potential_at(a.float())
        assert torch.equal(model.potential_at(a), expected)
        torch.testing.assert_close(model.potential_function()(a), expected)
