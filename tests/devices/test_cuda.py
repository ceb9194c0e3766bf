r"""Tests that need a GPU: `pytest -m cuda`. They are skipped without one."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn
from torch.optim import Adam
from torch.testing import assert_close

from energy_gans import functional, methods
from energy_gans.callbacks import EMA
from energy_gans.data import EmbeddedDigits, Ring
from energy_gans.methods import Flow, GenerativeModule
from energy_gans.metrics.features import EfficientNetLite0, FeatureExtractor, Inception
from energy_gans.metrics.measures import MEASURES, measure
from energy_gans.metrics.statistics import feature_statistics
from energy_gans.networks import ConvDescriptor, DCGANDiscriminator, DCGANGenerator, WideResNet
from energy_gans.storage.checkpoint import load_model

from ..functional import test_empty
from ..methods import harness, test_gcn, test_vapo
from ..methods.test_contracts import METHODS
from ..metrics.features.conftest import images, inception_file  # noqa: F401
from ..metrics.test_image_metrics import Features, X, Y
from ..processes import start
from ..storage.old_checkpoints import FOLDER
from . import test_functional
from .test_methods import METHOD_NAMES, data_of, everything, train

DEVICE, ACCELERATOR = "cuda", "gpu"
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
SIZES = {"channels": 1, "size": 8, "width": 8}
digits = partial(EmbeddedDigits, digits="8x8", size=8, batch_size=64)


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    r"""Computes in float32 proper, without TF32, whose rounding is not compared here."""
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = False
    yield
    for backend, value in zip(backends, before, strict=True):
        backend.allow_tf32 = value


def image_models(**options: Any) -> dict[str, GenerativeModule]:
    r"""Returns small methods on digits with the same initial weights every time."""
    seed_everything(7, verbose=False)
    chains = methods.Chains(steps=4, step_size=0.1, bound=1.0)
    descriptor = ConvDescriptor(1, 8, [8, 8], [3, 3], [2, 1])
    wide = WideResNet(1, 8, 4, (1, 2), 1)
    return {
        "CoulombGAN": methods.CoulombGAN(
            DCGANGenerator(4, **SIZES), DCGANDiscriminator(**SIZES), latent_dim=4, **options
        ),
        "GCN": methods.GCN(descriptor, [1, 8, 8], chains, buffer_size=64, **options),
        "VAPO": methods.VAPO(wide, [1, 8, 8], flow=Flow("euler", steps=3), **options),
    }


IMAGE_METHODS = ("CoulombGAN", "GCN", "VAPO")


def fit(model: GenerativeModule, steps: int = 5, **options: Any) -> GenerativeModule:
    r"""Trains a method on the GPU, where it stays."""
    seed_everything(7, verbose=False)
    data = Ring(batch_size=64, samples=512) if len(model.sample_shape) == 1 else digits()
    trainer = Trainer(
        **{
            "max_steps": steps,
            "accelerator": ACCELERATOR,
            "devices": 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "limit_val_batches": 0,
            "callbacks": [EMA(0.9)],
        }
        | options
    )
    trainer.fit(model, data)
    return model.to(DEVICE)


def weights(model: GenerativeModule) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def assert_trained(model: GenerativeModule, before: dict[str, Tensor]) -> None:
    r"""Asserts that all weights are finite float32, and that they have moved."""
    after = weights(model)
    for name, value in after.items():
        assert value.isfinite().all(), name
        assert value.dtype in (torch.float32, torch.int64, torch.bool), name
    assert any(not torch.equal(after[name], value) for name, value in before.items())


# Methods


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_method_trains_resumes_and_samples(method: str, tmp_path: Path) -> None:
    path = FOLDER / method / "last.ckpt"
    model = load_model(path)
    before = weights(model)
    start = int(torch.load(path, weights_only=True)["global_step"])
    for folder, steps in ((tmp_path, start + 10), (tmp_path, start + 20)):
        seed_everything(3, verbose=False)
        model = load_model(path)
        train(model, data_of(model), ACCELERATOR, folder, steps, ckpt_path=path)
        path = tmp_path / "checkpoints/last.ckpt"
        assert torch.load(path, weights_only=True)["global_step"] == steps
        assert_trained(model, before)
    for name, value in everything(model).items():
        assert value.isfinite().all(), name


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_samples_are_those_of_the_cpu(method: str) -> None:
    model = load_model(FOLDER / method / "last.ckpt")
    # Numbers of a generator of the CPU are the same on both devices.
    expected = model.sample(16, random=torch.Generator().manual_seed(5))
    x = model.to(DEVICE).sample(16, random=torch.Generator().manual_seed(5))
    assert x.device.type == DEVICE
    assert_close(x.cpu(), expected, rtol=1e-3, atol=1e-3)


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    path = FOLDER / "CoulombGAN" / "last.ckpt"

    def trained(*steps: int) -> dict[str, Tensor]:
        ckpt = path
        for stop in steps:
            seed_everything(3, verbose=False)
            model = load_model(ckpt)
            train(model, data_of(model), ACCELERATOR, tmp_path, stop, ckpt_path=ckpt)
            ckpt = tmp_path / "checkpoints/last.ckpt"
        return weights(model)

    assert_close(trained(6, 12), trained(12), rtol=1e-4, atol=1e-5)


# Precision and speed


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed", "32-true", "64-true"])
@pytest.mark.parametrize("method", IMAGE_METHODS)
def test_a_method_trains_in_each_precision(method: str, precision: str) -> None:
    model = image_models(gradient_clip_norm=1.0)[method]
    before = weights(model)
    # The scale of a loss in float16 shrinks until the gradients are finite.
    fit(model, 20, precision=precision)
    scaler = getattr(model.trainer.precision_plugin, "scaler", None)
    assert (scaler is not None) == (precision == "16-mixed")
    if precision == "64-true":
        model.float()
    assert_trained(model, before)


@pytest.mark.parametrize("method", IMAGE_METHODS)
def test_channels_last_changes_rounding_alone(method: str) -> None:
    def observed(last: bool) -> list[Tensor]:
        model = image_models(channels_last=last)[method].to(DEVICE)
        model.to(memory_format=model.memory_format)
        x = model.sample(16, random=torch.Generator().manual_seed(5))
        found = [x, *([] if method == "CoulombGAN" else [model.potential_at(x)])]
        assert_trained(fit(model), weights(image_models()[method]))
        return [value.detach().cpu() for value in found]

    assert_close(observed(True), observed(False), rtol=1e-3, atol=1e-4)


def test_fused_optimizers_make_the_same_steps() -> None:
    def trained(fused: bool) -> dict[str, Tensor]:
        def adam(groups: Any) -> Adam:
            return Adam(groups, lr=1e-3, fused=fused)

        options = {"generator_optimizer": adam, "discriminator_optimizer": adam}
        return weights(fit(harness.model(methods.CoulombGAN, **options)))

    assert_close(trained(True), trained(False), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", [test_gcn.model, test_vapo.model], ids=["GCN", "VAPO"])
def test_compiled_gradients_are_the_gradients(model: Callable[..., GenerativeModule]) -> None:
    more = {"buffer_size": 64} if model is test_gcn.model else {}
    found = [weights(fit(model(compile_gradient=c, **more), steps=3)) for c in (True, False)]
    assert_close(*found, rtol=1e-3, atol=1e-4)


# Several processes


def train_by_nccl(port: int, folder: str) -> None:
    r"""Trains as the only process of a group."""
    environment = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "RANK": "0",
    }
    with mock.patch.dict("os.environ", environment):
        model = fit(
            harness.model(methods.CoulombGAN),
            strategy="ddp_find_unused_parameters_true",
            sync_batchnorm=True,
        )
        assert torch.distributed.get_backend() == ("nccl" if DEVICE == "cuda" else "gloo")
    torch.save(weights(model), f"{folder}/weights.pt")


def test_one_process_of_nccl_trains_as_one_without(tmp_path: Path) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = start(train_by_nccl, port, str(tmp_path))
    process.join(120)
    assert process.exitcode == 0
    alone = weights(fit(harness.model(methods.CoulombGAN)))
    assert_close(torch.load(tmp_path / "weights.pt"), alone, rtol=1e-4, atol=1e-5)


# Measures and functions


def measures(extractor: FeatureExtractor, device: str, *sets: Tensor) -> dict[str, float]:
    extractor = extractor.to(device)
    parts = [
        feature_statistics(extractor, [(x, torch.arange(len(x)))], len(x), device) for x in sets
    ]
    return {name: value.value for name, value in measure([*MEASURES], *parts).items()}


def test_measures_are_those_of_the_cpu() -> None:
    sets = X, Y, Y.flip(-1)
    found = measures(Features(), DEVICE, *sets)
    assert found == pytest.approx(measures(Features(), "cpu", *sets), rel=1e-3)


@pytest.mark.parametrize("name", ["EfficientNetLite0", "Inception"])
def test_features_are_those_of_the_cpu(
    name: str,
    images: Tensor,  # noqa: F811
    inception_file: Path,  # noqa: F811
) -> None:
    extractor = Inception(str(inception_file)) if name == "Inception" else EfficientNetLite0(32)
    expected = [part.clone() for part in extractor(images)]
    found = [part.cpu() for part in extractor.to(DEVICE)(images.to(DEVICE))]
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).norm() < 1e-3 * theirs.norm()


# Of random draws, which differ between devices.
DRAWN = {"keyed_generator", "langevin", "langevin_step"}
DRAWN |= {"sliced_field", "image_sliced_field", "scattering_field"}


@pytest.mark.parametrize("name", [n for n in functional.__all__ if test_functional.calls(n)])
def test_a_function_has_the_values_of_the_cpu(name: str) -> None:
    def results(device: str) -> list[Tensor]:
        there = {k: s.to(device) for k, s in test_functional.sets().items()}
        torch_there = test_functional.OnDevice(device)
        with mock.patch.multiple(test_empty, torch=torch_there, **there):
            calls = test_functional.calls(name)
            return test_functional.tensors([c(getattr(functional, name)) for c in calls])

    if name in test_functional.OF_NUMBERS:
        pytest.skip("of numbers alone")
    found, expected = results(DEVICE), results("cpu")
    assert all(value.device.type == DEVICE for value in found)
    if name in DRAWN:
        assert [value.shape for value in found] == [value.shape for value in expected]
    else:
        assert_close([v.cpu() for v in found], expected, rtol=1e-3, atol=1e-4)


def test_a_network_of_half_precision_chains_trains() -> None:
    model = test_gcn.model(buffer_size=64, half_chains=True)
    before = weights(model)
    assert_trained(fit(model), before)


def test_each_method_is_here() -> None:
    assert {*METHOD_NAMES} == {"CoulombGAN", *METHODS}
    assert isinstance(image_models()["GCN"].descriptor, nn.Module)
