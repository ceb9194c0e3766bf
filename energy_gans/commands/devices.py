r"""Devices, and the processes that `torchrun` starts for one command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed


def resolve_device(device: str) -> str:
    r"""Returns the name of a device; `"auto"` is the GPU if there is one, and else the CPU.

    Raises:
        ValueError: If there is no such device.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"'device' should be auto, cpu or a GPU that is there, got {device!r}."
        ) from error
    return device


@contextmanager
def process_group(device: str) -> Iterator[torch.device]:
    r"""Joins the processes that `torchrun` started, and yields the device of this process.

    Processes that have joined already, for a training, stay together.

    Yields:
        The device of this process.
    """
    device = resolve_device(device)
    joined = torch.distributed.is_available() and torch.distributed.is_initialized()
    many = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not joined
    if many and device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    # The stamps of numbers say that features are float32.
    tf32, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    if many:
        torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield torch.device(device)
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
        if many:
            torch.distributed.destroy_process_group()
