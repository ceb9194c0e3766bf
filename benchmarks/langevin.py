r"""The speed of Langevin chains, against a plain loop and the sampler of torchebm.

::

    python -m benchmarks.langevin

runs the same chains of the same network in turns. It prints the chain steps times images per
second of the plain loop and of torchebm, and the ratio of this package's chains to the faster of
them: with channels last in float32, the same compiled, and with the gradient in bfloat16. In the
plain loop parameters require gradients, and images and weights have PyTorch's default layout.
torchebm (`pip install torchebm`) is left out if it is not installed.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn as nn
from torch import Tensor

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.functional import potential_gradient
from energy_gans.methods.parts.chains import Chains, sampler_of
from energy_gans.methods.parts.networks import fixed_parameters
from energy_gans.networks import ConvDescriptor, ResNetDescriptor

STEP_SIZE, STEPS, TURNS = 0.01, 30, 7
CHAINS = Chains(steps=STEPS, step_size=STEP_SIZE, bound=1.0)
Run = Callable[[Tensor], Tensor]

NETWORKS = {
    "ConvDescriptor, 1 x 32 px": (lambda: ConvDescriptor(1, 32), (64, 1, 32, 32)),
    "ConvDescriptor, width 64, 3 x 32 px": (
        lambda: ConvDescriptor(3, 32, (64, 128, 256, 256)),
        (64, 3, 32, 32),
    ),
    "ResNetDescriptor, width 32, 3 x 32 px": (
        lambda: ResNetDescriptor(3, 32, 32),
        (64, 3, 32, 32),
    ),
}


def ours(network: nn.Module, half: bool = False, compiled: bool = False) -> Run:
    network = copy.deepcopy(network).to(memory_format=torch.channels_last)
    gradient = potential_gradient(lambda x: network(x)[:, 0], half)
    if compiled:
        gradient = torch.compile(torch.func.grad(lambda x: network(x).sum()))
    draw = sampler_of(torch.Generator().manual_seed(0), torch.device("cpu"))

    def run(x: Tensor) -> Tensor:
        with fixed_parameters(network):
            return CHAINS.end(x.contiguous(memory_format=torch.channels_last), gradient, draw)

    return run


def loop(network: nn.Module) -> Run:
    def run(x: Tensor) -> Tensor:
        for _ in range(STEPS):
            x.requires_grad_()
            (gradient,) = torch.autograd.grad(network(x).sum(), x)
            x = x.detach() + STEP_SIZE**2 / 2 * gradient + STEP_SIZE * torch.randn_like(x)
            x = x.clamp(-1, 1)
        return x

    return run


def torchebm(network: nn.Module) -> Run:
    from torchebm.core import BaseModel
    from torchebm.samplers import LangevinDynamics

    class Energy(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            return -self.network(x)[:, 0]

    sampler = LangevinDynamics(Energy(), step_size=STEP_SIZE**2 / 2, clamp=(-1.0, 1.0))
    return lambda x: sampler.sample(x, n_steps=STEPS)


def chain_rates(runs: dict[str, Run], shape: tuple[int, ...]) -> dict[str, float]:
    r"""Returns the median of chain steps times images per second of each way."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(TURNS + 1):
        for name, run in runs.items():
            x = torch.rand(shape) * 2 - 1
            start = time.perf_counter()
            run(x)
            if turn > 0:
                found[name].append(STEPS * shape[0] / (time.perf_counter() - start))
    return {name: statistics.median(rates) for name, rates in found.items()}


def compare(name: str) -> str:
    r"""Returns a row of the table."""
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    network = make()
    runs = {
        "float32": ours(network),
        "compiled": ours(network, compiled=True),
        "bfloat16": ours(network, half=True),
        "loop": loop(network),
    }
    if importlib.util.find_spec("torchebm"):
        runs["torchebm"] = torchebm(network)
    rates = chain_rates(runs, shape)
    best = max(rates["loop"], rates.get("torchebm", 0.0))
    ratios = [f"{rates[kind] / best:.2f}" for kind in ("float32", "compiled", "bfloat16")]
    others = [f"{rates[kind]:,.0f}" if kind in rates else "-" for kind in ("loop", "torchebm")]
    return markdown_row([name, *others, *ratios])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    heading = ["network", "plain loop", "torchebm", "here", "compiled", "bfloat16"]
    print(markdown_heading(heading), end="")
    for name in NETWORKS:
        print(compare(name), end="", flush=True)
