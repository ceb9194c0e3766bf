r"""Tests for the randomness contract: a run is a function of its config and its seed."""

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor

from energy_gans.cli import main
from energy_gans.methods.bases.stepped import SteppedModule

from ..processes import spawn

Arguments = Callable[..., list[str]]

DESCRIPTOR = {
    "descriptor": "energy_gans.networks.MLP",
    "descriptor.in_features": 2,
    "descriptor.out_features": 1,
    "descriptor.hidden_features": [16],
    "shape": [2],
    "chains": {"steps": 5, "step_size": 0.2, "reference_std": 1.0},
}

# The methods that keep the contracts, besides the Coulomb GAN: class and options.
METHODS = {
    "baselines.GAN": {},
    "baselines.WGAN": {"clip": 0.3, "discriminator_steps": 2},
    "baselines.WGANGP": {"discriminator_steps": 2},
    "baselines.BEGAN": {
        "gamma": 1.0,
        "lambda_k": 0.1,
        "discriminator.out_features": 2,
        "generator.hidden_features": [],
    },
    "baselines.MMDGAN": {"discriminator.out_features": 3},
    "EIEGGAN": {"discriminator.out_features": 3},
    "EIEGGenerator": {},
    "FieldGenerator": {
        "field": {
            "class_path": "energy_gans.fields.SumOfFields",
            "init_args": {
                "fields": [
                    {"class_path": "energy_gans.fields.EnergyDistanceField"},
                    {
                        "class_path": "energy_gans.fields.MeanShiftField",
                        "init_args": {"bandwidth": 0.3},
                    },
                ]
            },
        },
        "queue": 100,
        "initial_range": 3.0,
        "range_decay": 0.7,
    },
    "GGCN": DESCRIPTOR
    | {
        "gamma": 0.2,
        "buffer_size": 64,
        "restart": 0.2,
        "discriminator_steps": 2,
        "start": "persistent",
    },
    "GCN": DESCRIPTOR | {"gamma": 0.5, "buffer_size": 128, "restart": 0.2},
    "NGramGenerator": {
        "generator": "energy_gans.networks.ResidualTextGenerator",
        "generator.latent_dim": 2,
        "generator.length": 8,
        "generator.width": 8,
        "orders": [1, 3],
        "real_lines": 200,
        "generated_lines": 160,
        "bits": 10,
    },
    "ScatteringGAN": {
        "tracker": "energy_gans.networks.MLP",
        "tracker.in_features": 2,
        "tracker.out_features": 2,
        "tracker.hidden_features": [16],
        "tracker_weight": 0.7,
        "partners": 3,
        "discriminator_steps": 2,
    },
    "VAPO": {
        "descriptor": "energy_gans.networks.FourierMLP",
        "descriptor.hidden_features": [16],
        "descriptor.frequencies": 4,
        "shape": [2],
        "estimator": "e1",
        "spectral_gap": 0.1,
        "sigma": 0.3,
        "flow": {"solver": "euler", "steps": 3},
    },
    "InpaintingGGCN": {
        "descriptor": "energy_gans.networks.ConvDescriptor",
        "descriptor.channels": 1,
        "descriptor.size": 8,
        "descriptor.widths": [4],
        "descriptor.kernels": [3],
        "descriptor.strides": [2],
        "generator": "energy_gans.networks.ResNetAutoencoder",
        "generator.channels": 1,
        "generator.size": 8,
        "generator.width": 4,
        "shape": [1, 8, 8],
        "chains": {"step_size": 0.2, "bound": 1.0},
        "gamma": 0.2,
        "discriminator_steps": 2,
    },
    "MultigridGCN": {
        "descriptor": "energy_gans.networks.MultigridDescriptors",
        "descriptor.channels": 1,
        "descriptor.grids": [1, 4, 8],
        "descriptor.width": 4,
        "shape": [1, 8, 8],
        "chains": {"steps": 3, "step_size": 0.2, "reference_std": 1.0},
        "gamma": 0.2,
        # Some units of a network this small are active for all samples. Their biases only add a
        # constant to the potential, and Adam would amplify the rounding error of their gradients.
        "descriptor_optimizer.eps": 0.01,
    },
}
IMAGES = [
    "--data=energy_gans.data.EmbeddedDigits",
    "--data.init_args.digits=8x8",
    "--data.init_args.size=8",
    "--data.init_args.batch_size=64",
]
LINES = ["--data=energy_gans.data.EmbeddedText", "--data.init_args.length=8"]
LINES += ["--data.init_args.batch_size=64"]
TEXT = [
    *LINES,
    "--data.init_args.symbols=32",
    *(
        f"--model.init_args.{key}"
        for key in (
            "generator=energy_gans.networks.ResidualTextGenerator",
            "generator.init_args.latent_dim=2",
            "generator.init_args.symbols=32",
            "generator.init_args.length=8",
            "generator.init_args.width=8",
            "discriminator=energy_gans.networks.ResidualTextDiscriminator",
            "discriminator.init_args.symbols=32",
            "discriminator.init_args.length=8",
            "discriminator.init_args.width=8",
        )
    ),
    "--trainer.callbacks+=energy_gans.callbacks.TextMeasures",
    "--trainer.callbacks.init_args.orders=[1,2]",
    "--trainer.callbacks.init_args.n=64",
]
# The data of the methods that are not trained on points.
DATA = {"InpaintingGGCN": IMAGES, "MultigridGCN": IMAGES, "NGramGenerator": LINES}
other_methods = pytest.mark.parametrize("method", METHODS)


def of(method: str) -> list[str]:
    r"""Returns the arguments that train a method of `METHODS` in place of the Coulomb GAN."""
    options = [f"--model.init_args.{key}={value}" for key, value in METHODS[method].items()]
    # The option is that of the last callback, Checkpoints.
    monitor = "--trainer.callbacks.init_args.monitor=val/energy_distance"
    return [f"--model=energy_gans.methods.{method}", *options, monitor, *DATA.get(method, [])]


def train(args: list[str], fatal_step: int | None = None) -> None:
    r"""Trains, and is killed in the middle of a step, after the update of one network."""
    torch.set_num_threads(1)
    descend = SteppedModule.descend

    def die(self: SteppedModule, *args: object) -> Tensor:
        loss = descend(self, *args)
        if self.global_step == fatal_step:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    with mock.patch.object(SteppedModule, "descend", die):
        main(args)


def last(folder: Path, version: str = "version_*") -> dict:
    r"""Returns the contents of the newest `last.ckpt` in a folder of runs."""
    paths = sorted(folder.glob(f"{version}/checkpoints/last.ckpt"), key=os.path.getmtime)
    return torch.load(paths[-1], weights_only=True)


def assert_same(a: object, b: object) -> None:
    r"""Asserts that nested containers of tensors are equal, bit for bit."""
    if isinstance(a, Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for u, v in zip(a, b, strict=True):
            assert_same(u, v)
    else:
        assert a == b


def assert_outlives(
    kills: list[int], steps: int, arguments: Callable[..., list[str]], folder: Path
) -> None:
    r"""Asserts that a run that is killed at some steps equals an uninterrupted run."""
    assert spawn(train, arguments(name="whole")) == 0
    for i, step in enumerate(kills):
        more = [] if i == 0 else ["--ckpt_path=last"]
        assert spawn(train, arguments(*more, name="killed"), step) == -signal.SIGKILL
    assert spawn(train, arguments("--ckpt_path=last", name="killed")) == 0
    whole, killed = last(folder / "whole"), last(folder / "killed")
    assert whole["global_step"] == killed["global_step"] == steps
    for key in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert_same(whole[key], killed[key])
    tables = [
        (folder / name / "version_0/metrics.csv").read_text() for name in ("whole", "killed")
    ]
    assert tables[0] == tables[1]


def test_a_killed_run_goes_on_as_if_it_had_not_been(tiny: Arguments, tmp_path: Path) -> None:
    assert_outlives(sorted(random.Random(0).sample(range(4, 24), 5)), 24, tiny, tmp_path)


def test_a_killed_run_on_text_goes_on(tiny: Arguments, tmp_path: Path) -> None:
    arguments = partial(tiny, "--trainer.max_steps=8", *TEXT, points=True)
    assert_outlives([5], 8, arguments, tmp_path)


@other_methods
def test_a_killed_run_of_another_method_goes_on(
    tiny: Arguments, tmp_path: Path, method: str
) -> None:
    arguments = partial(tiny, "--trainer.max_steps=8", *of(method), points=True)
    assert_outlives([5], 8, arguments, tmp_path)


def test_another_seed_is_another_run(tiny: Arguments, tmp_path: Path) -> None:
    for seed in (1, 2):
        main(
            tiny("--trainer.max_steps=2", f"--seed_everything={seed}", points=True, name=str(seed))
        )
    one, two = (last(tmp_path / name)["state_dict"] for name in ("1", "2"))
    assert not torch.equal(one["generator.0.weight"], two["generator.0.weight"])


def test_observers_do_not_change_what_is_learned(tiny: Arguments, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=8", points=True, name="watched"))
    main(
        tiny(
            "--trainer.max_steps=8", "--trainer.limit_val_batches=0", points=True, name="unwatched"
        )
    )
    watched, unwatched = (last(tmp_path / name) for name in ("watched", "unwatched"))
    assert_same(watched["state_dict"], unwatched["state_dict"])
