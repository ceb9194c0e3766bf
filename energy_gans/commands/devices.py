r"""Joining the processes that `torchrun` started, for commands that share out their work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed


def resolve_device(device: str) -> str:
    r"""Returns a device, the GPU if there is one for `"auto"`.

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
    r"""Joins the processes that `torchrun` started, and gives the device of this one."""
    device = resolve_device(device)
    many = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if many and device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    # Features are said to be float32.
    tf32, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    if many:
        torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield torch.device(device)
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
        if many:
            torch.distributed.destroy_process_group()
