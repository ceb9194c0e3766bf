r"""Tests for the pretended GPU itself: it refuses what a GPU refuses, and computes as the CPU."""

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ..methods.test_contracts import assert_same
from .pretend import PretendTensor, needs_pretence, pretend, unwrapped

pytestmark = needs_pretence


def refused(call: Callable[[Tensor, Tensor], Any], reason: str) -> Any:
    return pytest.param(call, reason, id=reason)


# `x` is on the GPU, `y` on the CPU, both of shape (3, 4).
REFUSED = [
    (lambda x, y: x + y, "same device"),
    (lambda x, y: x @ y.T, "same device"),
    (lambda x, y: torch.cat([x, y]), "same device"),
    (lambda x, y: torch.stack([x[0, 0], y[0, 0]]), "same device"),
    (lambda x, y: torch.where(x > 0, x, y), "same device"),
    (lambda x, y: y[x[0].long()], "same device"),
    (lambda x, y: x.index_put_((torch.tensor([0]),), y[0]), "same device"),
    (lambda x, y: x.lerp(x, y[0]), "same device"),
    (lambda x, y: nn.Linear(4, 2)(x), "same device"),
    (lambda x, y: x.numpy(), "can't convert cuda"),
    (lambda x, y: np.asarray(x), "can't convert cuda"),
    (lambda x, y: torch.rand(3, generator=torch.Generator("cuda")), "for generator"),
    (lambda x, y: torch.rand(3, generator=torch.Generator(), device="cuda"), "for generator"),
    (lambda x, y: x.normal_(generator=torch.Generator()), "for generator"),
    (lambda x, y: setattr(nn.Linear(4, 3).to("cuda").weight, "data", y), "can not be set"),
]


@pytest.mark.parametrize("call, reason", REFUSED)
def test_devices_do_not_mix(call: Callable[[Tensor, Tensor], Any], reason: str) -> None:
    with pretend(), pytest.raises((RuntimeError, TypeError), match=reason):
        call(torch.ones(3, 4, device="cuda"), torch.ones(3, 4))


ACCEPTED = [
    lambda x, y: x + y[0, 0],
    lambda x, y: torch.where(x > 0, x, torch.tensor(0.0)),
    lambda x, y: x.masked_fill(x > 0, torch.tensor(2.0)),
    lambda x, y: x[torch.tensor([0, 2])],
    lambda x, y: x[[True, False, True]],
    lambda x, y: x.copy_(y),
    lambda x, y: x.index_put_((torch.tensor([0]),), y[0, 0]),
    lambda x, y: x.new_tensor([1.0]) + x,
    lambda x, y: torch.tensor([1.0, 2.0], device=x.device),
    lambda x, y: torch.zeros(3).to(x),
    lambda x, y: torch.func.grad(lambda a: a.new_zeros(3, 1).add(a).square().sum())(x),
    lambda x, y: torch.rand(3, generator=torch.Generator("cuda").manual_seed(1), device="cuda"),
]


@pytest.mark.parametrize("call", ACCEPTED)
def test_what_a_gpu_accepts_is_computed_there(call: Callable[[Tensor, Tensor], Tensor]) -> None:
    with pretend():
        out = call(torch.full((3, 4), 3.0, device="cuda"), torch.ones(3, 4))
        assert isinstance(out, PretendTensor)
        assert (out.device.type, out.is_cuda, out.cpu().is_cuda) == ("cuda", True, False)
        assert type(out.cpu()) is Tensor


def test_a_network_learns_as_on_the_cpu_and_keeps_its_parameters() -> None:
    def trained(device: str) -> dict[str, Tensor]:
        torch.manual_seed(0)
        layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Linear(8, 1)
        network = nn.Sequential(*layers)
        before = list(network.parameters())
        network.to(device)
        assert all(a is b for a, b in zip(before, network.parameters(), strict=True))
        optimizer = torch.optim.Adam(network.parameters(), fused=True)
        x = torch.randn(6, 4, generator=torch.Generator(device).manual_seed(0), device=device)
        for _ in range(3):
            optimizer.zero_grad()
            network(x)[:4].square().mean().backward()
            optimizer.step()
        assert copy.deepcopy(network)[0].weight.device.type == device
        return network.state_dict()

    with pretend():
        on_gpu = trained("cuda")
        file = io.BytesIO()
        torch.save(on_gpu, file)
    assert_same(unwrapped(on_gpu), trained("cpu"))
    # On disk, tensors are those of the CPU.
    file.seek(0)
    assert_same(dict(torch.load(file, weights_only=True)), unwrapped(on_gpu))


def test_nothing_is_left_behind() -> None:
    generator, available = torch.Generator, torch.cuda.is_available
    with pretend():
        assert torch.cuda.is_available()
    assert torch.Generator is generator
    assert torch.cuda.is_available is available
    assert not torch.__future__.get_swap_module_params_on_conversion()
