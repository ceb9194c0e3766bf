r"""When a trainer has nothing to do between a loss and an optimizer's step.

Then both are called directly. Lightning's way around them, with its hooks and profiler contexts for
every callback, takes a noticeable part of a small network's step (`python -m benchmarks.step`).
"""

from __future__ import annotations

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.model_helpers import is_overridden

HOOKS = (
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
)


def no_hooks_between(trainer: Trainer) -> bool:
    r"""Returns whether a trainer scales no gradients, reduces none over processes, and has no
    callback that wants to see them."""
    scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
    watched = any(
        is_overridden(hook, callback, parent=Callback)
        for callback in trainer.callbacks
        for hook in HOOKS
    )
    return type(trainer.strategy) is SingleDeviceStrategy and not scaled and not watched
