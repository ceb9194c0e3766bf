r"""Whether anything happens between a loss and an optimizer's step.

If not, both are called directly. Lightning's calls, with hooks and profiler contexts for every
callback, take a noticeable part of the step of a small network (`python -m benchmarks.step`).
"""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.model_helpers import is_overridden

_HOOKS = (
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
)
# What a subclass of a method may override. `on_before_optimizer_step` is called in any case.
_OWN_HOOKS = ("on_before_backward", "backward", "on_after_backward")


def no_hooks_between(trainer: Trainer) -> bool:
    r"""Returns whether gradients need no scaling, no reduction over processes, and no hook."""
    scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
    watched = any(
        is_overridden(hook, callback, parent=Callback)
        for callback in trainer.callbacks
        for hook in _HOOKS
    ) or any(
        is_overridden(hook, trainer.lightning_module, parent=LightningModule)
        for hook in _OWN_HOOKS
    )
    return type(trainer.strategy) is SingleDeviceStrategy and not scaled and not watched
