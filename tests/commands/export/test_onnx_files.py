r"""Tests for the ONNX files of the energy_gans.commands.export package."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.onnx._internal.exporter import _registration

from energy_gans.commands import export
from energy_gans.commands.export import graphs, onnx_files
from energy_gans.commands.export.onnx_files import write_onnx
from energy_gans.fields import DriftingField
from energy_gans.methods import (
    EIEGGAN,
    GCN,
    GGCN,
    VAPO,
    Chains,
    CoulombGAN,
    EIEGGenerator,
    FieldGenerator,
    Flow,
    GenerativeModule,
    InpaintingGGCN,
    MultigridGCN,
)
from energy_gans.networks import (
    MLP,
    ConvDescriptor,
    FourierMLP,
    GGCNGenerator,
    MultigridDescriptors,
    ResNetAutoencoder,
    WideResNet,
)

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
runtime = pytest.importorskip("onnxruntime")

# Batch sizes at which files are compared, in float32; they are traced at others.
BATCHES = (1, 2, 7, 64)
LAYERS = {"widths": [4], "kernels": [3], "strides": [2]}
FLOW = Flow("midpoint", steps=1)


@pytest.fixture(scope="module", autouse=True)
def registry() -> Iterator[None]:
    r"""Makes the rules of torch.onnx once, which takes longer than to apply them."""
    make = _registration.ONNXRegistry.from_torchlib
    registry = _registration.ONNXRegistry
    with mock.patch.object(registry, "from_torchlib", staticmethod(cache(make))):
        yield


@pytest.fixture(autouse=True)
def initial_weights() -> None:
    torch.manual_seed(0)


@pytest.fixture
def onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[..., Tensor]]:
    r"""Returns a function that writes one file of a model and returns the function it holds."""

    def write(model: GenerativeModule, name: str) -> Callable[..., Tensor]:
        only = {name: graphs.graphs_of(model)[name]}
        monkeypatch.setattr(onnx_files, "graphs_of", lambda model: only)
        texts, left_out = write_onnx(model, tmp_path)
        assert not left_out and list(texts) == [name]
        session = runtime.InferenceSession(str(tmp_path / name))
        names = [given.name for given in session.get_inputs()]

        def run(**inputs: Tensor) -> Tensor:
            assert sorted(inputs) == sorted(names)
            for name in names:
                assert f"`{name}`" in texts[next(iter(texts))]
            return torch.from_numpy(
                session.run(None, {k: v.numpy() for k, v in inputs.items()})[0]
            )

        return run

    return write


def seeded(n: int) -> torch.Generator:
    return torch.Generator().manual_seed(n)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b.detach(), rtol=1e-5, atol=1e-5)


def points(n: int, *shape: int) -> Tensor:
    return torch.randn(n, *shape, generator=seeded(n))


def test_a_generator_maps_latents_to_samples(onnx: Callable) -> None:
    model = CoulombGAN(MLP(3, 2, [8]), MLP(2, 1, [8]), latent_dim=3).eval()
    sampler = onnx(model, "sampler.onnx")
    for n in BATCHES:
        # `sample` draws the latents and nothing else.
        close(
            sampler(latents=torch.randn(n, 3, generator=seeded(n))),
            model.sample(n, random=seeded(n)),
        )


def test_a_generator_with_classes_takes_labels(onnx: Callable) -> None:
    generator = GGCNGenerator(latent_dim=4, channels=1, size=8, width=8, classes=3)
    descriptor = ConvDescriptor(channels=1, size=8, classes=3, **LAYERS)
    chains = Chains(steps=2, step_size=0.1, bound=1.0)
    networks = {"descriptor": descriptor, "generator": generator}
    model = GGCN(**networks, shape=[1, 8, 8], chains=chains, latent_dim=4, classes=3).eval()
    sampler = onnx(model, "sampler.onnx")
    for n in BATCHES:
        z, label = points(n, 4), torch.arange(n) % 3
        close(sampler(latents=z, label=label), model.decode(z, label))


def test_chains_take_their_start_and_their_noise(onnx: Callable) -> None:
    descriptor = ConvDescriptor(channels=1, size=8, **LAYERS)
    chains = Chains(steps=2, step_size=0.5, bound=1.0, clip_gradient=0.5)
    # The file holds gradients in float32, as those of chains in half precision would differ.
    model = GCN(descriptor, [1, 8, 8], chains, half_chains=True, compile_gradient=True).eval()
    sampler = onnx(model, "sampler.onnx")
    assert model.half_chains
    model.half_chains = model.compile_gradient = False
    for n in BATCHES:
        random = seeded(n)
        start = torch.rand(n, 1, 8, 8, generator=random)
        noise = torch.stack([torch.randn(n, 1, 8, 8, generator=random) for _ in range(2)])
        close(sampler(start=start, noise=noise), model.sample(n, random=seeded(n)))


def test_chains_on_several_grids_take_the_noise_of_each(onnx: Callable) -> None:
    descriptors = MultigridDescriptors(channels=1, grids=[1, 2, 4], width=2)
    chains = Chains(steps=1, step_size=0.3, reference_std=1.0)
    model = MultigridGCN(descriptors, [1, 4, 4], chains, seeds=5).eval()
    model.seeds.keep(points(4, 1, 1, 1))
    sampler = onnx(model, "sampler.onnx")
    for n in BATCHES:
        random = seeded(n)
        start = torch.randint(4, (n,), generator=random)
        noises = [torch.randn(n, 1, width, width, generator=random)[None] for width in (2, 4)]
        samples = sampler(start=start, noise_1=noises[0], noise_2=noises[1])
        close(samples, model.sample(n, random=seeded(n)))


def test_a_flow_is_unrolled(onnx: Callable) -> None:
    model = VAPO(MLP(2, 1, [8], nn.SiLU), [2], flow=FLOW).eval()
    sampler = onnx(model, "sampler.onnx")
    assert model.flow is FLOW
    for n in BATCHES:
        close(sampler(latents=points(n, 2)), model.decode(points(n, 2)))


def test_the_field_of_a_flow_depends_on_the_time(onnx: Callable) -> None:
    descriptor = FourierMLP(2, [8], frequencies=2, bandwidth=0.2, time_conditioned=True)
    model = VAPO(descriptor, [2], time_conditioned=True).eval()
    field = onnx(model, "field.onnx")
    for n in BATCHES:
        x, time = points(n, 2).requires_grad_(), torch.rand(n, generator=seeded(n))
        (gradient,) = torch.autograd.grad(model.potential_at(x, time=time).sum(), x)
        close(field(x=x.detach(), time=time), gradient)


def test_the_field_of_images_has_labels(onnx: Callable) -> None:
    sizes = {"channels": 1, "size": 8, "width": 4, "multipliers": [1, 1], "blocks": 1}
    model = VAPO(WideResNet(classes=4, **sizes), [1, 8, 8], classes=3).eval()
    for p in model.parameters():
        # The last layer starts at zero.
        nn.init.normal_(p, std=0.1, generator=seeded(0))
    field = onnx(model, "field.onnx")
    for n in BATCHES:
        x, label = points(n, 1, 8, 8).requires_grad_(), torch.arange(n) % 3
        phi = model.potential_at(x, label).sum()
        close(field(x=x.detach(), label=label), torch.autograd.grad(phi, x)[0])


def test_the_potential_of_a_minibatch_is_a_part_of_its_file(onnx: Callable) -> None:
    # In more than four dimensions, squared distances are computed in another way.
    model = EIEGGAN(MLP(2, 2, [8]), MLP(2, 6, [8]), latent_dim=2, normalize=True).eval()
    model.charges = points(9, 2), points(5, 2)
    potential = onnx(model, "potential.onnx")
    for n in BATCHES:
        close(potential(x=points(n, 2)), model.potential_at(points(n, 2)))


def test_a_generator_fills_holes(onnx: Callable) -> None:
    descriptor = ConvDescriptor(channels=1, size=8, **LAYERS)
    generator = ResNetAutoencoder(channels=1, size=8, width=2)
    model = InpaintingGGCN(generator, descriptor, shape=[1, 8, 8]).eval()
    fill = onnx(model, "fill.onnx")
    for n in BATCHES:
        y, known = images_with_holes(n)
        filled = fill(y=y, known=known)
        close(filled, model.fill(y, known))
        assert torch.equal(filled[known == 1], y[known == 1])
        # Pixels in holes are ignored.
        assert torch.equal(fill(y=torch.where(known == 1, y, torch.nan), known=known), filled)


def test_chains_fill_holes_with_their_start_their_noise_and_labels(onnx: Callable) -> None:
    descriptor = ConvDescriptor(channels=1, size=8, classes=3, **LAYERS)
    chains = Chains(steps=2, step_size=0.5, bound=1.0)
    model = GCN(descriptor, [1, 8, 8], chains, classes=3, sample_steps=300).eval()
    fill = onnx(model, "fill.onnx")
    for n in BATCHES:
        y, known = images_with_holes(n)
        label, random = torch.arange(n) % 3, seeded(n)
        start = torch.rand(n, 1, 8, 8, generator=random)
        noise = torch.stack([torch.randn(n, 1, 8, 8, generator=random) for _ in range(2)])
        filled = fill(y=y, known=known, label=label, start=start, noise=noise)
        close(filled, model.fill(y, known, label, random=seeded(n)))


def images_with_holes(n: int) -> tuple[Tensor, Tensor]:
    r"""Returns images and masks, with shape (n, 1, 8, 8)."""
    known = torch.rand(n, 1, 8, 8, generator=seeded(n)) < 0.5
    return points(n, 1, 8, 8).clamp(-1, 1), known.float()


def test_only_holes_of_images_are_filled() -> None:
    assert "fill.onnx" not in graphs.graphs_of(GCN(MLP(2, 1, [4]), [2]))
    assert "fill.onnx" not in graphs.graphs_of(EIEGGenerator(MLP(2, 2, [4]), latent_dim=2))
    chains = Chains(steps=201, step_size=0.1, reference_std=1.0)
    model = GCN(ConvDescriptor(channels=1, size=8, **LAYERS), [1, 8, 8], chains, sample_steps=2)
    with pytest.raises(graphs.NotExportableError, match="it has 201 steps, and at most 200 are"):
        graphs.fill_graph(model)


def test_what_can_not_be_exported_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_files, "graphs_of", lambda m: {"sampler.onnx": graphs.sampler_graph})

    class Fixed(nn.Linear):
        def forward(self, z: Tensor) -> Tensor:
            return super().forward(z).view(len(z), 2)

    flow = VAPO(MLP(2, 1, [4], nn.SiLU), [2]).eval()
    chains = Chains(steps=201, step_size=0.1, reference_std=1.0)
    chain = GCN(MLP(2, 1, [4]), [2], chains).eval()
    batch = CoulombGAN(Fixed(2, 2), MLP(2, 1, [4]), latent_dim=2).eval()
    for model, said in (
        (flow, "the solver 'dopri5' chooses its steps while it runs; field.onnx is the field for"),
        (chain, "it has 201 steps, and at most 200 are unrolled"),
        (batch, "onnxruntime can not run it: "),
    ):
        folder = tmp_path / type(model).__name__
        folder.mkdir()
        texts, (sentence,) = write_onnx(model, folder)
        assert sentence.startswith(f"sampler.onnx is left out: {said}")
        assert sentence.endswith(".") and "\n" not in sentence
        assert not texts and not list(folder.iterdir())
        assert all(p.requires_grad for p in model.parameters())


def test_a_potential_that_a_field_lacks_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        onnx_files, "graphs_of", lambda m: {"potential.onnx": graphs.potential_graph}
    )
    model = FieldGenerator(MLP(2, 2, [4]), latent_dim=2, field=DriftingField([0.1])).eval()
    model.charges = points(9, 2), points(9, 2)
    texts, (sentence,) = write_onnx(model, tmp_path)
    assert not texts and not list(tmp_path.iterdir())
    assert sentence.startswith("potential.onnx is left out: DriftingField(")
    assert sentence.endswith(" has no potential.")


def test_a_sampler_says_what_draws_its_inputs() -> None:
    descriptor = ConvDescriptor(channels=1, size=8, **LAYERS)
    model = GCN(descriptor, [1, 8, 8], Chains(steps=2, step_size=0.5, bound=1.0)).eval()
    assert graphs.sampler_graph(model).draws == {
        "start": ("rand", None),
        "noise": ("randn", None),
    }


def test_a_file_that_computes_something_else_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = EIEGGenerator(MLP(2, 2, [4]), latent_dim=2)
    monkeypatch.setattr(onnx_files, "graphs_of", lambda m: {"sampler.onnx": graphs.sampler_graph})

    class Session:
        def __init__(self, path: str) -> None: ...

        def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.zeros((len(inputs["latents"]), 2), np.float32)]

    monkeypatch.setattr(runtime, "InferenceSession", Session)
    texts, (sentence,) = write_onnx(model.eval(), tmp_path)
    assert not texts and not list(tmp_path.iterdir())
    assert sentence.startswith("sampler.onnx is left out: onnxruntime differs from PyTorch by ")


def test_the_packages_are_an_extra_that_the_error_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CoulombGAN(MLP(2, 2, [4]), MLP(2, 1, [4]), latent_dim=2)
    with pytest.raises(ValueError, match=r"a model on the CPU, got one on meta: model\.cpu\(\) m"):
        export(model.to("meta"), tmp_path / "a", onnx=True)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *p: None if n == "onnxscript" else find(n, *p)
    )
    with pytest.raises(
        ModuleNotFoundError, match=r"onnxscript: pip install 'energy-gans\[onnx\]'"
    ):
        export(model, tmp_path / "a", onnx=True)
    assert not (tmp_path / "a").exists() and "onnxruntime" in sys.modules
