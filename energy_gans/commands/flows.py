r"""What commands show of flows: particles on their way from noise."""

from __future__ import annotations

import torch
from torch import Tensor

from ..methods.chains import drawer
from ..methods.flow_module import FlowModule


@torch.no_grad()
def run_flow(
    model: FlowModule, n: int, labels: Tensor | None, frames: int, random: torch.Generator
) -> dict[float, Tensor]:
    r"""Returns the particles at evenly spaced times of a flow, and prints potential and speed there.

    Arguments:
        model: The model.
        n: The number of particles.
        labels: Their classes, with shape :math:`(n)`, or `None`.
        frames: The number of times after the start.
        random: The generator of the noise.
    """
    z = drawer(random, model.device)(torch.randn, n, *model.shape)
    network, end = model.shown_network, model.flow.terminal_time
    states = torch.cat([model.omega * z[None], model.flowed(network, z, labels, frames)])
    velocity = model.velocity(network, labels)
    print("| time | potential | speed |\n|---|---|---|")
    course = {}
    for i, x in enumerate(states):
        time = torch.tensor(end * i / frames, device=x.device)
        s = model.known_time(time).clamp(max=1).expand(n)
        phi = model.evaluate(network, x, labels, s).mean()
        speed = velocity(time, x).flatten(1).norm(dim=1).mean()
        print(f"| {time:.3g} | {phi:.4g} | {speed:.4g} |")
        course[end * i / frames] = x
    print(f"{model.evaluations} evaluations of the field by {model.flow.solver}")
    return course
