r"""Stand-ins for what torch asks the driver of a GPU, for :mod:`.pretend`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest import mock

import torch

CUDA = torch.device("cuda", 0)
GENERATORS = torch.Generator
# It looks at the functions of torch.cuda when it is imported, which must not be stand-ins then.
importlib.import_module("torch._dynamo")


class _AnyGenerator(type(GENERATORS)):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, GENERATORS)


class PretendGenerator(GENERATORS, metaclass=_AnyGenerator):
    r"""Stands in for `torch.Generator`: one of the GPU draws the numbers of the CPU."""

    def __new__(cls, device: torch.device | str = "cpu") -> torch.Generator:
        kind = torch.device(device).type
        return GENERATORS() if kind == "cpu" else GENERATORS.__new__(cls)

    device = property(lambda self: CUDA)


def stand_ins() -> dict[str, Callable]:
    r"""Returns the functions of `torch.cuda` that ask for a driver, without one."""

    def nothing(*args: object, **kwargs: object) -> None:
        return None

    idle = ("_lazy_init", "set_device", "synchronize", "empty_cache", "manual_seed")
    idle += ("manual_seed_all", "set_rng_state", "set_rng_state_all")
    return dict.fromkeys(idle, nothing) | {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda *args, **kwargs: True,
        "is_current_stream_capturing": lambda: False,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_capability": lambda device=None: (8, 0),
        "get_device_name": lambda device=None: "pretended",
        "get_rng_state": lambda device=0: torch.get_rng_state(),
        "get_rng_state_all": list,
    }


@contextmanager
def without_driver() -> Iterator[None]:
    r"""Lets torch believe that there is a GPU, for what it asks the driver."""
    swap = torch.__future__.get_swap_module_params_on_conversion()
    stream = SimpleNamespace(is_capturing=lambda: False)
    with ExitStack() as stack:
        if hasattr(torch, "accelerator"):
            current = mock.patch.object(torch.accelerator, "current_stream", lambda: stream)
            stack.enter_context(current)
        for name, function in stand_ins().items():
            stack.enter_context(mock.patch.object(torch.cuda, name, function))
        stack.enter_context(mock.patch.object(torch, "Generator", PretendGenerator))
        # Parameters stay the objects that they are, as they do on their way to a GPU.
        stack.callback(torch.__future__.set_swap_module_params_on_conversion, swap)
        torch.__future__.set_swap_module_params_on_conversion(True)
        yield
