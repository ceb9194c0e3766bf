r"""Tests for the energy_gans.methods.bases.optimizers module."""

import contextlib
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.optim import SGD

from energy_gans.cli import main
from energy_gans.methods import CoulombGAN
from energy_gans.methods.bases.optimizers import FAST_ADAM, SLOWEST_ADAM, OptimizerSpec

from ..harness import assert_same_weights, fit, model

BASE = """
model:
  class_path: energy_gans.methods.CoulombGAN
  init_args:
    latent_dim: 2
    generator:
      class_path: energy_gans.networks.MLP
      init_args: {in_features: 2, out_features: 2, hidden_features: [4]}
    discriminator:
      class_path: energy_gans.networks.MLP
      init_args: {in_features: 2, out_features: 1, hidden_features: [4]}
data:
  class_path: energy_gans.data.Ring
  init_args: {batch_size: 16, samples: 64}
"""


@pytest.fixture
def printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, object]]:
    def config(*args: str) -> dict[str, object]:
        (tmp_path / "base.yaml").write_text(BASE)
        with pytest.raises(SystemExit) as end:
            main(["fit", "--config", str(tmp_path / "base.yaml"), *args, "--print_config"])
        assert end.value.code in (0, None)
        return yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]

    return config


def test_a_signature_shows_what_its_default_is() -> None:
    spec = OptimizerSpec("torch.optim.Adam", {"lr": 1e-3, "betas": (0.5, 0.9)})
    assert repr(spec) == "torch.optim.Adam(lr=0.001, betas=(0.5, 0.9))"
    signature = str(inspect.signature(CoulombGAN))
    assert f"discriminator_optimizer: 'OptimizerCallable' = {FAST_ADAM!r}" in signature
    assert "lambda" not in signature


def test_it_makes_the_optimizer() -> None:
    spec = OptimizerSpec("torch.optim.SGD", {"lr": 0.25, "momentum": 0.5})
    optimizer = spec(nn.Linear(2, 2).parameters())
    assert isinstance(optimizer, torch.optim.SGD)
    assert [optimizer.defaults[name] for name in ("lr", "momentum")] == [0.25, 0.5]


def test_the_command_line_overrides_arguments_of_a_default_one_by_one(printed: Callable) -> None:
    plain = printed()
    for name, spec in (
        ("generator_optimizer", SLOWEST_ADAM),
        ("discriminator_optimizer", FAST_ADAM),
    ):
        assert plain[name]["class_path"] == spec.class_path
        assert plain[name]["init_args"]["lr"] == spec.init_args["lr"]
    prefix = "--model.generator_optimizer"
    changed = printed(f"{prefix}.lr=0.5", f"{prefix}.betas=[0.0,0.9]")
    assert changed["discriminator_optimizer"] == plain["discriminator_optimizer"]
    expected = plain["generator_optimizer"]["init_args"] | {"lr": 0.5, "betas": [0.0, 0.9]}
    assert changed["generator_optimizer"]["init_args"] == expected
    other = printed(f"{prefix}=torch.optim.SGD", f"{prefix}.lr=0.5")["generator_optimizer"]
    assert (other["class_path"], other["init_args"]["lr"]) == ("torch.optim.SGD", 0.5)


@pytest.mark.parametrize("clip", [None, 0.01])
def test_the_scale_of_a_float16_loss_does_not_change_a_fused_step(clip: float | None) -> None:
    def trained(scale: float | None) -> nn.Module:
        def rate(groups: list) -> SGD:
            return SGD(groups, lr=0.1, fused=True)

        options = {"generator_optimizer": rate, "discriminator_optimizer": rate}
        gan = model(CoulombGAN, gradient_clip_norm=clip, **options)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, enabled=True)
        plugin = MixedPrecision("16-mixed", "cpu", scaler)
        # Only the scale is tried: no CPU computes networks in float16.
        plugin.autocast_context_manager = contextlib.nullcontext
        fit(gan, 3, plugins=[] if scale is None else [plugin])
        return gan

    assert_same_weights(trained(2.0**12), trained(None), model(CoulombGAN))
