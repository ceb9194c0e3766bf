r"""Compilation of the trained networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import torch.nn as nn
from lightning.pytorch import Callback, Trainer

from ..methods import GenerativeModule

Mode = Literal["default", "reduce-overhead", "max-autotune"]


class Compile(Callback):
    r"""Compiles the trained networks for the time of a run, each by itself.

    The first steps take seconds to minutes longer. Weights keep their names, so that checkpoints
    of runs with and without the callback fit each other. Compiled networks round differently: a
    run equals one without the callback up to rounding errors, and is resumed bit for bit with it.

    Networks can not be compiled where a loss contains their gradient. Methods that compute it by
    themselves have the argument `compile_gradient` instead.

    Arguments:
        mode: The mode of :func:`torch.compile`; `"reduce-overhead"` records CUDA graphs on a GPU,
            and needs more memory there.

    Raises:
        ValueError: If `mode` is unknown or, when a run starts, if a loss of the method contains
            the gradient of a network.
    """

    def __init__(self, mode: Mode = "default") -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"'mode' should be one of {', '.join(get_args(Mode))}, got {mode!r}.")
        self.mode = mode

    def on_train_start(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        if pl_module.has_gradient_in_loss:
            raise ValueError(
                f"'Compile' does not fit {type(pl_module).__name__} with these arguments: its "
                "losses contain the gradient of a network. Set 'compile_gradient' to true if the "
                "method has that argument, or leave the callback out."
            )
        for network in _called_networks(pl_module):
            network.compile(mode=self.mode)

    def teardown(self, trainer: Trainer, pl_module: GenerativeModule, stage: str) -> None:
        for network in _called_networks(pl_module):
            network._compiled_call_impl = None


def _called_networks(model: GenerativeModule) -> Iterator[nn.Module]:
    r"""Yields the trained networks; of a list, which is never called itself, its networks."""
    for network, *_ in model.trained:
        yield from network if isinstance(network, nn.ModuleList) else [network]
