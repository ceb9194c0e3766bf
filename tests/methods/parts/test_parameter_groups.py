r"""Tests for the energy_gans.methods.parts.parameter_groups module."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
import yaml
from timm.optim import Lamb
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, spectral_norm, weight_norm

from energy_gans.cli import main
from energy_gans.methods.parts import parameter_groups as groups
from energy_gans.methods.parts.parameter_groups import weights_and_rest
from energy_gans.networks import DCGANDiscriminator, WideResNet

from ..test_contracts import assert_same, last

PAPERS = sorted((Path(__file__).parents[3] / "configs").glob("vapo/*.yaml"))
PAPERS = [config for config in PAPERS if "timm.optim.Lamb" in config.read_text()]
LAYERS = (nn.Linear, nn.modules.conv._ConvNd)


def model_of(config: Path) -> dict:
    return yaml.safe_load(config.read_text())["model"]["init_args"]


def small(weight_norm: bool = True) -> WideResNet:
    return WideResNet(1, 8, width=4, multipliers=(1, 2), blocks=1, weight_norm=weight_norm)


class LowRank(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.randn(6, 2))

    def forward(self, weight: Tensor) -> Tensor:
        return self.left @ self.left.T @ weight


def counts(network: nn.Module) -> list[int]:
    return [sum(p.numel() for p in group["params"]) for group in weights_and_rest(network)]


@pytest.mark.parametrize("config", PAPERS, ids=lambda path: path.stem)
def test_the_weights_of_the_papers_networks_are_those_that_are_applied(config: Path) -> None:
    with torch.device("meta"):
        network = WideResNet(**model_of(config)["descriptor"]["init_args"])
    applied = sum(m.weight.numel() for m in network.modules() if isinstance(m, LAYERS))
    weights, rest = counts(network)
    assert weights == applied
    assert weights + rest == sum(p.numel() for p in network.parameters())
    assert rest < 0.002 * weights


@pytest.mark.parametrize(
    "make",
    [
        lambda: small(weight_norm=False),
        lambda: DCGANDiscriminator(1, 8, 4, spectral=True),
        lambda: weight_norm(nn.Conv2d(3, 4, 3)),
        lambda: spectral_norm(nn.Linear(3, 4)),
        lambda: parametrizations.weight_norm(nn.Linear(5, 1)),
        lambda: parametrizations.weight_norm(nn.ConvTranspose2d(3, 4, 2), dim=1),
        lambda: parametrizations.weight_norm(nn.Conv1d(3, 4, 2), dim=None),
        lambda: parametrizations.orthogonal(nn.Linear(4, 4)),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is deprecated")
def test_weights_are_what_layers_compute_theirs_from(make: Callable[[], nn.Module]) -> None:
    network = make()
    applied = sum(m.weight.numel() for m in network.modules() if isinstance(m, LAYERS))
    weights, rest = counts(network)
    assert weights == applied
    assert weights + rest == sum(p.numel() for p in network.parameters())


def test_gains_and_biases_are_spared_the_decay_and_factors_are_not() -> None:
    layer = parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    weights, rest = weights_and_rest(layer)
    assert weights["params"] == [layer.parametrizations.weight.original1]
    assert {id(p) for p in rest["params"]} == {
        id(layer.bias),
        id(layer.parametrizations.weight.original0),
    }
    assert rest["weight_decay"] == 0 and "weight_decay" not in weights
    layer = nn.Linear(3, 6)
    parametrize.register_parametrization(layer, "weight", LowRank())
    assert counts(layer) == [6 * 3 + 6 * 2, 6]


@pytest.mark.parametrize("config", PAPERS, ids=lambda path: path.stem)
def test_a_step_of_the_papers_optimizer_turns_directions_by_the_rate(config: Path) -> None:
    torch.manual_seed(0)
    network, lr = small(), 1e-3
    optimizer = Lamb(
        weights_and_rest(network), **model_of(config)["descriptor_optimizer"]["init_args"]
    )
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    network(torch.randn(5, 1, 8, 8)).square().sum().backward()
    optimizer.step()
    directions = 0
    for name, p in network.named_parameters():
        step = (p.detach() - before[name]).norm().item()
        if name.endswith("original1") and p.grad.norm() > 0:
            assert step == pytest.approx(lr * before[name].norm().item(), rel=1e-3)
            directions += 1
        # The gains at the ends of residual blocks are initially zero.
        if name.endswith("second.parametrizations.weight.original0"):
            assert (before[name] == 0).all()
            assert step == pytest.approx(lr * p.numel() ** 0.5, rel=1e-3)
    assert directions == 2


# Checkpoints with other groups

VAPO = [
    "--model=energy_gans.methods.VAPO",
    "--model.init_args.shape=[1, 8, 8]",
    "--model.init_args.descriptor=energy_gans.networks.WideResNet",
    "--model.init_args.descriptor.channels=1",
    "--model.init_args.descriptor.size=8",
    "--model.init_args.descriptor.width=4",
    "--model.init_args.descriptor.multipliers=[1, 2]",
    "--model.init_args.descriptor.blocks=1",
    "--model.init_args.flow={solver: euler, steps: 2}",
    "--trainer.callbacks.init_args.monitor=val/energy_distance",
]


def resume(tiny: Callable, name: str, optimizer: str) -> None:
    r"""Trains three steps with the groups of early checkpoints, and resumes for three more."""
    args = [*VAPO, f"--model.init_args.descriptor_optimizer={optimizer}"]
    with mock.patch.object(groups, "_WEIGHT", groups._PLAIN_WEIGHT):
        main(tiny("--trainer.max_steps=3", *args, name=name))
    main(tiny("--trainer.max_steps=6", *args, "--ckpt_path=last", name=name))


def test_a_run_without_weight_decay_goes_on_with_other_groups(
    tiny: Callable, tmp_path: Path
) -> None:
    adam = "{class_path: torch.optim.Adam, init_args: {lr: 1.0e-3}}"
    resume(tiny, "grouped", adam)
    args = [*VAPO, f"--model.init_args.descriptor_optimizer={adam}"]
    main(tiny("--trainer.max_steps=3", *args, name="whole"))
    main(tiny("--trainer.max_steps=6", *args, "--ckpt_path=last", name="whole"))
    grouped, whole = last(tmp_path / "grouped"), last(tmp_path / "whole")
    assert_same(grouped["state_dict"], whole["state_dict"])
    assert_same(grouped["optimizer_states"], whole["optimizer_states"])


def test_a_run_whose_decay_would_change_is_refused(tiny: Callable) -> None:
    adamw = "{class_path: torch.optim.AdamW, init_args: {lr: 1.0e-3, weight_decay: 0.01}}"
    with pytest.raises(
        SystemExit, match="weight decay on the 7 weights of WideResNet.* decay on 1,"
    ):
        resume(tiny, "grouped", adamw)
