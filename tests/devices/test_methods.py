r"""Tests that every method trains, validates, resumes and samples on a GPU, a pretended one.

On it, tensors of both devices do not mix and all values are those of the CPU. So a run that is
written for any device ends bit for bit as on the CPU.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer, seed_everything
from torch import Tensor, nn

from energy_gans import methods
from energy_gans.callbacks import EMA, Checkpoints, TrainingClock
from energy_gans.data import EmbeddedDigits, EmbeddedText, Ring
from energy_gans.fields import ElasticField, ScatteringField, SlicedField, SumOfFields
from energy_gans.methods import Flow, GenerativeModule
from energy_gans.networks import MLP, WideResNet
from energy_gans.storage.checkpoint import AtomicCheckpointIO, load_model

from ..methods import harness, test_field_generator, test_gcn, test_ggcn, test_vapo
from ..methods.test_contracts import METHODS, assert_same
from ..storage.old_checkpoints import FOLDER
from .pretend import needs_pretence, pretend, unwrapped

METHOD_NAMES = ("CoulombGAN", *METHODS)
pytestmark = needs_pretence


def data_of(model: GenerativeModule) -> LightningDataModule:
    r"""Returns points, lines, or flipped images, that a method of `METHODS` is trained on."""
    if len(model.sample_shape) == 1:
        return Ring(batch_size=64, samples=128)
    if len(model.sample_shape) == 2:
        return EmbeddedText(length=8, batch_size=64)
    return EmbeddedDigits(digits="8x8", size=8, batch_size=64, flip=True)


def train(
    model: GenerativeModule,
    data: LightningDataModule,
    accelerator: str,
    folder: Path | None = None,
    steps: int = 2,
    **options: Any,
) -> dict[str, Any]:
    r"""Trains a method, which stays on its device, and returns what it has become.

    With a folder, the run validates and writes checkpoints.
    """
    callbacks = [EMA(0.9), TrainingClock()]
    if folder is not None:
        callbacks.append(
            Checkpoints(every_n_steps=1, monitor=next(iter(model.validation_measures())))
        )
    trainer = Trainer(
        max_steps=steps,
        accelerator=accelerator,
        devices=1,
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=folder is not None,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0 if folder is None else 1,
        log_every_n_steps=1,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
    )
    model.cpu = lambda: model
    trainer.fit(model, data, weights_only=True, **options)
    logged = {k: v for k, v in trainer.callback_metrics.items() if k != "time/seconds"}
    return unwrapped({"weights": model.state_dict(), "logged": logged})


def everything(model: GenerativeModule) -> dict[str, Tensor]:
    r"""Returns what a method offers besides training, all of which has to be on its device."""

    def seeded() -> torch.Generator:
        return torch.Generator(model.device).manual_seed(5)

    n, found = 6, {"sample": model.sample(6, random=seeded())}
    x = found["sample"]
    label = torch.arange(n) % 2 if model.classes is not None else None
    if label is not None:
        found["labelled"] = model.sample(n, label, seeded())
        label = label.to(model.device)
    conditions = {} if label is None else {"label": label}
    if model.supports("potential_at"):
        try:
            found["potential"] = model.potential_at(x, **conditions)
            found["function"] = model.potential_function()(x, **conditions)
        except ValueError as error:
            assert "no potential" in str(error)
    if model.supports("features"):
        found["features"] = model.features(x)
    if model.supports("trajectory"):
        start = model.starting_points(n, label, seeded())
        *_, last = model.trajectory(start, 2, label, seeded())
        found |= {"start": start, "end": last.x, "height": last.potential, "speed": last.speed}
    if model.supports("fill") and x.ndim == 4:
        known = (torch.arange(x[0, 0].numel()) % 3 > 0).view(1, 1, *x.shape[2:]).to(x)
        found["fill"] = model.fill(x, known.expand(n, -1, -1, -1), label, 2, seeded())
    if model.latent_network is not None:
        z = torch.randn(n, model.latent_dim, generator=seeded(), device=model.device)
        found["decode"] = model.decode(z, label)
    assert {value.device.type for value in found.values()} == {model.device.type}
    return unwrapped({name: value.detach() for name, value in found.items()})


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_run_goes_on_and_samples_on_the_gpu_as_on_the_cpu(method: str, tmp_path: Path) -> None:
    def run(accelerator: str) -> list[dict[str, Any]]:
        seed_everything(3, verbose=False)
        path = tmp_path / accelerator / "checkpoints/last.ckpt"
        path.parent.mkdir(parents=True)
        shutil.copy(FOLDER / method / "last.ckpt", path)
        model = load_model(path)
        run = partial(train, folder=tmp_path / accelerator, ckpt_path=path)
        found = [run(model, data_of(model), accelerator, steps=3), everything(model)]
        # What the GPU wrote is read again.
        model = load_model(path)
        found.append(run(model, data_of(model), accelerator, steps=4))
        # What is loaded for its samples alone is moved at once.
        model = load_model(path).to("cuda" if accelerator == "gpu" else "cpu")
        return [*found, everything(model)]

    with pretend():
        on_gpu = run("gpu")
    assert_same(on_gpu, run("cpu"))


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_method_in_float64_computes_in_it(method: str) -> None:
    model = load_model(FOLDER / method / "last.ckpt").double()
    found = everything(model)
    # Points of any type are taken.
    if "potential" in found:
        found["float32"] = model.potential_at(found["sample"].float())
    assert {value.dtype for value in found.values()} == {torch.float64}


class Kernel(nn.Module):
    r"""A kernel with a buffer and a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("center", torch.tensor([0.1, 0.2]))
        self.width = nn.Parameter(torch.tensor(0.5))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = a - self.center, b - self.center
        return (-(a[:, None] - b[None]).square().sum(-1) / self.width).exp()


# Options that the models of METHODS leave out. On images, and of kernels of one's own, too.
MORE: dict[str, Callable[[], GenerativeModule]] = {
    "CoulombGAN": lambda: harness.model(
        methods.CoulombGAN,
        kernel=Kernel(),
        noise_std=0.1,
        updates_per_step=2,
        discriminator_steps=2,
        accumulate=2,
        gradient_clip_norm=1.0,
    ),
    "MMDGAN": lambda: harness.model(
        methods.baselines.MMDGAN,
        out=3,
        objective="repulsive",
        decoder=MLP(3, 2, [8]),
        reconstruction=1.0,
        clip=0.2,
    ),
    "MMDGAN, penalty": lambda: harness.model(
        methods.baselines.MMDGAN, out=3, normalize=True, gradient_penalty=1.0
    ),
    "EIEGGAN": lambda: harness.model(
        methods.EIEGGAN,
        out=3,
        objective="repulsive",
        softening="plummer",
        stabilizer=1.0,
        stabilizer_scope="real",
        normalize=True,
        gradient_penalty=1.0,
    ),
    "EIEGGenerator": lambda: test_field_generator.direct(
        softening="plummer", self_interaction=False
    ),
    "FieldGenerator, classes": lambda: test_field_generator.field_generator(
        generator=test_field_generator.Labelled(),
        classes=8,
        guidance=1.5,
        queue=128,
        field=SumOfFields([SlicedField(4), ElasticField(softening="plummer")]),
    ),
    "FieldGenerator, features": lambda: test_field_generator.field_generator(
        features=[nn.Linear(2, 3), nn.Identity()],
        feature_weights=[1.0, 2.0],
        negatives="separate",
        normalize=False,
        unit="data",
        field=ScatteringField(),
    ),
    "GCN, classes": lambda: test_gcn.model(classes=8, start="data", magnitude=0.1, accumulate=2),
    "GCN, buffer": lambda: test_gcn.model(
        buffer_size=64, buffer_dtype="uint8", restart=0.3, penalized="head", gamma=0.2
    ),
    "GGCN, classes": lambda: test_ggcn.model(
        classes=8, generator=test_ggcn.Conditional(), magnitude=0.1, buffer_size=64
    ),
    "GGCN, amortized": lambda: test_ggcn.model(
        amortized_sampling=True, learn_hidden_space=False, repulsion=True, buffer_size=64
    ),
    "VAPO, classes": lambda: test_vapo.model(
        classes=8,
        guidance=0.5,
        time_conditioned=True,
        data_std=0.5,
        flow=Flow("rk45", rtol=1.0, atol=1.0, batch_size=4),
    ),
    "VAPO, images": lambda: methods.VAPO(
        descriptor=WideResNet(1, 8, 4, (1, 2), 1, classes=11, time_conditioned=True),
        shape=[1, 8, 8],
        classes=10,
        time_conditioned=True,
        spectral_norms=0.1,
        channels_last=True,
        flow=Flow("heun", steps=2),
    ),
    "VAPO, e2": lambda: test_vapo.model(
        estimator="e2",
        particles=2,
        jacobian=False,
        spectral_gap=0.1,
        flow=Flow("dopri5", rtol=1e-2, atol=1e-2),
    ),
}


@pytest.mark.parametrize("name", MORE)
def test_other_options_of_a_method_train_on_the_gpu_as_on_the_cpu(name: str) -> None:
    def run(accelerator: str) -> list[dict[str, Any]]:
        seed_everything(3, verbose=False)
        model = MORE[name]()
        return [train(model, data_of(model), accelerator), everything(model)]

    with pretend():
        on_gpu = run("gpu")
    assert_same(on_gpu, run("cpu"))
